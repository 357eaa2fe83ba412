"""What the site's own code is given where the application is one of several processes.

Whichever of them is home, it does the same: what cannot be done here is asked of the home.
"""

import asyncio
import inspect
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import update_wrapper
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from andiron.api.access import Access
from andiron.api.api import Api
from andiron.domain.database.database import DatabaseError
from andiron.domain.owners import NoSuchAccount
from andiron.fellows.own_code import AskHome
from andiron.http_api.asking import Question, answered, asked
from andiron.http_api.operations import OPERATIONS, PREFIX, Operation
from andiron.http_api.problems import error_of
from andiron.people import People

__all__ = ["AnywhereApi", "AnywherePeople", "people_route"]


class AnywhereApi(Api):
    """The API in a process that may be home or not: every method of it."""

    def __init__(self, access: Access, ask: AskHome) -> None:
        super().__init__(access)
        self._ask = ask


def _of_api(operation: Operation) -> Callable[..., Coroutine[Any, Any, Any]]:
    at_home = operation.function

    async def do(self: AnywhereApi, /, *args: Any, **kwargs: Any) -> Any:
        if not self._access.at_home:
            question = asked(operation, args, kwargs)
            answer = await self._ask(question, again=not operation.changes)
            if answer is not None:
                return answered(operation, *answer)
        return await at_home(self, *args, **kwargs)

    return update_wrapper(do, at_home)


for _operation in OPERATIONS:
    setattr(AnywhereApi, _operation.name, _of_api(_operation))


# The accounts as the site sees them

_LOOKING: Final = frozenset({"disabled", "groups", "members"})
_CHANGING: Final = frozenset(
    {"disable", "enable", "add_to_group", "remove_from_group", "delete_group"}
)
_FORGETTING: Final = "contacts_changed"
_DONE: Final = 200
_RAISED: Final = 409
_ERRORS: Final[Mapping[str, type[Exception]]] = {
    "value": ValueError,
    "account": NoSuchAccount,
    "database": DatabaseError,
}
"""What is raised, by the words that stand for it."""


class AnywherePeople(People):
    """The accounts in a process that may be home or not.

    ``here`` gives them where this process is home, and else those of no application that runs.
    """

    def __init__(
        self, domain: str, here: Callable[[], People], access: Access, ask: AskHome
    ) -> None:
        super().__init__(domain, None)
        self._here = here
        self._access = access
        self._ask = ask

    def contacts_changed(self, *names: str) -> None:
        """Do as at home, in the background."""
        self._here().contacts_changed(*names)
        if not self._access.at_home:
            self._ask.begin(self._do(_FORGETTING, names), "chat.people.contacts_changed")

    async def _do(self, method: str, args: Sequence[str]) -> Any:
        if not self._access.at_home:
            content = json.dumps(args).encode()
            question = Question("POST", f"/people/{method}", {}, content)
            answer = await self._ask(question, again=method not in _CHANGING)
            if answer is not None:
                return _returned(*answer)
        return await _done(self._here(), method, args)

    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._access.loop if self._access.running else super()._loop()


def _of_people(name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    at_home = getattr(People, name)
    signature = inspect.signature(at_home)

    async def do(self: AnywherePeople, /, *args: str, **kwargs: str) -> Any:
        return await self._do(name, signature.bind(self, *args, **kwargs).args[1:])

    return update_wrapper(do, at_home)


for _name in _LOOKING | _CHANGING:
    setattr(AnywherePeople, _name, _of_people(_name))


def people_route(people: Callable[[], People]) -> Route:
    """Return what answers at home what is asked of :class:`AnywherePeople` elsewhere."""

    async def answer(request: Request) -> Response:
        method = request.path_params["method"]
        try:
            result = await _done(people(), method, await request.json())
        except tuple(_ERRORS.values()) as error:
            word = next(word for word, kind in _ERRORS.items() if isinstance(error, kind))
            return JSONResponse([word, str(error)], _RAISED)
        return JSONResponse(result, _DONE)

    return Route(f"{PREFIX}/people/{{method}}", answer, methods=["POST"])


async def _done(people: People, method: str, args: Sequence[str]) -> Any:
    if method == _FORGETTING:
        return people.contacts_changed(*args)
    if method not in _LOOKING | _CHANGING:
        raise ValueError(f"there is no {method}")
    return await getattr(people, method)(*args)


def _returned(status: int, content: bytes) -> Any:
    """Return what an answer says, or raise it."""
    if status == _RAISED:
        word, sentence = json.loads(content)
        raise _ERRORS[word](sentence)
    if status != _DONE:
        raise error_of(status, content)
    return json.loads(content)
