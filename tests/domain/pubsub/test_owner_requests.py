"""What an account may do with its nodes: XEP-0060 section 8."""

import pytest
from slixmpp.plugins.xep_0004.stanza import Form
from slixmpp.plugins.xep_0060.stanza import OwnerConfigure  # noqa: F401 - it registers itself
from slixmpp.stanza import Iq
from support.domains import condition, settle
from support.pep import PUBSUB, ids, submit

from andiron.xmpp import namespaces as ns

OWNER = f"{{{ns.PUBSUB_OWNER}}}"
ME = "juliet@localhost"
ROMEO = "romeo@localhost"


async def own(juliet, kind, inner):
    return await juliet.ask(kind, inner, namespace=ns.PUBSUB_OWNER)


async def values(juliet, inner="<configure node='n'/>"):
    """Return the configuration as slixmpp reads it."""
    answer = await own(juliet, "get", inner)
    form = Form(xml=next(answer.iter(f"{{{ns.DATA}}}x")))
    return {name: field["value"] for name, field in form.get_fields().items()}


async def entities(juliet, name):
    answer = await own(juliet, "get", f"<{name}s node='n'/>")
    return {each.get("jid"): each.get(name) for each in answer.iter(f"{OWNER}{name}")}


# Configuration


async def test_the_defaults(juliet):
    await juliet.publish("n")
    expected = {
        "FORM_TYPE": [f"{ns.PUBSUB}#node_config"],
        "pubsub#title": "",
        "pubsub#description": "",
        "pubsub#type": "",
        "pubsub#language": "",
        "pubsub#access_model": "presence",
        "pubsub#roster_groups_allowed": "",
        "pubsub#persist_items": True,
        "pubsub#max_items": "1",
        "pubsub#max_payload_size": "",
        "pubsub#send_last_published_item": "on_sub_and_presence",
        "pubsub#deliver_notifications": True,
        "pubsub#deliver_payloads": True,
        "pubsub#notify_retract": True,
        "pubsub#notify_delete": True,
        "pubsub#notify_config": False,
    }
    for inner in ("<configure node='n'/>", "<default/>"):
        found = await values(juliet, inner)
        assert {name: value or type(expected[name])() for name, value in found.items()} == expected


async def test_slixmpp_configures(juliet):
    await juliet.publish("n")
    iq = Iq()
    iq["type"], iq["id"] = "set", "q"
    iq["pubsub_owner"]["configure"]["node"] = "n"
    form = iq["pubsub_owner"]["configure"]["form"]
    form["type"] = "submit"
    form.add_field("FORM_TYPE", ftype="hidden", value=f"{ns.PUBSUB}#node_config")
    form.add_field("pubsub#access_model", value="open")
    form.add_field("pubsub#notify_retract", ftype="boolean", value=False)
    form.add_field("pubsub#roster_groups_allowed", ftype="text-multi", value=["A", "B"])
    juliet.client.send(str(iq))
    await settle()
    (answer,) = juliet.client.take()
    assert answer.get("type") == "result"
    found = await values(juliet)
    assert found["pubsub#access_model"] == "open"
    assert found["pubsub#notify_retract"] is False
    assert found["pubsub#roster_groups_allowed"] == ["A", "B"]
    assert found["pubsub#max_items"] == "1"


async def test_what_a_form_leaves_out_stays(juliet):
    await juliet.configure("n", access_model="open")
    await juliet.publish("n", max_items="5")
    await juliet.configure("n", access_model="open", of_no_meaning="1")
    await juliet.configure("n", title="T")
    found = await values(juliet)
    assert (found["pubsub#title"], found["pubsub#max_items"]) == ("T", "5")
    assert found["pubsub#access_model"] == "open"


