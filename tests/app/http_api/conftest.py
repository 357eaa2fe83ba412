"""An application with a token, and a client of its API."""

import httpx
import pytest_asyncio

from andiron import create_app
from andiron.testing import running

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest_asyncio.fixture
async def chat():
    app = create_app(domain="example.org", api_token=f"{'n' * 40} {TOKEN}")
    async with running(app) as client:
        app.client_of = client
        yield app


@pytest_asyncio.fixture
async def http(chat):
    transport = httpx.ASGITransport(chat, client=("192.0.2.7", 1))
    async with httpx.AsyncClient(
        transport=transport,
        base_url="http://localhost/api/v1",
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as client:
        yield client
