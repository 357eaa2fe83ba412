"""Blocking occupants, rooms and the service, XEP-0191: nothing comes from whom is blocked."""

import pytest
from support.domains import CLIENT, Client, condition, settle
from support.rooms import (
    HOST,
    MUC,
    ROOM,
    RoomStage,
    configure,
    enter,
    item,
    leave,
    nick,
    presences,
    request,
    rule,
    say,
    told,
)

from andiron.xmpp import namespaces as ns

ROMEO = f"{ROOM}/Romeo"
FORMS = [ROMEO, "Garden@Conference.localhost/Romeo", ROOM, HOST]


async def command(client: Client, name: str, *jids: str) -> None:
    items = "".join(f"<item jid='{jid}'/>" for jid in jids)
    payload = f"<{name} xmlns='{ns.BLOCKING}'>{items}</{name}>"
    answer = await request(client, "set", payload, client.link.account)
    assert answer.get("type") == "result"


async def scene(**fields) -> tuple[RoomStage, Client, Client]:
    """Return a stage with Juliet, who owns the room, and Romeo in it."""
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, "Juliet", **fields)
    enter(romeo, "Romeo")
    juliet.take(), romeo.take()
    return stage, juliet, romeo


@pytest.mark.parametrize("form", FORMS)
async def test_nothing_comes_from_whom_is_blocked_and_all_again_when_he_is_not(form: str):
    _stage, juliet, romeo = await scene()
    await command(juliet, "block", form)
    juliet.take()
    say(romeo, "hi")
    romeo.send(f"<message to='{ROOM}/Juliet' type='chat'><body>psst</body></message>")
    romeo.send(f"<presence to='{ROMEO}'><show>away</show></presence>")
    assert juliet.take() == []
    assert [stanza.get("type") for stanza in romeo.take()] == ["groupchat", None]
    await command(juliet, "unblock", form)
    (presence,) = juliet.take()
    assert (nick(presence), presence.findtext(f"{CLIENT}show")) == ("Romeo", "away")
    say(romeo, "again")
    assert juliet.bodies() == ["again"]


async def test_the_others_are_heard_as_before():
    stage, juliet, romeo = await scene()
    nurse = await stage.person("nurse")
    enter(nurse, "Nurse")
    await command(juliet, "block", ROMEO)
    for client in (juliet, nurse, romeo):
        client.take()
    say(nurse, "Madam!")
    say(romeo, "hi")
    assert juliet.bodies() == ["Madam!"]
    assert nurse.bodies() == ["Madam!", "hi"]


@pytest.mark.parametrize("form", FORMS)
async def test_who_is_blocked_is_seen_to_leave(form: str):
    _stage, juliet, _romeo = await scene()
    await command(juliet, "block", form)
    assert told(juliet.take()) == [("Romeo", "unavailable", [])]


async def test_one_who_is_blocked_twice_is_unblocked_when_he_is_blocked_no_more():
    _stage, juliet, romeo = await scene()
    await command(juliet, "block", ROMEO, ROOM)
    await command(juliet, "block", HOST)
    assert told(juliet.take()) == [("Romeo", "unavailable", [])]
    for form in (ROOM, HOST):
        await command(juliet, "unblock", form)
        say(romeo, "hi")
        assert juliet.take() == []
    await command(juliet, "unblock")
    assert told(juliet.take()) == [("Romeo", "", [])]


@pytest.mark.parametrize("form", [f"{ROOM}/Nobody", f"tomb@{HOST}", f"{HOST}/x"])
async def test_what_covers_nobody_changes_nothing(form: str):
    _stage, juliet, romeo = await scene()
    await command(juliet, "block", form)
    say(romeo, "hi")
    await command(juliet, "unblock", form)
    assert [stanza.get("type") for stanza in juliet.take()] == ["groupchat"]


async def test_all_resources_of_the_account_hear_nothing():
    stage, juliet, romeo = await scene()
    chamber = await stage.come("juliet", "chamber")
    enter(chamber, "Juliet")
    away = await stage.come("juliet", "away")
    juliet.take(), chamber.take()
    await command(away, "block", ROMEO)
    assert told(juliet.take()) == told(chamber.take()) == [("Romeo", "unavailable", [])]
    say(romeo, "hi")
    assert juliet.take() == chamber.take() == []
    say(juliet, "ho")
    assert juliet.bodies() == chamber.bodies() == ["ho"]
    await command(chamber, "unblock", ROMEO)
    assert told(juliet.take()) == told(chamber.take()) == [("Romeo", "", [])]


