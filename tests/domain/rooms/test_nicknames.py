"""Nicknames that people take for one another, side by side nowhere in a room."""

import pytest
from support.domains import condition
from support.rooms import ROOM, RoomStage, enter, leave, request, rule, told

from andiron.domain.rooms.nicknames import ByNick, Reservations
from andiron.xmpp import namespaces as ns

CYRILLIC = "\N{CYRILLIC SMALL LETTER A}l"
VOV = "\N{CYRILLIC SMALL LETTER VE}\N{CYRILLIC SMALL LETTER O}\N{CYRILLIC SMALL LETTER VE}"
TWINS = ["AL", "al ", " al", "Al", CYRILLIC, "\uff41l"]


def test_things_by_nickname():
    things = ByNick()
    things["al"], things["bo"] = 1, 2
    assert (things["al"], things.get("AL"), "AL" in things) == (1, None, False)
    assert [things.alike(nick) for nick in ("AL", "Bo ", "cy", "")] == [[1], [2], [], []]
    assert (list(things), list(things.values()), len(things)) == (["al", "bo"], [1, 2], 2)
    del things["al"]
    assert things.alike("AL") == []


def test_reservations():
    nicks = Reservations()
    nicks.reserve("a@x", "al")
    nicks.reserve("b@x", "bo")
    assert nicks == {"a@x": "al", "b@x": "bo"}
    assert (nicks.holders("AL"), nicks.holders("cy")) == ({"a@x"}, set())
    nicks.reserve("a@x", "cy")
    assert (nicks.holders("AL"), nicks.holders("CY")) == (set(), {"a@x"})
    assert nicks.faults() == []
    nicks.reserve("c@x", "Cy")
    nicks.reserve("d@x", "\u3000")
    assert nicks.faults() == [
        "the nicknames 'cy' of a@x, 'Cy' of c@x are one to people",
        "the nickname '\\u3000' of d@x can be none any more",
    ]
    for bare in ("a@x", "c@x", "d@x"):
        nicks.reserve(bare, "")
    assert (nicks, nicks.holders("cy"), nicks.faults()) == ({"b@x": "bo"}, set(), [])


async def scene(nick="al"):
    """Return a stage with Juliet, who owns the room, and Romeo in it by a nickname."""
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, "Juliet")
    enter(romeo, nick)
    juliet.take(), romeo.take()
    return stage, juliet, romeo


@pytest.mark.parametrize("twin", TWINS)
async def test_nobody_comes_beside_his_twin(twin):
    stage, juliet, romeo = await scene()
    nurse = await stage.person("nurse")
    enter(nurse, twin)
    (answer,) = nurse.take()
    assert condition(answer) == "conflict"
    assert answer.get("from") == f"{ROOM}/{twin}"
    enter(juliet, twin, x="")
    assert condition(juliet.take()[0]) == "conflict"
    leave(romeo, "al")
    enter(nurse, twin)
    assert list(stage.room.occupants) == ["Juliet", twin]


async def test_who_is_one_to_people_with_two_is_neither():
    """What reads Vov in Cyrillic capitals is one with vov, and looks like bob; these are two."""
    stage, _juliet, romeo = await scene(VOV)
    nurse, phone = await stage.person("nurse"), await stage.person("romeo", "phone")
    enter(nurse, "bob")
    assert list(stage.room.occupants) == ["Juliet", VOV, "bob"]
    enter(phone, VOV.upper())
    assert condition(phone.take()[-1]) == "conflict"
    enter(romeo, VOV.upper(), x="")
    assert condition(romeo.take()[-1]) == "conflict"
    leave(nurse, "bob")
    enter(phone, "bob")
    enter(romeo, VOV.upper(), x="")
    assert condition(romeo.take()[-1]) == "conflict"
    assert list(stage.room.occupants) == ["Juliet", VOV, "bob"]
    leave(phone, "bob")
    enter(romeo, VOV.upper(), x="")
    enter(nurse, "bob")
    assert condition(nurse.take()[-1]) == "conflict"


@pytest.mark.parametrize("twin", TWINS)
async def test_ones_own_name_may_be_written_otherwise(twin):
    stage, juliet, romeo = await scene()
    enter(romeo, twin, x="")
    gone, come = romeo.take()
    assert told([gone, come]) == [("al", "unavailable", [110, 303]), (twin, "", [110])]
    assert told(juliet.take()) == [("al", "unavailable", [303]), (twin, "", [])]
    assert list(stage.room.occupants) == ["Juliet", twin]
    nurse = await stage.person("nurse")
    enter(nurse, "al")
    assert condition(nurse.take()[0]) == "conflict"


@pytest.mark.parametrize("twin", TWINS)
async def test_another_session_of_a_person_comes_under_the_name_that_is_there(twin):
    """Section 7.2.8 for sessions, with the code of section 7.6 for what the service changed."""
    stage, _juliet, romeo = await scene()
    phone = await stage.person("romeo", "phone")
    enter(phone, twin)
    mine = told(phone.take())[-1]
    assert mine == ("al", "", [110, 170, 210])
    assert len(stage.room.occupants["al"].seats) == 2
    enter(phone, "other", x="")
    assert told(romeo.take())[-1] == ("other", "", [110])
    assert list(stage.room.occupants) == ["Juliet", "other"]


