"""Publish, retrieve, retract, create and subscribe (XEP-0060 sections 5 to 8.1)."""

import asyncio
from xml.etree.ElementTree import fromstring

import pytest
from support.domains import CLIENT, Stage, condition, settle
from support.pep import AVATAR, PUBSUB, TUNE, Person, ids, submit

from andiron.domain.config import PubSubConfig
from andiron.xmpp import namespaces as ns

JULIET = "juliet@localhost"
REFUSED = "item-not-found"


def detail(answer):
    """Return the conditions of an error: the stanza's and XEP-0060's."""
    error = answer.find(f"{CLIENT}error")
    return [child.tag.partition("}")[2] for child in error if child.tag.partition("}")[2] != "text"]


# Publish


async def test_an_item_is_kept_as_it_was(juliet):
    payload = (
        "<a xmlns='urn:a' x='1 &amp; &lt;&#10;2' xml:lang='de'>one &lt; <b xmlns='urn:b'>"
        "<c xmlns='urn:a'/></b>\n tail</a>"
    )
    answer = await juliet.publish("urn:a", "ä 'x'", payload)
    published = answer.find(f"{PUBSUB}pubsub/{PUBSUB}publish")
    assert published.get("node") == "urn:a"
    assert ids(answer) == ["ä 'x'"]
    kept = await juliet.items("urn:a")
    assert ids(kept) == ["ä 'x'"]
    (element,) = next(kept.iter(f"{PUBSUB}item"))
    wanted = fromstring(payload)
    assert [(e.tag, e.attrib, e.text, e.tail) for e in element.iter()] == [
        (e.tag, e.attrib, e.text, e.tail) for e in wanted.iter()
    ]


async def test_prefixes_of_the_stanza_do_not_leave_with_the_item(juliet):
    juliet.client.send(
        "<iq xmlns='jabber:client' xmlns:p='urn:p' type='set' id='p'>"
        f"<pubsub xmlns='{ns.PUBSUB}'><publish node='n'><item id='1'><p:x p:y='2'><p:z/></p:x>"
        "</item></publish></pubsub></iq>"
    )
    await settle()
    kept = await juliet.items("n")
    (element,) = next(kept.iter(f"{PUBSUB}item"))
    assert [e.tag for e in element.iter()] == ["{urn:p}x", "{urn:p}z"]
    assert element.attrib == {"{urn:p}y": "2"}


async def test_an_item_without_an_id_gets_one(juliet):
    first, second = await juliet.publish("n", "", max_items="max"), await juliet.publish("n", "")
    assert len({*ids(first), *ids(second)}) == 2
    assert ids(await juliet.items("n")) == ids(first) + ids(second)


async def test_an_item_of_the_same_id_takes_the_others_place_at_the_end(juliet):
    await juliet.publish("n", "a", max_items="max")
    await juliet.publish("n", "b")
    await juliet.publish("n", "a", "<new xmlns='urn:x'/>")
    kept = await juliet.items("n")
    assert ids(kept) == ["b", "a"]
    assert [item[0].tag for item in kept.iter(f"{PUBSUB}item")] == ["{urn:x}x", "{urn:x}new"]


@pytest.mark.parametrize(("most", "left"), [("1", ["4"]), ("3", ["2", "3", "4"])])
async def test_a_node_keeps_the_newest(juliet, most, left):
    for item in ("1", "2", "3", "4"):
        await juliet.publish("n", item, max_items=most)
    assert ids(await juliet.items("n")) == left


async def test_an_item_may_have_no_payload(juliet):
    await juliet.publish("n", "1", "")
    (item,) = (await juliet.items("n")).iter(f"{PUBSUB}item")
    assert (item.get("id"), len(item)) == ("1", 0)


async def test_a_node_may_keep_nothing(juliet):
    await juliet.publish("n", "1", persist_items="0")
    assert ids(await juliet.items("n")) == []


