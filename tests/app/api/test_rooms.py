import asyncio

import pytest

from andiron import create_app
from andiron.api import BusyError, InvalidError, NotFoundError, RefusedError, UnavailableError
from andiron.domain.database.database import DatabaseError
from andiron.testing import running


async def test_a_room_of_the_sites_is_made_entered_and_ended(chat):
    room = await chat.api.create_room(
        "tea", name="Tea room", subject="The kettle", members_only=True, members=["alice"]
    )
    assert (room.address, room.name, room.subject) == (
        "tea@conference.example.org",
        "Tea room",
        "The kettle",
    )
    assert room.persistent
    alice, mallory = await chat.client_of("alice"), await chat.client_of("mallory")
    await alice.join("tea")
    with pytest.raises(PermissionError, match="registration-required"):
        await mallory.join("tea")
    (who,) = await chat.api.occupants("tea")
    assert (who.nick, who.account, who.affiliation, who.role, who.sessions) == (
        "alice",
        "alice@example.org",
        "member",
        "participant",
        1,
    )
    assert (await chat.api.room("tea")).occupants == 1
    await chat.api.destroy_room("tea", reason="It is late.")
    gone = await alice.next(lambda one: one.kind == "unavailable")
    assert "It is late." in gone.text
    with pytest.raises(NotFoundError, match="no room tea"):
        await chat.api.room("tea")


async def test_the_site_and_a_user_speak_to_all_and_to_who_comes_later(chat):
    await chat.api.create_room("tea")
    alice = await chat.client_of("alice")
    room = await alice.join("tea")
    told = await chat.api.say("tea", "the room itself")
    await chat.api.say("tea", "by a name", nick="Butler")
    await chat.api.say("tea", "as bob", sender="bob")
    await chat.api.say("tea", "as alice", sender="alice", nick="not this one")
    senders = [(await alice.receive()).sender for _ in range(4)]
    assert senders == [room, f"{room}/Butler", f"{room}/bob", f"{room}/alice"]
    page = await chat.api.archive(room)
    assert [each.body for each in page.messages] == [
        "the room itself",
        "by a name",
        "as bob",
        "as alice",
    ]
    assert page.messages[0].id == told.archive_id
    (one,) = (await chat.api.archive(room, peer="Butler")).messages
    assert one.sender == f"{room}/Butler"
    carol = await chat.client_of("carol")
    await carol.join("tea")
    assert [(await carol.receive()).sender for _ in range(4)] == senders


async def test_nobody_passes_for_somebody_who_is_there(chat):
    await chat.api.create_room("tea", members=["bob"])
    await chat.api.set_member("tea", "bob", "member", nick="Bob")
    alice = await chat.client_of("alice")
    await alice.join("tea")
    for nick in ("alice", "Bob"):
        with pytest.raises(RefusedError):
            await chat.api.say("tea", "hello", nick=nick)
    with pytest.raises(RefusedError):
        await chat.api.say("tea", "hello", sender="mallory", nick="alice")
    await chat.api.say("tea", "it is me", sender="bob")
    assert (await alice.receive()).sender.endswith("/Bob")


async def test_who_is_banned_or_has_no_voice_is_not_spoken_for(chat):
    await chat.api.create_room("tea", moderated=True)
    await chat.api.set_member("tea", "mallory", "outcast", reason="spam")
    for who in ("mallory", "alice"):
        with pytest.raises(RefusedError):
            await chat.api.say("tea", "hello", sender=who)
    await chat.api.change_room("tea", moderated=False, members_only=True)
    with pytest.raises(RefusedError, match="may not enter"):
        await chat.api.say("tea", "hello", sender="alice")


