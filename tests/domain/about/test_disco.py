"""Service discovery of the domain and of one's own account, XEP-0030."""

import pytest
from support.domains import Stage, condition

from andiron.domain.registry import Target
from andiron.xmpp import namespaces as ns

INFO = f"{{{ns.DISCO_INFO}}}"


def ask(to, namespace=ns.DISCO_INFO, node=None):
    asked = "" if node is None else f" node='{node}'"
    return f"<iq type='get' id='d' to='{to}'><query xmlns='{namespace}'{asked}/></iq>"


@pytest.fixture
async def client():
    stage = Stage()
    yield await stage.bind("juliet", "balcony")
    await stage.domain.stop()


async def test_the_domain(client):
    (query,) = await client.ask(ask("localhost"))
    identity = query[0]
    assert identity.attrib == {"category": "server", "type": "im", "name": "Andiron"}
    features = [feature.get("var") for feature in query.findall(INFO + "feature")]
    assert features == sorted(features, key=lambda var: (var or "").encode())
    assert set(features) >= {
        ns.DISCO_INFO,
        ns.DISCO_ITEMS,
        ns.CAPS,
        ns.PING,
        ns.TIME,
        ns.VERSION,
        ns.OFFLINE,
    }


async def test_the_own_account(client):
    (query,) = await client.ask(ask("juliet@localhost"))
    assert query[0].attrib == {"category": "account", "type": "registered"}
    assert {f.get("var") for f in query[1:]} >= {ns.DISCO_INFO, ns.DISCO_ITEMS, ns.PING}


async def test_accounts_of_others_look_like_none(client):
    answers = [await client.ask(ask(to)) for to in ("romeo@localhost", "nobody@localhost")]
    assert [condition(answer) for answer in answers] == ["service-unavailable"] * 2


@pytest.mark.parametrize("to", ["localhost", "juliet@localhost"])
async def test_there_are_no_items(client, to):
    (query,) = await client.ask(ask(to, ns.DISCO_ITEMS))
    assert len(query) == 0


@pytest.mark.parametrize("namespace", [ns.DISCO_INFO, ns.DISCO_ITEMS])
async def test_nodes_that_are_not_there(client, namespace):
    assert condition(await client.ask(ask("localhost", namespace, "x"))) == "item-not-found"


async def test_what_a_new_handler_brings_is_told(client):
    registry = client.stage.domain.registry
    registry.add_feature(Target.ACCOUNT, "urn:x:<new>")
    (query,) = await client.ask(ask("juliet@localhost"))
    assert "urn:x:<new>" in {f.get("var") for f in query}
