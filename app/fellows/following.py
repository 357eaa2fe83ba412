"""Settings that are changed while several processes serve a chat: what holds at home holds in all.

A home tells with each sign of life how often settings were changed there. A door that hears of a
change asks which, and lets them be the same. One that begins later has what its settings say.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from andiron.api.errors import UnavailableError
from andiron.api.settings import Changeable
from andiron.cluster.hello import Hello
from andiron.fellows.own_code import AskHome
from andiron.http_api.asking import Question
from andiron.http_api.operations import PREFIX
from andiron.http_api.problems import error_of

__all__ = ["Following"]

_CHANGES: Final = "changes"
"""The name of what a home tells of how often settings were changed there."""
_PATH: Final = "/changed-settings/{after}"
_DONE: Final = 200
_VALUES: Final = TypeAdapter(dict[str, Any])


class Following:
    """The changes of an application's settings in one process, which may be home or not."""

    def __init__(self, application: Changeable, ask: AskHome) -> None:
        self._application = application
        self._ask = ask
        self._number = 0
        self._changed: dict[str, int] = {}
        """By which change each setting was changed last."""
        self._heard: tuple[Hello | None, int] = (None, 0)
        """Which process is home, and how many changes there are known here."""

    def note(self, names: Iterable[str]) -> None:
        """Hear that settings were changed here."""
        self._number += 1
        self._changed |= dict.fromkeys(names, self._number)

    # At home

    def tell(self) -> Mapping[str, Any]:
        """Return what the others are told."""
        return {_CHANGES: self._number}

    def route(self) -> Route:
        """Return what answers which settings were changed, and what they are."""

        async def answer(request: Request) -> Response:
            after = int(request.path_params["after"])
            settings = self._application.settings
            changed = [name for name, number in self._changed.items() if number > after]
            return JSONResponse({name: getattr(settings, name) for name in changed}, _DONE)

        return Route(PREFIX + _PATH, answer)

    # Elsewhere

    def hear(self, home: Hello, told: Mapping[str, Any]) -> None:
        """Take what the process that is home tells; what it changed before that is not followed."""
        number = told.get(_CHANGES)
        if not isinstance(number, int):
            return
        (former, known), self._heard = self._heard, (home, number)
        if former == home and known < number:
            self._ask.begin(
                self._follow(home, known), "to follow the settings of the process at home"
            )

    async def _follow(self, home: Hello, after: int) -> None:
        question = Question("GET", _PATH.format(after=after), {}, None)
        try:
            answer = await self._ask(question, again=False)
        except UnavailableError:
            # Where that one is home still, its next sign of life has it asked again.
            heard, number = self._heard
            if heard == home:
                self._heard = (home, min(number, after))
            raise
        if answer is None:
            return  # This process is home by now.
        status, content = answer
        if status != _DONE:
            raise error_of(status, content)
        application = self._application
        changed = _VALUES.validate_json(content)
        mine = {name: value for name, value in changed.items() if name in application.changeable}
        application.apply(application.settings.replaced(**mine))
