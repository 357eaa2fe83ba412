"""Who is told of what happens at a node, and of its last item (XEP-0163 section 4.3)."""

import asyncio

import pytest
from support.domains import CLIENT, settle
from support.pep import AVATAR, EVENT, PAYLOAD, TUNE, Person, person

from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError

JULIET = "juliet@localhost"
SUBSCRIBE = "<subscribe node='{}' jid='{}'/>"


async def wanting(someone, *nodes):
    """Let somebody want nodes; what that brings is of no interest here."""
    someone.wants(*nodes)
    await settle()
    someone.events()
    return someone


# News


async def test_every_resource_that_wants_it_is_told_once(stage, juliet, romeo):
    await wanting(romeo, AVATAR, TUNE)
    await wanting(juliet, AVATAR)
    orchard = await person(stage, "romeo", "orchard", TUNE)
    garden = await person(stage, "juliet", "garden", AVATAR)
    for someone in (orchard, garden):
        someone.events()
    await juliet.publish(AVATAR, "1")
    told = [(JULIET, AVATAR, "1")]
    assert [each.events() for each in (juliet, garden, romeo, orchard)] == [told, told, told, []]


async def test_what_the_news_look_like(juliet, romeo):
    await wanting(romeo, "urn:ä'&")
    await juliet.publish("urn:ä'&", "«'&>", PAYLOAD)
    (message,) = romeo.client.take()
    assert message.tag == f"{CLIENT}message"
    assert message.attrib == {"type": "headline", "from": JULIET, "to": romeo.jid}
    (item,) = message.iter(f"{EVENT}item")
    assert item.get("id") == "«'&>"
    assert [child.tag for child in item] == ["{urn:x}x"]
    assert message.find(f"{EVENT}event/{EVENT}items").get("node") == "urn:ä'&"
    assert message.find(f"{{{ns.DELAY}}}delay") is None


@pytest.mark.parametrize(
    ("model", "friend", "stranger"),
    [
        ("open", True, False),
        ("presence", True, False),
        ("whitelist", False, False),
        ("roster", False, False),
    ],
)
async def test_access_models(juliet, romeo, tybalt, model, friend, stranger):
    for someone in (juliet, romeo, tybalt):
        await wanting(someone, TUNE)
    await juliet.publish(TUNE, "1", access_model=model)
    told = [(JULIET, TUNE, "1")]
    assert juliet.events() == told
    assert romeo.events() == (told if friend else [])
    assert tybalt.events() == (told if stranger else [])


async def test_who_is_not_available_hears_nothing(stage, juliet, romeo):
    await wanting(romeo, TUNE)
    romeo.client.send("<presence type='unavailable'/>")
    romeo.client.take()
    await juliet.publish(TUNE)
    assert romeo.events() == []


@pytest.mark.parametrize(
    ("blocker", "blocked"),
    [("juliet", "romeo@localhost"), ("juliet", "romeo@localhost/garden"), ("romeo", JULIET)],
)
async def test_who_is_blocked_hears_nothing(juliet, romeo, blocker, blocked):
    await wanting(romeo, TUNE)
    block = f"<block xmlns='{ns.BLOCKING}'><item jid='{blocked}'/></block>"
    await (juliet if blocker == "juliet" else romeo).iq("set", block)
    await juliet.publish(TUNE)
    assert romeo.events() == []
    romeo.client.send("<presence type='unavailable'/>")
    romeo.wants(TUNE)
    await settle()
    assert romeo.events() == []


async def test_one_who_sees_without_being_seen(stage, juliet, tybalt):
    tybalt.client.send(f"<presence type='subscribe' to='{JULIET}'/>")
    await settle()
    juliet.client.send("<presence type='subscribed' to='tybalt@localhost'/>")
    await settle()
    for someone in (juliet, tybalt):
        await wanting(someone, TUNE)
    await juliet.publish(TUNE, "1")
    await tybalt.publish(TUNE, "2")
    assert tybalt.events() == [(JULIET, TUNE, "1"), ("tybalt@localhost", TUNE, "2")]
    assert juliet.events() == [(JULIET, TUNE, "1")]


