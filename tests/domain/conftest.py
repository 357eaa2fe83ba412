"""A database of a test's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from andiron.domain.database import Database


@pytest.fixture(params=["file", "memory"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path}/andiron.db" if request.param == "file" else "sqlite://"
    opened = await Database.open(url)
    yield opened
    await opened.close()
