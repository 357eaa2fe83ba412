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


class ClientsFaults(logging.Filter):
    """Keeps uvicorn from reporting what a client did as an error of the server."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop what is said of every refused handshake; what a bad frame caused needs one line."""
        if record.msg == "ASGI callable returned without completing handshake.":
            return False
        if record.msg == "Invalid UTF-8 sequence received from client.":
            record.exc_info = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def configure_logging(level: str) -> None:
    """Log this package from ``level`` on, and the libraries' warnings, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLineFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("andiron").setLevel(level.upper())
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.filters[:] = [ClientsFaults()]