async def test_a_smaller_node_loses_its_oldest(juliet):
    for item in "1234":
        await juliet.publish("n", item, max_items="max")
    await juliet.configure("n", max_items="2")
    assert ids(await juliet.items("n")) == ["3", "4"]
    await juliet.publish("n", "5")
    assert ids(await juliet.items("n")) == ["4", "5"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("access_model", "authorize"),
        ("access_model", ""),
        ("max_items", "0"),
        ("max_items", "1001"),
        ("max_items", "x"),
        ("max_items", "-1"),
        ("max_items", "1" * 5000),
        ("persist_items", "yes"),
        ("send_last_published_item", "always"),
        ("publish_model", "open"),
        ("purge_offline", "1"),
        ("itemreply", "owner"),
        ("itemreply", "publisher"),
        ("publish_node_full", "reject"),
        ("publish_node_full", "retract-oldest"),
        ("item_expire", "604800"),
        ("contact", "romeo@localhost"),
        ("body_xslt", "http://localhost/x"),
        ("dataform_xslt", "http://localhost/x"),
        ("max_payload_size", "-1"),
        ("max_payload_size", "1 KiB"),
        ("title", "x" * 1001),
        ("roster_groups_allowed", "x" * 1001),
    ],
)
async def test_what_is_not_offered(juliet, option, value):
    await juliet.publish("n", title="T")
    assert condition(await juliet.configure("n", **{option: value})) == "not-acceptable"
    assert (await values(juliet))["pubsub#title"] == "T"


DONE = {
    "itemreply": "none",
    "publish_node_full": "discard-oldest",
    "publish_model": "publishers",
    "node_type": "leaf",
    "notification_type": "headline",
    "item_expire": "max",
    "purge_offline": "0",
    "tempsub": "0",
    "notify_sub": "0",
    "subscribe": "1",
    "presence_based_delivery": "1",
    "contact": "",
    "body_xslt": "",
    "dataform_xslt": "",
}
"""What is done, of what cannot be chosen."""
CHOICES = {
    "access_model": "open",
    "deliver_notifications": "1",
    "deliver_payloads": "1",
    "description": "D",
    "language": "it",
    "max_items": "5",
    "max_payload_size": "1000",
    "notify_config": "1",
    "notify_delete": "1",
    "notify_retract": "1",
    "persist_items": "1",
    "roster_groups_allowed": "A",
    "send_last_published_item": "never",
    "title": "T",
    "type": "urn:x",
}


async def test_every_field_of_a_configuration_is_done_or_refused(juliet):
    """XEP-0060 section 17.4.4, which lists them, but for those of collections."""
    await juliet.publish("n")
    answer = await juliet.configure("n", **DONE, **CHOICES)
    assert answer.get("type") == "result"
    found = await values(juliet)
    assert len(DONE.keys() | CHOICES.keys()) == 29
    assert {f"pubsub#{name}" for name in CHOICES} == found.keys() - {"FORM_TYPE"}
    answer = await juliet.publish("n", **DONE, **CHOICES)
    assert answer.get("type") == "result"


async def test_a_form_may_be_cancelled(juliet):
    await juliet.publish("n")
    form = submit("node_config", title="T").replace("'submit'", "'cancel'")
    answer = await own(juliet, "set", f"<configure node='n'>{form}</configure>")
    assert answer.get("type") == "result"
    assert not (await values(juliet))["pubsub#title"]


async def test_a_form_of_another_type(juliet):
    await juliet.publish("n")
    form = submit("something")
    answer = await own(juliet, "set", f"<configure node='n'>{form}</configure>")
    assert condition(answer) == "bad-request"


# Purge and delete


async def test_a_purged_node_is_empty_and_stays(juliet):
    for item in "123":
        await juliet.publish("n", item, max_items="max")
    assert (await own(juliet, "set", "<purge node='n'/>")).get("type") == "result"
    assert ids(await juliet.items("n")) == []
    await juliet.publish("n", "4")
    assert ids(await juliet.items("n")) == ["4"]


async def test_a_deleted_node_is_gone(juliet):
    await juliet.publish("n", access_model="open")
    assert (await own(juliet, "set", "<delete node='n'/>")).get("type") == "result"
    assert condition(await juliet.items("n")) == "item-not-found"
    await juliet.publish("n")
    assert (await values(juliet))["pubsub#access_model"] == "presence"


