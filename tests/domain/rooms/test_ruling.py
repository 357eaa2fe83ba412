"""Kicks, bans, voices, memberships: who may change them, and what all are told."""

import pytest
from support.domains import CLIENT, condition, settle
from support.rooms import (
    ADMIN_ITEM,
    ITEM,
    ROOM,
    RoomStage,
    configure,
    enter,
    item,
    listed,
    request,
    rule,
    say,
    told,
)

from andiron.sm.link import CloseReason
from andiron.xmpp import namespaces as ns


async def scene(**fields):
    """Return a stage with Juliet, who owns the room, Romeo and Nurse in it."""
    stage = RoomStage()
    people = [await stage.person(name) for name in ("juliet", "romeo", "nurse")]
    await stage.open_room(people[0], "Juliet", **fields)
    for client, nick in zip(people[1:], ("Romeo", "Nurse"), strict=True):
        if stage.room.config.members_only:
            await rule(people[0], f"jid='{client.link.account}' affiliation='member'")
        enter(client, nick)
    for client in people:
        client.take()
    return stage, *people


async def test_a_kick():
    stage, juliet, romeo, nurse = await scene()
    query = (
        f"<query xmlns='{ns.MUC_ADMIN}'><item nick='Romeo' role='none'>"
        "<reason>Avaunt!</reason></item></query>"
    )
    answer = await request(juliet, "set", query)
    assert answer.get("type") == "result"
    for client, expected in ((juliet, [307]), (nurse, [307]), (romeo, [110, 307])):
        (seen,) = client.take()
        assert told([seen]) == [("Romeo", "unavailable", expected)]
        assert item(seen)["role"] == "none"
        assert seen.find(f".//{{{ns.MUC_USER}}}actor").get("nick") == "Juliet"
        assert seen.findtext(f".//{{{ns.MUC_USER}}}reason") == "Avaunt!"
    assert list(stage.room.occupants) == ["Juliet", "Nurse"]
    enter(romeo, "Romeo")
    assert len(stage.room.occupants) == 3


async def test_a_ban_takes_out_all_that_somebody_is_in_the_room():
    stage, juliet, romeo, nurse = await scene()
    phone = await stage.person("romeo", "phone")
    enter(phone, "Romeo on the phone")
    for client in (juliet, romeo, nurse, phone):
        client.take()
    answer = await rule(juliet, "jid='romeo@localhost/here' affiliation='outcast'")
    assert answer.get("type") == "result"
    assert [each[1:] for each in told(nurse.take())] == [("unavailable", [301])] * 2
    (seen,) = romeo.take()[:1]
    assert told([seen]) == [("Romeo", "unavailable", [110, 301])]
    assert item(seen)["affiliation"] == "outcast"
    listing = await listed(juliet, "affiliation='outcast'")
    (entry,) = listing.iter(ADMIN_ITEM)
    assert entry.attrib == {"affiliation": "outcast", "jid": "romeo@localhost"}


@pytest.mark.parametrize(
    ("affiliation", "expected"),
    [
        ("owner", "conflict"),
        ("admin", "conflict"),
        ("member", "forbidden"),
        ("none", "forbidden"),
    ],
)
@pytest.mark.parametrize("himself", ["jid='romeo@localhost'", "nick='Romeo'"])
async def test_nobody_bans_himself(affiliation, expected, himself):
    """Section 9.1: a conflict for those who may ban at all, wherever in a list it stands."""
    stage, juliet, romeo, _nurse = await scene()
    await rule(juliet, f"jid='romeo@localhost' affiliation='{affiliation}'")
    for others in ([], ["jid='tybalt@localhost' affiliation='outcast'"]):
        answer = await rule(romeo, *others, f"{himself} affiliation='outcast'")
        assert condition(answer) == expected
    assert "outcast" not in stage.room.affiliations.values()
    assert "Romeo" in stage.room.occupants


