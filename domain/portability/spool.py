"""Rows that wait to be written: few in memory, many on disk."""

import json
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import Any, Final

__all__ = ["Spool"]

_IN_MEMORY: Final = 1_048_576


class Spool:
    """A list of rows of text and numbers that takes about a megabyte of memory at most."""

    def __init__(self) -> None:
        # Closed with the last reference to it, which is when its account is done with.
        self._file = SpooledTemporaryFile(  # noqa: SIM115
            _IN_MEMORY, "w+", encoding="utf-8", newline="\n"
        )
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, *row: str | float) -> None:
        """Put a row at the end."""
        json.dump(row, self._file)
        self._file.write("\n")
        self._length += 1

    def __iter__(self) -> Iterator[list[Any]]:
        """Read all rows from the first on; add none meanwhile."""
        self._file.seek(0)
        for line in self._file:
            yield json.loads(line)

    def close(self) -> None:
        """Let go of the rows."""
        self._file.close()
