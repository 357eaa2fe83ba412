"""A PostgreSQL server of the tests' own, and an empty database in it for each test."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

_FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "shared_buffers": "16MB",
    "listen_addresses": "''",
}
_CLEAN = """
SET session_replication_role = replica;  -- leaves foreign keys unchecked
SET lock_timeout = '5s';
DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    IF name = 'andiron_meta' THEN
      DELETE FROM andiron_meta WHERE key <> 'schema_version';
    ELSE
      EXECUTE format('DELETE FROM %I', name);
    END IF;
  END LOOP;
END $$
"""


def programs() -> Path | None:
    """Return the newest PostgreSQL's folder of programs, where Debian keeps them."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(found, key=lambda path: int(path.parts[-3]), default=None)
    return newest.parent if newest else None


class PostgresServer:
    """A running server.

    Whoever comes as ``root`` is its superuser; ``stranger`` and ``guest`` have
    passwords, ``unknown`` and ``secret``, and no rights.
    """

    def __init__(self, bin_folder: Path, folder: Path) -> None:
        self.folder = folder
        self._bin = bin_folder
        self._made = 0
        self._shared: str | None = None
        # The server refuses to run as root, and Debian has a user for it.
        self._who = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        if self._who:
            shutil.chown(folder, **self._who)
        self._data = f"--pgdata={folder}/data"
        self._run("initdb", self._data, "--no-sync", "--username=root", "--encoding=UTF8",
                  "--locale=C", "--locale-provider=icu", "--icu-locale=en")  # fmt: skip
        (folder / "data" / "pg_hba.conf").write_text(
            "local all stranger,guest scram-sha-256\nlocal all all trust\n"
        )
        self.start()
        for role, password in (("stranger", "unknown"), ("guest", "secret")):
            self._run("psql", f"--host={folder}", "--username=root", "--dbname=postgres",
                      f"--command=CREATE ROLE {role} LOGIN PASSWORD '{password}'")  # fmt: skip

    def start(self) -> None:
        options = " ".join(f"-c {name}={value}" for name, value in _FAST.items())
        self._run("pg_ctl", "start", self._data, "--wait", "--silent", f"--log={self.folder}/log",
                  f"--options={options} -c unix_socket_directories={self.folder}")  # fmt: skip

    def stop(self) -> None:
        self._run("pg_ctl", "stop", self._data, "--wait", "--silent", "--mode=fast")

    def url(self, database: str, user: str = "root") -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    async def connect(self, database: str) -> asyncpg.Connection:
        return await asyncpg.connect(host=str(self.folder), user="root", database=database)

    async def execute(self, statement: str, database: str = "postgres") -> None:
        connection = await self.connect(database)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def fetch(self, query: str, database: str) -> list[asyncpg.Record]:
        connection = await self.connect(database)
        try:
            return await connection.fetch(query)
        finally:
            await connection.close()

    async def create_database(self, options: str = "") -> str:
        """Make a database without tables and return its name."""
        self._made += 1
        name = f"test{self._made}"
        await self.execute(f"CREATE DATABASE {name} {options}")
        return name

    async def shared_database(self) -> str:
        """Return the name of a database that :meth:`clean` empties, which is quicker."""
        if self._shared is None:
            self._shared = await self.create_database()
        return self._shared

    async def clean(self) -> None:
        """Empty the shared database's tables, but leave them."""
        await self.execute(_CLEAN, await self.shared_database())

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._bin / program, *arguments]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            text=True,
            timeout=60,
            check=False,
            extra_groups=[] if self._who else None,
            **self._who,
        )
        assert done.returncode == 0, done.stdout


@contextmanager
def running(bin_folder: Path) -> Iterator[PostgresServer]:
    """Run a server until the end of the block."""
    # The path of a socket file must be short.
    folder = Path(tempfile.mkdtemp(prefix="andiron"))
    try:
        server = PostgresServer(bin_folder, folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