async def test_places_are_given_listed_and_taken(chat):
    await chat.api.create_room("tea", owners=["alice"], members=["bob"])
    await chat.api.set_member("tea", "carol", "admin", nick="Chair")
    await chat.api.set_member("tea", "bob", "none")
    members = {
        each.account: (each.affiliation, each.nick) for each in await chat.api.members("tea")
    }
    assert members == {
        "alice@example.org": ("owner", ""),
        "carol@example.org": ("admin", "Chair"),
    }
    with pytest.raises(RefusedError, match="A room has an owner"):
        await chat.api.set_member("tea", "alice", "none")
    with pytest.raises(InvalidError, match="outcast, none, member, admin, owner"):
        await chat.api.set_member("tea", "alice", "king")


async def test_a_room_that_is_the_sites_stays_so_when_others_change_it(chat):
    await chat.api.create_room("tea")
    await chat.api.set_member("tea", "alice", "owner")
    alice = await chat.client_of("alice")
    room = await alice.join("tea")
    form = (
        "<query xmlns='http://jabber.org/protocol/muc#owner'>"
        "<x xmlns='jabber:x:data' type='submit'>"
        "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
        "<field var='muc#roomconfig_roomowners'><value>example.org</value>"
        "<value>alice@example.org</value></field></x></query>"
    )
    assert (await alice.ask(form, to=room, kind="set")).kind == "result"
    owners = [each.account for each in await chat.api.members("tea")]
    assert owners == ["alice@example.org", "example.org"]


async def test_who_is_invited_may_enter(chat):
    await chat.api.create_room("tea", members_only=True)
    alice = await chat.client_of("alice")
    await chat.api.invite("tea", "alice", reason="Do come")
    invitation = await alice.next(lambda one: one.name == "message")
    assert "Do come" in invitation.text
    assert "from='example.org'" in invitation.text
    await alice.join("tea")
    await chat.api.set_member("tea", "mallory", "outcast")
    with pytest.raises(RefusedError, match="banned"):
        await chat.api.invite("tea", "mallory")


async def test_what_was_made_is_there_after_a_restart(tmp_path):
    database = f"sqlite:///{tmp_path / 'rooms.db'}"
    chat = create_app()
    async with running(chat, database=database):
        await chat.api.create_room("tea", name="Tea", members=["alice"], subject="S")
        await chat.api.say("tea", "kept")
    async with running(chat, database=database) as client:
        room = await chat.api.room("tea")
        assert (room.name, room.subject) == ("Tea", "S")
        assert len(await chat.api.members("tea")) == 2
        alice = await client("alice")
        await alice.join("tea")
        assert (await alice.receive()).body == "kept"


async def test_rooms_are_listed_by_the_page(chat):
    for name in ("c", "a", "b"):
        await chat.api.create_room(name)
    first = await chat.api.rooms(size=2)
    assert [each.address[0] for each in first.rooms] == ["a", "b"]
    assert not first.complete
    last = await chat.api.rooms(after=first.rooms[-1].address, size=2)
    assert [each.address[0] for each in last.rooms] == ["c"]
    assert last.complete


async def test_the_subject_and_the_password_change(chat):
    await chat.api.create_room("tea", password="leaves")
    await chat.api.set_subject("tea", "Assam")
    room = await chat.api.change_room("tea", password="", description="For all")
    assert (room.subject, room.has_password, room.description) == ("Assam", False, "For all")
    alice = await chat.client_of("alice")
    await alice.join("tea")
    subject = await alice.next(lambda one: one.name == "message")
    assert "<subject>Assam</subject>" in subject.text


@pytest.mark.parametrize(
    ("room", "error", "sentence"),
    [
        ("", InvalidError, "empty"),
        ("a b", InvalidError, "no room's name"),
        ("tea@example.org", InvalidError, "no room of conference.example.org"),
        ("tea@conference.example.org/nick", InvalidError, "no room of"),
        ("x" * 2000, InvalidError, "no room's name"),
        ("nowhere", NotFoundError, "There is no room nowhere"),
    ],
)
async def test_what_is_no_room_is_refused(chat, room, error, sentence):
    with pytest.raises(error, match=sentence):
        await chat.api.room(room)


