"""The lists of roles and affiliations: who sees which, and what stands in them."""

import pytest
from support.domains import condition
from support.rooms import ADMIN_ITEM, RoomStage, enter, listed, request, rule

from andiron.xmpp import namespaces as ns

REASON = f"{{{ns.MUC_ADMIN}}}reason"


async def scene(**fields):
    """Return Juliet, who owns a room, and Romeo in it."""
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, "Juliet", **fields)
    enter(romeo, "Romeo")
    juliet.take(), romeo.take()
    return juliet, romeo


LISTS = [
    ("owner", "semi", "owner", True),
    ("owner", "semi", "admin", False),
    ("admin", "semi", "admin", False),
    ("admin", "semi", "owner", True),
    ("owner", "non", "admin", True),
    ("member", "semi", "admin", True),
    ("outcast", "semi", "admin", True),
    ("member", "semi", "member", False),
    ("member", "non", "member", True),
    ("owner", "non", "member", True),
    ("outcast", "non", "member", False),
    ("member", "non", "none", False),
]


@pytest.mark.parametrize(("affiliation", "anonymous", "asker", "allowed"), LISTS)
async def test_who_sees_which_list(affiliation, anonymous, asker, allowed):
    juliet, romeo = await scene(whois="anyone" if anonymous == "non" else "moderators")
    await rule(
        juliet,
        f"jid='romeo@localhost' affiliation='{asker}'",
        "jid='m@x' affiliation='member'",
        "jid='a@x' affiliation='admin'",
        "jid='o@x' affiliation='outcast'",
    )
    answer = await listed(romeo, f"affiliation='{affiliation}'")
    if allowed:
        assert all(each.get("affiliation") == affiliation for each in answer.iter(ADMIN_ITEM))
        assert list(answer.iter(ADMIN_ITEM))
    else:
        assert condition(answer) == "forbidden"


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ("affiliation='none'", "bad-request"),
        ("affiliation='king'", "bad-request"),
        ("role='king'", "bad-request"),
        ("", "bad-request"),
        ("role='visitor' affiliation='none'", "bad-request"),
    ],
)
async def test_lists_that_are_none(wish, expected):
    juliet, _romeo = await scene()
    assert condition(await listed(juliet, wish)) == expected


async def test_only_moderators_see_who_has_which_role():
    juliet, romeo = await scene()
    assert condition(await listed(romeo, "role='participant'")) == "forbidden"
    await rule(juliet, "nick='Romeo' role='moderator'")
    assert len(list((await listed(romeo, "role='moderator'")).iter(ADMIN_ITEM))) == 2


def reasons(answer):
    return {each.get("jid"): each.findtext(REASON) for each in answer.iter(ADMIN_ITEM)}


async def say_why(client, item, reason):
    inner = f"<item {item}><reason>{reason}</reason></item>"
    return await request(client, "set", f"<query xmlns='{ns.MUC_ADMIN}'>{inner}</query>")


async def test_the_reason_of_a_ban_is_in_the_list():
    """Section 9.2."""
    juliet, _romeo = await scene()
    ban = "jid='romeo@localhost' affiliation='outcast'"
    banned = "affiliation='outcast'"
    await say_why(juliet, ban, "Treason &amp; <![CDATA[<sonnets>]]>")
    await rule(juliet, "jid='tybalt@localhost' affiliation='outcast'")
    expected = {"romeo@localhost": "Treason & <sonnets>", "tybalt@localhost": None}
    assert reasons(await listed(juliet, banned)) == expected
    await rule(juliet, ban)
    assert reasons(await listed(juliet, banned)) == expected
    await say_why(juliet, ban, "Worse")
    assert reasons(await listed(juliet, banned))["romeo@localhost"] == "Worse"
    await rule(juliet, "jid='romeo@localhost' affiliation='member'")
    assert reasons(await listed(juliet, "affiliation='member'")) == {"romeo@localhost": None}
    await say_why(juliet, "jid='romeo@localhost' affiliation='none'", "No more")
    await rule(juliet, ban)
    assert reasons(await listed(juliet, banned))["romeo@localhost"] is None
