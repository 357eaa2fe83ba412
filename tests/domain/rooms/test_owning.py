"""Rooms set up by form, and brought to an end."""

from xml.etree.ElementTree import tostring

import pytest
from support.domains import condition
from support.rooms import (
    ROOM,
    RoomStage,
    codes,
    configure,
    enter,
    request,
    told,
)

from andiron.domain.rooms.config import PrivateMessages, RoomConfig
from andiron.domain.rooms.privileges import Role
from andiron.xmpp import namespaces as ns

GET = f"<query xmlns='{ns.MUC_OWNER}'/>"
FIELD, VALUE = f"{{{ns.DATA}}}field", f"{{{ns.DATA}}}value"


async def scene(**fields):
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, "Juliet", **fields)
    enter(romeo, "Romeo")
    juliet.take(), romeo.take()
    return stage, juliet, romeo


def fields_of(answer):
    return {
        field.get("var"): [value.text or "" for value in field.findall(VALUE)]
        for field in answer.iter(FIELD)
    }


VALUES = [
    ("roomname", "Garden", "name", "Garden"),
    ("roomdesc", "Of the Capulets", "description", "Of the Capulets"),
    ("lang", "it", "lang", "it"),
    ("persistentroom", 1, "persistent", True),
    ("publicroom", 0, "public", False),
    ("membersonly", 1, "members_only", True),
    ("moderatedroom", "true", "moderated", True),
    ("allow_voice_requests", 0, "voice_requests", False),
    ("changesubject", 1, "change_subject", True),
    ("allowinvites", "false", "allow_invites", False),
    ("allowpm", "moderators", "private_messages", PrivateMessages.MODERATORS),
    ("enablelogging", 0, "archived", False),
    ("presencebroadcast", ["moderator"], "broadcast", frozenset({Role.MODERATOR})),
    ("getmemberlist", ["visitor"], "member_list", frozenset({Role.VISITOR})),
    ("whois", "anyone", "jids_shown", True),
    ("maxusers", 20, "max_occupants", 20),
    ("maxusers", "none", "max_occupants", 0),
    ("muc#maxhistoryfetch", 5, "history", 5),
    ("muc#maxhistoryfetch", 99_999, "history", 100),
    ("roomsecret", "open", "password", "open"),
]


@pytest.mark.parametrize(("var", "value", "attribute", "expected"), VALUES)
async def test_each_field_is_set_shown_and_kept(var, value, attribute, expected):
    stage, juliet, _romeo = await scene()
    before = fields_of(await request(juliet, "get", GET))
    assert (await configure(juliet, **{var: value})).get("type") == "result"
    config = stage.room.config
    assert getattr(config, attribute) == expected
    after = fields_of(await request(juliet, "get", GET))
    name = var if "#" in var else f"muc#roomconfig_{var}"
    changed = {each for each in after if after[each] != before[each]}
    if attribute == "password":
        assert changed == {name, "muc#roomconfig_passwordprotectedroom"}
    elif value != "none":
        assert changed == {name}
    assert RoomConfig.from_json(config.to_json()) == config


def test_what_another_version_kept_is_read():
    assert RoomConfig.from_json('{"name": "x", "unknown": 1}') == RoomConfig(name="x")


REFUSED = [
    ({"persistentroom": "maybe"}, "bad-request"),
    ({"allowpm": "friends"}, "not-acceptable"),
    ({"presencebroadcast": ["king"]}, "not-acceptable"),
    ({"whois": "nobody"}, "not-acceptable"),
    ({"maxusers": 1001}, "not-acceptable"),
    ({"maxusers": 0}, "not-acceptable"),
    ({"maxusers": "x"}, "not-acceptable"),
    ({"muc#maxhistoryfetch": "-1"}, "not-acceptable"),
    ({"roomname": "x" * 1001}, "not-acceptable"),
    ({"passwordprotectedroom": 1}, "not-acceptable"),
    ({"passwordprotectedroom": 1, "roomsecret": ""}, "not-acceptable"),
    ({"roomowners": ["@"]}, "jid-malformed"),
    ({"roomowners": []}, "conflict"),
    ({"FORM_TYPE#": "x", "roomname": "x"}, "result"),
]


@pytest.mark.parametrize(("fields", "expected"), REFUSED)
async def test_values_that_cannot_be(fields, expected):
    stage, juliet, _romeo = await scene()
    config, affiliations = stage.room.config, dict(stage.room.affiliations)
    answer = await configure(juliet, **fields)
    if expected != "result":
        assert condition(answer) == expected
        assert (stage.room.config, stage.room.affiliations) == (config, affiliations)
    else:
        assert stage.room.config.name == "x"


@pytest.mark.parametrize(
    "payload",
    [
        "<x xmlns='jabber:x:data' type='form'/>",
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>no</value>"
        "</field></x>",
        "",
        "<other/>",
    ],
)
async def test_what_is_no_configuration(payload):
    _stage, juliet, _romeo = await scene()
    query = f"<query xmlns='{ns.MUC_OWNER}'>{payload}</query>"
    assert condition(await request(juliet, "set", query)) == "bad-request"