@pytest.mark.parametrize(
    ("option", "inner", "what"),
    [
        ("notify_retract", "<retract node='n'><item id='1'/></retract>", "-1"),
        ("notify_retract", "<purge node='n'/>", "purge"),
        ("notify_delete", "<delete node='n'/>", "delete"),
        ("deliver_notifications", "<publish node='n'><item id='2'/></publish>", "2"),
    ],
)
@pytest.mark.parametrize("on", ["1", "0"])
async def test_what_is_told_can_be_configured(juliet, romeo, option, inner, what, on):
    await juliet.publish("n", "1", max_items="max")
    await juliet.configure("n", **{option: on})
    await wanting(romeo, "n")
    owner = what in {"purge", "delete"}
    answer = await juliet.ask("set", inner, namespace=ns.PUBSUB_OWNER if owner else ns.PUBSUB)
    assert answer.get("type") == "result"
    assert romeo.events() == ([(JULIET, "n", what)] if on == "1" else [])


async def test_a_retraction_may_ask_to_be_told_of(juliet, romeo):
    await juliet.publish("n", "1", notify_retract="0")
    await wanting(romeo, "n")
    await juliet.ask("set", "<retract node='n' notify='true'><item id='1'/></retract>")
    assert romeo.events() == [(JULIET, "n", "-1")]


@pytest.mark.parametrize(("on", "told"), [("1", [(JULIET, "n", "configuration")]), ("0", [])])
async def test_a_change_of_the_configuration(juliet, romeo, on, told):
    await juliet.publish("n", "1", send_last_published_item="never")
    await wanting(romeo, "n")
    await juliet.configure("n", notify_config=on, title="New")
    assert romeo.events() == told


async def test_payloads_may_be_left_out(juliet, romeo):
    await wanting(romeo, "n")
    await juliet.publish("n", "1", deliver_payloads="0")
    (message,) = romeo.client.take()
    (item,) = message.iter(f"{EVENT}item")
    assert (item.get("id"), len(item)) == ("1", 0)


async def test_news_come_in_their_order(juliet, romeo):
    await wanting(romeo, "n")
    for number in range(20):
        juliet.client.send(
            f"<iq type='set' id='{number}'><pubsub xmlns='{ns.PUBSUB}'><publish node='n'>"
            f"<item id='{number}'/></publish></pubsub></iq>"
        )
    await settle()
    assert romeo.events() == [(JULIET, "n", str(number)) for number in range(20)]


# The last item


async def test_who_comes_gets_the_last_items_of_friends_and_his_own(stage, juliet, romeo):
    await juliet.publish(TUNE, "1")
    await juliet.publish(TUNE, "2", max_items="1")
    await juliet.publish(AVATAR, "a")
    await romeo.publish(TUNE, "3")
    orchard = await person(stage, "romeo", "orchard", TUNE)
    assert sorted(orchard.events()) == [(JULIET, TUNE, "2"), ("romeo@localhost", TUNE, "3")]


async def test_friends_who_are_away_count(stage, juliet, romeo):
    await juliet.publish(TUNE, "1")
    juliet.client.leave()
    stage.domain.owners.forget(JULIET)
    romeo.wants(TUNE)
    await settle()
    assert romeo.events() == [(JULIET, TUNE, "1")]


async def test_it_comes_with_its_time(stage, juliet, romeo):
    stage.now += 50
    await juliet.publish(TUNE, "1")
    stage.now += 50
    romeo.wants(TUNE)
    await settle()
    (message,) = [each for each in romeo.client.take() if each.find(f"{EVENT}event") is not None]
    delay = message.find(f"{{{ns.DELAY}}}delay")
    assert delay.attrib == {"from": JULIET, "stamp": "2023-11-14T22:30:50.000Z"}


async def test_it_comes_once(juliet, romeo):
    await juliet.publish(TUNE, "1")
    romeo.wants(TUNE)
    await settle()
    romeo.client.send("<presence><show>away</show></presence>")
    romeo.wants(TUNE)
    await settle()
    assert romeo.events() == [(JULIET, TUNE, "1")]


async def test_a_new_interest_brings_what_is_new(juliet, romeo):
    await juliet.publish(TUNE, "1")
    await juliet.publish(AVATAR, "2")
    romeo.wants(TUNE)
    await settle()
    romeo.events()
    romeo.wants(TUNE, AVATAR)
    await settle()
    assert romeo.events() == [(JULIET, AVATAR, "2")]


@pytest.mark.parametrize("option", ["never", "on_sub"])
async def test_it_can_be_kept_back(juliet, romeo, option):
    await juliet.publish(TUNE, "1", send_last_published_item=option)
    romeo.wants(TUNE)
    await settle()
    assert romeo.events() == []