@pytest.mark.parametrize(
    ("kind", "inner", "expected"),
    [
        *(
            (kind, f"<{name} node='nothing'/>", "item-not-found")
            for kind, name in [
                ("get", "configure"),
                ("get", "affiliations"),
                ("get", "subscriptions"),
                ("set", "purge"),
                ("set", "delete"),
                ("set", "affiliations"),
            ]
        ),
        *(
            (kind, f"<{name}/>", "bad-request")
            for kind, name in [
                ("get", "configure"),
                ("get", "affiliations"),
                ("set", "purge"),
                ("set", "delete"),
                ("set", "subscriptions"),
            ]
        ),
        ("get", "", "bad-request"),
        ("get", "<other/>", "feature-not-implemented"),
        ("get", "<purge node='n'/>", "feature-not-implemented"),
        (
            "set",
            "<subscriptions node='n'><subscription jid='a@b' subscription='none'/></subscriptions>",
            "item-not-found",
        ),
    ],
)
async def test_requests_that_fail(juliet, kind, inner, expected):
    await juliet.publish("n")
    assert condition(await own(juliet, kind, inner)) == expected


# Affiliations and subscriptions


def affiliate(**affiliations):
    inner = "".join(
        f"<affiliation jid='{name}@localhost' affiliation='{value}'/>"
        for name, value in affiliations.items()
    )
    return f"<affiliations node='n'>{inner}</affiliations>"


async def test_affiliations_are_changed_one_by_one(juliet):
    await juliet.publish("n")
    assert await entities(juliet, "affiliation") == {ME: "owner"}
    for change in (
        {"romeo": "member", "tybalt": "outcast", "juliet": "owner"},
        {"paris": "member"},
        {"romeo": "none"},
    ):
        assert (await own(juliet, "set", affiliate(**change))).get("type") == "result"
    assert await entities(juliet, "affiliation") == {
        ME: "owner",
        "paris@localhost": "member",
        "tybalt@localhost": "outcast",
    }


@pytest.mark.parametrize(
    "change",
    [{"romeo": "publisher"}, {"romeo": "owner"}, {"juliet": "none"}, {"romeo": ""}],
)
async def test_affiliations_that_are_not_offered(juliet, change):
    await juliet.publish("n")
    answer = await own(juliet, "set", affiliate(tybalt="member", **change))
    assert condition(answer) == "not-acceptable"
    assert await entities(juliet, "affiliation") == {ME: "owner"}


async def test_who_is_on_the_whitelist_may_retrieve(juliet, romeo, tybalt):
    await juliet.publish("n", access_model="whitelist")
    await own(juliet, "set", affiliate(tybalt="member"))
    assert ids(await tybalt.items("n", ME)) == ["current"]
    assert condition(await romeo.items("n", ME)) == "item-not-found"


async def test_an_outcast_may_not_even_where_all_may(juliet, romeo, tybalt):
    await juliet.publish("n", access_model="open")
    await own(juliet, "set", affiliate(tybalt="outcast"))
    assert condition(await tybalt.items("n", ME)) == "item-not-found"
    assert ids(await romeo.items("n", ME)) == ["current"]


async def test_the_owner_ends_subscriptions(juliet, romeo):
    await juliet.publish("n")
    for jid in (ROMEO, romeo.jid):
        await romeo.ask("set", f"<subscribe node='n' jid='{jid}'/>", ME)
    assert await entities(juliet, "subscription") == dict.fromkeys((ROMEO, romeo.jid), "subscribed")
    end = f"<subscription jid='{ROMEO}' subscription='{{}}'/>"
    ended = f"<subscriptions node='n'>{end}</subscriptions>"
    answer = await own(juliet, "set", ended.format("subscribed"))
    assert condition(answer) == "not-acceptable"
    await own(juliet, "set", ended.format("none"))
    assert await entities(juliet, "subscription") == {romeo.jid: "subscribed"}


async def test_an_affiliation_outlives_a_subscription_and_the_other_way_round(juliet, romeo):
    await juliet.publish("n")
    await own(juliet, "set", affiliate(romeo="member"))
    await romeo.ask("set", f"<subscribe node='n' jid='{ROMEO}'/>", ME)
    await romeo.ask("set", f"<unsubscribe node='n' jid='{ROMEO}'/>", ME)
    assert (await entities(juliet, "affiliation"))[ROMEO] == "member"
    await romeo.ask("set", f"<subscribe node='n' jid='{ROMEO}'/>", ME)
    await own(juliet, "set", affiliate(romeo="none"))
    assert await entities(juliet, "subscription") == {ROMEO: "subscribed"}
    affiliations = await romeo.ask("get", "<affiliations/>", ME)
    assert list(affiliations.iter(f"{PUBSUB}affiliation")) == []