async def test_a_cancelled_form_changes_nothing_but_of_a_new_room():
    stage = RoomStage()
    juliet = await stage.person("juliet")
    cancel = f"<query xmlns='{ns.MUC_OWNER}'><x xmlns='{ns.DATA}' type='cancel'/></query>"
    enter(juliet, "Juliet")
    juliet.take()
    assert (await request(juliet, "set", cancel)).get("type") == "result"
    assert not stage.has_room()
    assert [each[1] for each in told(juliet.take())] == ["unavailable"]
    await stage.open_room(juliet)
    assert (await request(juliet, "set", cancel)).get("type") == "result"
    assert stage.has_room()


async def test_the_password_stays_when_only_its_field_is_left_out():
    stage, juliet, _romeo = await scene(passwordprotectedroom=1, roomsecret="a")
    await configure(juliet, roomname="x")
    await configure(juliet, passwordprotectedroom=1)
    assert stage.room.config.password == "a"
    await configure(juliet, passwordprotectedroom=0, roomsecret="a")
    assert stage.room.config.password == ""


async def test_admins_and_owners_by_form():
    stage, juliet, _romeo = await scene()
    await configure(juliet, roomadmins=["romeo@localhost", "nurse@localhost"])
    assert stage.room.affiliations == {
        "juliet@localhost": "owner",
        "romeo@localhost": "admin",
        "nurse@localhost": "admin",
    }
    await configure(juliet, roomadmins=["juliet@localhost"], roomowners=["romeo@localhost"])
    assert stage.room.affiliations == {"romeo@localhost": "owner", "juliet@localhost": "admin"}


async def test_the_secret_is_for_owners_alone():
    stage, _juliet, romeo = await scene()
    for payload, kind in (
        (GET, "get"),
        (f"<query xmlns='{ns.MUC_OWNER}'><destroy/></query>", "set"),
    ):
        assert condition(await request(romeo, kind, payload)) == "forbidden"
    assert stage.has_room()


CODES = [
    ({"whois": "anyone"}, [172], {"whois": "moderators"}, [173]),
    ({"enablelogging": 0}, [171], {"enablelogging": 1}, [170]),
    (
        {"enablelogging": 0, "whois": "anyone"},
        [171, 172],
        {"enablelogging": 1, "whois": "moderators"},
        [170, 173],
    ),
    ({"roomname": "x"}, [104], {"roomname": "", "roomdesc": "y"}, [104]),
    (
        {"roomname": "x", "whois": "anyone"},
        [104, 172],
        {"roomsecret": "s", "whois": "moderators"},
        [104, 173],
    ),
    (
        {"membersonly": 0, "moderatedroom": 1, "enablelogging": 0},
        [104, 171],
        {"moderatedroom": 0, "enablelogging": 1},
        [104, 170],
    ),
    ({"roomname": "", "whois": "moderators"}, None, {"publicroom": 0}, [104]),
]


@pytest.mark.parametrize(("fields", "expected", "back", "then"), CODES)
async def test_all_are_told_what_has_changed(fields, expected, back, then):
    """Section 10.2.1: of privacy what it is, of everything else that there is something."""
    _stage, juliet, romeo = await scene()
    for change, told_codes in ((fields, expected), (back, then)):
        await configure(juliet, **change)
        stanzas = romeo.take()
        if told_codes is None:
            assert stanzas == []
            continue
        (message,) = stanzas
        assert (message.get("from"), message.get("type")) == (ROOM, "groupchat")
        assert codes(message) == told_codes


async def test_where_there_are_no_archives_none_is_spoken_of():
    stage = RoomStage({"archive": None})
    juliet = await stage.person("juliet")
    enter(juliet, "Juliet")
    assert codes(juliet.take()[0]) == [110, 201]
    assert "muc#roomconfig_enablelogging" not in fields_of(await request(juliet, "get", GET))
    assert condition(await configure(juliet, enablelogging=1)) == "not-acceptable"
    assert (await configure(juliet, enablelogging=0)).get("type") == "result"
    assert juliet.take() == []
    assert stage.room.config == RoomConfig()


async def test_the_end_of_a_room():
    stage, juliet, romeo = await scene(persistentroom=1)
    destroy = (
        f"<query xmlns='{ns.MUC_OWNER}'><destroy jid='tomb@{ROOM.partition('@')[2]}'>"
        "<reason>Plague &amp; death</reason><password>p</password></destroy></query>"
    )
    assert (await request(juliet, "set", destroy)).get("type") == "result"
    for client, name in ((juliet, "Juliet"), (romeo, "Romeo")):
        (gone,) = client.take()
        assert gone.get("from") == f"{ROOM}/{name}"
        assert gone.get("type") == "unavailable"
        found = gone.find(f".//{{{ns.MUC_USER}}}destroy")
        assert found.get("jid") == "tomb@conference.localhost"
        assert found.findtext(f"{{{ns.MUC_USER}}}reason") == "Plague & death"
        assert found.findtext(f"{{{ns.MUC_USER}}}password") == "p"
        assert b"affiliation" in tostring(gone)
    assert not stage.has_room()
    answer = await request(juliet, "get", GET)
    assert condition(answer) == "item-not-found"