@pytest.mark.parametrize(
    ("inner", "conditions"),
    [
        ("<publish node='n'/>", ["bad-request", "item-required"]),
        ("<publish><item/></publish>", ["bad-request", "nodeid-required"]),
        ("<publish node=''><item/></publish>", ["bad-request", "nodeid-required"]),
        ("<publish node='n'><item/><item/></publish>", ["bad-request"]),
        ("<publish node='n'><item><a/><b/></item></publish>", ["bad-request", "invalid-payload"]),
        (f"<publish node='{'n' * 1024}'><item/></publish>", ["not-acceptable"]),
        (f"<publish node='{'ä' * 512}'><item/></publish>", ["not-acceptable"]),
        (f"<publish node='n'><item id='{'n' * 1024}'/></publish>", ["not-acceptable"]),
        ("<retract node='n'/>", ["bad-request", "item-required"]),
        ("<retract node='n'><item/></retract>", ["bad-request", "item-required"]),
        ("<retract node='n'><item id='1'/></retract>", ["item-not-found"]),
        ("<unsubscribe node='n'/>", ["item-not-found"]),
        ("<subscribe node='n'/>", ["item-not-found"]),
        ("<subscribe node='n' jid='romeo@localhost'/>", ["bad-request", "invalid-jid"]),
        ("<subscribe node='n' jid='@'/>", ["jid-malformed"]),
        ("<options node='n'/>", ["feature-not-implemented", "unsupported"]),
        ("<other/>", ["feature-not-implemented"]),
        ("<items node='n'/>", ["feature-not-implemented"]),
        ("", ["bad-request"]),
    ],
)
async def test_requests_that_are_none(juliet, inner, conditions):
    assert detail(await juliet.ask("set", inner)) == conditions


async def test_an_anonymous_user_publishes_nothing_and_is_told_so(stage):
    nobody = Person(await stage.come("nobody", "x"))
    assert condition(await nobody.publish("n")) == "not-allowed"
    assert condition(await nobody.ask("set", "<create node='n'/>")) == "not-allowed"
    assert condition(await nobody.items("n")) == REFUSED


async def test_requests_are_answered_in_their_order(stage, juliet, monkeypatch):
    """What a client publishes it can retrieve without waiting for the answer."""
    write, gate = stage.domain.database.write, asyncio.Event()

    async def slow(operation, *payer):
        await gate.wait()
        return await write(operation, *payer)

    monkeypatch.setattr(stage.domain.database, "write", slow)
    for number, (kind, inner) in enumerate(
        [
            ("set", "<publish node='n'><item id='1'/></publish>"),
            ("get", "<items node='n'/>"),
            ("set", "<retract node='n'><item id='1'/></retract>"),
            ("get", "<items node='n'/>"),
        ]
    ):
        pubsub = f"<pubsub xmlns='{ns.PUBSUB}'>{inner}</pubsub>"
        juliet.client.send(f"<iq type='{kind}' id='{number}'>{pubsub}</iq>")
    await settle()
    assert juliet.client.take() == []
    gate.set()
    await settle()
    answers = {answer.get("id"): answer for answer in juliet.client.take()}
    assert [answers[identity].get("type") for identity in "0123"] == ["result"] * 4
    assert ids(answers["1"]) == ["1"]
    assert ids(answers["3"]) == []
    assert not stage.domain.pubsub._pubsub._writing


# Publish-options (section 7.1.5)


async def test_options_make_the_node(juliet):
    await juliet.publish("n", access_model="open", max_items="2")
    answer = await juliet.ask("get", "<configure node='n'/>", namespace=ns.PUBSUB_OWNER)
    values = {
        field.get("var"): field.findtext(f"{{{ns.DATA}}}value")
        for field in answer.iter(f"{{{ns.DATA}}}field")
    }
    assert values["pubsub#access_model"] == "open"
    assert values["pubsub#max_items"] == "2"
    assert values["pubsub#send_last_published_item"] == "on_sub_and_presence"