async def test_a_moderator_may_kick_himself():
    """Section 8.2, its end; everybody may leave, but only who may kick says it by a kick."""
    stage, juliet, romeo, nurse = await scene()
    assert condition(await rule(romeo, "nick='Romeo' role='none'")) == "forbidden"
    await rule(juliet, "nick='Romeo' role='moderator'", "nick='Nurse' role='moderator'")
    romeo.take(), nurse.take()
    assert condition(await rule(romeo, "nick='Nurse' role='none'")) == "not-allowed"
    assert (await rule(romeo, "nick='Romeo' role='none'")).get("type") == "result"
    assert told(romeo.take()) == [("Romeo", "unavailable", [110, 307])]
    assert (await rule(juliet, "nick='Juliet' role='none'")).get("type") == "result"
    assert list(stage.room.occupants) == ["Nurse"]


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ("nick='Juliet' role='visitor'", "not-allowed"),
        ("nick='Juliet' role='none'", "not-allowed"),
        ("nick='Juliet' role='participant'", "forbidden"),
        ("nick='Nurse' role='moderator'", "forbidden"),
    ],
)
async def test_what_a_mere_moderator_may_not_do_to_whom(wish, expected):
    """Sections 8.2, 8.4 and 9.6 and 9.7."""
    _stage, juliet, romeo, _nurse = await scene()
    await rule(juliet, "nick='Romeo' role='moderator'")
    assert condition(await rule(romeo, wish)) == expected


@pytest.mark.parametrize("whom", ["juliet", "nurse"])
@pytest.mark.parametrize(
    ("affiliation", "expected"),
    [
        ("outcast", "not-allowed"),
        ("none", "forbidden"),
        ("member", "forbidden"),
        ("admin", "forbidden"),
        ("owner", "forbidden"),
    ],
)
async def test_what_an_admin_may_not_do_to_owners_and_admins(whom, affiliation, expected):
    """Sections 9.1, 10.3 to 10.8."""
    stage, juliet, romeo, _nurse = await scene()
    await rule(
        juliet,
        "jid='romeo@localhost' affiliation='admin'",
        "jid='nurse@localhost' affiliation='admin'",
    )
    before = dict(stage.room.affiliations)
    answer = await rule(romeo, f"jid='{whom}@localhost' affiliation='{affiliation}'")
    assert condition(answer) == expected
    answer = await rule(romeo, "jid='romeo@localhost' affiliation='none'")
    assert condition(answer) == "forbidden"
    assert stage.room.affiliations == before


async def test_a_ban_of_a_domain_is_one_of_all_without_a_word_of_their_own():
    """Section 9.2: the person's own place comes first, then that of the domain."""
    stage, juliet, romeo, nurse = await scene()
    await rule(juliet, "jid='nurse@localhost' affiliation='member'")
    juliet.take(), romeo.take(), nurse.take()
    answer = await rule(juliet, "jid='localhost' affiliation='outcast'")
    assert answer.get("type") == "result"
    assert await notices(juliet) == [("outcast", "localhost", None, ["Juliet"])]
    assert told(romeo.take()) == [("Romeo", "unavailable", [110, 301])]
    assert told(nurse.take()) == [("Romeo", "unavailable", [301])]
    assert list(stage.room.occupants) == ["Juliet", "Nurse"]
    enter(romeo, "Romeo")
    assert condition(romeo.take()[0]) == "forbidden"
    (entry,) = (await listed(juliet, "affiliation='outcast'")).iter(ADMIN_ITEM)
    assert entry.get("jid") == "localhost"
    await rule(juliet, "jid='nurse@localhost' affiliation='none'")
    assert told(nurse.take()) == [("Nurse", "unavailable", [110, 301])]
    await rule(juliet, "jid='localhost' affiliation='none'")
    enter(romeo, "Romeo")
    assert list(stage.room.occupants) == ["Juliet", "Romeo"]


@pytest.mark.parametrize("affiliation", ["member", "admin", "owner"])
async def test_a_domain_can_only_be_banned(affiliation):
    stage, juliet, _romeo, _nurse = await scene()
    answer = await rule(juliet, f"jid='localhost' affiliation='{affiliation}'")
    assert condition(answer) == "not-acceptable"
    answer = await configure(juliet, roomadmins=["localhost"])
    assert condition(answer) == "not-acceptable"
    assert list(stage.room.affiliations) == ["juliet@localhost"]


async def test_a_voice_is_given_and_taken():
    _stage, juliet, _romeo, nurse = await scene(moderatedroom=1)
    for role in ("participant", "visitor"):
        await rule(juliet, f"nick='Romeo' role='{role}'")
        (seen,) = nurse.take()
        assert told([seen]) == [("Romeo", "", [])]
        assert item(seen) == {"affiliation": "none", "role": role}
    listing = await listed(juliet, "role='visitor'")
    assert [each.get("nick") for each in listing.iter(ADMIN_ITEM)] == ["Romeo", "Nurse"]
    assert next(each.get("jid") for each in listing.iter(ADMIN_ITEM)) == "romeo@localhost/here"


