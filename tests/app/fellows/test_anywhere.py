"""What the site's own code asks in a process that is not home is done at home."""

import asyncio
import inspect
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.waiting import until

from andiron import create_app
from andiron.api import ApiError, InvalidError, RefusedError, UnavailableError
from andiron.api.api import Api
from andiron.domain.database.database import DatabaseError
from andiron.domain.owners import NoSuchAccount
from andiron.fellows.anywhere import AnywhereApi
from andiron.http_api.operations import OPERATIONS
from andiron.http_api.problems import CODES
from andiron.people import People
from andiron.testing import sign_in
from tests.app.fellows.test_fellows import made, running
from tests.app.test_continuity import make_people, online

__all__ = ["made"]


@pytest.fixture
async def both(made):
    """Give a home and a door."""
    home, door = made(), made()
    async with running(home, door):
        yield home, door


# The API


async def test_all_is_done_as_at_home(both):
    home, door = both
    sent = await door.api.send("bob", "hello", sender="alice", subject="S")
    page = await door.api.archive("bob", latest=True)
    assert page == await home.api.archive("bob", latest=True)
    assert page.messages[0].id == sent.archive_id
    room = await door.api.create_room("50%2f+?é", members=["alice"], members_only=True)
    assert room == await home.api.room(room.address) == await door.api.room(room.address)
    assert await door.api.rooms(size=3) == await home.api.rooms()
    await door.api.set_member(room.address, "bob@localhost", "admin", nick="Bob")
    assert await door.api.members(room.address) == await home.api.members(room.address)
    noon = datetime(2020, 5, 1, 12, tzinfo=UTC)
    identity = await door.api.add_to_archive("bob", "old", peer="alice", time=noon)
    (old,) = (await door.api.archive("bob", end=noon)).messages
    assert (old.id, old.time) == (identity, noon)
    bob = await sign_in(home, "bob")
    assert await door.api.notify("bob", "Tea!") == 1
    await bob.next(lambda one: one.body == "Tea!")
    (there,) = await door.api.sessions()
    (at_home,) = await home.api.sessions()
    assert abs(there.since - at_home.since) < timedelta(seconds=1)  # It is reckoned anew.
    assert there == replace(at_home, idle=there.idle, since=there.since)
    assert await door.api.presence("bob") == await home.api.presence("bob")
    assert await door.api.destroy_room(room.address, reason="late") is None
    setting = await door.api.change_setting("admins", ["bob"])
    assert setting in await home.api.settings()


def test_every_operation_is_one_of_it():
    for operation in OPERATIONS:
        mine, at_home = getattr(AnywhereApi, operation.name), getattr(Api, operation.name)
        assert mine is not at_home
        assert inspect.iscoroutinefunction(mine)
        assert inspect.signature(mine) == inspect.signature(at_home)


async def test_one_process_has_the_api_and_the_people_themselves():
    chat = create_app(database="sqlite://")
    assert type(chat.api) is Api
    async with chat.lifespan():
        assert type(chat.people) is People


@pytest.mark.parametrize("kind", sorted(set(CODES.values()), key=str))
async def test_errors_come_as_they_are(both, monkeypatch, kind):
    async def refuse(_api, account):
        assert account == "bob"
        raise kind("Not today, Bob.")

    monkeypatch.setattr(Api, "presence", refuse)
    with pytest.raises(ApiError) as refused:
        await both[1].api.presence("bob")
    assert type(refused.value) is kind
    assert str(refused.value) == "Not today, Bob."


async def test_what_can_never_be_is_refused_as_at_home(both):
    for chat in both:
        with pytest.raises(InvalidError, match="nobody's name"):
            await chat.api.send("a b", "x")
        for wrong in (
            chat.api.send("bob", 7),
            chat.api.send("bob", "\ud800"),
            chat.api.room("a/b"),
            chat.api.room("x" * 1_000_000),
            chat.api.rooms(after="x" * 1_000_000),
            chat.api.send("bob", "x" * 5_000_000),
        ):
            with pytest.raises(InvalidError):
                await wrong
        with pytest.raises(TypeError):
            await chat.api.send()
        await chat.api.create_room(f"tea-{chat.at_home}")
        with pytest.raises(RefusedError, match="There is such a room"):
            await chat.api.create_room(f"tea-{chat.at_home}")


async def test_a_fault_at_home_is_in_its_log(both, monkeypatch, caplog):
    async def fail(_api, account):
        raise RuntimeError(f"what nobody foresaw of {account}")

    monkeypatch.setattr(Api, "presence", fail)
    with pytest.raises(UnavailableError, match="The server's log says why"):
        await both[1].api.presence("bob")
    assert "what nobody foresaw of bob" in caplog.text


async def test_no_line_of_the_audit_is_written_as_none_is_at_home(both, caplog):
    caplog.set_level("INFO", "andiron.audit")
    for chat in both:
        await chat.api.send("bob", "hello")
    assert not [one for one in caplog.records if one.name == "andiron.audit"]


