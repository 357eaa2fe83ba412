"""Who gets in, who is told what in which order, and how one leaves again."""

import pytest
from support.domains import CLIENT, condition, settle
from support.rooms import (
    MUC,
    ROOM,
    RoomStage,
    codes,
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

from andiron.domain.config import RoomCreators
from andiron.sm.config import SmConfig
from andiron.xmpp.errors import StanzaCondition


async def test_a_new_room_is_its_makers_and_locked_until_it_is_set_up():
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    enter(juliet, "Juliet")
    presence, subject = juliet.take()
    assert told([presence]) == [("Juliet", "", [110, 170, 201])]
    assert item(presence) == {
        "affiliation": "owner",
        "role": "moderator",
        "jid": "juliet@localhost/here",
    }
    assert presence.get("id") == "enter"
    assert subject.findtext(CLIENT + "subject") == ""
    enter(romeo, "Romeo")
    assert condition(romeo.take()[0]) == "item-not-found"
    say(romeo, "hello?")
    assert condition(romeo.take()[0]) == "item-not-found"
    await configure(juliet)
    enter(romeo, "Romeo")
    assert told(romeo.take()) == [("Juliet", "", []), ("Romeo", "", [110, 170])]


async def test_a_room_opens_by_itself_when_nobody_sets_it_up():
    stage = RoomStage(lock_timeout=300)
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    enter(juliet, "Juliet")
    stage.now += 300
    enter(romeo, "Romeo")
    assert nick(romeo.take()[0]) == "Juliet"


async def test_the_order_of_events():
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, "Juliet")
    say(juliet, "one")
    say(juliet, "two")
    juliet.send(f"<message to='{ROOM}' type='groupchat'><subject>Love</subject></message>")
    juliet.take()
    enter(romeo, "Romeo")
    stanzas = romeo.take()
    assert told(stanzas[:2]) == [("Juliet", "", []), ("Romeo", "", [110, 170])]
    assert [each.findtext(CLIENT + "body") for each in stanzas[2:]] == ["one", "two", None]
    assert stanzas[-1].findtext(CLIENT + "subject") == "Love"
    assert all(each.find("{urn:xmpp:delay}delay").get("from") == ROOM for each in stanzas[2:])
    (seen,) = juliet.take()
    assert told([seen]) == [("Romeo", "", [])]


NO_ENTRY = [
    ({"membersonly": 1}, "registration-required"),
    ({"passwordprotectedroom": 1, "roomsecret": "secret"}, "not-authorized"),
    ({"maxusers": 1}, "service-unavailable"),
]


@pytest.mark.parametrize(("fields", "expected"), NO_ENTRY)
async def test_who_may_not_enter(fields, expected):
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, **fields)
    enter(romeo, "Romeo")
    (answer,) = romeo.take()
    assert condition(answer) == expected
    assert answer.get("from") == f"{ROOM}/Romeo"
    assert answer.get("id") == "enter"
    assert juliet.take() == []


async def test_the_password_lets_in_and_a_wrong_one_does_not():
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, passwordprotectedroom=1, roomsecret="secret")
    for password, passes in (("Secret", False), ("", False), ("secret", True)):
        x = MUC.replace("/>", f"><password>{password}</password></x>")
        enter(romeo, "Romeo", x=x)
        assert (romeo.take()[0].get("type") is None) == passes


async def test_the_banned_stay_outside():
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet)
    await rule(juliet, "jid='romeo@localhost' affiliation='outcast'")
    enter(romeo, "Romeo")
    assert condition(romeo.take()[0]) == "forbidden"


async def test_admins_find_a_place_in_a_full_room():
    stage = RoomStage(max_occupants=2)
    juliet, romeo, nurse = [await stage.person(name) for name in ("juliet", "romeo", "nurse")]
    await stage.open_room(juliet, maxusers=1)
    await rule(
        juliet,
        "jid='romeo@localhost' affiliation='admin'",
        "jid='nurse@localhost' affiliation='admin'",
    )
    enter(romeo, "Romeo")
    assert romeo.take()[0].get("type") is None
    enter(nurse, "Nurse")
    assert condition(nurse.take()[0]) == "service-unavailable"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (ROOM, "jid-malformed"),
        ("conference.localhost", "service-unavailable"),
        ("conference.localhost/nick", "service-unavailable"),
        (f"{ROOM}/{'n' * 101}", "not-acceptable"),
        (f"{ROOM}/&#x2003;", "not-acceptable"),
    ],
)
async def test_addresses_that_are_no_place_in_a_room(address, expected):
    stage = RoomStage()
    juliet = await stage.person("juliet")
    juliet.send(f"<presence to='{address}'>{MUC}</presence>")
    assert condition(juliet.take()[0]) == expected
    assert not stage.has_room()


