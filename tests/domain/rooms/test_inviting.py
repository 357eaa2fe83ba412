"""Invitations by way of the room, refusals of them, and requests for a voice."""

import pytest
from support.domains import condition, settle
from support.rooms import ROOM, RoomStage, enter, item, rule, told

from andiron.xmpp import namespaces as ns

INVITE, DECLINE = f"{{{ns.MUC_USER}}}invite", f"{{{ns.MUC_USER}}}decline"


async def scene(**fields):
    """Return a stage with Juliet, who owns the room, Romeo in it, and the nurse outside."""
    stage = RoomStage()
    people = [await stage.person(name) for name in ("juliet", "romeo", "nurse")]
    await stage.open_room(people[0], "Juliet", **fields)
    if fields.get("membersonly"):
        await rule(people[0], "jid='romeo@localhost' affiliation='member'")
    enter(people[1], "Romeo")
    for client in people:
        client.take()
    return stage, *people


def invite(client, *to, inner=""):
    invites = "".join(f"<invite to='{jid}'>{inner}</invite>" for jid in to)
    client.send(f"<message to='{ROOM}' id='i'><x xmlns='{ns.MUC_USER}'>{invites}</x></message>")


def decline(client, to):
    inner = f"<decline to='{to}'><reason>Busy</reason></decline>"
    client.send(f"<message to='{ROOM}'><x xmlns='{ns.MUC_USER}'>{inner}</x></message>")


async def test_an_invitation_and_a_refusal():
    stage, juliet, romeo, nurse = await scene(roomsecret="pass&amp;word")
    romeo_seat = stage.room.seats.get(romeo.link)
    assert romeo_seat is None
    invite(juliet, "nurse@localhost", inner="<reason>Come &amp; see</reason><continue thread='t'/>")
    (message,) = nurse.take()
    assert message.get("from") == ROOM
    assert message.get("id") == "i"
    x = message[0]
    assert x.find(INVITE).get("from") == "juliet@localhost"
    assert x.find(INVITE).findtext(f"{{{ns.MUC_USER}}}reason") == "Come & see"
    assert x.find(INVITE).find(f"{{{ns.MUC_USER}}}continue").get("thread") == "t"
    assert x.findtext(f"{{{ns.MUC_USER}}}password") == "pass&word"
    decline(nurse, "juliet@localhost")
    (message,) = juliet.take()
    assert message.get("from") == ROOM
    assert message[0].find(DECLINE).get("from") == "nurse@localhost"
    assert message[0].find(DECLINE).findtext(f"{{{ns.MUC_USER}}}reason") == "Busy"
    decline(nurse, "juliet@localhost")
    assert condition(nurse.take()[0]) == "item-not-found"


async def test_who_was_not_invited_reaches_nobody_by_declining():
    _stage, juliet, romeo, nurse = await scene()
    decline(nurse, "romeo@localhost")
    assert condition(nurse.take()[0]) == "item-not-found"
    invite(juliet, "nurse@localhost")
    nurse.take()
    decline(nurse, "romeo@localhost")
    assert condition(nurse.take()[0]) == "item-not-found"
    assert romeo.take() == []


async def test_who_is_away_finds_the_invitation_later():
    stage, juliet, _romeo, nurse = await scene()
    nurse.leave()
    await settle()
    invite(juliet, "nurse@localhost")
    await settle()
    assert len(stage.store.messages["nurse"]) == 1


async def test_a_stranger_cannot_be_told_from_one_who_does_not_answer():
    _stage, juliet, _romeo, nurse = await scene()
    invite(juliet, "nobody@localhost", "nurse@localhost")
    assert juliet.take() == []
    assert len(nurse.take()) == 1


MAY = [
    ({}, "participant", "none", True),
    ({"allowinvites": 0}, "participant", "none", False),
    ({"allowinvites": 0}, "participant", "member", False),
    ({"allowinvites": 0}, "moderator", "none", True),
    ({"allowinvites": 0}, None, "admin", True),
    ({"membersonly": 1, "allowinvites": 0}, "moderator", "member", False),
    ({"membersonly": 1, "allowinvites": 1}, None, "member", True),
    ({"membersonly": 1, "allowinvites": 0}, None, "admin", True),
]


