"""What these tests are about is how databases come into being."""

import pytest
from support import schema


@pytest.fixture(autouse=True)
def migrations(monkeypatch):
    """Let the migrations make every database."""
    schema.uninstall(monkeypatch)
