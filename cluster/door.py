"""A door's end of a connection: calls are relayed to the home, and what it says is passed on."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from andiron.cluster.frames import FrameError, Kind
from andiron.cluster.hello import Hello
from andiron.cluster.line import Line
from andiron.cluster.link import LARGEST, Ended, Link, Tell, TooLargeError
from andiron.cluster.messages import Receive, Scope, Send, read_answer, write_scope
from andiron.cluster.question import Asker, Question
from andiron.cluster.relayed import HandOver, HomeLostError, Relayed

__all__ = ["Asker", "HandOver", "HomeLink", "HomeLostError", "Line", "Question", "TooLargeError"]

_CALLS: Final = 2**32


class HomeLink(Link):
    """A door's connection to the home; ``limit`` is how many bytes a message may have.

    ``changed`` is called when the home has said who it is, or that it leaves, when it begins to
    stand still or goes on, when it keeps up again, and at the end.
    """

    def __init__(
        self,
        own: Hello,
        limit: int,
        changed: Callable[[], object],
        tell: Tell = dict,
    ) -> None:
        super().__init__(own, LARGEST, limit, tell)
        self._changed = changed
        self._number = 0
        self.why_not = ""
        """Why this process cannot be a door of that home; empty where it can."""

    @property
    def open(self) -> bool:
        """Whether a call can begin."""
        there = self.transport is not None and self.other is not None
        return there and not (self.why_not or self.leaving)

    async def relay(
        self,
        scope: Scope,
        told: Mapping[str, Any],
        receive: Receive,
        send: Send,
        *,
        held: bool,
        hand_over: HandOver | None = None,
    ) -> None:
        """Have the home serve a call; return when it has, or the client is gone.

        ``told`` is passed on with the scope. ``held`` says that the answer may take long,
        without anything being done for it: such a request ends when this door is to.
        ``hand_over`` takes a WebSocket once it is accepted, and lets this return.
        Raises :class:`HomeLostError` where the client can be given another answer, and
        :class:`TooLargeError`; whatever ``receive`` and ``send`` raise ends the call.
        """
        written = self._written(scope, told)
        number, kind = self._next(), scope["type"]
        held = held or kind == "websocket"
        call = Relayed(self, number, kind, written, hand_over, held=held)
        self.open_calls[number] = call
        try:
            await call.run(receive, send)
        finally:
            if self.open_calls.get(number) is call:
                del self.open_calls[number]

    def ask(
        self, scope: Scope, told: Mapping[str, Any], body: bytes, asker: Asker, *, held: bool
    ) -> Question:
        """Have the home answer a request that has come whole, without ASGI here.

        Raises :class:`HomeLostError` and :class:`TooLargeError`, and then the asker is told
        nothing.
        """
        written = self._written(scope, told)
        number = self._next()
        question = Question(self, number, asker, held=held)
        question.ask(written, body)
        self.open_calls[number] = question
        return question

    def end_held(self) -> None:
        """End WebSockets and requests that are held: this door is about to end."""
        for call in list(self.open_calls.values()):
            if isinstance(call, Line | Question | Relayed) and call.held:
                call.break_off()

    def _written(self, scope: Scope, told: Mapping[str, Any]) -> bytes:
        if not self.open:
            raise HomeLostError
        written = write_scope(scope, told)
        if len(written) > self.limit:
            raise TooLargeError
        return written

    def _next(self) -> int:
        """Return a number for a call."""
        self._number = (self._number + 1) % _CALLS
        while self._number in self.open_calls:
            self._number = (self._number + 1) % _CALLS
        return self._number

    def done(self, call: int, *, failed: bool) -> None:  # noqa: ARG002 - the home's concern
        """Know a call no more."""
        self.open_calls.pop(call, None)

    # From the home

    def greeted(self) -> None:
        """Find out whether this process belongs there."""
        assert self.other is not None
        self.why_not = self.own.why_not(self.other)
        self.limit = min(self.limit, self.other.most)
        self._changed()

    def heard(self, kind: Kind, call: int, payload: bytes) -> None:
        """Take a frame."""
        if kind is Kind.LEAVING:
            self.leaving = True
            self._changed()
            return
        if kind is not Kind.END and kind is not Kind.ANSWER:
            raise FrameError(f"a home does not say {kind.name}")
        found = self.open_calls.get(call)
        if found is None:
            return  # Its client is gone.
        if kind is Kind.END:
            found.hear(Ended(payload != b"\0"), 0)
            return
        status, headers, body = read_answer(payload)
        found.hear({"type": "http.response.start", "status": status, "headers": headers}, 0)
        found.hear({"type": "http.response.body", "body": body}, 0)
        found.hear(Ended(failed=False), 0)

    def beat(self) -> None:
        """Let who waits look at :attr:`silent`."""
        self._changed()

    def resume_writing(self) -> None:
        """Let those go on who wait until the home keeps up."""
        super().resume_writing()
        self._changed()

    def ended(self) -> None:
        """Tell that it has."""
        self._changed()