@pytest.mark.parametrize(
    ("options", "met"),
    [
        ({"access_model": "open"}, True),
        ({"access_model": "presence"}, False),
        ({"access_model": "authorize"}, False),
        ({"max_items": "max", "persist_items": "true"}, True),
        ({"max_items": "max", "persist_items": "0"}, False),
        ({"max_items": "1000"}, False),
        ({"publish_model": "publishers", "notification_type": "headline"}, True),
        ({"publish_model": "open"}, False),
        ({"unheard_of": "1"}, False),
    ],
)
async def test_options_are_preconditions(juliet, options, met):
    await juliet.publish("n", "1", access_model="open", max_items="max")
    answer = await juliet.publish("n", "2", **options)
    if met:
        assert answer.get("type") == "result"
    else:
        assert detail(answer) == ["conflict", "precondition-not-met"]
    assert ids(await juliet.items("n")) == ["1", "2"] if met else ["1"]


@pytest.mark.parametrize("options", [{"access_model": "authorize"}, {"unheard_of": "1"}])
async def test_what_no_node_can_be_makes_none(juliet, options):
    assert detail(await juliet.publish("n", **options)) == ["conflict", "precondition-not-met"]
    assert condition(await juliet.items("n")) == REFUSED


# Bounds


@pytest.fixture
async def poor():
    limits = PubSubConfig(max_nodes=2, max_items=3, max_item_size=100, quota=150, max_entities=2)
    stage = Stage(pubsub=limits)
    yield Person(await stage.come("juliet", "balcony"))
    await stage.domain.stop()


def weighing(size):
    return f"<x xmlns='urn:x'>{'x' * (size - len('<x xmlns=`urn:x`></x>'))}</x>"


async def test_an_item_too_large(poor):
    answer = await poor.publish("n", "1", weighing(101))
    assert detail(answer) == ["not-acceptable", "payload-too-big"]
    assert (await poor.publish("n", "1", weighing(100))).get("type") == "result"


async def test_a_node_may_want_smaller_items(poor):
    await poor.publish("n", "1", weighing(60), max_payload_size="60")
    answer = await poor.publish("n", "2", weighing(61))
    assert detail(answer) == ["not-acceptable", "payload-too-big"]
    assert ids(await poor.items("n")) == ["1"]
    await poor.configure("n", max_payload_size="")
    assert (await poor.publish("n", "2", weighing(61))).get("type") == "result"
    answer = await poor.publish("m", "1", weighing(60), max_payload_size="59")
    assert detail(answer) == ["not-acceptable", "payload-too-big"]
    assert condition(await poor.items("m")) == REFUSED
    await poor.configure("n", max_payload_size="1000")
    assert detail(await poor.publish("n", "3", weighing(101)))[0] == "not-acceptable"


async def test_the_quota_counts_what_is_left(poor):
    assert (await poor.publish("a", "1", weighing(100))).get("type") == "result"
    assert condition(await poor.publish("b", "1", weighing(51))) == "resource-constraint"
    assert condition(await poor.items("b")) == REFUSED
    assert (await poor.publish("b", "1", weighing(50))).get("type") == "result"
    assert condition(await poor.publish("b", "2", weighing(51))) == "resource-constraint"
    assert ids(await poor.items("b")) == ["1"]
    assert (await poor.publish("b", "2", weighing(50))).get("type") == "result"
    assert ids(await poor.items("b")) == ["2"]
    assert (await poor.publish("a", "1", weighing(30))).get("type") == "result"
    assert (await poor.publish("b", "2", weighing(100))).get("type") == "result"


async def test_too_many_nodes(poor):
    await poor.publish("a", "1", "")
    await poor.ask("set", "<create node='b'/>")
    assert condition(await poor.publish("c", "1", "")) == "resource-constraint"
    assert condition(await poor.ask("set", "<create node='c'/>")) == "resource-constraint"
    assert (await poor.publish("b", "1", "")).get("type") == "result"


async def test_max_is_what_the_server_lets(poor):
    for item in "12345":
        await poor.publish("a", item, "", max_items="max")
    assert ids(await poor.items("a")) == ["3", "4", "5"]


