"""What a session that is written down has of the store, so that the next process knows it again.

By its text alone a stored message in a queue is like any other; by the count that acknowledges
it, modulo 2**32, its place there is known (XEP-0198 section 4).
"""

from collections.abc import Iterable, Mapping, Sequence

from andiron.domain.messages.mailbox import Handed
from andiron.sm.counters import MODULUS, distance
from andiron.sm.frozen import Frozen
from andiron.sm.management import Management

__all__ = ["Place", "known_again", "places"]

Place = tuple[int | None, float]
"""The count that acknowledges a stored message, None where the client has it; its time."""


def places(
    out: Iterable[Handed], arrived: Iterable[Handed], management: Management | None
) -> Mapping[str, Place]:
    """Return where stored messages are that are ``out`` to a session, by their ids in the store.

    And what has ``arrived`` at whatever resource: its mark is of the session there.
    """
    found: dict[str, Place] = {str(each.id): (None, each.stamp) for each in arrived}
    found.update({str(each.id): (_count(each, management), each.stamp) for each in out})
    return found


def _count(handed: Handed, management: Management | None) -> int | None:
    if management is None:
        return None
    place, queue = handed.mark - management.confirmed, management.queue
    return (queue.acked + place) % MODULUS if 0 < place <= len(queue) else None


def known_again(
    frozen: Frozen, handed: Mapping[str, Place]
) -> tuple[Sequence[tuple[str, float]], Mapping[int, float]]:
    """Return a session's queue with what is in the store known as that.

    And what else of the store it has: ids with times.
    """
    queue, had = list(frozen.queue), dict[int, float]()
    for identity, (count, stamp) in handed.items():
        place = len(queue) if count is None else distance(frozen.acked, count) - 1
        if 0 <= place < len(queue):
            text, since = queue[place]
            queue[place] = Handed.of(text, int(identity), stamp), since
        else:
            had[int(identity)] = stamp
    return queue, had
