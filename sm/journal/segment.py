"""One file of a journal, open to be written on: the current one, or the one to replace it."""

import contextlib
import secrets
from collections.abc import Iterable, Sequence
from typing import Final

from andiron.sm.journal import lines
from andiron.sm.journal.disk import Disk
from andiron.sm.journal.records import Record
from andiron.sm.journal.rewriting import Rewriting
from andiron.sm.journal.state import State

__all__ = ["Copy", "Segment", "temporary", "write_anew"]

_SLICE: Final = 1 << 20
"""Characters that are in memory twice while all is written anew at once."""


class Segment:
    """Knows how far a file is good, and writes on from there."""

    __slots__ = ("_check", "_disk", "file", "size")

    def __init__(self, disk: Disk, file: int, size: int, check: int) -> None:
        """Go on with a file that is good up to ``size``, with the checksum ``check`` there."""
        self._disk = disk
        self.file = file
        self.size = size
        self._check = check

    @classmethod
    def begin(cls, disk: Disk, file: int) -> "Segment":
        """Begin an empty file. Raises :class:`OSError`."""
        first, check = lines.begin(secrets.token_hex(8))
        disk.write(file, first, 0)
        return cls(disk, file, len(first), check)

    def append(self, bodies: Iterable[bytes]) -> None:
        """Write batches by one call of the system, all or none. Raises :class:`OSError`.

        Where the half of them that got there cannot be cut, it is behind what is good all the
        same: no line that ends, or what the next attempt writes over it.
        """
        check, texts = self._check, []
        for each in bodies:
            text, check = lines.line(each, check)
            texts.append(text)
        data = texts[0] if len(texts) == 1 else b"".join(texts)
        try:
            self._disk.write(self.file, data, self.size)
        except OSError:
            with contextlib.suppress(OSError):
                self._disk.truncate(self.file, self.size)
            raise
        self.size += len(data)
        self._check = check


class Copy:
    """The live state on its way into a file of its own, beside the current one."""

    __slots__ = ("_rewriting", "complete", "segment")

    def __init__(self, segment: Segment, state: State) -> None:
        self.segment = segment
        self.complete = False
        """Whether all is in it, and in that order in which it can replace the current one."""
        self._rewriting = Rewriting(state)

    def forward(self, records: Sequence[Record], body: bytes) -> None:
        """Write what of a new batch must be in it; ``body`` is all. Raises :class:`OSError`."""
        if besides := self._rewriting.besides(records):
            whole = len(besides) == len(records)
            self.segment.append([body if whole else lines.body(besides)])

    def go_on(self, size: int) -> None:
        """Write about ``size`` characters more. All that was recorded must have been forwarded.

        Raises :class:`OSError`.
        """
        if records := self._rewriting.next(size):
            self.segment.append([lines.body(records)])
        else:
            self.complete = True


def temporary(path: str) -> str:
    """Return the name of the file that is to replace the one at ``path``."""
    return f"{path}.new"


def write_anew(disk: Disk, path: str, state: State) -> Segment:
    """Replace the file at ``path`` by one with the live state, whose bytes are on the disk.

    Raises :class:`OSError`; then the one that was there is still.
    """
    new = temporary(path)
    file = disk.create(new)
    try:
        copy = Copy(Segment.begin(disk, file), state)
        while not copy.complete:
            copy.go_on(_SLICE)
        disk.sync(file)
        disk.replace(new, path)
    except BaseException:
        disk.close(file)
        with contextlib.suppress(OSError):
            disk.remove(new)
        raise
    return copy.segment
