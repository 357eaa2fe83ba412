"""What waits for a client's next request to carry it away."""

from collections.abc import Sequence
from typing import Final

from andiron.xmpp.xml import utf8_length

_STANZAS: Final = ("<message", "<presence", "<iq")


class Outbox:
    """Elements in order; ``bytes`` is their size. An answer carries up to ``answer_bytes``."""

    __slots__ = ("_answer_bytes", "bytes", "texts")

    def __init__(self, answer_bytes: int) -> None:
        self._answer_bytes = answer_bytes
        self.texts: list[str] = []
        self.bytes = 0

    @property
    def full(self) -> bool:
        """Whether more waits than one answer carries."""
        return self.bytes >= self._answer_bytes

    def put(self, text: str) -> None:
        """Add one element."""
        self.texts.append(text)
        self.bytes += len(text) if text.isascii() else utf8_length(text)

    def take(self) -> list[str]:
        """Take out what the next answer carries: one element at least, where there is one."""
        texts = self.texts
        if self.bytes <= self._answer_bytes:
            self.texts = []
            self.bytes = 0
            return texts
        size = count = 0
        for text in texts:
            length = utf8_length(text)
            if count and size + length > self._answer_bytes:
                break
            size += length
            count += 1
        self.texts = texts[count:]
        self.bytes -= size
        return texts[:count]

    def take_stanzas(self) -> list[str]:
        """Take out the stanzas and leave what else waits: the session ends."""
        taken = stanzas(self.texts)
        self.texts = [text for text in self.texts if not text.startswith(_STANZAS)]
        return taken


def stanzas(texts: Sequence[str]) -> list[str]:
    """Return the stanzas among some elements."""
    return [text for text in texts if text.startswith(_STANZAS)]
