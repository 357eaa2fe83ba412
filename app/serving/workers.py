"""``andiron serve --workers N``: so many processes serve one chat at one address.

The process that was started holds the sockets, serves nothing, and starts another in place of one
that has ended. One of the first that cannot serve ends all: what is wrong with it is wrong with
the others. Later on these need not suffer for what is wrong by then, as with andiron.toml.
"""

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from socket import socket
from typing import Any, Final

from andiron.domain.database.urls import beside
from andiron.serving.child import LATER, Listening, serve_as_child
from andiron.serving.listening import ServerError
from andiron.serving.logs import configure_logging
from andiron.serving.notify import notify
from andiron.serving.server import listening
from andiron.settings import Settings, SettingsError

__all__ = ["run_workers", "together"]

logger = logging.getLogger("andiron")

_PAUSES: Final = (1.0, 10.0)
"""Seconds until another process begins in place of one that was killed, and that failed."""
_LEAVE: Final = 30.0
"""Seconds that those which are told to end have, besides ``shutdown_timeout``."""


def together(settings: Settings) -> str:
    """Return where the processes meet: the setting ``cluster``, or beside the database.

    Raises :class:`SettingsError` where there is no such place.
    """
    if settings.cluster:
        return settings.cluster
    path = beside(settings.database, "-cluster")
    if not path:
        raise SettingsError(
            "--workers needs a database that several processes can open: let ANDIRON_DATABASE name"
            " a file"
        )
    return f"unix:{os.path.abspath(path)}"


def run_workers(settings: Settings, given: Mapping[str, Any], number: int) -> None:
    """Serve by so many processes until SIGTERM or Ctrl-C; ``given`` overrule the settings.

    Raises :class:`ServerError` when the address cannot be listened on, and when one of the first
    could not serve, which it has said, and :class:`SettingsError`.
    """
    configure_logging(settings.log_level, settings.log_format)
    told = {**given, "cluster": together(settings)}
    settings = settings.replaced(cluster=told["cluster"])
    with listening(settings) as (listeners, url):
        serve = partial(_serve, told, Listening.of(settings), url)
        workers = Workers(serve, listeners, number)
        if not workers.run(settings.shutdown_timeout + _LEAVE):
            raise ServerError("A process could not serve, so that all have ended; see above.")


class Workers:
    """Keeps ``number`` processes running, each of which calls ``target`` with the sockets."""

    def __init__(
        self, target: Callable[[list[socket]], None], sockets: list[socket], number: int
    ) -> None:
        self._target = target
        self._sockets = sockets
        self._context = multiprocessing.get_context("spawn")
        self._first = [self._start() for _ in range(number)]
        self._processes = list(self._first)

    def run(self, patience: float) -> bool:
        """Return when all have ended, some seconds after they were told to at the latest.

        False: one of the first could not serve.
        """
        with _signals() as heard:
            good = self._keep(heard)
            notify("STOPPING=1")
            self._tell(signal.SIGTERM)
        until = time.monotonic() + patience
        for process in self._processes:
            process.join(max(0.0, until - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
        return good

    def _keep(self, heard: int) -> bool:
        while True:
            sentinels = {process.sentinel: process for process in self._processes}
            for ready in wait([heard, *sentinels]):
                if ready == heard:
                    if set(os.read(heard, 16)) != {signal.SIGHUP}:
                        return True
                    self._tell(signal.SIGHUP)
                    continue
                process = sentinels[int(ready)]  # type: ignore[arg-type]
                process.join()
                status = process.exitcode or 0
                if status > 0 and status != LATER and process in self._first:
                    return False
                logger.error("Process %d has ended (%d); another begins", process.pid, status)
                wait([heard], _PAUSES[status > 0])
                self._processes[self._processes.index(process)] = self._start()

    def _start(self) -> SpawnProcess:
        process = self._context.Process(target=self._target, args=(self._sockets,))
        # Until it listens to that it does not end by it, and hears of it then.
        former = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, former)
        return process

    def _tell(self, number: int) -> None:
        for process in self._processes:
            if process.is_alive() and process.pid is not None:
                os.kill(process.pid, number)


@contextmanager
def _signals() -> Iterator[int]:
    """Give a file from which signals are read that were sent to this process, a byte each."""
    reader, writer = os.pipe()
    numbers = [signal.SIGTERM, signal.SIGINT]
    if not sys.stdin.isatty():  # There its end tells that, and all end with this process.
        numbers.append(signal.SIGHUP)
    former = {
        number: signal.signal(number, lambda number, _frame: os.write(writer, bytes([number])))
        for number in numbers
    }
    try:
        yield reader
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def _serve(given: Mapping[str, Any], place: Listening, url: str, sockets: list[socket]) -> None:
    # Ctrl-C is for the first process, which tells the others.
    os.setpgid(0, 0)
    serve_as_child(given, place, url, sockets)