async def test_a_new_moderator_learns_who_the_others_are():
    _stage, juliet, romeo, _nurse = await scene()
    await rule(juliet, "nick='Romeo' role='moderator'")
    seen = romeo.take()
    assert told(seen) == [("Romeo", "", [110]), ("Juliet", "", []), ("Nurse", "", [])]
    assert item(seen[2])["jid"] == "nurse@localhost/here"


async def test_affiliations_bring_their_roles():
    _stage, juliet, _romeo, nurse = await scene(moderatedroom=1)
    for affiliation, role in (
        ("member", "participant"),
        ("admin", "moderator"),
        ("none", "visitor"),
        ("owner", "moderator"),
        ("member", "participant"),
        ("none", "participant"),
    ):
        await rule(juliet, f"jid='romeo@localhost' affiliation='{affiliation}'")
        (seen,) = nurse.take()
        assert (item(seen)["affiliation"], item(seen)["role"]) == (affiliation, role)


async def test_who_is_no_member_any_more_leaves_a_room_of_members():
    _stage, juliet, romeo, nurse = await scene(membersonly=1)
    await rule(juliet, "jid='romeo@localhost' affiliation='none'")
    assert told(romeo.take()) == [("Romeo", "unavailable", [110, 321])]
    assert told(nurse.take()) == [("Romeo", "unavailable", [321])]
    enter(romeo, "Romeo")
    assert condition(romeo.take()[0]) == "registration-required"


async def test_those_who_are_no_members_leave_when_the_room_is_for_members_only():
    stage, juliet, romeo, nurse = await scene()
    await rule(juliet, "jid='nurse@localhost' affiliation='member'")
    romeo.take(), nurse.take()
    await configure(juliet, membersonly=1)
    assert told(romeo.take()) == [("Romeo", "unavailable", [110, 322])]
    assert told(nurse.take()[:1]) == [("Romeo", "unavailable", [322])]
    assert list(stage.room.occupants) == ["Juliet", "Nurse"]


async def test_new_members_of_a_room_for_members_are_invited():
    stage, juliet, _romeo, _nurse = await scene(membersonly=1)
    tybalt = await stage.person("tybalt")
    await rule(juliet, "jid='tybalt@localhost' affiliation='member'")
    (message,) = tybalt.take()
    assert message.get("from") == ROOM
    invite = message.find(f".//{{{ns.MUC_USER}}}invite")
    assert invite.get("from") == "juliet@localhost"


async def test_a_list_is_done_as_a_whole_or_not_at_all():
    stage, juliet, romeo, nurse = await scene()
    await rule(juliet, "jid='romeo@localhost' affiliation='admin'")
    for client in (juliet, romeo, nurse):
        client.take()
    answer = await rule(
        romeo,
        "jid='tybalt@localhost' affiliation='member'",
        "nick='Nurse' role='none'",
        "jid='juliet@localhost' affiliation='none'",
    )
    assert condition(answer) == "forbidden"
    assert "tybalt@localhost" not in stage.room.affiliations
    assert nurse.take() == []
    answer = await rule(
        romeo,
        "jid='tybalt@localhost' affiliation='member'",
        "jid='nurse@localhost' affiliation='outcast'",
    )
    assert answer.get("type") == "result"
    assert stage.room.affiliations["tybalt@localhost"] == "member"
    assert told(nurse.take()) == [("Nurse", "unavailable", [110, 301])]


async def test_a_room_always_has_an_owner():
    stage, juliet, _romeo, _nurse = await scene()
    for affiliation in ("none", "member", "admin"):
        answer = await rule(juliet, f"jid='juliet@localhost' affiliation='{affiliation}'")
        assert condition(answer) == "conflict"
    answer = await rule(
        juliet,
        "jid='juliet@localhost' affiliation='none'",
        "jid='romeo@localhost' affiliation='owner'",
    )
    assert answer.get("type") == "result"
    assert stage.room.affiliations == {"romeo@localhost": "owner"}
    assert condition(await configure(juliet)) == "forbidden"


BAD = [
    ("", "bad-request"),
    ("nick='Romeo'", "bad-request"),
    ("nick='Romeo' role='none' affiliation='none'", "bad-request"),
    ("nick='Romeo' role='king'", "bad-request"),
    ("jid='romeo@localhost' affiliation='king'", "bad-request"),
    ("role='none'", "bad-request"),
    ("affiliation='none'", "bad-request"),
    ("jid='@' affiliation='none'", "jid-malformed"),
    ("nick='Nobody' role='none'", "item-not-found"),
]