@pytest.mark.parametrize(("fields", "role", "affiliation", "allowed"), MAY)
async def test_who_may_invite(fields, role, affiliation, allowed):
    stage, juliet, romeo, nurse = await scene(**fields)
    await rule(juliet, f"jid='romeo@localhost' affiliation='{affiliation}'")
    if role:
        await rule(juliet, f"nick='Romeo' role='{role}'")
    romeo.take()
    invite(romeo, "nurse@localhost")
    assert len(nurse.take()) == allowed
    assert allowed or condition(romeo.take()[0]) == "forbidden"
    is_member = stage.room.affiliation("nurse@localhost") == "member"
    assert is_member == (allowed and "membersonly" in fields)


async def test_invitations_that_are_refused():
    _stage, juliet, _romeo, nurse = await scene()
    invite(nurse, "tybalt@localhost")
    assert condition(nurse.take()[0]) == "not-acceptable"
    invite(juliet, "")
    assert condition(juliet.take()[0]) == "jid-malformed"
    invite(juliet, *["nurse@localhost"] * 11)
    assert condition(juliet.take()[0]) == "resource-constraint"
    await rule(juliet, "jid='nurse@localhost' affiliation='outcast'")
    juliet.take()
    invite(juliet, "nurse@localhost")
    assert condition(juliet.take()[0]) == "forbidden"
    assert nurse.take() == []


async def test_who_blocks_a_room_is_not_invited():
    _stage, juliet, _romeo, nurse = await scene()
    block = f"<block xmlns='{ns.BLOCKING}'><item jid='{ROOM}'/></block>"
    await nurse.ask(f"<iq type='set' id='b'>{block}</iq>")
    invite(juliet, "nurse@localhost")
    assert nurse.take() == []


def voice(client, **fields):
    written = "".join(f"<field var='{k}'><value>{v}</value></field>" for k, v in fields.items())
    client.send(
        f"<message to='{ROOM}'><x xmlns='{ns.DATA}' type='submit'><field var='FORM_TYPE'>"
        f"<value>http://jabber.org/protocol/muc#request</value></field>{written}</x></message>"
    )


GRANT = {"muc#role": "participant", "muc#roomnick": "Romeo"}


async def test_a_voice_is_asked_for_and_granted():
    _stage, juliet, romeo, _nurse = await scene(moderatedroom=1)
    voice(romeo, **{"muc#role": "participant"})
    (message,) = juliet.take()
    assert message.get("from") == ROOM
    fields = {field.get("var"): field[0].text for field in message.iter(f"{{{ns.DATA}}}field")}
    assert fields["muc#roomnick"] == "Romeo"
    assert fields["muc#jid"] == "romeo@localhost/here"
    assert fields["muc#request_allow"] == "false"
    voice(juliet, **GRANT, **{"muc#request_allow": "false"})
    assert romeo.take() == juliet.take() == []
    voice(juliet, **GRANT, **{"muc#request_allow": "true"})
    (seen,) = romeo.take()
    assert told([seen]) == [("Romeo", "", [110])]
    assert item(seen)["role"] == "participant"


async def test_nobody_grants_himself_a_voice():
    _stage, juliet, romeo, _nurse = await scene(moderatedroom=1)
    for allow in ("true", "false"):
        voice(romeo, **GRANT, **{"muc#request_allow": allow})
        assert condition(romeo.take()[0]) == "forbidden"
    voice(juliet, **{"muc#role": "participant"})
    assert condition(juliet.take()[0]) == "forbidden"


async def test_a_room_without_requests_for_a_voice():
    _stage, juliet, romeo, _nurse = await scene(moderatedroom=1, allow_voice_requests=0)
    voice(romeo, **{"muc#role": "participant"})
    assert condition(romeo.take()[0]) == "forbidden"
    assert juliet.take() == []


async def test_a_room_remembers_so_many_invitations(monkeypatch):
    monkeypatch.setattr("andiron.domain.rooms.inviting._MAX_INVITED", 2)
    stage, juliet, _romeo, nurse = await scene()
    for name in ("nurse", "a", "b"):
        invite(juliet, f"{name}@localhost")
    assert list(stage.room.invited) == ["a@localhost", "b@localhost"]
    nurse.take()
    decline(nurse, "juliet@localhost")
    assert condition(nurse.take()[0]) == "item-not-found"
