"""The API for code in other processes: workers, scripts, sites that run elsewhere.

It is that of :class:`andiron.api.api.Api`, over HTTP with a token. Needs httpx:
``pip install 'andiron[remote]'``.
"""

from collections.abc import Callable, Coroutine
from functools import update_wrapper
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast

from andiron.api.api import Api
from andiron.api.errors import UnavailableError
from andiron.api.sync import Waiting
from andiron.http_api.asking import Question, answered, asked
from andiron.http_api.operations import PREFIX, operation_of

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


def _awaited(
    method: Method[P, T],
) -> Callable[Concatenate["AsyncChat", P], Coroutine[Any, Any, T]]:
    """Return the coroutine method that asks the server."""
    operation = operation_of(method)

    async def ask(self: "AsyncChat", /, *args: P.args, **kwargs: P.kwargs) -> T:
        request = _request(asked(operation, args, kwargs))
        try:
            response = await self._http.request(**request)
        except httpx.HTTPError as error:
            raise _unreached(error) from error
        return cast("T", answered(operation, response.status_code, response.content))

    return update_wrapper(ask, method)


class Chat(Waiting):
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

    def _wait(self, method: Method[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        operation = operation_of(method)
        request = _request(asked(operation, args, kwargs))
        try:
            response = self._http.request(**request)
        except httpx.HTTPError as error:
            raise _unreached(error) from error
        return cast("T", answered(operation, response.status_code, response.content))


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
    announce = _awaited(Api.announce)
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
    session_page = _awaited(Api.session_page)
    session = _awaited(Api.session)
    end_session = _awaited(Api.end_session)
    start_trace = _awaited(Api.start_trace)
    trace = _awaited(Api.trace)
    stop_trace = _awaited(Api.stop_trace)
    presence = _awaited(Api.presence)
    disabled_accounts = _awaited(Api.disabled_accounts)
    disable_account = _awaited(Api.disable_account)
    enable_account = _awaited(Api.enable_account)
    processes = _awaited(Api.processes)
    settings = _awaited(Api.settings)
    change_setting = _awaited(Api.change_setting)


def _base(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise ValueError("the url is where the chat is mounted, as https://example.org/chat")
    return url.rstrip("/") + PREFIX


def _headers(token: str) -> dict[str, str]:
    if not token:
        raise ValueError("the token is one of the setting api_token")
    return {"Authorization": f"Bearer {token}"}


def _request(question: Question) -> dict[str, Any]:
    """Return what httpx is to ask."""
    request = {"method": question.method, "url": question.path}
    if question.body is not None:
        headers = {"Content-Type": "application/json"}
        return {**request, "content": question.body, "headers": headers}
    return {**request, "params": question.query}


def _unreached(error: httpx.HTTPError) -> UnavailableError:
    done = (
        ""
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        else (" What was asked may be done all the same.")
    )
    return UnavailableError(f"The server has not answered: {error or type(error).__name__}.{done}")
