"""A database of a test's own, on each kind that there is."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.postgres import PostgresServer, programs, running

from andiron.domain.database.database import Database
from andiron.domain.database.failure_log import FAILURE_LOG
from andiron.sm.notices import Notices
from tests.conftest import require


@pytest.fixture(autouse=True)
def nothing_logged_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test see the failures that it causes, though others have caused the same."""
    monkeypatch.setattr(FAILURE_LOG, "_notices", Notices())


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    found = require("PostgreSQL", str(programs() or "") or None)
    with running(Path(found)) as server:
        yield server


@pytest.fixture
async def postgres_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """Name a database in PostgreSQL that holds nothing, though its tables may exist."""
    yield postgres_server.url(await postgres_server.shared_database())
    await postgres_server.clean()


@pytest.fixture(params=["file", "postgres"])
def lasting_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a database that outlives who opens it."""
    return _url(request, tmp_path)


@pytest.fixture(params=["file", "memory", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a database of each kind."""
    return _url(request, tmp_path)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    opened = await Database.open(url)
    yield opened
    await opened.close()


def _url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    # An asynchronous fixture can be asked for by a synchronous one only.
    match request.param:
        case "file":
            return f"sqlite:///{tmp_path}/andiron.db"
        case "memory":
            return "sqlite://"
        case _:
            url: str = request.getfixturevalue("postgres_url")
            return url
