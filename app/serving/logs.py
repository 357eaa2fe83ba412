"""The log of ``andiron serve``: one line a message, plain or JSON, whatever is in it.

A record that concerns a session has its id in the attribute ``session`` (by ``extra=``).
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Final

from andiron.tracing.traces import traced

__all__ = ["JsonFormatter", "OneLineFormatter", "configure_logging"]

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class OneLineFormatter(logging.Formatter):
    """Writes control characters of a message as escapes: no client can forge a line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the message without its traceback, on one line, the session before it."""
        session = getattr(record, "session", "")
        told = f"[{session}] {record.message}" if session else record.message
        record.message = _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", told)
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object, in ASCII, on one line, its traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object: time, level, logger, message; session, trace, span, error if any.

        The time is in UTC, as RFC 3339 has it.
        """
        moment = datetime.fromtimestamp(record.created, UTC)
        told = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if session := getattr(record, "session", ""):
            told["session"] = session
        told |= traced()
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told)


def _worth_saying(record: logging.LogRecord) -> bool:
    """Leave out what uvicorn says of every handshake that was refused, as of a fault of its own."""
    return record.msg != "ASGI callable returned without completing handshake."


def configure_logging(level: str, form: str = "plain") -> None:
    """Log this package from ``level`` on, and the libraries' warnings, to standard error.

    ``form`` is ``plain`` or ``json``.
    """
    handler = logging.StreamHandler(sys.stderr)
    plain = OneLineFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if form == "json" else plain)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("andiron").setLevel(level.upper())
    # Who has done what is told whatever else is not.
    logging.getLogger("andiron.audit").setLevel(logging.INFO)
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.filters[:] = [_worth_saying]
