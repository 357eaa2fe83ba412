"""Service discovery of accounts and their nodes (XEP-0060 sections 5.1 to 5.5)."""

import pytest
from slixmpp.plugins.xep_0004.stanza import Form
from slixmpp.plugins.xep_0030.stanza.info import DiscoInfo
from slixmpp.plugins.xep_0030.stanza.items import DiscoItems
from support.domains import CLIENT, condition

from andiron.domain.pubsub.discovery import FEATURES
from andiron.xmpp import namespaces as ns

ME = "juliet@localhost"
INFO, ITEMS = ns.DISCO_INFO, ns.DISCO_ITEMS


async def discover(someone, namespace, node="", to=ME):
    node = f" node='{node}'" if node else ""
    return await someone.iq("get", f"<query xmlns='{namespace}'{node}/>", to)


async def info(someone, node="", to=ME):
    return DiscoInfo(xml=(await discover(someone, INFO, node, to))[0])


async def items(someone, node="", to=ME):
    return DiscoItems(xml=(await discover(someone, ITEMS, node, to))[0])["items"]


@pytest.mark.parametrize("who", ["juliet", "romeo"])
async def test_an_account_is_a_service(juliet, romeo, who):
    found = await info(juliet if who == "juliet" else romeo)
    assert {identity[:2] for identity in found["identities"]} == {
        ("account", "registered"),
        ("pubsub", "pep"),
    }
    assert {ns.PUBSUB, INFO, ITEMS, *FEATURES} <= found["features"]


def test_what_clients_look_for_is_announced():
    for feature in (
        "access-presence",
        "auto-create",
        "config-node-max",
        "filtered-notifications",
        "persistent-items",
        "publish-options",
    ):
        assert f"{ns.PUBSUB}#{feature}" in FEATURES
    assert len(set(FEATURES)) == len(FEATURES)


async def test_nodes_are_listed_to_who_may_see_them(juliet, romeo, tybalt):
    for model in ("open", "presence", "whitelist"):
        await juliet.publish(model, access_model=model, title=model.title())
    for someone, seen in (
        (juliet, ["open", "presence", "whitelist"]),
        (romeo, ["open", "presence"]),
        (tybalt, ["open"]),
    ):
        assert await items(someone) == {(ME, node, node.title()) for node in seen}
    assert (await info(tybalt))["identities"]


async def test_an_account_that_publishes_nothing(juliet, romeo):
    for someone in (juliet, romeo):
        assert await items(someone) == set()


async def test_a_node_tells_of_itself(juliet, romeo):
    await juliet.publish("n", access_model="open", title="T", type="urn:x", max_items="max")
    for someone in (juliet, romeo):
        found = await info(someone, "n")
        assert found["node"] == "n"
        assert {identity[:2] for identity in found["identities"]} == {("pubsub", "leaf")}
        form = Form(xml=found.xml.find(f"{{{ns.DATA}}}x"))
        values = {var: field["value"] for var, field in form.get_fields().items()}
        assert values["FORM_TYPE"] == [f"{ns.PUBSUB}#meta-data"]
        assert values["pubsub#title"] == "T"
        assert values["pubsub#type"] == "urn:x"
        assert values["pubsub#access_model"] == "open"
        assert values["pubsub#max_items"] == "max"
        assert "pubsub#roster_groups_allowed" not in values


async def test_a_node_lists_its_items(juliet, romeo):
    for item in "123":
        await juliet.publish("n", item, max_items="max")
    query = (await discover(romeo, ITEMS, "n"))[0]
    assert query.get("node") == "n"
    assert [(item.get("jid"), item.get("name")) for item in query] == [(ME, i) for i in "123"]


@pytest.mark.parametrize("namespace", [INFO, ITEMS])
async def test_what_is_not_there_or_not_for_the_asker(juliet, romeo, namespace):
    await juliet.publish("n", access_model="whitelist")
    for someone, node in ((juliet, "m"), (romeo, "m"), (romeo, "n")):
        assert condition(await discover(someone, namespace, node)) == "item-not-found"


@pytest.mark.parametrize("namespace", [INFO, ITEMS])
@pytest.mark.parametrize("node", ["", "n", "m"])
async def test_strangers_learn_nothing(juliet, tybalt, namespace, node):
    """An account that is not there, one with a node and one that blocks answer alike."""
    await juliet.publish("n")
    answers = [
        await discover(tybalt, namespace, node),
        await discover(tybalt, namespace, node, "no@localhost"),
    ]
    await juliet.configure("n", access_model="open")
    block = f"<block xmlns='{ns.BLOCKING}'><item jid='tybalt@localhost'/></block>"
    await juliet.iq("set", block)
    answers.append(await discover(tybalt, namespace, node))
    errors = [answer.find(f"{CLIENT}error") for answer in answers]
    assert [[child.tag for child in error] for error in errors] == [
        [f"{{{ns.STANZA_ERRORS}}}service-unavailable"]
    ] * 3


@pytest.mark.parametrize("namespace", [INFO, ITEMS])
async def test_a_user_without_an_account_has_nothing_to_tell(stage, tybalt, namespace):
    await stage.come("nobody", "x")
    answer = await discover(tybalt, namespace, to="nobody@localhost")
    assert condition(answer) == "service-unavailable"
