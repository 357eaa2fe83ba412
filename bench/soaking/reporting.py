"""A server that also reports what it holds: run as ``python -m soaking.reporting``."""

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import socket
import sys
from collections.abc import Callable

from andiron import create_app
from andiron.serving.limits import allow_open_files
from andiron.serving.logs import configure_logging
from andiron.serving.server import Server, server_config
from andiron.settings import Settings
from andiron.sm.manager import SessionManager
from soaking.process import resident


class Reporter:
    """Answers each line on standard input with what the process holds."""

    def __init__(self, manager: Callable[[], SessionManager], strangers: Callable[[], int]) -> None:
        self.manager = manager
        self.strangers = strangers

    def report(self) -> None:
        os.read(0, 4096)
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
        manager = self.manager()
        report = {
            "sessions": len(manager.sessions),
            "tasks": len(asyncio.all_tasks()),
            "strangers": self.strangers(),
            "sockets": sum(
                os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
                for fd in os.listdir("/proc/self/fd")
                if os.path.lexists(f"/proc/self/fd/{fd}")
            ),
            "objects": len(gc.get_objects()),
            "memory": resident(os.getpid()),
            "resumed": manager.resumed,
            "closed": manager.closed,
            "detached": manager.detached,
        }
        print(json.dumps(report), flush=True)


def serve(listener_fd: int) -> None:
    """Serve by the settings of the environment, until SIGTERM."""
    settings = Settings()
    configure_logging(settings.log_level)
    allow_open_files()
    chat = create_app(settings)

    def manager() -> SessionManager:
        assert chat._home is not None
        return chat._home.manager

    reporter = Reporter(manager, lambda: chat.strangers.count)

    async def started() -> None:
        asyncio.get_running_loop().add_reader(0, reporter.report)

    Server(server_config(settings, chat), started, lambda: None).run(
        [socket.socket(fileno=listener_fd)]
    )


if __name__ == "__main__":
    serve(int(sys.argv[1]))
