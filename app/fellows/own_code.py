"""What the site's own code asks in a process that is not home: it is answered there.

It goes to the home as a call of ASGI, as requests do, and is told of as :data:`.OWN`, which only
processes of this chat can say to each other. At home routes of its own answer it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Final
from urllib.parse import unquote, urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Router
from starlette.types import Scope

from andiron.api.access import Access
from andiron.api.api import Api
from andiron.api.errors import InvalidError, UnavailableError
from andiron.cluster.door import HomeLink, HomeLostError, TooLargeError
from andiron.fellows.doorway import Doorway
from andiron.http_api.admission import Caller
from andiron.http_api.asking import Question
from andiron.http_api.endpoint import api_routes
from andiron.http_api.operations import PREFIX
from andiron.people import runs_here
from andiron.web.told import OWN
from andiron.websocket.handshake import Refusal

__all__ = ["NOT_HOME", "Answer", "AskHome", "own_code"]

logger = logging.getLogger("andiron")

Answer = tuple[int, bytes]
"""The status of an answer, and its content."""

_PATIENCE: Final = 30.0
"""Seconds that an answer may take."""
NOT_HOME: Final = Refusal(421, "This process is not home any more.\n")
"""What is answered where nothing was begun, so that the next home may be asked the same."""


class _Everybody:
    """Lets everybody in: nobody else can ask."""

    async def admit(self, request: Request) -> Caller | Response:  # noqa: ARG002
        """Return who asks."""
        return Caller("the site's own code", "", audited=False)


def own_code(api: Api, others: Iterable[BaseRoute], most: int) -> Router:
    """Return what answers at home what the site's code asks elsewhere.

    That is the API, where ``most`` is how many bytes it may ask in, and ``others``.
    """
    return Router([*others, *api_routes(api, _Everybody(), most)], redirect_slashes=False)


class AskHome:
    """Has the process that is home answer what the site's code asks in this one.

    ``serving`` is a context for as long as that takes, for which an end waits.
    """

    def __init__(self, access: Access, serving: Callable[[], AbstractContextManager[None]]) -> None:
        self._access = access
        self._serving = serving
        self._doorway: Doorway | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def through(self, doorway: Doorway | None) -> None:
        """Ask through a doorway from now on; None: the application runs no more."""
        self._doorway = doorway

    async def __call__(self, question: Question, *, again: bool) -> Answer | None:
        """Return the answer; None where this process is to answer itself, or does not run.

        It waits for a home as requests do. ``again`` says that the next home may be asked the
        same where nobody knows whether a former one has answered.
        Raises :class:`~andiron.api.errors.ApiError`, and RuntimeError on another event loop.
        """
        if self._doorway is None:
            return None
        self._access.check_loop()
        try:
            with self._serving():
                async with asyncio.timeout(_PATIENCE):
                    return await self._asked(self._doorway, question, again=again)
        except TimeoutError:
            raise UnavailableError(
                f"The process that is home has not answered in {_PATIENCE:g} s."
                " What was asked may be done all the same."
            ) from None

    async def _asked(self, doorway: Doorway, question: Question, *, again: bool) -> Answer | None:
        scope = _scope(question)
        size = len(scope["query_string"]) + len(question.path) + len(question.body or b"")
        while True:
            home = await doorway.answered_by(size)
            if isinstance(home, Refusal):
                raise UnavailableError(
                    "No process of this chat is home at the moment, or it does not answer."
                    " Nothing was done: try again."
                )
            if not isinstance(home, HomeLink):
                return None
            call = _Call(question.body)
            try:
                await home.relay(scope, {OWN: True}, call.receive, call.send, held=False)
            except TooLargeError:
                raise InvalidError("What was asked is too long.") from None
            except HomeLostError:
                pass
            if call.answered:
                if call.status != NOT_HOME.status:
                    return call.status, bytes(call.content)
            elif home.open or not again:
                raise UnavailableError(
                    "The process that is home has ended, or could not answer."
                    " What was asked may be done all the same."
                )

    def begin(self, work: Coroutine[Any, Any, object], what: str) -> None:
        """Do something for code on whichever thread that does not wait for it.

        The log tells where ``what`` failed. While the application does not run nothing is done.
        """
        if self._doorway is None:
            work.close()
            return
        loop = self._access.loop
        if runs_here(loop):
            self._begin(work, what)
        else:
            loop.call_soon_threadsafe(self._begin, work, what)

    def _begin(self, work: Coroutine[Any, Any, object], what: str) -> None:
        task = asyncio.get_running_loop().create_task(self._do(work, what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do(self, work: Coroutine[Any, Any, object], what: str) -> None:
        try:
            with self._serving():
                await work
        except Exception as error:  # noqa: BLE001 - nobody else hears of it
            logger.error("%s: this was not done, or may not be: %s", what, error)  # noqa: TRY400


class _Call:
    """A call of ASGI that asks once and takes the answer."""

    def __init__(self, body: bytes | None) -> None:
        self._coming: list[MutableMapping[str, Any]] = [
            {"type": "http.request", "body": body or b"", "more_body": False}
        ]
        self.status = 0
        self.content = bytearray()
        self.answered = False
        """Whether all of the answer is there."""

    async def receive(self) -> MutableMapping[str, Any]:
        """Return the question, and then nothing for as long as the answer takes."""
        if not self._coming:
            await asyncio.Event().wait()
        return self._coming.pop()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Take some of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.content += message.get("body", b"")
            self.answered = not message.get("more_body", False)


def _scope(question: Question) -> Scope:
    path = PREFIX + question.path
    return {
        "type": "http",
        "http_version": "1.1",
        "method": question.method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": urlencode(question.query).encode(),
        "headers": [(b"content-type", b"application/json")],
    }
