"""The API for code in other processes: workers, scripts, sites that run elsewhere.

It is that of :class:`andiron.api.api.Api`, over HTTP with a token. Needs httpx:
``pip install 'andiron[remote]'``.
"""

import inspect
import json
from collections.abc import Callable, Coroutine
from functools import update_wrapper
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast
from urllib.parse import quote

from pydantic import ValidationError

from andiron.api.api import Api
from andiron.api.errors import InvalidError, UnavailableError
from andiron.http_api.operations import PREFIX, Operation, operation_of
from andiron.http_api.problems import error_of

try:
    import httpx
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "andiron.remote needs httpx; install it with: pip install 'andiron[remote]'"
    ) from None

__all__ = ["AsyncChat", "Chat"]

P = ParamSpec("P")
T = TypeVar("T")
Method = Callable[Concatenate[Api, P], Coroutine[Any, Any, T]]

_PATIENCE = 30.0
"""Seconds that an answer may take, unless another time is given."""


def _waiting(method: Method[P, T]) -> Callable[Concatenate["Chat", P], T]:
    """Return the method that asks the server, and waits for it."""
    operation, signature = operation_of(method), inspect.signature(method)

    def ask(self: "Chat", /, *args: P.args, **kwargs: P.kwargs) -> T:
        request = _request(operation, signature, args, kwargs)
        try:
            response = self._http.request(**request)
        except httpx.HTTPError as error:
            raise _unreached(error) from error
        return cast("T", _result(operation, response))

    return update_wrapper(ask, method)


def _awaited(
    method: Method[P, T],
) -> Callable[Concatenate["AsyncChat", P], Coroutine[Any, Any, T]]:
    """Return the coroutine method that asks the server."""
    operation, signature = operation_of(method), inspect.signature(method)

    async def ask(self: "AsyncChat", /, *args: P.args, **kwargs: P.kwargs) -> T:
        request = _request(operation, signature, args, kwargs)
        try:
            response = await self._http.request(**request)
        except httpx.HTTPError as error:
            raise _unreached(error) from error
        return cast("T", _result(operation, response))

    return update_wrapper(ask, method)


class Chat:
    """The chat at ``url``, where the application is mounted, for code that does not await.

    May be used from several threads; :meth:`close` it at the end, or use it as a context.
    ``timeout`` is how many seconds an answer may take. Methods raise
    :class:`~andiron.api.errors.ApiError`, ``UnauthorizedError`` for a token that is wrong.
    """

    def __init__(self, url: str, token: str, *, timeout: float = _PATIENCE) -> None:
        self._http = httpx.Client(
            base_url=_base(url), headers=_headers(token), timeout=timeout, trust_env=False
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    send = _waiting(Api.send)
    notify = _waiting(Api.notify)
    rooms = _waiting(Api.rooms)
    room = _waiting(Api.room)
    create_room = _waiting(Api.create_room)
    change_room = _waiting(Api.change_room)
    destroy_room = _waiting(Api.destroy_room)
    members = _waiting(Api.members)
    set_member = _waiting(Api.set_member)
    invite = _waiting(Api.invite)
    occupants = _waiting(Api.occupants)
    say = _waiting(Api.say)
    set_subject = _waiting(Api.set_subject)
    archive = _waiting(Api.archive)
    add_to_archive = _waiting(Api.add_to_archive)
    delete_from_archive = _waiting(Api.delete_from_archive)
    sessions = _waiting(Api.sessions)
    end_sessions = _waiting(Api.end_sessions)
    presence = _waiting(Api.presence)


class AsyncChat:
    """:class:`Chat` for async code, on the event loop on which it is used.

    ``transport`` is httpx's, such as ``httpx.ASGITransport`` in tests.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = _PATIENCE,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=_base(url),
            headers=_headers(token),
            timeout=timeout,
            transport=transport,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    send = _awaited(Api.send)
    notify = _awaited(Api.notify)
    rooms = _awaited(Api.rooms)
    room = _awaited(Api.room)
    create_room = _awaited(Api.create_room)
    change_room = _awaited(Api.change_room)
    destroy_room = _awaited(Api.destroy_room)
    members = _awaited(Api.members)
    set_member = _awaited(Api.set_member)
    invite = _awaited(Api.invite)
    occupants = _awaited(Api.occupants)
    say = _awaited(Api.say)
    set_subject = _awaited(Api.set_subject)
    archive = _awaited(Api.archive)
    add_to_archive = _awaited(Api.add_to_archive)
    delete_from_archive = _awaited(Api.delete_from_archive)
    sessions = _awaited(Api.sessions)
    end_sessions = _awaited(Api.end_sessions)
    presence = _awaited(Api.presence)


def _base(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise ValueError("the url is where the chat is mounted, as https://example.org/chat")
    return url.rstrip("/") + PREFIX


def _headers(token: str) -> dict[str, str]:
    if not token:
        raise ValueError("the token is one of the setting api_token")
    return {"Authorization": f"Bearer {token}"}


def _request(
    operation: Operation,
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> dict[str, Any]:
    """Return what httpx is to ask. Raises :class:`InvalidError` for what no server takes."""
    arguments = signature.bind(None, *args, **kwargs).arguments
    del arguments["self"]
    path = operation.path
    for name in operation.in_path:
        path = path.replace(f"{{{name}}}", _segment(name, arguments.pop(name)))
    given = operation.of_call(arguments)
    request = {"method": operation.method, "url": path}
    try:
        content = json.dumps(given, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        code = ord(error.object[error.start])
        raise InvalidError(f"No text can have the character U+{code:04X}.") from None
    if operation.has_body:
        return {**request, "content": content, "headers": {"Content-Type": "application/json"}}
    query = {name: _written(value) for name, value in given.items() if value is not None}
    return {**request, "params": query}


def _segment(name: str, value: object) -> str:
    """Return a name as a part of a path; what would lead elsewhere is no name."""
    if not isinstance(value, str) or value in ("", ".", "..") or "/" in value:
        raise InvalidError(f"{name}: {str(value)[:100]!r} is no name.")
    try:
        return quote(value, safe="@")
    except UnicodeEncodeError:
        raise InvalidError(f"{name}: {value[:100]!r} is no name.") from None


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _result(operation: Operation, response: httpx.Response) -> Any:
    if response.status_code != operation.status:
        raise error_of(response.status_code, response.content)
    if operation.status == 204:
        return None
    try:
        return operation.result.validate_json(response.content)
    except ValidationError:
        raise UnavailableError(
            "What answers there is not this API: the url is where the chat is mounted."
        ) from None


def _unreached(error: httpx.HTTPError) -> UnavailableError:
    done = (
        ""
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        else (" What was asked may be done all the same.")
    )
    return UnavailableError(f"The server has not answered: {error or type(error).__name__}.{done}")