async def test_names_are_given_as_a_list(chat):
    with pytest.raises(InvalidError, match="The owners are a list of names, not str"):
        await chat.api.create_room("tea", owners="alice")
    with pytest.raises(InvalidError, match="a whole number, not str"):
        await chat.api.rooms(size="9")


async def test_a_name_is_taken_once_and_not_too_often():
    chat = create_app(rooms_max=1)
    async with running(chat):
        await chat.api.create_room("tea")
        with pytest.raises(RefusedError, match="There is such a room"):
            await chat.api.create_room("tea")
        with pytest.raises(BusyError, match="Too many rooms"):
            await chat.api.create_room("coffee")
        with pytest.raises(InvalidError, match="65536 are the most"):
            await chat.api.say("tea", "x" * 70_000)


async def test_where_there_are_no_rooms_the_api_says_so():
    chat = create_app(rooms=False)
    async with running(chat):
        with pytest.raises(UnavailableError, match="the setting rooms"):
            await chat.api.rooms()


async def test_a_room_that_cannot_be_kept_is_not_there(chat, monkeypatch):
    async def fail(_operation, _payer):
        raise DatabaseError("gone")

    monkeypatch.setattr(chat.domain.database, "write", fail)
    with pytest.raises(UnavailableError, match="the server's log says why"):
        await chat.api.create_room("tea")
    with pytest.raises(NotFoundError):
        await chat.api.room("tea")
    monkeypatch.undo()
    await chat.api.create_room("tea")


async def kept_rooms(app):
    store = app.domain.rooms._store
    for turn in list(store._turns.values()):
        async with turn:  # What was begun for a room is written.
            pass
    return {each.name: each for each in await store.load()}


async def begun_and_cancelled(work):
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_was_changed_is_kept_when_whoever_asked_is_cancelled(chat):
    await begun_and_cancelled(chat.api.create_room("tea"))
    assert (await chat.api.room("tea")).persistent
    await begun_and_cancelled(chat.api.set_member("tea", "mallory", "outcast"))
    await begun_and_cancelled(chat.api.change_room("tea", name="Tea room"))
    tea = (await kept_rooms(chat))["tea"]
    assert tea.config.name == "Tea room"
    assert tea.places["mallory@example.org"].affiliation == "outcast"
    await begun_and_cancelled(chat.api.destroy_room("tea"))
    assert await kept_rooms(chat) == {}


async def test_a_name_that_is_used_again_at_once_is_kept_for_the_later_room(chat):
    await chat.api.create_room("tea", name="first")
    await asyncio.gather(
        chat.api.destroy_room("tea"),
        chat.api.create_room("tea", name="second"),
        chat.api.change_room("tea", name="third"),
    )
    assert (await kept_rooms(chat))["tea"].config.name == "third"


@pytest.mark.parametrize(
    "ask",
    [
        lambda api: api.say("tea", "hello", sender="alice"),
        lambda api: api.invite("tea", "alice"),
    ],
)
async def test_nobody_speaks_in_a_room_that_ends_meanwhile(chat, ask):
    await chat.api.create_room("tea")
    asked = asyncio.ensure_future(ask(chat.api))
    await asyncio.sleep(0)
    await chat.api.destroy_room("tea")
    with pytest.raises(NotFoundError, match="There is no room tea"):
        await asked


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"name": 101}, "The name of a room must be a text, not int"),
        ({"password": b"secret"}, "The password of a room must be a text, not bytes"),
        ({"public": "no"}, "Whether a room is public must be True or False, not str"),
    ],
)
async def test_a_room_is_set_up_by_what_its_options_are(chat, option, sentence):
    with pytest.raises(InvalidError, match=sentence):
        await chat.api.create_room("tea", **option)
    await chat.api.create_room("tea")
    with pytest.raises(InvalidError, match=sentence):
        await chat.api.change_room("tea", **option)


async def test_what_is_no_name_has_no_archive(chat):
    with pytest.raises(InvalidError, match="must be a text, not int"):
        await chat.api.archive(101)