# Retract


async def test_a_retracted_item_is_gone(juliet):
    for item in "123":
        await juliet.publish("n", item, max_items="max")
    retract = "<retract node='n'><item id='2'/></retract>"
    assert (await juliet.ask("set", retract)).get("type") == "result"
    assert ids(await juliet.items("n")) == ["1", "3"]
    assert condition(await juliet.ask("set", retract)) == REFUSED


# Create


async def test_a_node_is_created_and_configured(juliet):
    form = submit("node_config", access_model="whitelist", title="Diary")
    create = f"<create node='n'/><configure>{form}</configure>"
    answer = await juliet.ask("set", create)
    assert (answer.get("type"), len(answer)) == ("result", 0)
    assert ids(await juliet.items("n")) == []
    assert condition(await juliet.ask("set", create)) == "conflict"


async def test_a_node_may_leave_its_name_to_the_server(juliet):
    answer = await juliet.ask("set", "<create/><configure/>")
    name = answer.find(f"{PUBSUB}pubsub/{PUBSUB}create").get("node")
    assert (await juliet.items(name)).get("type") == "result"


async def test_a_node_that_cannot_be_like_that(juliet):
    form = submit("node_config", access_model="authorize")
    answer = await juliet.ask("set", f"<create node='n'/><configure>{form}</configure>")
    assert condition(answer) == "not-acceptable"
    assert condition(await juliet.items("n")) == REFUSED


async def test_a_form_of_another_type(juliet):
    form = submit("something")
    answer = await juliet.ask("set", f"<create node='n'/><configure>{form}</configure>")
    assert condition(answer) == "bad-request"


async def test_too_many_affiliations_at_once(poor):
    await poor.publish("n")
    inner = "".join(f"<affiliation jid='{n}@x' affiliation='member'/>" for n in range(3))
    answer = await poor.ask(
        "set", f"<affiliations node='n'>{inner}</affiliations>", namespace=ns.PUBSUB_OWNER
    )
    assert condition(answer) == "resource-constraint"


# Who may see what


@pytest.mark.parametrize("model", ["open", "presence", "roster", "whitelist"])
@pytest.mark.parametrize("inner", ["<items node='n'/>", "<affiliations node='n'/>"])
async def test_access_models(juliet, romeo, tybalt, model, inner):
    await juliet.publish("n", access_model=model)
    assert (await juliet.ask("get", inner, JULIET)).get("type") == "result"
    for asker, allowed in ((romeo, {"open", "presence"}), (tybalt, {"open"})):
        answer = await asker.ask("get", inner, JULIET)
        if model in allowed:
            assert answer.get("type") == "result"
        else:
            assert condition(answer) == REFUSED


async def test_nodes_of_who_is_away(stage, juliet, romeo):
    await juliet.publish("n", "1")
    juliet.client.leave()
    stage.domain.owners.forget(JULIET)
    assert ids(await romeo.items("n", JULIET)) == ["1"]


@pytest.mark.parametrize("of", ["romeo", "tybalt"])
@pytest.mark.parametrize(
    ("kind", "inner"),
    [
        ("get", "<items node='n'/>"),
        ("get", "<items node='nothing'/>"),
        ("get", "<items/>"),
        ("get", "<subscriptions node='n'/>"),
        ("get", "<affiliations node='n'/>"),
        ("get", "<other/>"),
        ("get", ""),
        ("set", "<publish node='n'><item/></publish>"),
        ("set", "<publish/>"),
        ("set", "<retract node='n'><item id='current'/></retract>"),
        ("set", "<create node='m'/>"),
        ("set", "<subscribe node='n' jid='juliet@localhost'/>"),
        ("set", "<subscribe node='n'/>"),
        ("set", "<unsubscribe node='n'/>"),
        ("set", "<other/>"),
    ],
)
async def test_strangers_learn_nothing(stage, juliet, tybalt, of, kind, inner):
    """An account that is not there, one with the node and one that blocks answer alike."""
    await juliet.publish("n")
    answers = [await tybalt.ask(kind, inner, JULIET), await tybalt.ask(kind, inner, "no@localhost")]
    block = f"<block xmlns='{ns.BLOCKING}'><item jid='tybalt@localhost'/></block>"
    await juliet.client.ask(f"<iq type='set' id='b'>{block}</iq>")
    answers.append(await tybalt.ask(kind, inner, JULIET))
    errors = [answer.find(f"{CLIENT}error") for answer in answers]
    assert [[child.tag for child in error] for error in errors] == [
        [f"{{{ns.STANZA_ERRORS}}}{REFUSED}"]
    ] * 3