@pytest.mark.parametrize(
    ("model", "friend"),
    [("open", True), ("presence", True), ("whitelist", False), ("roster", False)],
)
async def test_access_models_hold_for_it(juliet, romeo, tybalt, model, friend):
    await juliet.publish(TUNE, "1", access_model=model)
    for someone in (romeo, tybalt, juliet):
        someone.wants(TUNE)
    await settle()
    told = [(JULIET, TUNE, "1")]
    assert romeo.events() == (told if friend else [])
    assert tybalt.events() == []
    assert juliet.events() == told


async def test_members_of_a_group(juliet, romeo):
    await juliet.publish(TUNE, "1", access_model="roster", roster_groups_allowed="Montague")
    romeo.wants(TUNE)
    await settle()
    assert romeo.events() == []
    item = "<item jid='romeo@localhost'><group>Montague</group></item>"
    await juliet.iq("set", f"<query xmlns='{ns.ROSTER}'>{item}</query>")
    romeo.client.send("<presence type='unavailable'/>")
    romeo.wants(TUNE)
    await settle()
    assert romeo.events() == [(JULIET, TUNE, "1")]
    await juliet.publish(TUNE, "2")
    assert romeo.events() == [(JULIET, TUNE, "2")]
    assert (await romeo.items(TUNE, JULIET)).get("type") == "result"


@pytest.mark.parametrize(
    ("model", "affiliation", "hears"),
    [("whitelist", "member", True), ("open", "outcast", False), ("presence", "outcast", False)],
)
async def test_affiliations(juliet, romeo, model, affiliation, hears):
    await juliet.publish(TUNE, "1", access_model=model)
    change = f"<affiliation jid='romeo@localhost' affiliation='{affiliation}'/>"
    await juliet.ask(
        "set", f"<affiliations node='{TUNE}'>{change}</affiliations>", namespace=ns.PUBSUB_OWNER
    )
    romeo.wants(TUNE)
    await settle()
    await juliet.publish(TUNE, "2")
    assert romeo.events() == ([(JULIET, TUNE, "1"), (JULIET, TUNE, "2")] if hears else [])


async def test_a_new_friend_is_sent_the_last_items_at_once(stage, juliet, tybalt):
    await juliet.publish(TUNE, "1")
    await wanting(tybalt, TUNE)
    tybalt.client.send(f"<presence type='subscribe' to='{JULIET}'/>")
    await settle()
    juliet.client.send("<presence type='subscribed' to='tybalt@localhost'/>")
    await settle()
    assert tybalt.events() == [(JULIET, TUNE, "1")]


async def test_news_overtake_what_is_being_read(stage, juliet, romeo, monkeypatch):
    """Whoever comes while something is published must not end with what was before it."""
    await juliet.publish(TUNE, "old")
    await juliet.publish(AVATAR, "still")
    read, gate = stage.domain.database.read, asyncio.Event()

    async def slow(operation):
        found = await read(operation)
        await gate.wait()
        return found

    monkeypatch.setattr(stage.domain.database, "read", slow)
    romeo.wants(TUNE, AVATAR)
    await settle()
    monkeypatch.setattr(stage.domain.database, "read", read)
    await juliet.publish(TUNE, "new")
    gate.set()
    await settle()
    assert romeo.events() == [(JULIET, TUNE, "new"), (JULIET, AVATAR, "still")]
    assert not stage.domain.pubsub._notifier._told


async def test_who_cannot_decide_is_read_for_once_at_a_time(stage, juliet, romeo, monkeypatch):
    for node in ("a", "b"):
        await juliet.publish(node, node)
    read, gate, reading = stage.domain.database.read, asyncio.Event(), 0

    async def slow(operation):
        nonlocal reading
        reading += 1
        await gate.wait()
        return await read(operation)

    monkeypatch.setattr(stage.domain.database, "read", slow)
    for _ in range(10):
        for node in ("a", "b"):
            romeo.wants(node)
            await settle()
    romeo.wants("a", "b")
    await settle()
    assert reading == 1
    gate.set()
    await settle()
    assert reading == 2
    assert {node for _, node, _ in romeo.events()} == {"a", "b"}
    assert not stage.domain.pubsub._waiting


async def test_who_has_left_gets_nothing(stage, juliet, romeo, monkeypatch):
    await juliet.publish(TUNE, "1")
    read, gate = stage.domain.database.read, asyncio.Event()

    async def slow(operation):
        await gate.wait()
        return await read(operation)

    monkeypatch.setattr(stage.domain.database, "read", slow)
    romeo.wants(TUNE)
    await settle()
    romeo.client.send("<presence type='unavailable'/>")
    gate.set()
    await settle()
    assert romeo.events() == []
    assert not stage.domain.pubsub._waiting


# Explicit subscriptions (XEP-0060 section 6)


