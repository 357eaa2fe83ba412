"""How a BOSH session ends, in words (XEP-0124 sections 13 and 17)."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from andiron.bosh import body as wire
from andiron.xmpp.errors import BoshCondition, StreamCondition, StreamError

OK: Final = 200
_LEGACY_STATUS: Final = {
    BoshCondition.BAD_REQUEST: 400,
    BoshCondition.POLICY_VIOLATION: 403,
    BoshCondition.ITEM_NOT_FOUND: 404,
}
# Stream errors for which XEP-0124 section 17.2 has a condition of its own.
_CONDITIONS: Final = {
    StreamCondition.HOST_GONE: BoshCondition.HOST_GONE,
    StreamCondition.HOST_UNKNOWN: BoshCondition.HOST_UNKNOWN,
    StreamCondition.IMPROPER_ADDRESSING: BoshCondition.IMPROPER_ADDRESSING,
    StreamCondition.SYSTEM_SHUTDOWN: BoshCondition.SYSTEM_SHUTDOWN,
}


class Ending(NamedTuple):
    """Why a session ended, and what its client is told."""

    condition: BoshCondition | None
    """None for one that its client ended."""
    payload: Sequence[str] = ()
    """What goes with the first answer that tells it."""
    told: bool = False
    """Whether the request that broke a rule was told already."""

    def words(self, count: int) -> Iterator[str]:
        """Return what so many held requests are answered with, the oldest first.

        By section 13 a client's ``terminate`` is confirmed on the oldest
        request, and all others get an empty answer.
        """
        for index in range(count):
            if index == 0 and not self.told:
                yield wire.terminal(self.condition, self.payload)
            elif self.condition is None:
                yield wire.answer("", ())
            else:
                yield wire.terminal(BoshCondition.OTHER_REQUEST)

    def late(self, *, heard: bool) -> str:
        """Return what a later request is answered with; ``heard``: one was told before."""
        return wire.terminal(self.condition, () if heard else self.payload)

    def status(self, *, legacy: bool) -> int:
        """Return the HTTP status of the answer that tells the condition (section 17.1)."""
        if self.condition is None or not legacy:
            return OK
        return _LEGACY_STATUS.get(self.condition, OK)


def ending_by(error: StreamError | None, payload: Sequence[str]) -> Ending:
    """Return the end of a session whose stream ended; ``payload`` waits for the client."""
    if error is None:
        return Ending(None, payload)
    condition = _CONDITIONS.get(StreamCondition(error.condition))
    if condition is not None:
        return Ending(condition, payload)
    return Ending(BoshCondition.REMOTE_STREAM_ERROR, [*payload, error.to_xml()])
