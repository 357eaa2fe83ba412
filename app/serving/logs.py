"""One format for the log of ``andiron serve``; one line a message, whatever is in it."""

import logging
import re
import sys
from typing import Final

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class OneLineFormatter(logging.Formatter):
    """Writes control characters of a message as escapes: no client can forge a line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the message without its traceback, on one line."""
        return _CONTROL.sub(
            lambda found: f"\\x{ord(found.group()):02x}", super().formatMessage(record)
        )


def _worth_saying(record: logging.LogRecord) -> bool:
    """Leave out what uvicorn says of every handshake that was refused, as of a fault of its own."""
    return record.msg != "ASGI callable returned without completing handshake."


def configure_logging(level: str) -> None:
    """Log this package from ``level`` on, and the libraries' warnings, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLineFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("andiron").setLevel(level.upper())
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.filters[:] = [_worth_saying]
