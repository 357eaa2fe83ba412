r"""The text of a journal: a line that says what it is, then one for each batch.

The first line is ``andiron journal 1``, the version, and a random number. Each other is a checksum,
eight hexadecimal digits, and a JSON array of records. JSON has no newline within, so a line that
ends was written whole, and one that does not is where a process was killed. Everything else that is
wrong is damage.

The checksum is CRC-32, since only accidents are to be found: a write cut short, blocks that a
machine without power never wrote. It misses one in 2**32 of those, and every burst of up to 32 bits
is found. Against somebody who may write to the file no checksum helps that he can compute as well.
It runs on from line to line, beginning with the first, so a line that is right by itself but stands
in another's place, left by an earlier file on the same blocks, is found, too.
"""

import json
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from andiron.sm.frozen import VERSION
from andiron.sm.journal.records import Record, apply
from andiron.sm.journal.state import State

__all__ = ["OVERHEAD", "JournalError", "NewerError", "Reading", "begin", "body", "line", "read"]

_WORDS: Final = b"andiron journal "
_BEGIN: Final = re.compile(rb"andiron journal ([0-9]{1,9})(?: ([0-9a-f]{16}))?\b[^\n]*\n")
_LONGEST: Final = 64
"""Bytes that the first line never has."""
_DIGITS: Final = 8
OVERHEAD: Final = _DIGITS + 1
"""Bytes of a batch's line besides its JSON."""
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


class JournalError(Exception):
    """The journal cannot be used; the text is a sentence for the operator."""


class NewerError(JournalError):
    """A newer Andiron wrote it, which this one leaves alone."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file came to."""

    state: State
    size: int
    """Bytes up to the end of the last good batch; 0: it has not even begun."""
    check: int
    """The checksum there, which the next line's runs on from."""
    batches: int = 0
    torn: bool = False
    """Behind that is one that was never written whole, nor promised to anybody."""
    damaged: bool = False
    """Behind that is more than such a one: what was promised there is lost."""


def begin(random: str) -> tuple[bytes, int]:
    """Return the first line, and the checksum that the next one's runs on from.

    ``random`` is 16 hexadecimal digits that no other file begins with.
    """
    text = _first(VERSION, random.encode())
    return text, zlib.crc32(text)


def _first(version: int, random: bytes) -> bytes:
    return b"%b%d %b\n" % (_WORDS, version, random)


def body(records: Sequence[Record]) -> bytes:
    """Return a batch's JSON."""
    return _ENCODER.encode(records).encode("utf-8", "surrogatepass")


def line(json_text: bytes, check: int) -> tuple[bytes, int]:
    """Return a batch's line behind one with the checksum ``check``, and its own."""
    check = zlib.crc32(json_text, check)
    return b"%08x%b\n" % (check, json_text), check


def read(lines: Callable[[], Iterable[bytes]]) -> Reading:
    """Return what a journal says, as far as it is whole; ``lines`` gives its lines from the first.

    Raises :class:`NewerError` and :class:`JournalError`, whose texts go on after its name.
    """
    reading, broken = _read(lines(), inf)
    if broken:
        # The batch that could not be was begun, so all before it is applied anew.
        reading = replace(_read(lines(), reading.batches)[0], damaged=True)
    return reading


def _read(lines: Iterable[bytes], most: float) -> tuple[Reading, bool]:
    """Read up to ``most`` batches; tell, too, whether the one behind them cannot be."""
    each = iter(lines)
    first = next(each, b"")
    state = State()
    if _is_torn(first):
        return Reading(state, 0, 0), False
    check = _begun(first)
    size, batches = len(first), 0
    torn = damaged = broken = False
    while batches < most and (text := next(each, b"")):
        records = text[_DIGITS:-1]
        found = zlib.crc32(records, check)
        torn = not text.endswith(b"\n")
        damaged = not torn and text[:_DIGITS] != b"%08x" % found
        if torn or damaged:
            break
        try:
            for record in json.loads(records):
                apply(state, record)
        except (LookupError, RecursionError, TypeError, ValueError):
            broken = True
            break
        size, check, batches = size + len(text), found, batches + 1
    return Reading(state, size, check, batches, torn, damaged), broken


def _is_torn(first: bytes) -> bool:
    """Tell whether the first line was being written when that ended."""
    short = len(first) < _LONGEST and not first.endswith(b"\n")
    return short and first.startswith(_WORDS[: len(first)])


def _begun(first: bytes) -> int:
    found = _BEGIN.fullmatch(first)
    if found is None:
        raise JournalError("is not one of Andiron's; move that file away, or name another")
    version = int(found[1])
    if version > VERSION:
        raise NewerError(
            f"was written by a newer Andiron (version {version} of its form, this one knows"
            f" {VERSION}) and is left as it is; start that one, or move the file away and with it"
            " the sessions in it"
        )
    if version < 1 or first != _first(version, found[2] or b""):
        raise JournalError("does not begin as one does; move that file away")
    return zlib.crc32(first)