@pytest.mark.parametrize(
    ("create", "name", "may"),
    [
        ("accounts", "juliet", True),
        ("accounts", "stranger", False),
        ("anyone", "stranger", True),
        ("nobody", "juliet", False),
    ],
)
async def test_who_may_make_rooms(create, name, may):
    stage = RoomStage(create=RoomCreators(create))
    client = await stage.come(name, "here")
    enter(client, "me")
    answer = client.take()[0]
    assert stage.has_room() == may
    if not may:
        assert condition(answer) == "not-allowed"


async def test_strangers_may_enter_what_others_made():
    stage = RoomStage()
    juliet, stranger = await stage.person("juliet"), await stage.come("stranger", "here")
    await stage.open_room(juliet)
    enter(stranger, "me")
    assert told(stranger.take())[-1] == ("me", "", [110, 170])


async def test_rooms_are_bounded():
    stage = RoomStage(max_rooms=3, max_rooms_per_account=2, max_rooms_per_session=2)
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    other = await stage.person("juliet", "other")
    for client, name, passes in [
        (juliet, "a", True),
        (juliet, "b", True),
        (other, "c", False),
        (romeo, "c", True),
        (romeo, "d", False),
    ]:
        enter(client, "me", room=f"{name}@conference.localhost")
        assert (client.take()[0].get("type") is None) == passes, name
    await configure(romeo, room="c@conference.localhost")
    enter(juliet, "you", room="c@conference.localhost")
    assert condition(juliet.take()[0]) == "resource-constraint"
    leave(juliet, room="a@conference.localhost")
    juliet.take()
    enter(juliet, "you", room="c@conference.localhost")
    assert juliet.take()[0].get("type") is None


async def test_a_name_in_use_or_reserved_is_refused():
    stage = RoomStage()
    juliet, romeo, nurse = [await stage.person(name) for name in ("juliet", "romeo", "nurse")]
    await stage.open_room(juliet, "Juliet")
    await rule(juliet, "jid='nurse@localhost' affiliation='member'")
    stage.room.nicks.reserve("nurse@localhost", "Nurse")
    for taken in ("Juliet", "Nurse"):
        enter(romeo, taken)
        assert condition(romeo.take()[0]) == "conflict"
    enter(nurse, "Nurse")
    assert nurse.take()[-1].get("type") == "groupchat"
    enter(romeo, "Romeo")
    romeo.take()
    enter(romeo, "Juliet", x="")
    assert condition(romeo.take()[0]) == "conflict"
    assert set(stage.room.occupants) == {"Juliet", "Nurse", "Romeo"}


@pytest.mark.parametrize(
    ("whois", "moderator_sees", "participant_sees", "status"),
    [("moderators", True, False, []), ("anyone", True, True, [100])],
)
async def test_who_sees_addresses(whois, moderator_sees, participant_sees, status):
    stage = RoomStage()
    juliet, romeo, nurse = [await stage.person(name) for name in ("juliet", "romeo", "nurse")]
    await stage.open_room(juliet, "Juliet", whois=whois)
    enter(romeo, "Romeo")
    stanzas = romeo.take()
    assert ("jid" in item(stanzas[0])) == participant_sees
    assert "jid" in item(stanzas[1])
    assert codes(stanzas[1]) == [*status, 110, 170]
    juliet.take()
    enter(nurse, "Nurse")
    assert ("jid" in item(juliet.take()[0])) == moderator_sees
    assert ("jid" in item(romeo.take()[0])) == participant_sees


async def test_what_a_client_says_of_itself_is_not_believed():
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet)
    forged = (
        "<show>away</show><x xmlns='http://jabber.org/protocol/muc#user'>"
        "<item affiliation='owner' role='moderator'/><status code='110'/></x>"
        "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='mine'/>"
        "<c xmlns='http://jabber.org/protocol/caps' node='n' ver='v' hash='sha-1'/>"
    )
    enter(romeo, "Romeo", inner=forged)
    (seen,) = juliet.take()
    assert item(seen)["affiliation"] == "none"
    assert codes(seen) == []
    assert len(seen.findall("{urn:xmpp:occupant-id:0}occupant-id")) == 1
    assert seen.find("{urn:xmpp:occupant-id:0}occupant-id").get("id") != "mine"
    assert seen.findtext(CLIENT + "show") == "away"
    assert seen.find("{http://jabber.org/protocol/caps}c") is not None


