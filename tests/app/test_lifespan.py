"""The lifespan protocol, as a server speaks it."""

import pytest
from support.hosted import Server, get

from andiron import create_app

DATABASE = "sqlite://"


@pytest.fixture
def chat():
    return create_app(database=DATABASE)


async def test_a_database_that_cannot_be_opened_stops_the_start():
    chat = create_app(database="sqlite:////nowhere/at/all.db")
    answer = await Server(chat).begin()
    assert answer["type"] == "lifespan.startup.failed"
    assert "/nowhere/at/all.db" in answer["message"]
    refused = await get(chat, "/healthz")
    assert refused.status_code == 503
    assert "log says why" in refused.text


async def test_an_unforeseen_failure_stops_the_start_too(chat, monkeypatch, caplog):
    monkeypatch.setattr("andiron.at_home.Driver", None)
    answer = await Server(chat).begin()
    assert answer == {"type": "lifespan.startup.failed", "message": "andiron: startup failed"}
    assert "Traceback" in caplog.text
