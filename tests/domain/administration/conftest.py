"""A domain with an admin, and somebody who is none."""

import pytest_asyncio

from andiron import create_app
from andiron.testing import running


@pytest_asyncio.fixture
async def chat():
    app = create_app(domain="example.org", admins=["Admin", "second@example.org"])
    async with running(app) as client:
        app.client_of = client
        yield app
