"""An nginx in front of several processes, by deploy/nginx.conf, without TLS."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from soaking.link import Addresses
from soaking.server import PATIENCE, STEP, free_port

SAMPLE = Path(__file__).parents[2] / "deploy/nginx.conf"
AROUND = """
{user}
daemon off;
pid {directory}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{site}
}}
"""


class Nginx:
    """One, which gives each request and each WebSocket to the next of some addresses."""

    def __init__(self, directory: Path, addresses: Addresses) -> None:
        self._directory = directory / "nginx"
        self._directory.mkdir()
        self.address = "127.0.0.1", free_port()
        self._configuration = self._directory / "nginx.conf"
        self._configuration.write_text(self._written(addresses))
        self._process: subprocess.Popen[bytes] | None = None

    def _written(self, addresses: Addresses) -> str:
        text = SAMPLE.read_text()
        servers = "\n".join(f"    server {host}:{port} max_fails=0;" for host, port in addresses)
        host, port = self.address
        for pattern, anew in (
            (r"    server 127\.0\.0\.1:8000;", servers),
            (r"listen 443 ssl;", f"listen {host}:{port};"),
            (r" *listen \[::\]:443 ssl;\n", ""),
            (r" *ssl_certificate\w* .*\n", ""),
        ):
            text, count = re.subn(pattern, anew, text)
            assert count, pattern
        user = "user root;" if os.geteuid() == 0 else ""
        return AROUND.format(user=user, directory=self._directory, site=text)

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        command: Sequence[str] = (
            program,
            "-p",
            str(self._directory),
            "-c",
            str(self._configuration),
        )
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - there is nothing else to do
                command, stdout=log, stderr=log
            )
        async with asyncio.timeout(PATIENCE):
            while not await self._listens():  # noqa: ASYNC110
                await asyncio.sleep(STEP)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(*self.address)
        except OSError:
            return False
        writer.close()
        return True

    def end(self) -> str:
        """End it; return what its log says."""
        process, self._process = self._process, None
        if process is None:
            return ""
        process.terminate()
        process.wait()
        return (self._directory / "log").read_text()