@pytest.mark.parametrize(("wish", "expected"), BAD)
async def test_wishes_that_make_no_sense(wish, expected):
    _stage, juliet, _romeo, _nurse = await scene()
    assert condition(await rule(juliet, wish)) == expected


@pytest.mark.parametrize(
    "wish",
    [
        "nick='Nurse' role='none'",
        "nick='Nobody' role='none'",
        "nick='Nurse' role='moderator'",
        "jid='nurse@localhost' affiliation='outcast'",
        "jid='romeo@localhost' affiliation='owner'",
    ],
)
async def test_who_is_nobody_changes_nothing(wish):
    stage, _juliet, romeo, nurse = await scene()
    tybalt = await stage.person("tybalt")
    for client in (romeo, tybalt):
        assert condition(await rule(client, wish)) == "forbidden"
    assert nurse.take() == []


async def test_an_affiliation_by_nickname_is_that_of_its_person():
    stage, juliet, _romeo, _nurse = await scene()
    answer = await rule(juliet, "nick='Romeo' affiliation='member'")
    assert answer.get("type") == "result"
    assert stage.room.affiliations["romeo@localhost"] == "member"


def nicks(answer):
    return {each.get("jid"): each.get("nick") for each in answer.iter(ADMIN_ITEM)}


async def test_an_admin_reserves_nicknames_for_members():
    """Sections 9.3 and 9.5: kept, shown in the list, and nobody else's from then on."""
    stage, juliet, romeo, nurse = await scene()
    answer = await rule(juliet, "jid='tybalt@localhost' affiliation='member' nick='Prince'")
    assert answer.get("type") == "result"
    assert nicks(await listed(juliet, "affiliation='member'")) == {"tybalt@localhost": "Prince"}
    enter(romeo, "Prince", x="")
    assert condition(romeo.take()[-1]) == "conflict"
    tybalt = await stage.person("tybalt")
    reserved = f"<query xmlns='{ns.DISCO_INFO}' node='x-roomuser-item'/>"
    answer = await request(tybalt, "get", reserved)
    assert answer.find(f".//{{{ns.DISCO_INFO}}}identity").get("name") == "Prince"
    enter(tybalt, "Prince")
    assert "Prince" in stage.room.occupants
    # Without a nick it stays, with an empty one it goes.
    await rule(juliet, "jid='tybalt@localhost' affiliation='admin'")
    assert nicks(await listed(juliet, "affiliation='admin'")) == {"tybalt@localhost": "Prince"}
    await rule(juliet, "jid='tybalt@localhost' affiliation='admin' nick=''")
    assert nicks(await listed(juliet, "affiliation='admin'")) == {"tybalt@localhost": None}
    assert stage.room.nicks == {}
    assert nurse.take() != []


@pytest.mark.parametrize("gone", ["none", "outcast"])
async def test_a_reserved_nickname_goes_with_the_affiliation(gone):
    stage, juliet, _romeo, nurse = await scene()
    await rule(juliet, "jid='tybalt@localhost' affiliation='member' nick='Prince'")
    await rule(juliet, f"jid='tybalt@localhost' affiliation='{gone}' nick='Prince'")
    assert stage.room.nicks == {}
    enter(nurse, "Prince", x="")
    assert "Prince" in stage.room.occupants


NO_NICKS = [
    (["jid='tybalt@localhost' affiliation='member' nick='Romeo'"], "conflict"),
    (["jid='tybalt@localhost' affiliation='member' nick='Cousin'"], "conflict"),
    (["jid='tybalt@localhost' affiliation='member' nick=' '"], "not-acceptable"),
    (["jid='tybalt@localhost' affiliation='member' nick='" + 101 * "x" + "'"], "not-acceptable"),
    (
        [
            "jid='tybalt@localhost' affiliation='member' nick='Prince'",
            "jid='nurse@localhost' affiliation='member' nick='Prince'",
        ],
        "conflict",
    ),
]


@pytest.mark.parametrize(("items", "expected"), NO_NICKS)
async def test_nicknames_that_an_admin_cannot_reserve(items, expected):
    stage, juliet, _romeo, _nurse = await scene()
    await rule(juliet, "jid='mercutio@localhost' affiliation='member' nick='Cousin'")
    assert condition(await rule(juliet, *items)) == expected
    assert stage.room.nicks == {"mercutio@localhost": "Cousin"}
    assert "tybalt@localhost" not in stage.room.affiliations