async def test_too_long_a_presence_is_refused():
    stage = RoomStage(max_presence=1000)
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet)
    enter(romeo, "Romeo", inner=f"<status>{'x' * 1000}</status>")
    assert condition(romeo.take()[0]) == "not-acceptable"


async def test_presence_changes_are_told_to_all():
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet)
    enter(romeo, "Romeo")
    juliet.take(), romeo.take()
    enter(romeo, "Romeo", x="", inner="<show>xa</show>")
    for client, expected in ((juliet, []), (romeo, [110])):
        (seen,) = client.take()
        assert told([seen]) == [("Romeo", "", expected)]
        assert seen.findtext(CLIENT + "show") == "xa"


async def test_who_lost_its_view_of_the_room_gets_it_anew():
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, "Juliet")
    enter(romeo, "Romeo")
    first = told(romeo.take())
    juliet.take()
    enter(romeo, "Romeo")
    assert told(romeo.take()) == first
    assert len(stage.room.seats) == 2


async def test_a_change_of_nickname():
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, "Juliet")
    enter(romeo, "Romeo")
    juliet.take(), romeo.take()
    enter(romeo, "Montague", x="")
    seen = juliet.take()
    assert told(seen) == [("Romeo", "unavailable", [303]), ("Montague", "", [])]
    assert item(seen[0])["nick"] == "Montague"
    assert item(seen[0])["role"] == "participant"
    assert told(romeo.take()) == [("Romeo", "unavailable", [110, 303]), ("Montague", "", [110])]


async def test_who_is_not_in_the_room_is_told_so():
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet)
    enter(romeo, "Romeo", x="")
    assert told(romeo.take()) == [("Romeo", "unavailable", [110, 307, 333])]
    assert juliet.take() == []
    leave(romeo)
    assert romeo.take() == []


async def test_leaving_with_a_word():
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, "Juliet")
    enter(romeo, "Romeo")
    juliet.take(), romeo.take()
    romeo.send(
        f"<presence to='{ROOM}/Romeo' type='unavailable'>"
        "<status>night</status><x xmlns='y'/></presence>"
    )
    for client, expected in ((juliet, []), (romeo, [110])):
        (seen,) = client.take()
        assert told([seen]) == [("Romeo", "unavailable", expected)]
        assert item(seen)["role"] == "none"
        assert seen.findtext(CLIENT + "status") == "night"
        assert seen.find("{y}x") is None
    leave(juliet, "Juliet")
    assert not stage.has_room()


@pytest.mark.parametrize("how", ["ended", "lost", "unavailable", "replaced"])
async def test_however_a_session_ends_its_occupant_leaves(how):
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet)
    enter(romeo, "Romeo")
    juliet.take(), romeo.take()
    if how == "ended":
        romeo.leave()
    elif how == "lost":
        romeo.lose()
    elif how == "unavailable":
        romeo.send("<presence type='unavailable'/>")
        assert ("Romeo", "unavailable", [110]) in told(romeo.take())
    else:
        await stage.come("romeo", "here")
    await settle()
    assert told(juliet.take()) == [("Romeo", "unavailable", [])]
    assert list(stage.room.occupants) == ["Owner"]


async def test_a_hibernating_session_stays():
    stage = RoomStage()
    juliet = await stage.person("juliet")
    romeo = await stage.come("romeo", "here", sm=True)
    await stage.open_room(juliet)
    enter(romeo, "Romeo")
    juliet.take()
    romeo.lose()
    say(juliet, "where art thou")
    assert told(juliet.take()) == []
    assert len(stage.room.seats) == 2


async def test_a_session_that_overflows_while_it_is_told_leaves_like_any_other():
    stage = RoomStage(sm=SmConfig(idle_probe=0, queue_stanzas=4))
    juliet = await stage.person("juliet")
    romeo = await stage.come("romeo", "here", sm=True)
    await stage.open_room(juliet, "Juliet")
    enter(romeo, "Romeo", x=MUC.replace("/>", "><history maxstanzas='0'/></x>"))
    romeo.lose()
    juliet.take()
    for number in range(4):
        say(juliet, str(number))
    heard = juliet.take()
    assert told(heard) == [("Romeo", "unavailable", [])]
    assert [each.findtext(CLIENT + "body") for each in heard if each.tag == f"{CLIENT}message"] == [
        "0",
        "1",
        "2",
        "3",
    ]
    assert list(stage.room.occupants) == ["Juliet"]


