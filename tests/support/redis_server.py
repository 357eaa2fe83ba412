"""A Redis server of the tests' own."""

import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop import server


class RedisServer:
    """A server that can be killed and started again; it forgets all then."""

    def __init__(self, program: str, folder: Path, *options: str) -> None:
        self.port = server.free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._log = folder / "redis.log"
        self._command = [
            program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder),
            "--save", "", "--loglevel", "warning", *options,
        ]  # fmt: skip
        self._running = contextlib.ExitStack()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        how = server.running(self._command, self.port, self._log)
        self.process = self._running.enter_context(how)

    def kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            self._running.close()


@contextmanager
def running(program: str, folder: Path, *options: str) -> Iterator[RedisServer]:
    """Run a server in an empty folder until the end of the block."""
    made = RedisServer(program, folder, *options)
    made.start()
    try:
        yield made
    finally:
        made.kill()
