"""What rooms tell of themselves, and iqs between those who are in them."""

import pytest
from support.domains import CLIENT, condition, settle
from support.rooms import (
    HOST,
    MUC,
    ROOM,
    RoomStage,
    codes,
    configure,
    enter,
    leave,
    request,
    rule,
)

from andiron.domain.database.database import DatabaseError
from andiron.xmpp import namespaces as ns

INFO, ITEMS = f"<query xmlns='{ns.DISCO_INFO}'/>", f"<query xmlns='{ns.DISCO_ITEMS}'/>"
PING, VCARD = f"<ping xmlns='{ns.PING}'/>", f"<vCard xmlns='{ns.VCARD}'/>"
PICTURE = (
    f"<vCard xmlns='{ns.VCARD}'><PHOTO><TYPE>image/png</TYPE><BINVAL>aGVs\nbG8=</BINVAL></PHOTO>"
    "<PHOTO><BINVAL>d29ybGQ=</BINVAL></PHOTO></vCard>"
)
HASHES = ["aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d", "7c211433f02071597741e6ff5a8ea34789abbf43"]


async def scene(**fields):
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, "Juliet", **fields)
    enter(romeo, "Romeo")
    juliet.take(), romeo.take()
    return stage, juliet, romeo


def features(answer):
    return {each.get("var") for each in answer.iter(f"{{{ns.DISCO_INFO}}}feature")}


def form(answer):
    return {
        field.get("var"): [value.text for value in field]
        for field in answer.iter(f"{{{ns.DATA}}}field")
    }


def items(answer):
    return [
        (each.get("jid"), each.get("name")) for each in answer.iter(f"{{{ns.DISCO_ITEMS}}}item")
    ]


async def test_the_service_is_found_and_tells_what_it_is():
    _stage, juliet, _romeo = await scene()
    assert (HOST, "Chat rooms") in items(await request(juliet, "get", ITEMS, "localhost"))
    answer = await request(juliet, "get", INFO, HOST)
    (identity,) = answer.iter(f"{{{ns.DISCO_INFO}}}identity")
    assert (identity.get("category"), identity.get("type")) == ("conference", "text")
    assert {ns.MUC, ns.VCARD, ns.OCCUPANT_ID, ns.MAM} <= features(answer)
    assert (await request(juliet, "get", PING, HOST)).get("type") == "result"
    assert condition(await request(juliet, "get", VCARD, HOST)) == "service-unavailable"
    for query in (INFO, ITEMS):
        answer = await request(juliet, "get", query.replace("/>", " node='x'/>"), HOST)
        assert condition(answer) == "item-not-found"


async def test_hidden_and_locked_rooms_are_not_listed():
    _stage, juliet, romeo = await scene(roomname="The garden")
    enter(romeo, "me", room=f"locked@{HOST}")
    enter(romeo, "me", room=f"hidden@{HOST}")
    romeo.take()
    await configure(romeo, room=f"hidden@{HOST}", publicroom=0)
    assert items(await request(juliet, "get", ITEMS, HOST)) == [(ROOM, "The garden")]
    assert condition(await request(juliet, "get", INFO, f"locked@{HOST}")) == "item-not-found"
    assert (await request(romeo, "get", INFO, f"locked@{HOST}")).get("type") == "result"


async def test_many_rooms_are_listed_page_by_page(monkeypatch):
    monkeypatch.setattr("andiron.domain.rooms.requests._PAGE", 3)
    stage = RoomStage(lock_timeout=0)
    juliet = await stage.person("juliet")
    for name in "edcba":
        enter(juliet, "me", room=f"{name}@{HOST}")
    answer = await request(juliet, "get", ITEMS, HOST)
    assert [jid[0] for jid, _ in items(answer)] == ["a", "b", "c"]
    rsm = f"{{{ns.RSM}}}"
    assert answer.findtext(f".//{rsm}count") == "5"
    last = answer.findtext(f".//{rsm}last")
    more = ITEMS.replace("/>", f"><set xmlns='{ns.RSM}'><after>{last}</after></set></query>")
    assert [jid[0] for jid, _ in items(await request(juliet, "get", more, HOST))] == ["d", "e"]
    absent = more.replace(last, "nothing")
    assert condition(await request(juliet, "get", absent, HOST)) == "item-not-found"


KINDS = [
    ({}, "muc_public muc_temporary muc_open muc_unmoderated muc_semianonymous muc_unsecured"),
    (
        {
            "publicroom": 0,
            "persistentroom": 1,
            "membersonly": 1,
            "moderatedroom": 1,
            "whois": "anyone",
            "roomsecret": "x",
        },
        "muc_hidden muc_persistent muc_membersonly muc_moderated muc_nonanonymous"
        " muc_passwordprotected",
    ),
]