async def test_a_subscriber_is_told_without_a_friendship(stage, juliet, tybalt):
    await juliet.publish("n", "1", access_model="open")
    answer = await tybalt.ask("set", SUBSCRIBE.format("n", "tybalt@localhost"), JULIET)
    assert answer.get("type") == "result"
    assert tybalt.events() == [(JULIET, "n", "1")]
    await juliet.publish("n", "2")
    assert tybalt.events() == [(JULIET, "n", "2")]
    alley = Person(await stage.come("tybalt", "alley"))
    await juliet.publish("n", "3")
    assert [each.events() for each in (tybalt, alley)] == [[(JULIET, "n", "3")]] * 2
    await tybalt.ask("set", "<unsubscribe node='n'/>", JULIET)
    await juliet.publish("n", "4")
    assert [each.events() for each in (tybalt, alley)] == [[], []]


@pytest.mark.parametrize(
    "options", [{"send_last_published_item": "never"}, {"deliver_notifications": "0"}]
)
async def test_a_new_subscriber_is_told_nothing_of_a_node_that_does_not_tell(
    juliet, tybalt, options
):
    await juliet.publish("n", "1", access_model="open", **options)
    answer = await tybalt.ask("set", SUBSCRIBE.format("n", "tybalt@localhost"), JULIET)
    assert answer.get("type") == "result"
    assert tybalt.events() == []


async def test_a_subscriber_who_may_see_it_no_more_is_not_told(juliet, tybalt):
    await juliet.publish("n", "1", access_model="open")
    await tybalt.ask("set", SUBSCRIBE.format("n", "tybalt@localhost"), JULIET)
    tybalt.events()
    await juliet.configure("n", access_model="presence")
    await juliet.publish("n", "2")
    assert tybalt.events() == []
    await juliet.configure("n", access_model="open")
    await juliet.publish("n", "3")
    assert tybalt.events() == [(JULIET, "n", "3")]


async def test_a_resource_without_room_stops_nobody_else(stage, juliet, romeo):
    orchard = await person(stage, "romeo", "orchard", TUNE)
    await wanting(romeo, TUNE)

    def full(text, now):
        raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT)

    orchard.client.link.deliver = full
    assert (await juliet.publish(TUNE, "1")).get("type") == "result"
    assert romeo.events() == [(JULIET, TUNE, "1")]


async def test_one_resource_subscribes(stage, juliet, tybalt):
    alley = Person(await stage.come("tybalt", "alley"))
    await juliet.publish("n", "1", access_model="open")
    await alley.ask("set", SUBSCRIBE.format("n", alley.jid), JULIET)
    await juliet.publish("n", "2")
    assert tybalt.events() == []
    assert alley.events() == [(JULIET, "n", "1"), (JULIET, "n", "2")]


async def test_interest_and_subscriptions_bring_one_message(juliet, romeo):
    await juliet.publish("n", "1")
    await wanting(romeo, "n")
    for jid in ("romeo@localhost", romeo.jid):
        await romeo.ask("set", SUBSCRIBE.format("n", jid), JULIET)
    romeo.events()
    await juliet.publish("n", "2")
    assert romeo.events() == [(JULIET, "n", "2")]


async def test_a_subscription_ends_with_the_right_to_it(juliet, romeo):
    await juliet.publish("n", "1")
    await romeo.ask("set", SUBSCRIBE.format("n", "romeo@localhost"), JULIET)
    romeo.events()
    juliet.client.send("<presence type='unsubscribed' to='romeo@localhost'/>")
    await settle()
    await juliet.publish("n", "2")
    assert romeo.events() == []
    answer = await juliet.ask("get", "<subscriptions node='n'/>", namespace=ns.PUBSUB_OWNER)
    assert len(answer[0][0]) == 0


async def test_a_removed_account_is_nobodys_member_any_more(stage, juliet, romeo):
    await juliet.publish("n", "1", access_model="whitelist")
    change = "<affiliation jid='romeo@localhost' affiliation='member'/>"
    await juliet.ask(
        "set", f"<affiliations node='n'>{change}</affiliations>", namespace=ns.PUBSUB_OWNER
    )
    await romeo.ask("set", SUBSCRIBE.format("n", romeo.jid), JULIET)
    await stage.domain.remove_account("romeo")
    for name in ("affiliations", "subscriptions"):
        answer = await juliet.ask("get", f"<{name} node='n'/>", namespace=ns.PUBSUB_OWNER)
        assert not [each for each in answer[0][0] if each.get("jid") != JULIET]
