"""Private XML storage, XEP-0049."""

import pytest
from slixmpp.plugins.xep_0048.stanza import Bookmarks
from slixmpp.plugins.xep_0049.stanza import PrivateXML
from slixmpp.stanza import Iq
from slixmpp.xmlstream import register_stanza_plugin
from sqlalchemy import text
from support.domains import Stage, condition

from andiron.xmpp import namespaces as ns

register_stanza_plugin(Iq, PrivateXML)
register_stanza_plugin(PrivateXML, Bookmarks)

PREFS = "<exodus xmlns='exodus:prefs'><defaultnick>Hamlet &amp; co</defaultnick></exodus>"


def iq(kind, inner, to=""):
    return f"<iq type='{kind}' id='p'{to}><query xmlns='{ns.PRIVATE}'>{inner}</query></iq>"


@pytest.fixture
async def stage():
    stage = Stage(max_private=3, max_private_size=200)
    yield stage
    await stage.domain.stop()


@pytest.fixture
async def client(stage):
    return await stage.bind("juliet", "balcony")


async def read(client, element):
    (query,) = await client.ask(iq("get", element))
    return query


@pytest.mark.parametrize("to", ["", " to='juliet@localhost'", " to='localhost'"])
async def test_what_is_kept_is_read_again(stage, client, to):
    answer = await client.ask(iq("set", PREFS, to))
    assert (answer.get("type"), len(answer)) == ("result", 0)
    other = await stage.bind("juliet", "garden")
    ((kept,),) = await other.ask(iq("get", "<exodus xmlns='exodus:prefs'/>", to))
    assert kept.tag == "{exodus:prefs}exodus"
    assert kept.findtext("{exodus:prefs}defaultnick") == "Hamlet & co"


async def test_what_was_never_kept_is_empty(client):
    (element,) = await read(client, "<x xmlns='urn:x'/>")
    assert (element.tag, len(element), element.text) == ("{urn:x}x", 0, None)


async def test_each_name_and_namespace_is_one(client):
    await client.ask(
        iq("set", "<a xmlns='urn:1'>1</a><b xmlns='urn:1'>2</b><a xmlns='urn:2'>3</a>")
    )
    await client.ask(iq("set", "<b xmlns='urn:1'>4</b>"))
    found = await read(client, "<a xmlns='urn:2'/><a xmlns='urn:1'/><b xmlns='urn:1'/>")
    assert [element.text for element in found] == ["3", "1", "4"]


async def test_an_account_reads_its_own_alone(stage, client):
    await client.ask(iq("set", PREFS))
    romeo = await stage.bind("romeo", "orchard")
    (element,) = await read(romeo, "<exodus xmlns='exodus:prefs'/>")
    assert len(element) == 0


@pytest.mark.parametrize("to", ["juliet@localhost", "nobody@localhost"])
@pytest.mark.parametrize("kind", ["get", "set"])
async def test_nobody_reaches_somebody_elses(stage, to, kind):
    romeo = await stage.bind("romeo", "orchard")
    assert condition(await romeo.ask(iq(kind, PREFS, f" to='{to}'"))) == "service-unavailable"


@pytest.mark.parametrize("kind", ["get", "set"])
@pytest.mark.parametrize(
    ("inner", "error"),
    [
        ("", "bad-request"),
        ("<exodus/>", "not-acceptable"),
        ("<exodus xmlns=''/>", "not-acceptable"),
        ("<a xmlns='u:1'/><a xmlns='u:2'/><a xmlns='u:3'/><a xmlns='u:4'/>", "policy-violation"),
    ],
)
async def test_refusals(client, kind, inner, error):
    assert condition(await client.ask(iq(kind, inner))) == error


async def test_an_element_has_a_bound(client):
    filled = "é" * 89
    assert (await client.ask(iq("set", f"<x xmlns='urn:x'>{filled}</x>"))).get("type") == "result"
    refused = await client.ask(iq("set", f"<x xmlns='urn:x'>{filled}é</x>"))
    assert condition(refused) == "policy-violation"
    assert (await read(client, "<x xmlns='urn:x'/>"))[0].text == filled


async def test_an_account_has_a_bound(client):
    for name in "abc":
        await client.ask(iq("set", f"<{name} xmlns='urn:x'>1</{name}>"))
    assert condition(await client.ask(iq("set", "<d xmlns='urn:x'>1</d>"))) == "resource-constraint"
    await client.ask(iq("set", "<a xmlns='urn:x'/>"))
    assert (await client.ask(iq("set", "<d xmlns='urn:x'>1</d>"))).get("type") == "result"


async def test_an_anonymous_user_keeps_nothing(stage):
    guest = await stage.bind("guest", "x")
    for kind in ("get", "set"):
        assert condition(await guest.ask(iq(kind, PREFS))) == "not-allowed"


async def test_it_goes_with_the_account(stage, client):
    await client.ask(iq("set", PREFS))
    with stage.database.engine.begin() as connection:
        connection.execute(text("delete from accounts where username = 'juliet'"))
        assert connection.scalar(text("select count(*) from private_storage")) == 0


async def test_slixmpp_keeps_its_bookmarks(client):
    request = Iq()
    request["type"], request["id"] = "set", "b"
    request["private"]["bookmarks"].add_conference("lounge@conference.localhost", "Jules", name="L")
    assert (await client.ask(str(request))).get("type") == "result"
    (query,) = await client.ask(iq("get", "<storage xmlns='storage:bookmarks'/>"))
    read_again = PrivateXML(xml=query)
    (conference,) = read_again["bookmarks"]["conferences"]
    assert (conference["jid"], conference["nick"]) == ("lounge@conference.localhost", "Jules")