async def test_threads_use_it_in_any_process(both):
    home, door = both
    sent = await asyncio.to_thread(door.sync.send, "bob", "from a thread")
    assert (await home.api.archive("bob")).messages[-1].id == sent.archive_id
    with pytest.raises(RuntimeError, match="would stop this event loop"):
        door.sync.send("bob", "hello")
    with pytest.raises(RuntimeError, match="another event loop: use its sync interface"):
        await asyncio.to_thread(lambda: asyncio.run(door.api.sessions()))


async def test_when_it_does_not_run_it_says_so(made):
    door = made()
    async with running(made(), door):
        people = door.people
    with pytest.raises(UnavailableError, match="does not run in this process"):
        await door.api.sessions()
    with pytest.raises(UnavailableError, match="does not run in this process"):
        await asyncio.to_thread(door.sync.sessions)
    with pytest.raises(RuntimeError, match="does not run"):
        await people.groups()
    with pytest.raises(RuntimeError, match="does not run"):
        people.wait(people.groups())
    people.contacts_changed()
    assert door.end_sessions("alice") == 0


async def test_two_chats_in_one_process_do_not_meet(made, tmp_path):
    def other():
        place = {"cluster": f"unix:{tmp_path}/b.sock", "database": f"sqlite:///{tmp_path}/b.db"}
        return made(**place)

    one, door, two, other_door = made(), made(), other(), other()
    async with running(one, door, two, other_door):
        await asyncio.gather(door.api.send("bob", "one"), other_door.api.send("bob", "two"))
        for chat, word in ((one, "one"), (two, "two")):
            (found,) = (await chat.api.archive("bob")).messages
            assert found.body == word


# People


async def test_people_are_managed_in_any_process(both):
    home, door = both
    people = door.people
    await make_people(home, "juliet", "nurse")
    assert await people.add_to_group("House", "Juliet", "nurse") is None
    assert await people.groups() == {"House": 2}
    assert await people.members(group="House") == ["juliet", "nurse"]
    await people.remove_from_group("House", "nurse")
    assert await home.people.members("House") == ["juliet"]
    await people.delete_group("House")
    assert await people.groups() == {}
    juliet = await online(door, "juliet")
    assert await people.disable("Juliet") == 1
    assert await people.disabled() == ["juliet"] == await home.people.disabled()
    await juliet.until("the account is disabled")
    await people.enable("juliet")
    assert await asyncio.to_thread(lambda: people.wait(people.disabled())) == []
    with pytest.raises(RuntimeError, match="await it"):
        people.wait(people.disabled())


async def test_errors_of_people_are_those_of_home(both, monkeypatch):
    _, door = both
    for chat in both:
        with pytest.raises(ValueError, match="cannot be called"):
            await chat.people.add_to_group("", "juliet")
        with pytest.raises(ValueError, match="a space"):
            await chat.people.disable("two words")
        with pytest.raises(ValueError, match="a space"):
            chat.people.contacts_changed("two words")
        with pytest.raises(NoSuchAccount, match="There is no account nobody"):
            await chat.people.add_to_group("House", "nobody")
        with pytest.raises(TypeError):
            await chat.people.disable()

    async def fail(_people):
        raise DatabaseError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(People, "groups", fail)
        with pytest.raises(DatabaseError, match="The disk is full"):
            await door.people.groups()

    async def wrong(_people):
        raise KeyError("what nobody foresaw")

    monkeypatch.setattr(People, "groups", wrong)
    with pytest.raises(UnavailableError):
        await door.people.groups()


async def test_the_people_of_a_door_go_on_where_it_becomes_home(made):
    home, door = made(), made()
    async with running(home), running(door):
        people = door.people
        assert await people.groups() == {}
        home._together.fellows.step_down()
        await until(lambda: door.at_home)
        await make_people(door, "juliet")
        await people.add_to_group("House", "juliet")
        assert await home.people.groups() == await people.groups() == {"House": 1}


@pytest.mark.parametrize("threaded", [True, False])
async def test_what_the_site_allowed_is_asked_anew_at_home(made, threaded):
    allowed = {"romeo"}

    async def may_contact(one, _other):
        return one in allowed

    home, door = made(may_contact=may_contact), made(may_contact=may_contact)
    async with running(home, door):
        romeo, juliet = await sign_in(home, "romeo"), await sign_in(home, "juliet")
        await romeo.send("juliet", "Hi")
        await juliet.receive()
        allowed.clear()
        if threaded:
            await asyncio.to_thread(door.people.contacts_changed, "romeo")
        else:
            door.people.contacts_changed("romeo")
        await until(lambda: not door._ask_home._tasks and not door._given.connections._count)
        await romeo.send("juliet", "Hi")
        assert (await romeo.next(lambda one: one.kind == "error")).condition == "forbidden"
