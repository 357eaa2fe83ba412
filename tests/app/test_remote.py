"""The API from another process: the same methods, over HTTP."""

import inspect
from datetime import UTC, datetime

import httpx
import pytest

from andiron import create_app
from andiron.api import (
    InvalidError,
    NotFoundError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
)
from andiron.api.api import Api
from andiron.remote import AsyncChat, Chat
from andiron.testing import running

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
async def both():
    app = create_app(domain="example.org", api_token=TOKEN)
    transport = httpx.ASGITransport(app)
    async with (
        running(app),
        AsyncChat("http://localhost/", TOKEN, transport=transport) as remote,
    ):
        yield app, remote


async def test_all_comes_back_as_it_does_in_the_process(both):
    app, remote = both
    sent = await remote.send("bob", "hello", sender="alice", subject="S")
    assert await remote.archive("bob", latest=True) == await app.api.archive("bob", latest=True)
    assert (await remote.archive("bob")).messages[0].id == sent.archive_id
    assert await remote.notify("bob", "x") == 0
    assert await remote.announce("x", subject="S") == 0
    room = await remote.create_room("tea", members=["alice"], members_only=True)
    assert room == await app.api.room("tea")
    assert await remote.rooms() == await app.api.rooms()
    await remote.set_member("tea", "bob@example.org", "admin", nick="Bob")
    assert await remote.members("tea") == await app.api.members("tea")
    await remote.set_subject("tea", "Assam")
    await remote.invite("tea", "carol", reason="Do")
    said = await remote.say("tea", "hello", nick="Butler")
    assert (await remote.archive(room.address)).messages[-1].id == said.archive_id
    await remote.delete_from_archive(room.address, said.archive_id)
    assert (await remote.change_room("tea", public=False)).public is False
    assert await remote.occupants("tea") == ()
    await remote.destroy_room("tea", reason="late")
    noon = datetime(2020, 5, 1, 12, tzinfo=UTC)
    identity = await remote.add_to_archive("bob", "old", peer="alice", time=noon)
    (old,) = (await remote.archive("bob", end=noon)).messages
    assert (old.id, old.time) == (identity, noon)
    assert await remote.sessions() == ()
    (process,), (own,) = await remote.processes(), await app.api.processes()
    assert (process.name, process.since, process.home) == (own.name, own.since, True)
    assert await remote.end_sessions("bob") == 0
    assert await remote.presence("bob") == await app.api.presence("bob")


async def test_errors_are_the_same(both):
    _, remote = both
    with pytest.raises(NotFoundError, match="There is no room 50%2f"):
        await remote.room("50%2f")
    for name in ("", ".", "..", "a/b", "../sessions", 7):
        with pytest.raises(InvalidError, match="is no name"):
            await remote.destroy_room(name)
    for ask in (
        remote.presence("bob\ud800"),
        remote.send("bob", "\ud800"),
        remote.rooms(after="\ud800"),
        remote.send("bob", "x" * 5_000_000),
    ):
        with pytest.raises(InvalidError):
            await ask
    with pytest.raises(InvalidError, match="nobody's name"):
        await remote.send("a b", "x")
    with pytest.raises(InvalidError, match="body: Input should be"):
        await remote.send("bob", 7)
    await remote.create_room("tea")
    with pytest.raises(RefusedError, match="There is such a room"):
        await remote.create_room("tea")
    with pytest.raises(TypeError):
        await remote.send()


async def test_a_wrong_token_and_a_wrong_place_are_told():
    app = create_app(api_token=TOKEN)
    transport = httpx.ASGITransport(app)
    async with running(app):
        async with AsyncChat("http://localhost", "x" * 32, transport=transport) as remote:
            with pytest.raises(UnauthorizedError, match="not one of those"):
                await remote.sessions()
        async with AsyncChat("http://localhost/chat", TOKEN, transport=transport) as remote:
            with pytest.raises(NotFoundError, match="status 404"):
                await remote.sessions()
    page = httpx.MockTransport(lambda request: httpx.Response(200, text="a page"))
    async with AsyncChat("http://localhost", TOKEN, transport=page) as remote:
        with pytest.raises(UnavailableError, match="is not this API"):
            await remote.sessions()


def test_a_server_that_is_not_there_is_told():
    with (
        Chat("http://127.0.0.1:9", TOKEN) as chat,
        pytest.raises(UnavailableError, match="has not answered"),
    ):
        chat.send("bob", "hello")


def test_what_cannot_be_used_is_said_at_once():
    with pytest.raises(ValueError, match="where the chat is mounted"):
        Chat("example.org", TOKEN)
    with pytest.raises(ValueError, match="api_token"):
        Chat("https://example.org", "")


def test_all_three_can_the_same():
    def public(of):
        return {name for name in dir(of) if not name.startswith("_")}

    assert public(Chat) - {"close"} == public(AsyncChat) - {"close"} == public(Api)
    assert inspect.signature(Chat.send) == inspect.signature(Api.send)