async def test_who_enters_neither_sees_nor_reads_whom_he_has_blocked():
    stage, juliet, romeo = await scene()
    nurse = await stage.person("nurse")
    romeo.send(f"<message type='groupchat' to='{ROOM}'><body>hi</body></message>")
    say(juliet, "ho")
    await rule(juliet, "nick='Romeo' role='moderator'")
    romeo.send(f"<message type='groupchat' to='{ROOM}'><subject>Moon</subject></message>")
    await command(nurse, "block", ROMEO)
    enter(nurse, "Nurse")
    came = nurse.take()
    assert [nick(each) for each in presences(came)] == ["Juliet", "Nurse"]
    messages = [(each.get("from"), each[0].text) for each in came if each.tag == f"{CLIENT}message"]
    assert messages == [(f"{ROOM}/Juliet", "ho"), (ROOM, "Moon")], "the subject ends the entry"


async def test_the_archive_of_the_room_goes_without_whom_one_has_blocked():
    _stage, juliet, romeo = await scene()
    await configure(juliet, enablearchiving=1)
    for client, body in ((romeo, "hi"), (juliet, "ho"), (romeo, "bye")):
        say(client, body)
    await command(juliet, "block", ROMEO)
    juliet.take()
    fin = (await request(juliet, "set", f"<query xmlns='{ns.MAM}'/>"))[0]
    found = [each.text for stanza in juliet.take() for each in stanza.iter(f"{CLIENT}body")]
    assert found == ["ho"]
    assert fin.get("complete") == "true"
    assert fin.findtext(f".//{{{ns.RSM}}}count") == "3"


@pytest.mark.parametrize("form", [ROOM, HOST])
async def test_a_blocked_room_can_be_left(form: str):
    _stage, juliet, romeo = await scene()
    await command(juliet, "block", form)
    juliet.take()
    leave(juliet, "Juliet")
    assert told(juliet.take()) == [("Juliet", "unavailable", [110])]
    assert told(romeo.take()) == [("Juliet", "unavailable", [])]
    leave(juliet, "Juliet")
    assert juliet.take() == []


async def test_who_is_taken_out_of_a_blocked_room_is_told():
    stage, juliet, romeo = await scene()
    await command(romeo, "block", ROOM)
    romeo.take()
    await rule(juliet, "nick='Romeo' role='none'")
    assert told(romeo.take()) == [("Romeo", "unavailable", [110, 307])]
    assert "Romeo" not in stage.room.occupants


async def test_a_session_of_several_can_leave_a_blocked_room():
    stage, _juliet, romeo = await scene()
    garden = await stage.come("romeo", "garden")
    enter(garden, "Romeo")
    await command(romeo, "block", ROOM)
    romeo.take(), garden.take()
    leave(garden, "Romeo")
    assert told(garden.take()) == [("Romeo", "unavailable", [110])]
    assert romeo.take() == []
    say(romeo, "hi")
    assert condition(romeo.take()[0]) == "not-acceptable"
    assert garden.take() == []


async def test_a_blocked_room_cannot_be_entered():
    _stage, juliet, romeo = await scene()
    leave(romeo, "Romeo")
    await command(romeo, "block", ROOM)
    juliet.take(), romeo.take()
    enter(romeo, "Romeo")
    (error,) = romeo.take()
    assert condition(error) == "not-acceptable"
    assert error.find(f".//{{{ns.BLOCKING_ERRORS}}}blocked") is not None
    assert juliet.take() == []


async def test_a_nickname_is_blocked_and_not_who_has_it():
    """The address is what is blocked; who changes it comes from another."""
    _stage, juliet, romeo = await scene()
    await command(juliet, "block", ROMEO)
    juliet.take()
    romeo.send(f"<presence to='{ROOM}/Montague'/>")
    assert told(juliet.take()) == [("Montague", "", [])]
    romeo.send(f"<presence to='{ROMEO}'/>")
    assert told(juliet.take()) == [("Montague", "unavailable", [303])]


