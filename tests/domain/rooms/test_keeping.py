"""What survives a restart, what is kept of what is said, and who may read it."""

import pytest
from sqlalchemy import text
from support.domains import CLIENT, Manager, condition, delays, settle
from support.rooms import (
    MUC,
    ROOM,
    RoomStage,
    configure,
    enter,
    leave,
    listed,
    request,
    rule,
    say,
)

from andiron.domain.config import DomainConfig
from andiron.domain.database.database import DatabaseError
from andiron.domain.domain import Domain
from andiron.domain.rooms.privileges import Affiliation
from andiron.sm.config import SmConfig
from andiron.xmpp import namespaces as ns

QUERY = f"<query xmlns='{ns.MAM}'/>"
STANZA_ID = f"{{{ns.STANZA_ID}}}stanza-id"
PICTURE = f"<vCard xmlns='{ns.VCARD}'><PHOTO><BINVAL>aGVsbG8=</BINVAL></PHOTO></vCard>"


async def scene(**fields):
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, "Juliet", **fields)
    return stage, juliet, romeo


async def restarted(stage):
    """Return a stage on the same database."""
    await stage.domain.archive.close()
    again = RoomStage()
    again.database = stage.database
    again.domain = Domain(DomainConfig(rooms=stage.domain.config.rooms), again.guard)
    again.store = stage.store
    await again._run()
    again.manager = Manager(SmConfig(idle_probe=0), again.domain, clock=lambda: again.now)
    again.now = stage.now
    return again


async def test_a_persistent_room_is_there_again():
    stage, juliet, _romeo = await scene(
        persistentroom=1, roomname="Garden", roomsecret="s", moderatedroom=1
    )
    await rule(
        juliet,
        "jid='romeo@localhost' affiliation='member'",
        "jid='tybalt@localhost' affiliation='outcast'",
    )
    await request(juliet, "set", PICTURE)
    juliet.send(f"<message type='groupchat' to='{ROOM}'><subject>Love</subject></message>")
    stage.room.nicks.reserve("romeo@localhost", "Romeo")
    await stage.domain.rooms.affiliated(stage.room, ["romeo@localhost"])
    await settle()
    before = stage.room
    identity = before.occupants["Juliet"].identity
    leave(juliet, "Juliet")
    assert stage.has_room()
    stage = await restarted(stage)
    room = stage.room
    assert room is not before
    assert room.config == before.config
    assert room.affiliations == before.affiliations
    assert room.nicks == before.nicks
    assert room.subject == before.subject
    assert (room.vcard, room.photos) == (before.vcard, before.photos)
    assert (room.secret, room.created_by) == (before.secret, before.created_by)
    juliet = await stage.come("juliet", "here")
    enter(juliet, "Juliet", x=MUC.replace("/>", "><password>s</password></x>"))
    assert room.occupants["Juliet"].identity == identity
    assert juliet.take()[-1].findtext(CLIENT + "subject") == "Love"


@pytest.mark.parametrize("how", ["destroyed", "temporary", "never kept"])
async def test_others_are_not(how):
    stage, juliet, _ = await scene(persistentroom=int(how != "never kept"))
    if how == "destroyed":
        await request(juliet, "set", f"<query xmlns='{ns.MUC_OWNER}'><destroy/></query>")
    elif how == "temporary":
        await configure(juliet, persistentroom=0)
        assert stage.has_room()
    stage = await restarted(stage)
    assert not stage.has_room()


async def test_affiliations_that_are_taken_back_are_gone():
    stage, juliet, _ = await scene(persistentroom=1)
    for affiliation in ("admin", "member", "none"):
        await rule(juliet, f"jid='romeo@localhost' affiliation='{affiliation}'")
    stage = await restarted(stage)
    assert stage.room.affiliations == {"juliet@localhost": "owner"}