async def test_strangers_keep_no_rooms():
    stage = RoomStage(create=RoomCreators.ANYONE)
    stranger = await stage.come("stranger", "here")
    enter(stranger, "me")
    stranger.take()
    assert condition(await configure(stranger, persistentroom=1)) == "not-allowed"
    assert (await configure(stranger)).get("type") == "result"
    assert not stage.room.config.persistent


async def test_two_sessions_under_one_nickname():
    stage = RoomStage()
    juliet = await stage.person("juliet")
    phone, desk = await stage.person("romeo", "phone"), await stage.person("romeo", "desk")
    await stage.open_room(juliet, "Juliet")
    enter(phone, "Romeo")
    juliet.take(), phone.take()
    enter(desk, "Romeo", inner="<show>chat</show>")
    assert told(desk.take()) == [("Juliet", "", []), ("Romeo", "", [110, 170])]
    assert told(phone.take())[-1] == ("Romeo", "", [110])
    (seen,) = presences(juliet.take())
    assert seen.findtext(CLIENT + "show") == "chat"
    say(desk, "both hear it")
    assert phone.bodies() == desk.bodies() == juliet.bodies() == ["both hear it"]
    leave(desk, "Romeo")
    assert told(desk.take()) == [("Romeo", "unavailable", [110])]
    assert [each[:2] for each in told(juliet.take())] == [("Romeo", "")]
    phone.take()
    leave(phone, "Romeo")
    assert told(juliet.take()) == [("Romeo", "unavailable", [])]


async def test_a_kind_of_occupant_that_is_not_told_of():
    stage = RoomStage()
    juliet, romeo, nurse = [await stage.person(name) for name in ("juliet", "romeo", "nurse")]
    await stage.open_room(
        juliet, "Juliet", moderatedroom=1, presencebroadcast=["moderator", "participant"]
    )
    enter(romeo, "Romeo")
    assert told(romeo.take()) == [("Juliet", "", []), ("Romeo", "", [110, 170])]
    enter(nurse, "Nurse")
    assert [each[0] for each in told(nurse.take())] == ["Juliet", "Nurse"]
    assert juliet.take() == []
    assert romeo.take() == []
    await rule(juliet, "nick='Romeo' role='participant'")
    assert told(nurse.take()) == [("Romeo", "", [])]
    juliet.take()
    await rule(juliet, "nick='Romeo' role='visitor'")
    assert told(nurse.take()) == [("Romeo", "unavailable", [])]
    leave(romeo, "Romeo")
    assert nurse.take() == []


async def test_a_subscription_to_a_room_is_refused():
    stage = RoomStage()
    juliet = await stage.person("juliet")
    await stage.open_room(juliet)
    juliet.send(f"<presence to='{ROOM}' type='subscribe'/>")
    assert condition(juliet.take()[0]) == "service-unavailable"
    juliet.send(f"<presence to='{ROOM}/Owner' type='probe'/>")
    assert juliet.take() == []


async def test_everybody_is_told_when_the_service_ends():
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, "Juliet")
    enter(romeo, "Romeo")
    juliet.take(), romeo.take()
    stage.domain.close(stage.now)
    assert told(juliet.take()) == [("Juliet", "unavailable", [110, 332])]
    assert told(romeo.take()) == [("Romeo", "unavailable", [110, 332])]
    enter(juliet, "Juliet")
    assert condition(juliet.take()[0]) == "service-unavailable"


async def test_the_nonsense_in_a_wish_for_history_is_refused():
    stage = RoomStage()
    juliet = await stage.person("juliet")
    for wish in ("maxstanzas='x'", "seconds='-1'", "since='yesterday'", "maxchars='٣'"):
        enter(juliet, "me", x=MUC.replace("/>", f"><history {wish}/></x>"))
        assert condition(juliet.take()[0]) == "bad-request"
    answer = await request(juliet, "get", "<ping xmlns='urn:xmpp:ping'/>")
    assert condition(answer) == "item-not-found"


async def test_too_long_a_name_of_a_room_is_refused():
    stage = RoomStage()
    juliet = await stage.person("juliet")
    enter(juliet, "me", room=f"{'n' * 256}@conference.localhost")
    assert condition(juliet.take()[0]) == "not-acceptable"
    enter(juliet, "me", room=f"{'n' * 255}@conference.localhost")
    assert juliet.take()[0].get("type") is None