async def test_who_sees_addresses_sees_them_again():
    _stage, juliet, romeo = await scene()
    await command(juliet, "block", ROMEO)
    await command(juliet, "unblock", ROMEO)
    gone, there = juliet.take()
    assert item(gone)["jid"] == item(there)["jid"] == romeo.jid
    await command(romeo, "block", f"{ROOM}/Juliet")
    (gone,) = romeo.take()
    assert "jid" not in item(gone)


async def test_a_session_that_has_left_is_shown_nothing():
    _stage, juliet, _romeo = await scene()
    leave(juliet, "Juliet")
    juliet.take()
    await command(juliet, "block", ROOM)
    await command(juliet, "unblock", ROOM)
    await settle()
    assert juliet.take() == []


async def test_a_room_that_enters_nobody_else_is_quiet():
    stage = RoomStage()
    juliet = await stage.person("juliet")
    juliet.send(f"<presence to='{ROOM}/Juliet'>{MUC}</presence>")
    juliet.take()
    await command(juliet, "block", ROOM)
    assert juliet.take() == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "payload",
    [
        f"<vCard xmlns='{ns.VCARD}'/>",
        f"<query xmlns='{ns.VERSION}'/>",
        f"<ping xmlns='{ns.PING}'/>",
        f"<query xmlns='{ns.DISCO_INFO}'/>",
    ],
)
async def test_who_is_blocked_can_ask_nothing_of_who_blocked_him(form: str, payload: str):
    _stage, juliet, romeo = await scene()
    vcard = f"<vCard xmlns='{ns.VCARD}'><FN>Juliet Capulet</FN></vCard>"
    await request(juliet, "set", vcard, juliet.link.account)
    await command(juliet, "block", form)
    juliet.take()
    answer = await request(romeo, "get", payload, f"{ROOM}/Juliet")
    assert condition(answer) == "service-unavailable"
    assert "Capulet" not in "".join(answer.itertext())
    assert juliet.take() == []
    refused = await request(juliet, "get", payload, ROMEO)
    assert condition(refused) == "not-acceptable"
    assert romeo.take() == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["result", "error"])
async def test_an_answer_of_one_who_was_blocked_since_does_not_come(form: str, kind: str):
    _stage, juliet, romeo = await scene()
    juliet.send(f"<iq type='get' id='q' to='{ROMEO}'><query xmlns='{ns.VERSION}'/></iq>")
    (asked,) = romeo.take()
    await command(juliet, "block", form)
    juliet.take()
    romeo.send(f"<iq type='{kind}' id='{asked.get('id')}' to='{ROOM}/Juliet'/>")
    assert juliet.take() == romeo.take() == []


async def test_nor_does_an_error_in_the_name_of_one_who_was_blocked_since():
    _stage, juliet, romeo = await scene()
    juliet.send(f"<iq type='get' id='q' to='{ROMEO}'><query xmlns='{ns.VERSION}'/></iq>")
    await command(juliet, "block", ROMEO)
    juliet.take()
    romeo.lose()
    await settle()
    assert juliet.take() == []


@pytest.mark.parametrize("form", [ROOM, HOST])
async def test_who_has_blocked_a_room_is_told_that_it_ends(form: str):
    stage, juliet, romeo = await scene()
    await command(romeo, "block", form)
    romeo.take()
    destroyed = f"<query xmlns='{ns.MUC_OWNER}'><destroy><reason>Over</reason></destroy></query>"
    await request(juliet, "set", destroyed)
    (gone,) = romeo.take()
    assert told([gone]) == [("Romeo", "unavailable", [])]
    assert gone.findtext(f".//{{{ns.MUC_USER}}}reason") == "Over"
    assert not stage.has_room()


@pytest.mark.parametrize("form", [ROOM, HOST])
async def test_who_has_blocked_a_room_is_told_that_the_service_ends(form: str):
    stage, _juliet, romeo = await scene()
    await command(romeo, "block", form)
    romeo.take()
    assert stage.domain.rooms is not None
    stage.domain.rooms.close(0.0)
    assert told(romeo.take()) == [("Romeo", "unavailable", [110, 332])]