@pytest.mark.parametrize("nick", ["\u3000", "%20", "a" * 101])
async def test_what_is_no_nickname(nick):
    stage, _juliet, romeo = await scene()
    enter(romeo, nick.replace("%20", " "), x="")
    assert condition(romeo.take()[-1]) == "not-acceptable"
    assert list(stage.room.occupants) == ["Juliet", "al"]


@pytest.mark.parametrize("twin", TWINS)
async def test_an_address_is_that_of_the_very_nickname(twin):
    """What looks like somebody's is nobody's: a private message goes to no look-alike."""
    stage, juliet, romeo = await scene()
    juliet.send(f"<message to='{ROOM}/{twin}' type='chat'><body>x</body></message>")
    assert condition(juliet.take()[0]) == "item-not-found"
    answer = await request(juliet, "get", "<q xmlns='x'/>", f"{ROOM}/{twin}")
    assert condition(answer) == "item-not-found"
    assert condition(await rule(juliet, f"nick='{twin}' role='none'")) == "item-not-found"
    answer = await rule(juliet, f"nick='{twin}' affiliation='member'")
    assert condition(answer) == "bad-request"
    assert romeo.take() == []
    assert "al" in stage.room.occupants


def register(nick):
    return (
        f"<query xmlns='{ns.REGISTER}'><x xmlns='{ns.DATA}' type='submit'>"
        "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>"
        f"<field var='muc#register_roomnick'><value>{nick}</value></field></x></query>"
    )


@pytest.mark.parametrize("twin", TWINS)
async def test_a_reserved_nickname_keeps_its_twins_off(twin):
    stage, juliet, romeo = await scene("Romeo")
    await rule(
        juliet,
        "jid='tybalt@localhost' affiliation='member' nick='al'",
        "jid='romeo@localhost' affiliation='member'",
    )
    assert condition(await request(romeo, "set", register(twin))) == "conflict"
    item = f"jid='nurse@localhost' affiliation='member' nick='{twin}'"
    assert condition(await rule(juliet, item)) == "conflict"
    romeo.take()
    enter(romeo, twin, x="")
    assert condition(romeo.take()[0]) == "conflict"
    tybalt = await stage.person("tybalt")
    enter(tybalt, twin)
    assert twin in stage.room.occupants
    # He may have it written otherwise; nobody else may have it.
    item = f"jid='tybalt@localhost' affiliation='member' nick='{twin}'"
    assert (await rule(juliet, item)).get("type") == "result"
    assert stage.room.nicks == {"tybalt@localhost": twin}


@pytest.mark.parametrize("twin", TWINS)
async def test_an_admin_reserves_no_twin_of_who_is_there(twin):
    stage, juliet, _romeo = await scene()
    item = f"jid='tybalt@localhost' affiliation='member' nick='{twin}'"
    assert condition(await rule(juliet, item)) == "conflict"
    assert stage.room.nicks == {}


async def test_twins_that_were_reserved_by_other_rules_stay_and_are_told(caplog):
    stage, juliet, romeo = await scene("Romeo")
    items = [f"jid='{name}@localhost' affiliation='member'" for name in ("tybalt", "nurse")]
    await request(
        juliet,
        "set",
        f"<query xmlns='{ns.MUC_OWNER}'><x xmlns='{ns.DATA}'"
        " type='submit'><field var='muc#roomconfig_persistentroom'><value>1</value></field>"
        "</x></query>",
    )
    await rule(juliet, *items)
    stage.room.nicks.reserve("tybalt@localhost", "al")
    stage.room.nicks.reserve("nurse@localhost", "AL")
    rooms = stage.domain.rooms
    await rooms.affiliated(stage.room, ["tybalt@localhost", "nurse@localhost"])
    rooms.by_name.clear()
    await rooms.load()
    assert caplog.messages == [
        f"{ROOM}: the nicknames 'AL' of nurse@localhost, 'al' of tybalt@localhost are one to people"
    ]
    assert stage.room.nicks == {"tybalt@localhost": "al", "nurse@localhost": "AL"}
    tybalt, nurse = await stage.person("tybalt"), await stage.person("nurse")
    enter(romeo, "Al")
    assert condition(romeo.take()[-1]) == "conflict"
    enter(tybalt, "al")
    enter(nurse, "AL")
    assert condition(nurse.take()[-1]) == "conflict"
    leave(tybalt, "al")
    enter(nurse, "AL")
    assert list(stage.room.occupants) == ["AL"]


async def test_ones_own_reservation_opens_no_way_to_the_twin_of_anothers():
    """A small ve is no twin of B, and a capital one is; the two are one to RFC 8266."""
    stage = RoomStage()
    owner, bob, mallory = [await stage.person(name) for name in ("owner", "bob", "mallory")]
    await stage.open_room(owner)
    small, capital = "\N{CYRILLIC SMALL LETTER VE}ob", "\N{CYRILLIC CAPITAL LETTER VE}ob"
    for who, nick in (("bob", "Bob"), ("mallory", small)):
        await rule(owner, f"jid='{who}@localhost' affiliation='member' nick='{nick}'")
    owner.take(), mallory.take()
    enter(mallory, capital)
    (answer,) = mallory.take()
    assert condition(answer) == "conflict"
    enter(mallory, small)
    enter(bob, "Bob")
    assert {seat.occupant.nick for seat in stage.room.seats.values()} >= {small, "Bob"}
