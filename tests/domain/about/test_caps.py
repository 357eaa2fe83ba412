"""Entity capabilities of the domain, XEP-0115."""

from xml.etree.ElementTree import fromstring

from support.domains import Stage, condition

from andiron.domain.about.caps import verification_string
from andiron.xmpp import namespaces as ns

INFO = f"{{{ns.DISCO_INFO}}}"


def test_the_specifications_example():
    """Section 5.2."""
    features = ["disco#items", "disco#info", "muc", "caps"]
    assert (
        verification_string(
            [("client", "pc", "", "Exodus 0.9.1")],
            [f"http://jabber.org/protocol/{feature}" for feature in features],
        )
        == "QgayPKawpkPSDYmwT/WM94uAlu0="
    )


async def test_the_stream_feature_is_the_hash_of_what_the_domain_tells():
    stage = Stage()
    feature = fromstring(stage.domain.caps)
    client = await stage.bind("juliet", "balcony")
    node, ver = feature.get("node"), feature.get("ver")
    reply = await client.ask(
        f"<iq type='get' id='d' to='localhost'>"
        f"<query xmlns='{ns.DISCO_INFO}' node='{node}#{ver}'/></iq>"
    )
    (query,) = reply
    assert query.get("node") == f"{node}#{ver}"
    identities = [
        (i.get("category", ""), i.get("type", ""), "", i.get("name", ""))
        for i in query.findall(INFO + "identity")
    ]
    features = [f.get("var", "") for f in query.findall(INFO + "feature")]
    assert feature.attrib == {"hash": "sha-1", "node": node, "ver": ver}
    assert verification_string(identities, features) == ver
    await stage.domain.stop()


async def test_the_account_has_another_node():
    stage = Stage()
    feature = fromstring(stage.domain.caps)
    client = await stage.bind("juliet", "balcony")
    node = f"{feature.get('node')}#{feature.get('ver')}"
    reply = await client.ask(
        f"<iq type='get' id='d'><query xmlns='{ns.DISCO_INFO}' node='{node}'/></iq>"
    )
    assert condition(reply) == "item-not-found"
    await stage.domain.stop()
