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
        self._file: SpooledTemporaryFile[str] | None = None
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, *row: str | float) -> None:
        """Put a row at the end."""
        if self._file is None:
            self._file = SpooledTemporaryFile(  # noqa: SIM115
                _IN_MEMORY, "w+", encoding="utf-8", newline="\n"
            )
        self._file.write(json.dumps(row) + "\n")
        self._length += 1

    def __iter__(self) -> Iterator[list[Any]]:
        """Read all rows from the first on; add none meanwhile."""
        if self._file is not None:
            self._file.seek(0)
            for line in self._file:
                yield json.loads(line)

    def close(self) -> None:
        """Let go of the rows; without this, the file warns of being left open."""
        if self._file is not None:
            self._file.close()
