"""A relayed WebSocket without ASGI: whoever has it is told what comes as it comes."""

import asyncio
import logging
from collections import deque
from typing import Final, Protocol, Self

from andiron.cluster.frames import FrameError, Kind
from andiron.cluster.link import Ended, Link, Said
from andiron.cluster.messages import GONE, Message, write_message
from andiron.cluster.window import MOST_MESSAGES, WINDOW, Window

__all__ = ["FAILED", "LINGER", "RESTART", "TOO_LARGE", "Line", "Taker"]

logger = logging.getLogger("andiron")

RESTART: Final = 1012
"""Closes a WebSocket: the service restarts (the registry of RFC 6455 section 11.7)."""
FAILED: Final = 1011
TOO_LARGE: Final = 1009
LINGER: Final = 5.0
"""Seconds in which a client can take what is left when home has done with it."""


class Taker(Protocol):
    """What has a line at one end; it is told nothing more once it has closed it."""

    def text(self, text: str) -> None:
        """Take the text of a message."""

    def message(self, message: Message) -> None:
        """Take a message of ASGI that is no text."""

    def room(self) -> None:
        """Hear that there is room again, where there was none."""

    def ending(self) -> None:
        """Hear that it will be over once what is kept here has been taken."""

    def over(self, *, failed: bool | None) -> None:
        """Hear that the far end has done with it, or cannot be reached, as :class:`Ended` says.

        It is to be closed here, too.
        """


class _Nobody:
    """Takes nothing: a line that was not given to anybody yet, or is closed."""

    def text(self, text: str) -> None:
        """Leave it."""

    def message(self, message: Message) -> None:
        """Leave it."""

    def room(self) -> None:
        """Have nothing to send."""

    def ending(self) -> None:
        """Have nothing to end."""

    def over(self, *, failed: bool | None) -> None:
        """Have nothing to end."""


_NOBODY: Final = _Nobody()


class Line(Window):
    """One end of it; its ``taker`` is to be set at once.

    Nothing of it calls the taker before it has returned.
    """

    __slots__ = ("_held", "_paused", "taker")

    held: Final = True
    """It lasts, without anything being done for it."""

    def __init__(self, link: Link, number: int) -> None:
        super().__init__(link, number)
        self.taker: Taker = _NOBODY
        self._paused = False
        self._held: deque[tuple[Said, int]] | None = None
        """What has come, with its size, and waits to be taken."""

    @classmethod
    def instead_of(cls, window: Window) -> Self:
        """Return one in place of what is counted of a call by now; it is paused."""
        line = cls(window.link, window.number)
        line._on_way, line._taken = window._on_way, window._taken
        line._paused = True
        window.end()
        return line

    # For the taker

    def send(self, text: str) -> bool:
        """Send a text if there is room; else nothing, and the taker is told when there is.

        Raises UnicodeEncodeError for one that UTF-8 cannot say, and :class:`TooLargeError`.
        """
        if self.link.congested or self._on_way >= WINDOW:
            return self.has_room()
        self.write(Kind.TEXT, text.encode())
        return True

    def has_room(self) -> bool:
        """Tell whether there is room to send; where not, the taker is told when there is."""
        if self.link.congested:
            self.link.wait(self)
            return False
        return self._on_way < WINDOW

    def say(self, message: Message) -> None:
        """Send a message of ASGI, whether or not there is room."""
        self.write(Kind.MESSAGE, write_message(message))

    def pause(self) -> None:
        """Keep what comes, which the far end is not told to have been taken."""
        self._paused = True

    @property
    def ending(self) -> bool:
        """Whether what is kept here is the last."""
        held = self._held
        return held is not None and len(held) > 0 and isinstance(held[-1][0], Ended)

    def unpause(self) -> None:
        """Hand on again, soon, and first what was kept."""
        if self._paused:
            self._paused = False
            asyncio.get_running_loop().call_soon(self._hand_on)

    def break_off(self) -> None:
        """End it, for this process is about to; the taker hears that it is over."""
        self.say(GONE["websocket"])
        self.hear(Ended(None), 0)

    def close(self, *, failed: bool = False) -> None:
        """Have done with it: nothing more is told here, nor sent."""
        if not self._over:
            self.end()
            self._held = None
            self.taker = _NOBODY
            self.link.done(self.number, failed=failed)

    # From the far end

    def hear(self, what: Said, size: int) -> None:
        """Take what the far end says. Raises FrameError for more than it may."""
        if self._paused or self._held:
            if self._held is None:
                self._held = deque()
            # Its last, which may be this end's own word, is heard whatever waits.
            if len(self._held) >= MOST_MESSAGES and not isinstance(what, Ended):
                raise FrameError("more messages than there is room for")
            self._held.append((what, size))
            if isinstance(what, Ended):
                self.taker.ending()
        else:
            self._hand(what, size)

    def go_on(self) -> None:
        """Tell that there is room, if that is so."""
        super().go_on()
        if not self._over and self.has_room():
            try:
                self.taker.room()
            except Exception as error:  # noqa: BLE001 - it is logged
                self._fail(error)

    def _hand_on(self) -> None:
        while self._held and not self._paused:
            self._hand(*self._held.popleft())

    def _hand(self, what: Said, size: int) -> None:
        if self._over:
            return
        try:
            if isinstance(what, str):
                self.taker.text(what)
            elif isinstance(what, Ended):
                self.taker.over(failed=what.failed)
            else:
                self.taker.message(what)
        except Exception as error:  # noqa: BLE001 - it is logged
            self._fail(error)
        self.took(size)

    def _fail(self, error: Exception) -> None:
        """End it for what was raised, which is no concern of other calls."""
        logger.error("A WebSocket that is relayed failed", exc_info=error)
        taker = self.taker
        self.close(failed=True)
        try:
            taker.over(failed=True)
        except Exception:
            logger.exception("A WebSocket that is relayed failed")