@pytest.mark.parametrize(("fields", "kinds"), KINDS)
async def test_a_room_says_of_what_kind_it_is(fields, kinds):
    _stage, juliet, _romeo = await scene(**fields)
    found = features(await request(juliet, "get", INFO))
    assert {each for each in found if each.startswith("muc_")} == set(kinds.split())
    assert "http://jabber.org/protocol/muc#stable_id" in found
    assert "http://jabber.org/protocol/muc#self-ping-optimization" in found


@pytest.mark.parametrize("fields", [{"publicroom": 0}, {"membersonly": 1}, {"roomsecret": "x"}])
async def test_what_goes_on_in_a_closed_room_is_for_those_inside(fields):
    stage, juliet, _romeo = await scene(roomdesc="Ours", **fields)
    nurse = await stage.person("nurse")
    inside, outside = [form(await request(each, "get", INFO)) for each in (juliet, nurse)]
    assert inside["muc#roominfo_occupants"] == [str(len(stage.room.occupants))]
    assert inside["muc#roominfo_description"] == outside["muc#roominfo_description"] == ["Ours"]
    assert "muc#roominfo_occupants" not in outside
    assert "muc#roominfo_subject" not in outside
    assert items(await request(juliet, "get", ITEMS)) != []
    assert items(await request(nurse, "get", ITEMS)) == []


async def test_archives_are_announced_where_they_are_kept():
    _stage, juliet, _romeo = await scene()
    assert ns.MAM in features(await request(juliet, "get", INFO))
    await configure(juliet, enablelogging=0)
    assert ns.MAM not in features(await request(juliet, "get", INFO))


async def test_nodes_of_a_room():
    _stage, juliet, _romeo = await scene()
    for node, expected in (
        ("x-roomuser-item", None),
        ("http://jabber.org/protocol/muc#traffic", "service-unavailable"),
        ("other", "item-not-found"),
    ):
        answer = await request(juliet, "get", INFO.replace("/>", f" node='{node}'/>"))
        assert expected is None or condition(answer) == expected
        if expected is None:
            assert len(answer[0]) == 0
    answer = await request(juliet, "get", ITEMS.replace("/>", " node='x'/>"))
    assert condition(answer) == "item-not-found"


REGISTER = (
    f"<query xmlns='{ns.REGISTER}'><x xmlns='{ns.DATA}' type='submit'>"
    "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>"
    "<field var='muc#register_roomnick'><value>{}</value></field></x></query>"
)


async def test_a_nickname_of_ones_own():
    stage, juliet, romeo = await scene()
    get = f"<query xmlns='{ns.REGISTER}'/>"
    assert condition(await request(romeo, "get", get)) == "not-allowed"
    await rule(juliet, "jid='romeo@localhost' affiliation='member'")
    answer = await request(romeo, "get", get)
    assert answer.find(f".//{{{ns.REGISTER}}}registered") is None
    assert "muc#register_roomnick" in form(answer)
    for nick, expected in (("Juliet", "conflict"), ("", "jid-malformed"), ("Montague", None)):
        answer = await request(romeo, "set", REGISTER.format(nick))
        assert expected is None or condition(answer) == expected
    answer = await request(romeo, "get", get)
    assert answer.findtext(f".//{{{ns.REGISTER}}}username") == "Montague"
    answer = await request(romeo, "get", INFO.replace("/>", " node='x-roomuser-item'/>"))
    (identity,) = answer.iter(f"{{{ns.DISCO_INFO}}}identity")
    assert identity.get("name") == "Montague"
    assert condition(await request(juliet, "set", REGISTER.format("Montague"))) == "conflict"
    bad = f"<query xmlns='{ns.REGISTER}'><username>x</username></query>"
    assert condition(await request(romeo, "set", bad)) == "bad-request"
    remove = f"<query xmlns='{ns.REGISTER}'><remove/></query>"
    assert (await request(romeo, "set", remove)).get("type") == "result"
    assert stage.room.affiliation("romeo@localhost") == "none"
    assert (await request(juliet, "set", REGISTER.format("Montague"))).get("type") == "result"
    await rule(juliet, "jid='romeo@localhost' affiliation='owner'")
    await rule(juliet, "jid='juliet@localhost' affiliation='none'")
    assert stage.room.nicks == {}


