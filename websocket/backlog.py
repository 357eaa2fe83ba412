"""What waits until more can be sent on one WebSocket."""

from collections import deque

from andiron.xmpp.xml import utf8_length

__all__ = ["Backlog"]


class Backlog:
    """Texts in order; ``bytes`` is their size in UTF-8."""

    __slots__ = ("_texts", "bytes")

    def __init__(self) -> None:
        self._texts: deque[str] = deque()
        self.bytes = 0

    def __bool__(self) -> bool:
        return bool(self._texts)

    def put(self, text: str) -> None:
        """Let one wait behind the others."""
        self._texts.append(text)
        self.bytes += utf8_length(text)

    def put_back(self, text: str) -> None:
        """Let one wait before the others."""
        self._texts.appendleft(text)
        self.bytes += utf8_length(text)

    def pop(self) -> str:
        """Return the first, which waits no more."""
        text = self._texts.popleft()
        self.bytes -= utf8_length(text)
        return text

    def take(self) -> list[str]:
        """Return all, of which none waits any more."""
        taken = list(self._texts)
        self._texts.clear()
        self.bytes = 0
        return taken
