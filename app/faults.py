"""Keeps what strangers do wrong from filling the server's log.

Uvicorn tells of a frame that is not UTF-8 with a page of traceback, as of a
fault of its own; so does its older WebSocket implementation of a handshake
that is none.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

_CLIENTS: Final = frozenset(
    {"Invalid UTF-8 sequence received from client.", "opening handshake failed"}
)


@contextmanager
def told_briefly() -> Iterator[None]:
    """Let uvicorn tell of its clients' faults in one line each, while the block runs."""
    logger = logging.getLogger("uvicorn.error")
    shortened = partial(_shortened)  # one of our own: the same would be removed by another's end
    logger.addFilter(shortened)
    try:
        yield
    finally:
        logger.removeFilter(shortened)


def _shortened(record: logging.LogRecord) -> bool:
    if record.msg in _CLIENTS:
        record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True