async def test_one_list_may_give_a_nickname_from_one_person_to_another():
    stage, juliet, _romeo, _nurse = await scene()
    await rule(
        juliet,
        "jid='a@localhost' affiliation='member' nick='A'",
        "jid='b@localhost' affiliation='member' nick='B'",
        "jid='c@localhost' affiliation='member' nick='C'",
    )
    answer = await rule(
        juliet,
        "jid='a@localhost' affiliation='member' nick='B'",
        "jid='b@localhost' affiliation='admin' nick='A'",
        "jid='c@localhost' affiliation='none'",
        "jid='d@localhost' affiliation='member' nick='C'",
    )
    assert answer.get("type") == "result"
    assert stage.room.nicks == {"a@localhost": "B", "b@localhost": "A", "d@localhost": "C"}


async def test_affiliations_are_bounded():
    stage = RoomStage(max_affiliations=3)
    juliet = await stage.person("juliet")
    await stage.open_room(juliet)
    assert (await rule(juliet, "jid='a@x' affiliation='member'")).get("type") == "result"
    answer = await rule(juliet, "jid='b@x' affiliation='member'", "jid='c@x' affiliation='outcast'")
    assert condition(answer) == "resource-constraint"
    assert len(stage.room.affiliations) == 2


async def test_who_removes_an_account_removes_it_from_its_rooms():
    stage, juliet, romeo, _nurse = await scene(persistentroom=1)
    await rule(
        juliet,
        "jid='romeo@localhost' affiliation='admin'",
        "jid='nurse@localhost' affiliation='outcast'",
    )
    rooms = stage.domain.rooms
    await rooms.remove_account("nurse@localhost")
    assert stage.room.affiliation("nurse@localhost") == "outcast"
    await rooms.remove_account("juliet@localhost")
    assert stage.room.affiliations == {"romeo@localhost": "owner", "nurse@localhost": "outcast"}
    for client in (juliet, romeo):
        client.take()
    await rooms.remove_account("romeo@localhost")
    await settle()
    assert not stage.has_room()
    (gone,) = romeo.take()
    assert gone.find(f".//{{{ns.MUC_USER}}}destroy") is not None


@pytest.mark.parametrize(
    ("moderated", "before", "set_to", "after"),
    [
        (0, "none", "visitor", "visitor"),
        (1, "none", "participant", "participant"),
        (1, "member", "visitor", "visitor"),
        (0, "none", "moderator", "participant"),
    ],
)
async def test_a_voice_and_the_lack_of_it_outlast_a_visit(moderated, before, set_to, after):
    stage, juliet, romeo, _nurse = await scene(moderatedroom=moderated)
    await rule(juliet, f"jid='romeo@localhost' affiliation='{before}'")
    await rule(juliet, f"nick='Romeo' role='{set_to}'")
    for name in ("Another", "Romeo"):
        romeo.send(f"<presence to='{ROOM}/x' type='unavailable'/>")
        enter(romeo, name)
        assert stage.room.occupants[name].role == after
    await configure(juliet, moderatedroom=1 - moderated)
    romeo.send(f"<presence to='{ROOM}/x' type='unavailable'/>")
    enter(romeo, "Romeo")
    initial = "participant" if moderated or before == "member" else "visitor"
    assert stage.room.occupants["Romeo"].role == initial


async def test_a_change_of_affiliation_makes_voices_forgotten_and_a_kick_does_not(monkeypatch):
    stage, juliet, romeo, _nurse = await scene()
    silenced = {"romeo@localhost": "visitor"}
    for change, expected in (
        ("nick='Romeo' role='none'", silenced),
        ("jid='romeo@localhost' affiliation='member'", {}),
    ):
        enter(romeo, "Romeo")
        await rule(juliet, "nick='Romeo' role='visitor'")
        assert stage.room.voices == silenced
        await rule(juliet, change)
        assert stage.room.voices == expected
    monkeypatch.setattr("andiron.domain.rooms.room._MAX_VOICES", 1)
    await rule(juliet, "nick='Nurse' role='visitor'")
    await rule(juliet, "nick='Romeo' role='visitor'")
    assert list(stage.room.voices) == ["romeo@localhost"]


