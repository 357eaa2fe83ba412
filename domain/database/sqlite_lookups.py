"""Rows of an SQLite file that are read at once, on the event loop.

To hand a statement to a thread and its rows back costs many times what it
takes to find a few rows by their keys, which nearly always are in memory.
"""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Select
from sqlalchemy.dialects.sqlite import dialect

__all__ = ["Lookups"]

_LONG: Final = 0.02
"""Seconds after which a look-up took too long for the others, as where the disk is slow."""
_PAUSE: Final = 20
"""For how many times as long threads read then: it had a twentieth of the loop's time at most."""
_DIALECT: Final = dialect(paramstyle="named")


class Lookups:
    """A connection of the event loop's own, opened when it is needed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._texts: dict[Select[Any], tuple[str, dict[str, Any]]] = {}
        """Of each statement, of which there are few, its text and the values that are its own."""
        self._not_before = 0.0

    def rows(self, statement: Select[Any], values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Return the rows of a statement; None where a thread had better see to it."""
        text, own = self._texts.get(statement) or self._compiled(statement)
        try:
            connection = self._connection or self._connected()
            began = time.monotonic()
            if began < self._not_before:
                return None
            rows = connection.execute(text, {**own, **values}).fetchall()
        except sqlite3.Error:
            return None  # Whoever waits for its turn, and can say what is wrong, tries next.
        ended = time.monotonic()
        if ended - began > _LONG:
            self._not_before = ended + _PAUSE * (ended - began)
        return rows

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _compiled(self, statement: Select[Any]) -> tuple[str, dict[str, Any]]:
        compiled = statement.compile(dialect=_DIALECT)
        made = self._texts[statement] = str(compiled), dict(compiled.params)
        return made

    def _connected(self) -> sqlite3.Connection:
        # Where another connection is in its way, a thread waits for that.
        connection = sqlite3.connect(self._path, timeout=0, isolation_level=None)
        connection.execute("PRAGMA query_only = ON")
        self._connection = connection
        return connection
