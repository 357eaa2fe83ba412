"""The server that runs with these settings, or at a URL: how commands reach it, and its API."""

import http.client
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast
from urllib.parse import urlencode, urlsplit

import click

from andiron.api.api import Api
from andiron.api.errors import ApiError, UnauthorizedError
from andiron.http_api.asking import Question, answered, asked
from andiron.http_api.operations import PREFIX, operation_of
from andiron.http_api.problems import PROBLEM
from andiron.http_api.tokens import api_tokens
from andiron.settings import Settings

__all__ = ["Place", "There", "at_url"]

P = ParamSpec("P")
T = TypeVar("T")

_EVERY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked by loopback
_PATIENCE: Final = 30.0
"""Seconds that an answer may take."""

at_url = click.option(
    "--url",
    metavar="URL",
    default="",
    help="Ask the application that is mounted there, as https://www.example.org/chat, in place of"
    " the server that the settings describe.",
)
"""The option of commands that ask a server."""


class Place:
    """Where a server answers."""

    def __init__(self, settings: Settings, url: str = "") -> None:
        """Take the settings that it runs with, or else its URL.

        Raises :class:`click.UsageError` for one that is none.
        """
        self._settings = settings
        try:
            self._url = urlsplit(url)
            port = self._url.port
        except ValueError:
            self._url, port = urlsplit("no:"), None
        if url and (self._url.scheme not in {"http", "https"} or not self._url.hostname):
            raise click.UsageError("The URL is where the chat is mounted: https://example.org/chat")
        self._port = port
        self._socket = "" if url else settings.socket

    def __str__(self) -> str:
        settings = self._settings
        if self._url.hostname:
            return self._url.geturl()
        return self._socket or f"{settings.host} port {settings.port}"

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        patience: float = _PATIENCE,
    ) -> tuple[int, str, bytes]:
        """Return the status, the media type and the body of an answer.

        Raises :class:`click.ClickException` where nobody answers within ``patience`` seconds,
        or nobody who can be trusted.
        """
        connection = self._connection(patience)
        try:
            if self._socket:
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.settimeout(patience)
                connection.sock.connect(self._socket)
            # It is asked by whatever address, and takes requests for its own names only.
            named = {} if self._url.hostname else {"Host": "localhost"}
            where = self._url.path.rstrip("/") + path
            connection.request(method, where, body, {**named, **(headers or {})})
            response = connection.getresponse()
            return response.status, response.headers.get_content_type(), response.read()
        except ssl.SSLCertVerificationError as error:
            raise click.ClickException(
                f"The certificate at {self} is not trusted here ({error.verify_message})."
            ) from None
        except OSError as error:
            raise click.ClickException(
                f"Nobody answers at {self} ({error.strerror or error})."
            ) from None
        except http.client.HTTPException as error:
            raise click.ClickException(
                f"What answers at {self} is no web server ({error})."
            ) from None
        finally:
            connection.close()

    def _connection(self, patience: float) -> http.client.HTTPConnection:
        settings, url = self._settings, self._url
        if url.hostname:
            secure = url.scheme == "https"
            kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            return kind(url.hostname, self._port, timeout=patience)
        host = _EVERY_ADDRESS.get(settings.host, settings.host)
        return http.client.HTTPConnection(host, settings.port, timeout=patience)


class There:
    """The API of a server. Raises :class:`click.ClickException` where the token is missing."""

    def __init__(self, settings: Settings, url: str = "") -> None:
        self.place = Place(settings, url)
        tokens = api_tokens(settings)
        if not tokens:
            raise click.ClickException(
                "The server is asked by its API, which needs a token: let the settings of both,"
                " the server and this command, have the same api_token (ANDIRON_API_TOKEN), such"
                " as openssl rand -hex 32 gives."
            )
        self._token = tokens[0]

    def ask(
        self,
        method: Callable[Concatenate[Api, P], Coroutine[Any, Any, T]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Return what a method of the API returns there.

        Raises :class:`click.ClickException` with what is wrong, in a sentence.
        """
        operation = operation_of(method)
        try:
            question = asked(operation, args, kwargs)
            return cast("T", answered(operation, *self._answer(question)))
        except UnauthorizedError:
            raise click.ClickException(
                f"The server at {self.place} has another api_token (ANDIRON_API_TOKEN) than this"
                " command: give both the same."
            ) from None
        except ApiError as error:
            raise click.ClickException(str(error)) from None

    def _answer(self, question: Question) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self._token}"}
        if question.body is not None:
            headers["Content-Type"] = "application/json"
        path = PREFIX + question.path
        if question.query:
            path += f"?{urlencode(question.query)}"
        status, kind, content = self.place.request(
            question.method, path, body=question.body, headers=headers
        )
        if status == http.client.NOT_FOUND and kind != PROBLEM:
            raise click.ClickException(
                f"The server at {self.place} has no API there: start it with an api_token"
                " (ANDIRON_API_TOKEN), the same that this command has; if it has that, it is"
                " mounted elsewhere (--url)."
            )
        return status, content
