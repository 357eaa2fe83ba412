"""Tables for a terminal: columns that are as wide as what is in them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from unicodedata import combining, east_asian_width

__all__ = ["Column", "cut", "duration", "laid_out", "printable", "size"]

T = TypeVar("T")


_UNITS: Final = ((86_400, 3600, "d", "h"), (3600, 60, "h", "m"), (60, 1, "m", "s"))


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column of a table whose rows are about values ``T``."""

    title: str
    text: Callable[[T], str]
    value: Callable[[T], Any] | None = None
    """The number that the text tells, by which rows are sorted; None: they are by the text."""

    @property
    def number(self) -> bool:
        """Whether it stands at the right, and is sorted largest first."""
        return self.value is not None

    def key(self, row: T) -> Any:
        """Return by what rows are sorted."""
        return self.text(row) if self.value is None else self.value(row)


def laid_out(columns: Sequence[Column[T]], rows: Iterable[T]) -> list[str]:
    """Return the lines of a table, its head first."""
    cells = [[column.title for column in columns]]
    cells += [[printable(column.text(row)) for column in columns] for row in rows]
    widths = [max(map(_width, each)) for each in zip(*cells, strict=True)]
    return [
        "  ".join(
            _padded(text, width, right=column.number)
            for text, width, column in zip(row, widths, columns, strict=True)
        ).rstrip()
        for row in cells
    ]


def cut(text: str, width: int) -> str:
    """Return as much of a text as fits into a line of ``width`` cells."""
    taken = 0
    for at, char in enumerate(text):
        taken += _cells(char)
        if taken > width:
            return text[:at]
    return text


def printable(text: str) -> str:
    """Return a text with what would do something to the terminal written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def duration(seconds: float) -> str:
    """Return a time in its two largest units."""
    whole = int(seconds)
    for unit, below, large, small in _UNITS:
        if whole >= unit:
            return f"{whole // unit}{large}{whole % unit // below:02}{small}"
    return f"{whole}s"


def size(count: int) -> str:
    """Return how many bytes something has, in its unit."""
    value, units = float(count), iter("KMGTPE")
    unit = ""
    while value >= 1000:
        value, unit = value / 1024, next(units)
    return f"{value:.1f}{unit}" if unit else str(count)


def _cells(char: str) -> int:
    if combining(char):
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


def _width(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_cells, text))


def _padded(text: str, width: int, *, right: bool) -> str:
    gap = " " * (width - _width(text))
    return gap + text if right else text + gap
