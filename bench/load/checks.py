"""Every load message must arrive at the right session, once, in order and unchanged."""

import collections
import random
import re
import sys

from load import names as ns


class Errors:
    """What failed, by kind; the first of each kind is printed."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()

    def __call__(self, text: str) -> None:
        kind = re.sub(r"\d+", "N", text)
        self.counts[kind] += 1
        if self.counts[kind] == 1:
            print(f"  ! {text}", file=sys.stderr)

    def __bool__(self) -> bool:
        return bool(self.counts)


def padding(size: int) -> str:
    """Return what makes a whole stanza ``size`` bytes long, its envelope being about 130."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return "".join(random.Random(7).choices(letters, k=max(1, size - 130)))


class Checker:
    """What one session has got, by who sent it to which address."""

    def __init__(self, name: str, own: int, pad: str, errors: Errors) -> None:
        self.name, self.errors = name, errors
        self.pad = pad.encode()
        self.addresses = {own}
        self.got: collections.Counter[tuple[int, int]] = collections.Counter()

    def take(self, document: bytes) -> tuple[int, list[tuple[int, int, int]]]:
        """Check the load messages in a document.

        Return how many there were, and of those that are for this session the
        sender, the number and the time of sending in microseconds.
        """
        count = 0
        arrived = []
        for found in ns.MARK.finditer(document):
            count += 1
            sender, to, number, sent_at, pad = found.groups()
            source, target, seq = int(sender), int(to), int(number)
            if target not in self.addresses:
                self.errors(f"{self.name}: message for user{target} arrived (bounced?)")
                continue
            if pad != self.pad:
                self.errors(f"{self.name}: corrupt body {pad[:60]!r}")
            expected = self.got[source, target]
            if seq != expected:
                kind = "duplicate or late" if seq < expected else "gap:"
                self.errors(f"{self.name}: {kind} {seq} from user{source}, expected {expected}")
            self.got[source, target] = max(expected, seq + 1)
            arrived.append((source, seq, int(sent_at)))
        return count, arrived
