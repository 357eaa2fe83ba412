"""A request at its door without ASGI: it has come whole, and so goes its answer."""

from typing import Final, Protocol

from andiron.cluster.frames import Kind
from andiron.cluster.link import Ended, Link, Said
from andiron.cluster.messages import GONE, Headers, write_message
from andiron.cluster.window import Window

__all__ = ["Asker", "Question"]

_GONE: Final = write_message(GONE["http"])


class Asker(Protocol):
    """Who waits for the answer, and is told one of these, once."""

    def answered(self, status: int, headers: Headers, body: bytes) -> None:
        """Take the answer."""

    def unanswered(self, *, failed: bool) -> None:
        """Hear that there is none: the home failed; else it has ended, or this door is about to."""


class Question:
    """One of a door's calls; ``held`` says that it may last, without anything being done for it."""

    __slots__ = ("_asker", "_body", "_head", "_link", "_window", "held")

    def __init__(self, link: Link, number: int, asker: Asker, *, held: bool) -> None:
        self._link = link
        self._window = Window(link, number)
        self._asker: Asker | None = asker
        self._head: tuple[int, Headers] | None = None
        self._body = b""
        self.held = held

    def ask(self, scope: bytes, body: bytes) -> None:
        """Send it. Raises :class:`~andiron.cluster.link.TooLargeError`."""
        self._window.write(Kind.REQUEST, body, scope)

    def give_up(self) -> None:
        """Wait no more: the asker is told nothing."""
        if self._let_go() is not None:
            self._link.write(Kind.MESSAGE, self._window.number, _GONE)

    def break_off(self) -> None:
        """End it, for this door is about to."""
        asker = self._asker
        self.give_up()
        if asker is not None:
            asker.unanswered(failed=False)

    # From the home

    def hear(self, what: Said, size: int) -> None:
        """Take what the home says, of an answer that may come in pieces."""
        if isinstance(what, Ended):
            self._end(failed=what.failed)
        elif not isinstance(what, str):
            if what["type"] == "http.response.start":
                self._head = what["status"], what.get("headers", [])
            else:
                self._body += what.get("body", b"")
            self._window.took(size)

    def given_back(self, size: int) -> None:
        """Hear that the home has taken so many bytes."""
        self._window.given_back(size)

    def _end(self, *, failed: bool | None) -> None:
        asker = self._let_go()
        if asker is None:
            return
        if failed is False and self._head is not None:
            asker.answered(*self._head, self._body)
        else:
            # What it has left open it leaves to the next.
            asker.unanswered(failed=failed is not None and not self._link.leaving)

    def _let_go(self) -> Asker | None:
        asker, self._asker = self._asker, None
        if asker is not None:
            self._link.done(self._window.number, failed=False)
        return asker