async def notices(client):
    """Return the affiliation, the address, who did it and why, of each message about these."""
    await settle()
    return [
        (
            each.get("affiliation"),
            each.get("jid"),
            each.findtext(f"{{{ns.MUC_USER}}}reason"),
            [actor.get("nick") for actor in each.iter(f"{{{ns.MUC_USER}}}actor")],
        )
        for message in client.take()
        if message.tag == f"{CLIENT}message"
        for each in message.iter(ITEM)
    ]


async def test_moderators_are_told_of_the_affiliations_of_who_is_away():
    """Sections 10.3 to 10.7, where it is a MAY; those who see no addresses are not."""
    _stage, juliet, romeo, nurse = await scene()
    await rule(juliet, "nick='Romeo' role='moderator'")
    for client in (juliet, romeo, nurse):
        client.take()
    query = (
        f"<query xmlns='{ns.MUC_ADMIN}'><item jid='tybalt@localhost' affiliation='outcast'>"
        "<reason>Quarrels &amp; brawls</reason></item></query>"
    )
    await request(juliet, "set", query)
    (message,) = romeo.take()
    assert (message.get("from"), message.get("to"), message.get("type")) == (ROOM, romeo.jid, None)
    assert item(message) == {
        "affiliation": "outcast",
        "jid": "tybalt@localhost",
        "role": "none",
    }
    told_of = ("outcast", "tybalt@localhost", "Quarrels & brawls", ["Juliet"])
    assert await notices(juliet) == [told_of]
    assert nurse.take() == []
    # Of who is there the presence tells, and what stays as it is is no news.
    await rule(juliet, "jid='nurse@localhost' affiliation='member'")
    assert await notices(romeo) == []
    await rule(juliet, "jid='tybalt@localhost' affiliation='outcast'")
    assert await notices(romeo) == []


async def test_moderators_are_told_whatever_changes_an_affiliation():
    stage, juliet, _romeo, _nurse = await scene(membersonly=1, persistentroom=1)
    tybalt = await stage.person("tybalt")
    invite = f"<x xmlns='{ns.MUC_USER}'><invite to='tybalt@localhost'/></x>"
    juliet.send(f"<message to='{ROOM}'>{invite}</message>")
    assert await notices(juliet) == [("member", "tybalt@localhost", None, [])]
    await configure(juliet, roomadmins=["tybalt@localhost", "paris@localhost"])
    assert sorted(await notices(juliet)) == [
        ("admin", "paris@localhost", None, ["Juliet"]),
        ("admin", "tybalt@localhost", None, ["Juliet"]),
    ]
    await rule(juliet, "jid='tybalt@localhost' affiliation='member' nick='Cat'")
    assert await notices(juliet) == [("member", "tybalt@localhost", None, ["Juliet"])]
    await request(tybalt, "set", f"<query xmlns='{ns.REGISTER}'><remove/></query>")
    assert await notices(juliet) == [("none", "tybalt@localhost", None, [])]
    await stage.domain.rooms.remove_account("paris@localhost")
    assert await notices(juliet) == [("none", "paris@localhost", None, [])]


async def test_who_is_there_unseen_is_told_of_like_who_is_away():
    _stage, juliet, _romeo, _nurse = await scene(presencebroadcast=["moderator"])
    await rule(juliet, "jid='romeo@localhost' affiliation='member'")
    assert await notices(juliet) == [("member", "romeo@localhost", None, ["Juliet"])]


@pytest.mark.parametrize(("changes", "messages"), [(20, 20), (21, 1)])
async def test_of_many_changes_one_message_tells(changes, messages):
    _stage, juliet, _romeo, _nurse = await scene()
    items = [f"jid='{number}@localhost' affiliation='member'" for number in range(changes)]
    await rule(juliet, *items)
    told_of = juliet.take()
    assert len(told_of) == messages
    assert sum(len(list(each.iter(ITEM))) for each in told_of) == changes


async def test_what_a_moderator_missed_of_it_is_not_kept_for_him():
    stage, juliet, romeo, _nurse = await scene()
    await rule(juliet, "nick='Romeo' role='moderator'")
    romeo.send("<presence/>")
    romeo.send(f"<enable xmlns='{ns.SM_3}' resume='true'/>")
    romeo.lose()
    await rule(juliet, "jid='tybalt@localhost' affiliation='outcast'")
    say(juliet, "x")
    romeo.session.close(CloseReason.EXPIRED, stage.now)
    await settle()
    assert stage.store.messages["romeo"] == []