async def test_members_by_invitation_are_kept():
    stage, juliet, _romeo = await scene(persistentroom=1, membersonly=1)
    juliet.send(
        f"<message to='{ROOM}'><x xmlns='{ns.MUC_USER}'>"
        "<invite to='romeo@localhost'/></x></message>"
    )
    await settle()
    stage = await restarted(stage)
    assert stage.room.affiliation("romeo@localhost") is Affiliation.MEMBER


async def test_accounts_that_were_removed_meanwhile_have_no_affiliations():
    stage, juliet, _romeo = await scene(persistentroom=1)
    await rule(
        juliet,
        "jid='romeo@localhost' affiliation='admin'",
        "jid='stranger@elsewhere' affiliation='member'",
    )
    with stage.database.engine.begin() as connection:
        connection.execute(text("delete from accounts where username = 'juliet'"))
    stage = await restarted(stage)
    assert stage.room.affiliations == {
        "romeo@localhost": "owner",
        "stranger@elsewhere": "member",
    }
    with stage.database.engine.begin() as connection:
        connection.execute(text("delete from accounts where username = 'romeo'"))
    stage = await restarted(stage)
    assert not stage.has_room()


async def test_what_an_admin_said_with_an_affiliation_is_there_again():
    stage, juliet, _ = await scene(persistentroom=1)
    ban = "<item jid='romeo@localhost' affiliation='outcast'><reason>Treason</reason></item>"
    await request(juliet, "set", f"<query xmlns='{ns.MUC_ADMIN}'>{ban}</query>")
    for nick in ("Prince", "Cat"):  # The second changes nothing but the nickname.
        await rule(juliet, f"jid='tybalt@localhost' affiliation='member' nick='{nick}'")
    stage = await restarted(stage)
    assert stage.room.nicks == {"tybalt@localhost": "Cat"}
    juliet = await stage.come("juliet", "here")
    answer = await listed(juliet, "affiliation='outcast'")
    assert answer.findtext(f".//{{{ns.MUC_ADMIN}}}reason") == "Treason"


async def test_a_ban_stays_when_its_account_goes():
    stage, juliet, _ = await scene(persistentroom=1)
    await rule(juliet, "jid='romeo@localhost' affiliation='outcast'")
    with stage.database.engine.begin() as connection:
        connection.execute(text("delete from accounts where username = 'romeo'"))
    stage = await restarted(stage)
    assert stage.room.affiliation("romeo@localhost") is Affiliation.OUTCAST


async def test_the_past_is_filled_from_the_archive():
    stage, juliet, romeo = await scene(persistentroom=1)
    for body in ("one", "two"):
        say(juliet, body)
        stage.now += 10
    juliet.send(f"<message type='groupchat' to='{ROOM}'><subject>Love</subject></message>")
    await settle()
    enter(romeo, "Romeo")
    before = [each for each in romeo.take() if each.findtext(CLIENT + "body")]
    stage = await restarted(stage)
    romeo = await stage.come("romeo", "here")
    enter(romeo, "Romeo")
    after = [each for each in romeo.take() if each.findtext(CLIENT + "body")]
    assert [each.findtext(CLIENT + "body") for each in after] == ["one", "two"]
    for old, new in zip(before, after, strict=True):
        assert new.find(STANZA_ID).get("id") == old.find(STANZA_ID).get("id")
        assert new.get("from") == old.get("from") == f"{ROOM}/Juliet"
        assert [delay[:19] for delay in delays(new)] == [delay[:19] for delay in delays(old)]


def results(stanzas):
    return [
        (each.find(f"{{{ns.MAM}}}result").get("id"), each.find(f".//{CLIENT}message"))
        for each in stanzas
        if each.find(f"{{{ns.MAM}}}result") is not None
    ]