async def test_the_same_presence_again_is_for_its_sender_alone():
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, "Juliet")
    enter(romeo, "Romeo", inner="<show>away</show>")
    juliet.take(), romeo.take()
    enter(romeo, "Romeo", x="", inner="<show>away</show>")
    assert told(romeo.take()) == [("Romeo", "", [110])]
    assert juliet.take() == []


async def test_one_person_under_two_names_keeps_them_apart():
    stage = RoomStage()
    juliet = await stage.person("juliet")
    phone, desk = await stage.person("romeo", "phone"), await stage.person("romeo", "desk")
    await stage.open_room(juliet, "Juliet")
    enter(phone, "Phone")
    enter(desk, "Desk")
    desk.take()
    enter(desk, "Phone", x="")
    assert condition(desk.take()[0]) == "conflict"
    assert set(stage.room.occupants) == {"Juliet", "Phone", "Desk"}


GHOSTLY = {
    "gone",
    "item-not-found",
    "recipient-unavailable",
    "redirect",
    "remote-server-not-found",
    "remote-server-timeout",
}


def error(condition):
    return (
        f"<error type='cancel'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>gone item-not-found</text></error>"
    )


@pytest.mark.parametrize("to", [ROOM, f"{ROOM}/Juliet"])
@pytest.mark.parametrize("stanza", ["message", "presence"])
@pytest.mark.parametrize("kind", StanzaCondition)
async def test_who_cannot_be_reached_any_more_is_taken_out(stanza, kind, to):
    """Sections 18.1.2, which has the conditions, and 11.1, which has the code."""
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, "Juliet")
    enter(romeo, "Romeo")
    say(juliet, "Are you there?")
    juliet.take(), romeo.take()
    romeo.send(f"<{stanza} to='{to}' type='error' id='m'>{error(kind)}</{stanza}>")
    if kind not in GHOSTLY:
        assert juliet.take() == romeo.take() == []
        assert "Romeo" in stage.room.occupants
        return
    assert told(romeo.take()) == [("Romeo", "unavailable", [110, 333])]
    assert told(juliet.take()) == [("Romeo", "unavailable", [333])]
    assert list(stage.room.occupants) == ["Juliet"]
    enter(romeo, "Romeo")
    assert list(stage.room.occupants) == ["Juliet", "Romeo"]


async def test_only_the_session_that_cannot_be_reached_is_taken_out():
    stage = RoomStage()
    juliet, phone = await stage.person("juliet"), await stage.person("juliet", "phone")
    nurse = await stage.person("nurse")
    await stage.open_room(juliet, "Juliet")
    enter(phone, "Juliet")
    juliet.take(), phone.take()
    for client in (nurse, phone, phone):  # One who is not in it, and twice, changes nothing.
        client.send(f"<message to='{ROOM}' type='error'>{error('gone')}</message>")
    assert nurse.take() == []
    assert told(phone.take()) == [("Juliet", "unavailable", [110, 333])]
    assert [seat.jid for seat in stage.room.occupants["Juliet"].seats] == [juliet.jid]
    juliet.send(f"<message to='{ROOM}' type='error'>{error('gone')}</message>")
    assert not stage.has_room()


@pytest.mark.parametrize("inner", ["", "<error/>", "<error xmlns='x'><gone/></error>"])
async def test_an_error_that_says_nothing_changes_nothing(inner):
    stage = RoomStage()
    juliet = await stage.person("juliet")
    await stage.open_room(juliet, "Juliet")
    juliet.send(f"<message to='{ROOM}' type='error'>{inner}</message>")
    juliet.send(f"<message to='nowhere@{ROOM.partition('@')[2]}' type='error'>{inner}</message>")
    assert juliet.take() == []
    assert stage.has_room()


async def test_an_answer_to_another_is_no_word_of_ones_own_absence():
    """Section 18.1.2 is of what the room sent: a request is another occupant's."""
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, "Juliet")
    enter(romeo, "Romeo")
    romeo.take()
    juliet.send(f"<iq type='get' id='a' to='{ROOM}/Romeo'><q xmlns='x'/></iq>")
    (asked,) = romeo.take()
    romeo.send(
        f"<iq type='error' id='{asked.get('id')}' to='{ROOM}/Juliet'>{error('item-not-found')}</iq>"
    )
    assert list(stage.room.occupants) == ["Juliet", "Romeo"]
