"""Fixtures for pytest with pytest-asyncio: ``pytest_plugins = ["andiron.testing.fixtures"]``."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from andiron.application import Andiron
from andiron.creating import create_app
from andiron.testing.running import SignIn, running

__all__ = ["chat", "chat_client"]


@pytest.fixture
def chat() -> Andiron:
    """Return the application; a site has a fixture of this name that returns its own."""
    return create_app()


@pytest_asyncio.fixture
async def chat_client(chat: Andiron) -> AsyncIterator[SignIn]:
    """Run ``chat`` in memory and give the function that signs somebody in."""
    async with running(chat) as coming:
        yield coming