async def test_a_rooms_picture():
    stage, juliet, romeo = await scene(persistentroom=1)
    assert condition(await request(romeo, "set", PICTURE)) == "forbidden"
    assert (await request(juliet, "set", PICTURE)).get("type") == "result"
    changed, presence = romeo.take()
    assert codes(changed) == [104]
    assert presence.get("from") == ROOM
    assert presence.findtext(f".//{{{ns.VCARD_UPDATE}}}photo") == HASHES[0]
    nurse = await stage.person("nurse")
    assert form(await request(nurse, "get", INFO))["muc#roominfo_avatarhash"] == HASHES
    answer = await request(nurse, "get", VCARD)
    assert len(answer.findall(f".//{{{ns.VCARD}}}BINVAL")) == 2
    assert (await request(juliet, "set", VCARD)).get("type") == "result"
    assert "muc#roominfo_avatarhash" not in form(await request(nurse, "get", INFO))
    assert len((await request(nurse, "get", VCARD))[0]) == 0


async def test_pictures_that_are_none():
    stage = RoomStage(max_vcard=300)
    juliet = await stage.person("juliet")
    await stage.open_room(juliet)
    large = PICTURE.replace("aGVs", "aGVs" * 100)
    assert condition(await request(juliet, "set", large)) == "not-acceptable"
    broken = PICTURE.replace("aGVs", "!")
    assert condition(await request(juliet, "set", broken)) == "bad-request"
    assert stage.room.photos == ()


async def test_the_ping_of_oneself():
    _stage, juliet, romeo = await scene()
    assert (await request(romeo, "get", PING, f"{ROOM}/Romeo")).get("type") == "result"
    assert juliet.take() == romeo.take() == []
    leave(romeo, "Romeo")
    romeo.take()
    answer = await request(romeo, "get", PING, f"{ROOM}/Romeo")
    assert condition(answer) == "not-acceptable"
    answer = await request(romeo, "get", INFO, f"{ROOM}/Juliet")
    assert condition(answer) == "bad-request"
    answer = await request(romeo, "get", PING, f"nowhere@{HOST}/Romeo")
    assert condition(answer) == "item-not-found"


async def test_a_request_finds_an_occupant_and_its_answer_who_asked():
    stage, juliet, romeo = await scene()
    phone = await stage.person("romeo", "phone")
    enter(phone, "Romeo")
    juliet.take(), romeo.take(), phone.take()
    romeo.send(f"<iq type='get' id='v1' to='{ROOM}/Juliet'><query xmlns='jabber:iq:version'/></iq>")
    (asked,) = juliet.take()
    assert asked.get("from") == f"{ROOM}/Romeo"
    assert asked.get("to") == juliet.jid
    assert asked[0].tag == "{jabber:iq:version}query"
    answer = f"<iq type='result' id='{asked.get('id')}' to='{ROOM}/Romeo'><q xmlns='x'/></iq>"
    juliet.send(answer)
    (found,) = romeo.take()
    assert (found.get("id"), found.get("type")) == ("v1", "result")
    assert found.get("from") == f"{ROOM}/Juliet"
    assert phone.take() == []
    juliet.send(answer)
    assert romeo.take() == phone.take() == []


async def test_nobody_answers_for_another():
    stage, juliet, romeo = await scene()
    nurse = await stage.person("nurse")
    enter(nurse, "Nurse")
    romeo.send(f"<iq type='get' id='v1' to='{ROOM}/Juliet'><query xmlns='jabber:iq:version'/></iq>")
    identity = juliet.take()[-1].get("id")
    romeo.take()
    nurse.send(f"<iq type='result' id='{identity}' to='{ROOM}/Romeo'/>")
    assert romeo.take() == []


async def test_who_asks_one_that_goes_is_told():
    _stage, juliet, romeo = await scene()
    juliet.send(f"<iq type='get' id='v1' to='{ROOM}/Romeo'><query xmlns='jabber:iq:version'/></iq>")
    romeo.leave()
    await settle()
    answers = [each for each in juliet.take() if each.tag == f"{CLIENT}iq"]
    assert [each.get("id") for each in answers] == ["v1"]
    assert condition(answers[0]) == "recipient-unavailable"
    assert answers[0].find(f"{CLIENT}error").get("by") == ROOM


async def test_too_many_requests_to_one():
    _stage, juliet, romeo = await scene()
    for number in range(201):
        juliet.send(f"<iq type='get' id='{number}' to='{ROOM}/Romeo'><q xmlns='x'/></iq>")
    assert len(romeo.take()) == 200
    assert [condition(each) for each in juliet.take()] == ["resource-constraint"]


