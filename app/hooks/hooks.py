"""Where the site's code says what it wants to know of the chat, and to decide."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any, Literal, TypeVar, overload

from andiron.hooks.values import Message, Refuse, RoomEvent, RoomMessage, SignIn, SignOff, Started

__all__ = ["Decision", "Failing", "Hooks", "MessageHook", "Observer", "is_async"]

E = TypeVar("E")

Observer = Callable[[E], Awaitable[object]]
"""Is told of an event; what it returns is nobody's."""
Decision = Callable[[Message], Awaitable[str | Refuse | None]]
"""Lets a message go (None), gives it another body, or refuses it."""
Failing = Literal["refuse", "deliver"]


@dataclass(frozen=True, slots=True)
class MessageHook:
    """Who decides about messages, and what becomes of them when that fails."""

    decide: Decision
    on_failure: Failing


def is_async(function: Any) -> bool:
    """Tell whether this is an async function, or an object that is called as one."""
    return iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)


@dataclass(slots=True)
class Hooks:
    """Async functions of the site, by what they are asked or told; to be given before the start.

    Each method is a decorator, and may be used for any number of functions. Of several processes
    (``cluster``) they are called in the one that is home, and in no other.
    """

    messages: list[MessageHook] = field(default_factory=list)
    observers: dict[str, list[Observer[Any]]] = field(default_factory=dict)
    running: int = 0
    """In how many applications they are at work."""

    @overload
    def message(self, function: Decision) -> Decision: ...

    @overload
    def message(self, *, on_failure: Failing = ...) -> Callable[[Decision], Decision]: ...

    def message(
        self, function: Decision | None = None, *, on_failure: Failing = "refuse"
    ) -> Decision | Callable[[Decision], Decision]:
        """Decide about each message of a client before it goes its way.

        The function returns None to let it go, a text to be its body, or :class:`Refuse`. When
        it fails, or takes longer than ``hook_timeout``, the message is refused, or let
        go with ``on_failure="deliver"``.
        """

        def add(function: Decision) -> Decision:
            if on_failure not in ("refuse", "deliver"):
                raise ValueError("on_failure is 'refuse' or 'deliver'")
            self._check(function)
            self.messages.append(MessageHook(function, on_failure))
            return function

        return add if function is None else add(function)

    def started(self, function: Observer[Started]) -> Observer[Started]:
        """Be told when the application has started: the moment for bots, on its event loop."""
        return self._observe("started", function)

    def sign_in(self, function: Observer[SignIn]) -> Observer[SignIn]:
        """Be told when a client has signed in."""
        return self._observe("sign_in", function)

    def sign_off(self, function: Observer[SignOff]) -> Observer[SignOff]:
        """Be told when a session has ended for good."""
        return self._observe("sign_off", function)

    def room_created(self, function: Observer[RoomEvent]) -> Observer[RoomEvent]:
        """Be told when there is a new room."""
        return self._observe("room_created", function)

    def room_destroyed(self, function: Observer[RoomEvent]) -> Observer[RoomEvent]:
        """Be told when a room is no more."""
        return self._observe("room_destroyed", function)

    def room_joined(self, function: Observer[RoomEvent]) -> Observer[RoomEvent]:
        """Be told when somebody has entered a room."""
        return self._observe("room_joined", function)

    def room_left(self, function: Observer[RoomEvent]) -> Observer[RoomEvent]:
        """Be told when somebody has left a room, with the last session."""
        return self._observe("room_left", function)

    def room_message(self, function: Observer[RoomMessage]) -> Observer[RoomMessage]:
        """Be told what was said to all in a room, by whomever."""
        return self._observe("room_message", function)

    def _observe(self, kind: str, function: Observer[E]) -> Observer[E]:
        self._check(function)
        self.observers.setdefault(kind, []).append(function)
        return function

    def _check(self, function: Callable[..., Any]) -> None:
        if self.running:
            raise RuntimeError("hooks are given before the application starts")
        if not is_async(function):
            raise TypeError("a hook is an async function: async def …")