async def test_the_archive_has_what_was_said_under_the_ids_that_were_told():
    _stage, juliet, romeo = await scene()
    enter(romeo, "Romeo")
    romeo.take()
    say(juliet, "one")
    say(romeo, "two")
    told = [each.find(STANZA_ID).get("id") for each in romeo.take()]
    answer = await request(romeo, "set", QUERY)
    assert answer[0].tag == f"{{{ns.MAM}}}fin"
    found = results(romeo.take())
    assert [identity for identity, _ in found] == told
    for (_, message), nick, body in zip(found, ("Juliet", "Romeo"), ("one", "two"), strict=True):
        assert message.get("from") == f"{ROOM}/{nick}"
        assert message.get("type") == "groupchat"
        assert message.get("to") is None
        assert message.findtext(CLIENT + "body") == body
        assert message.find(f"{{{ns.OCCUPANT_ID}}}occupant-id") is not None
    assert (await request(romeo, "get", QUERY))[0][0].tag == f"{{{ns.DATA}}}x"
    answer = await request(romeo, "get", f"<metadata xmlns='{ns.MAM}'/>")
    assert answer.find(f".//{{{ns.MAM}}}start").get("id") == told[0]


READERS = [
    ({}, "none", True),
    ({"membersonly": 1}, "none", False),
    ({"membersonly": 1}, "member", True),
    ({"roomsecret": "x"}, "none", False),
    ({"roomsecret": "x"}, "member", True),
    ({}, "outcast", False),
]


@pytest.mark.parametrize(("fields", "affiliation", "allowed"), READERS)
async def test_who_may_read_the_archive(fields, affiliation, allowed):
    _stage, juliet, romeo = await scene(**fields)
    say(juliet, "one")
    await rule(juliet, f"jid='romeo@localhost' affiliation='{affiliation}'")
    romeo.take()
    answer = await request(romeo, "set", QUERY)
    assert (answer.get("type") == "result") == allowed
    assert allowed or condition(answer) == "forbidden"
    assert len(results(romeo.take())) == allowed
    assert (await request(juliet, "set", QUERY)).get("type") == "result"


async def test_where_nothing_is_kept():
    stage, juliet, _romeo = await scene(enablelogging=0)
    say(juliet, "one")
    assert juliet.take()[0].find(STANZA_ID) is None
    assert condition(await request(juliet, "set", QUERY)) == "service-unavailable"
    stage = RoomStage({"archive": None})
    juliet = await stage.person("juliet")
    await stage.open_room(juliet)
    say(juliet, "one")
    assert juliet.take()[0].find(STANZA_ID) is None
    assert condition(await request(juliet, "set", QUERY)) == "service-unavailable"


async def test_a_new_room_has_nothing_of_an_old_one_of_its_name():
    stage, juliet, romeo = await scene()
    say(juliet, "secret")
    leave(juliet, "Juliet")
    assert not stage.has_room()
    enter(romeo, "Romeo")
    await settle()
    await configure(romeo)
    romeo.take()
    await request(romeo, "set", QUERY)
    assert results(romeo.take()) == []
    say(romeo, "mine")
    await request(romeo, "set", QUERY)
    assert len(results(romeo.take())) == 1


async def test_an_archive_that_cannot_be_removed_is_seen_by_nobody(caplog):
    stage, juliet, romeo = await scene()
    say(juliet, "secret")
    await settle()
    stage.database.error = DatabaseError("gone")
    leave(juliet, "Juliet")
    await settle()
    stage.database.error = None
    assert "could not be removed" in caplog.text
    enter(romeo, "Romeo")
    await configure(romeo)
    romeo.take()
    await request(romeo, "set", QUERY)
    assert results(romeo.take()) == []


async def test_what_cannot_be_stored_is_not_confirmed():
    stage, juliet, _ = await scene(persistentroom=1)
    stage.database.error = DatabaseError("gone")
    answer = await rule(juliet, "jid='romeo@localhost' affiliation='member'")
    assert condition(answer) == "internal-server-error"


async def test_the_rooms_hear_of_an_account_that_is_removed():
    stage, juliet, romeo = await scene(persistentroom=1)
    await rule(juliet, "jid='romeo@localhost' affiliation='member'")
    enter(romeo, "Romeo")
    juliet.take()
    await stage.domain.remove_account("romeo")
    await settle()
    assert stage.room.affiliations == {"juliet@localhost": "owner"}
    assert list(stage.room.occupants) == ["Juliet"]