async def test_an_occupants_vcard_is_its_accounts():
    _stage, juliet, romeo = await scene()
    vcard = f"<vCard xmlns='{ns.VCARD}'><FN>Romeo</FN></vCard>"
    assert (await request(romeo, "set", vcard, "romeo@localhost")).get("type") == "result"
    for client in (juliet, romeo):
        answer = await request(client, "get", VCARD, f"{ROOM}/Romeo")
        assert answer.findtext(f".//{{{ns.VCARD}}}FN") == "Romeo"
        assert answer.get("from") == f"{ROOM}/Romeo"
    assert condition(await request(juliet, "get", VCARD, f"{ROOM}/Nobody")) == "item-not-found"


@pytest.mark.parametrize("payload", ["", "<a xmlns='x'/><b xmlns='x'/>"])
@pytest.mark.parametrize("to", [ROOM, HOST, f"{ROOM}/Romeo"])
async def test_a_request_has_one_payload(payload, to):
    _stage, juliet, _romeo = await scene()
    assert condition(await request(juliet, "get", payload, to)) == "bad-request"


REFUSED = [
    f"<presence to='{ROOM}'>{MUC}</presence>",
    f"<presence to='{ROOM}/Romeo'>{MUC}</presence>",
    f"<presence to='{HOST}/Nurse'>{MUC}</presence>",
    f"<presence to='{ROOM}' type='subscribe'/>",
    f"<message to='{ROOM}' type='groupchat'><body>x</body></message>",
    f"<message to='{ROOM}/Romeo' type='chat'><body>x</body></message>",
    f"<message to='nowhere@{HOST}' type='groupchat'><body>x</body></message>",
    f"<iq to='{HOST}' type='set' id='i'><a xmlns='x'/></iq>",
    f"<iq to='{ROOM}' type='set' id='i'><a xmlns='x'/></iq>",
    f"<iq to='{ROOM}' type='set' id='i'/>",
    f"<iq to='{ROOM}/Romeo' type='get' id='i'>{PING}</iq>",
]


@pytest.mark.parametrize("stanza", REFUSED)
async def test_every_error_says_by_whom_it_is(stanza):
    """RFC 6120 section 8.3.2; XEP-0045 has it wherever an occupant's address is answered."""
    stage, _juliet, _romeo = await scene()
    nurse = await stage.person("nurse")
    nurse.send(stanza)
    (answer,) = nurse.take()
    to = answer.get("from")
    assert f"to='{to}'" in stanza
    assert answer.find(f"{CLIENT}error").get("by") == to.partition("/")[0]


async def test_so_does_one_that_takes_time():
    stage, juliet, romeo = await scene(persistentroom=1)
    stage.database.error = DatabaseError("gone")
    for client, kind, payload, to in (
        (juliet, "set", PICTURE, ROOM),
        (juliet, "set", f"<query xmlns='{ns.MAM}'/>", ROOM),
        (juliet, "get", VCARD, f"{ROOM}/Romeo"),
        (romeo, "get", VCARD, f"{ROOM}/Romeo"),
    ):
        answer = await request(client, kind, payload, to)
        assert condition(answer) == "internal-server-error"
        assert answer.find(f"{CLIENT}error").get("by") == ROOM


async def test_an_occupants_own_error_goes_on_as_it_is():
    _stage, juliet, romeo = await scene()
    romeo.send(f"<iq type='get' id='v1' to='{ROOM}/Juliet'><q xmlns='x'/></iq>")
    (asked,) = juliet.take()
    error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    juliet.send(f"<iq type='error' id='{asked.get('id')}' to='{ROOM}/Romeo'>{error}</iq>")
    (answer,) = romeo.take()
    assert answer.find(f"{CLIENT}error").attrib == {"type": "cancel"}


async def test_unknown_requests_are_answered():
    _stage, juliet, _romeo = await scene()
    for to in (ROOM, HOST):
        assert (
            condition(await request(juliet, "set", "<a xmlns='x'/>", to)) == "service-unavailable"
        )
    answer = await request(juliet, "get", INFO, f"nowhere@{HOST}")
    assert condition(answer) == "item-not-found"


async def test_who_blocks_an_occupant_is_not_asked_by_it():
    _stage, juliet, romeo = await scene()
    block = f"<block xmlns='{ns.BLOCKING}'><item jid='{ROOM}/Romeo'/></block>"
    await request(juliet, "set", block, "juliet@localhost")
    juliet.take()
    answer = await request(romeo, "get", "<q xmlns='x'/>", f"{ROOM}/Juliet")
    assert condition(answer) == "service-unavailable"
    assert juliet.take() == []