@pytest.mark.parametrize(
    "inner",
    [
        "<publish node='n'><item/></publish>",
        "<retract node='n'><item id='current'/></retract>",
        "<create node='m'/>",
    ],
)
async def test_friends_change_nothing(juliet, romeo, inner):
    await juliet.publish("n", access_model="open")
    assert condition(await romeo.ask("set", inner, JULIET)) == "forbidden"
    assert ids(await juliet.items("n")) == ["current"]


@pytest.mark.parametrize("to", [JULIET, "no@localhost"])
async def test_the_owners_requests_are_the_owners(juliet, tybalt, to):
    await juliet.publish("n", access_model="open")
    answer = await tybalt.ask("set", "<purge node='n'/>", to, ns.PUBSUB_OWNER)
    assert detail(answer) == ["forbidden"]
    assert ids(await juliet.items("n")) == ["current"]


# Subscribe


async def test_a_subscription_is_listed_and_ended(juliet, romeo):
    await juliet.publish("n")
    await juliet.publish(TUNE)
    answer = await romeo.ask("set", "<subscribe node='n' jid='romeo@localhost'/>", JULIET)
    (subscription,) = answer.iter(f"{PUBSUB}subscription")
    wanted = {"node": "n", "jid": "romeo@localhost", "subscription": "subscribed"}
    assert subscription.attrib == wanted
    for inner, count in (
        ("<subscriptions/>", 1),
        ("<subscriptions node='n'/>", 1),
        (f"<subscriptions node='{TUNE}'/>", 0),
    ):
        answer = await romeo.ask("get", inner, JULIET)
        assert [each.attrib for each in answer.iter(f"{PUBSUB}subscription")] == [wanted] * count
    end = "<unsubscribe node='n' jid='romeo@localhost'/>"
    assert (await romeo.ask("set", end, JULIET)).get("type") == "result"
    assert detail(await romeo.ask("set", end, JULIET)) == ["unexpected-request", "not-subscribed"]


async def test_subscribing_twice_is_as_once(juliet, romeo):
    await juliet.publish("n")
    for _ in range(2):
        answer = await romeo.ask("set", "<subscribe node='n' jid='romeo@localhost'/>", JULIET)
        assert answer.get("type") == "result"
    answer = await romeo.ask("get", "<subscriptions/>", JULIET)
    assert len(list(answer.iter(f"{PUBSUB}subscription"))) == 1


async def test_too_many_subscribe(poor):
    await poor.publish("n")
    for resource, kind in (("a", "result"), ("b", "result"), ("c", "error"), ("b", "result")):
        answer = await poor.ask("set", f"<subscribe node='n' jid='{JULIET}/{resource}'/>")
        assert answer.get("type") == kind


async def test_one_knows_ones_affiliations(juliet, romeo):
    await juliet.publish("n")
    await juliet.publish(AVATAR)
    own = await juliet.ask("get", "<affiliations/>")
    assert [each.attrib for each in own.iter(f"{PUBSUB}affiliation")] == [
        {"node": "n", "affiliation": "owner"},
        {"node": AVATAR, "affiliation": "owner"},
    ]
    others = await romeo.ask("get", "<affiliations/>", JULIET)
    assert list(others.iter(f"{PUBSUB}affiliation")) == []
