"""A server in a process that another one started, which holds the sockets."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from socket import socket
from typing import Any, Final, Self

import click

from andiron.domain.database.database import DatabaseError
from andiron.serving.listening import ServerError
from andiron.serving.server import logger, run
from andiron.settings import Settings, SettingsError

__all__ = ["LATER", "Listening", "serve_as_child"]

LATER: Final = 75
"""The status of one that served, and ended for an error: another may do better (EX_TEMPFAIL)."""


@dataclass(frozen=True, slots=True)
class Listening:
    """The settings by which was listened, which a change of the file does not change."""

    host: str
    port: int
    socket: str
    socket_mode: str

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return those of some settings."""
        return cls(settings.host, settings.port, settings.socket, settings.socket_mode)


def serve_as_child(
    given: Mapping[str, Any],
    place: Listening,
    url: str,
    sockets: list[socket],
) -> None:
    """Serve in a process of its own, until it or the one that started it ends.

    What keeps it from serving is said, and it ends with the status 1; :data:`LATER` where it
    served, and has lost the database.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def read() -> Settings:
        settings = Settings(**given)
        if Listening.of(settings) != place:
            logger.warning(
                "Where to listen (host, port, socket, socket_mode) is not read anew: end this and"
                " start it again"
            )
        return settings.replaced(**asdict(place))

    try:
        run(read(), read, opened=(sockets, url))
    except (SettingsError, DatabaseError, ServerError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(LATER if isinstance(error, ServerError) else 1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
