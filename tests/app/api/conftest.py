"""An application that runs in memory, and whom its API speaks to."""

import pytest_asyncio

from andiron import create_app
from andiron.testing import running


@pytest_asyncio.fixture
async def chat():
    app = create_app(domain="example.org", archive_page=10)
    async with running(app) as client:
        app.client_of = client
        yield app
