"""What failures of the database look like in the log: a line each, and not many of them.

While a database is out of reach every stanza and every sign-in meets that.
Where the code was then tells the operator nothing; the sentence does.
"""

import logging
import time
from typing import Final

from andiron.domain.database.engines import DatabaseError
from andiron.sm.notices import Notices

__all__ = ["FAILURE_LOG", "FailureLog"]

_PERIOD: Final = 60.0
"""Seconds in which the same is logged once."""


class FailureLog(logging.Filter):
    """Makes one line of a record with a :class:`DatabaseError`, or drops it.

    Records with other exceptions pass as they are.
    """

    def __init__(self) -> None:
        super().__init__()
        self._notices = Notices(_PERIOD)

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record shall be logged."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, DatabaseError):
            return True
        message = f"{record.getMessage()}: {error}"
        if not self._notices.first(message, time.monotonic()):
            return False
        record.msg, record.args, record.exc_info, record.exc_text = message, (), None, None
        return True


FAILURE_LOG: Final = FailureLog()
"""For a logger, which there is one of in the process: adding it again changes nothing."""
