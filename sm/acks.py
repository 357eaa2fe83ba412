"""When to acknowledge what the client sent (XEP-0198 section 4)."""

from andiron.sm.counters import Inbound


class Acks:
    """What of a session's inbound stanzas the client has been told, and is owed.

    ``frequency`` is after how many handled stanzas to tell unasked; 0 is never.
    """

    __slots__ = ("_frequency", "_inbound", "_owed", "_told")

    def __init__(self, inbound: Inbound, frequency: int) -> None:
        self._inbound = inbound
        self._frequency = frequency
        self._owed = 0
        self._told = 0

    @property
    def watching(self) -> bool:
        """Whether a stanza's handling can make an acknowledgement due."""
        return self._owed > 0 or self._frequency > 0

    def begin(self) -> None:
        """Begin anew: the client knows what is handled and has asked for nothing."""
        self._told = self._inbound.settled
        self._owed = 0

    def ask(self) -> None:
        """Note ``<r/>``: all that has arrived is owed, however long its handling takes."""
        self._owed = self._inbound.received

    def due(self) -> bool:
        """Whether enough was handled unasked, or what was asked for now is."""
        settled = self._inbound.settled
        return (0 < self._owed <= settled) or (0 < self._frequency <= settled - self._told)

    def tell(self) -> int:
        """Return the ``h`` to tell the client, and note that it is told."""
        settled = self._inbound.settled
        self._told = max(self._told, settled)
        if settled >= self._owed:
            self._owed = 0
        return self._inbound.h
