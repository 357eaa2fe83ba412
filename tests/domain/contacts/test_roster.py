"""Roster requests, pushes and versions (RFC 6121 section 2)."""

import asyncio
from xml.etree.ElementTree import fromstring

import pytest
from slixmpp import Iq
from support.domains import CLIENT, Stage, condition, settle

from andiron.domain.client import Owner
from andiron.domain.config import RosterConfig
from andiron.domain.contacts.roster import Item, Roster, roster_of, sees, write_query
from andiron.domain.contacts.subscriptions import NOBODY, Contact, State
from andiron.domain.database.database import DatabaseError
from andiron.xmpp import namespaces as ns

ROSTER = "{jabber:iq:roster}"
GET = f"<iq type='get' id='get'><query xmlns='{ns.ROSTER}'/></iq>"


def put(item, to=""):
    to = f" to='{to}'" if to else ""
    return f"<iq type='set' id='put'{to}><query xmlns='{ns.ROSTER}'>{item}</query></iq>"


def items(tree):
    query = tree.find(f"{ROSTER}query")
    return {
        item.get("jid"): (
            item.get("name"),
            item.get("subscription"),
            item.get("ask"),
            [group.text for group in item],
        )
        for item in query
    }


def ver(tree):
    return tree.find(f"{ROSTER}query").get("ver")


def pushes(client):
    return [
        tree for tree in client.take() if tree.tag == f"{CLIENT}iq" and tree.get("type") == "set"
    ]


@pytest.fixture
async def stage():
    stage = Stage()
    yield stage
    await stage.domain.stop()


@pytest.fixture
async def juliet(stage):
    return await stage.bind("juliet", "balcony")


async def test_the_stream_says_what_it_can(stage):
    client = stage.connect()
    client.open()
    client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='TEST' name='juliet'/>")
    await settle()
    client.open()
    features = "".join(client.link.features())
    assert f"<ver xmlns='{ns.ROSTER_VERSIONS}'/>" in features
    assert f"<sub xmlns='{ns.PRE_APPROVAL}'/>" in features


async def test_a_contact_is_added_changed_and_removed(juliet):
    """Sections 2.3 to 2.5."""
    assert items(await juliet.ask(GET)) == {}
    await ask(
        juliet, put("<item jid='Nurse@localhost/x' name='N &amp; co'><group>House</group></item>")
    )
    assert items(await juliet.ask(GET)) == {"nurse@localhost": ("N & co", "none", None, ["House"])}
    await ask(juliet, put("<item jid='nurse@localhost' subscription='both' ask='subscribe'/>"))
    assert items(await juliet.ask(GET)) == {"nurse@localhost": (None, "none", None, [])}
    answer = await ask(juliet, put("<item jid='nurse@localhost' subscription='remove'/>"))
    assert (answer.get("type"), len(answer)) == ("result", 0)
    assert items(await juliet.ask(GET)) == {}


async def test_one_empty_group_is_no_group(juliet):
    """Section 2.3.3 would have it refused; Converse.js sends it with another name for a contact."""
    await ask(juliet, put("<item jid='nurse@localhost' name='N'><group/></item>"))
    assert items(await juliet.ask(GET)) == {"nurse@localhost": ("N", "none", None, [])}


async def ask(client, text):
    """Return the answer to a request that brings pushes, too."""
    client.take()
    client.send(text)
    await settle()
    (answer,) = [tree for tree in client.take() if tree.get("type") != "set"]
    return answer


async def test_pushes_go_to_those_that_asked_for_the_roster(stage, juliet):
    """Section 2.1.6; available or not."""
    other = await stage.come("juliet", "chamber")
    stranger = await stage.bind("romeo", "orchard")
    await juliet.ask(GET)
    await stranger.ask(GET)
    other.take()
    other.send(put("<item jid='nurse@localhost' name='Nurse'/>"))
    await settle()
    (push,) = juliet.take()
    assert (push.get("type"), push.get("to"), push.get("from")) == ("set", juliet.jid, None)
    assert items(push) == {"nurse@localhost": ("Nurse", "none", None, [])}
    juliet.send(f"<iq type='result' id='{push.get('id')}'/>")
    (answer,) = other.take()
    assert answer.get("type") == "result"
    assert (juliet.take(), stranger.take()) == ([], [])


ERRORS = {
    "": "bad-request",
    "<item/>": "bad-request",
    "<item jid=''/>": "bad-request",
    "<item jid='a@localhost'/><item jid='b@localhost'/>": "bad-request",
    "<item jid='a@localhost'><group>A</group><group>A</group></item>": "bad-request",
    "<item jid='@'/>": "jid-malformed",
    "<item jid='juliet@localhost'/>": "not-allowed",
    "<item jid='JULIET@localhost/balcony'/>": "not-allowed",
    "<item jid='a@localhost' name='12345678901'/>": "not-acceptable",
    "<item jid='a@localhost'><group/><group>A</group></item>": "not-acceptable",
    "<item jid='a@localhost'><group>12345678901</group></item>": "not-acceptable",
    "<item jid='a@localhost'><group>1</group><group>2</group><group>3</group></item>": (
        "not-acceptable"
    ),
    "<item jid='a@localhost' subscription='remove'/>": "item-not-found",
    "<item jid='juliet@localhost' subscription='remove'/>": "item-not-found",
}


@pytest.mark.parametrize(("item", "error"), ERRORS.items())
async def test_what_a_roster_set_may_not_say(item, error):
    """Sections 2.3.3 and 2.5.3."""
    stage = Stage(roster=RosterConfig(max_name=10, max_groups=2))
    juliet = await stage.bind("juliet", "balcony")
    assert condition(await juliet.ask(put(item))) == error
    assert items(await juliet.ask(GET)) == {}


async def test_the_limits_themselves_are_allowed():
    stage = Stage(roster=RosterConfig(max_name=10, max_groups=2))
    juliet = await stage.bind("juliet", "balcony")
    groups = "<group>1234567890</group><group>2</group>"
    answer = await juliet.ask(put(f"<item jid='a@localhost' name='1234567890'>{groups}</item>"))
    assert answer.get("type") == "result"


async def test_a_roster_get_is_empty(juliet):
    asked = f"<iq type='get' id='1'><query xmlns='{ns.ROSTER}'><item jid='a@b'/></query></iq>"
    assert condition(await juliet.ask(asked)) == "bad-request"


@pytest.mark.parametrize("name", ["romeo", "nobody"])
@pytest.mark.parametrize("kind", ["get", "set"])
async def test_anothers_roster_is_nobodys_business(juliet, name, kind):
    asked = f"<iq type='{kind}' id='1' to='{name}@localhost'><query xmlns='{ns.ROSTER}'/></iq>"
    assert condition(await juliet.ask(asked)) == "forbidden"


async def test_a_roster_is_bounded():
    stage = Stage(roster=RosterConfig(max_contacts=2))
    juliet = await stage.bind("juliet", "balcony")
    for name in "ab":
        assert (await juliet.ask(put(f"<item jid='{name}@x'/>"))).get("type") == "result"
    assert condition(await juliet.ask(put("<item jid='c@x'/>"))) == "resource-constraint"
    assert (await juliet.ask(put("<item jid='b@x' name='B'/>"))).get("type") == "result"
    for kind in ("subscribe", "subscribed"):
        juliet.send(f"<presence id='s' to='romeo@localhost' type='{kind}'/>")
        await settle()
        (answer,) = juliet.take()
        assert condition(answer) == "resource-constraint"
    juliet.send("<presence to='romeo@localhost' type='unsubscribe'/>")
    await settle()
    assert juliet.take() == []
    assert len(items(await juliet.ask(GET))) == 2


async def test_so_is_all_that_is_in_it():
    stage = Stage(roster=RosterConfig(max_size=20))
    juliet = await stage.bind("juliet", "balcony")
    assert (await juliet.ask(put("<item jid='a@x' name='12345678901234567'/>"))).get(
        "type"
    ) == "result"
    assert condition(await juliet.ask(put("<item jid='b@x'/>"))) == "resource-constraint"


async def test_of_many_contacts_each_is_told(stage, juliet):
    store = stage.domain.contacts._store
    for number in range(250):
        await store.put("juliet", f"c{number}@x", "", ())
    assert len(items(await juliet.ask(GET))) == 250


async def test_an_anonymous_user_has_no_roster(stage):
    guest = await stage.bind("guest-1", "x")
    assert items(await guest.ask(GET)) == {}
    assert condition(await guest.ask(put("<item jid='romeo@localhost'/>"))) == "not-allowed"
    assert stage.database.writes == 0


# Versions


async def test_who_is_up_to_date_gets_an_empty_answer(stage, juliet):
    """Section 2.6.3; a removal makes a version, too."""
    await juliet.ask(GET)
    versions = []
    for item in (
        "<item jid='a@x'/>",
        "<item jid='a@x' name='A'/>",
        "<item jid='a@x' subscription='remove'/>",
    ):
        juliet.send(put(item))
        await settle()
        (push,) = pushes(juliet)
        versions.append(ver(push))
    assert len(set(versions)) == 3
    for version in versions:
        answer = await juliet.ask(GET.replace("/></iq>", f" ver='{version}'/></iq>"))
        assert (len(answer) == 0) == (version == versions[-1])
    assert ver(await juliet.ask(GET)) == versions[-1]
    later = await stage.bind("juliet", "later")
    assert len(await later.ask(GET.replace("/></iq>", f" ver='{versions[-1]}'/></iq>"))) == 0
    later.send(put("<item jid='b@x'/>"))
    await settle()
    assert len(pushes(juliet)) == len(pushes(later)) == 1


@pytest.mark.parametrize("version", ["", "0", "1", "x", "-1"])
async def test_a_version_that_was_never_given(stage, juliet, version):
    juliet.send(put("<item jid='a@x'/>"))
    await settle()
    answer = await juliet.ask(GET.replace("/></iq>", f" ver='{version}'/></iq>"))
    assert set(items(answer)) == {"a@x"}


async def test_a_new_account_of_an_old_name_has_versions_of_its_own(stage, juliet):
    await juliet.ask(put("<item jid='a@x'/>"))
    first = ver(await juliet.ask(GET))
    await stage.domain.accounts.remove("juliet")
    await stage.domain.contacts.forget_account("juliet")
    stage.domain.owners.forget("juliet@localhost")
    juliet.leave()
    stage.add_account("juliet")
    again = await stage.bind("juliet", "balcony")
    await again.ask(put("<item jid='a@x'/>"))
    assert ver(await again.ask(GET)) != first


async def test_an_account_that_another_program_removed_is_noticed(stage, juliet):
    stage.add_account("nurse")
    nurse = await stage.bind("nurse", "x")
    juliet.send("<presence to='nurse@localhost' type='subscribe'/>")
    await settle()
    nurse.send("<presence to='juliet@localhost' type='subscribed'/>")
    await settle()
    nurse.leave()
    await stage.domain.accounts.remove("nurse")
    await juliet.ask(GET)
    await stage.domain.contacts.sweep()
    assert [tree.get("type") for tree in juliet.take()] == ["unsubscribed", "set"]
    assert items(await juliet.ask(GET)) == {"nurse@localhost": (None, "none", None, [])}


async def test_an_answer_is_not_older_than_what_was_pushed_before_it(stage, juliet, monkeypatch):
    store = stage.domain.contacts._store
    rows_then = store.rows
    reads = []

    async def slow(username):
        found = await rows_then(username)
        reads.append(found[0])
        if len(reads) == 1:
            await gate.wait()
        return found

    gate = asyncio.Event()
    monkeypatch.setattr(type(store), "rows", lambda _self, username: slow(username))
    juliet.send(GET)
    await settle()
    juliet.send(put("<item jid='a@x'/>"))
    await settle()
    gate.set()
    await settle()
    *_, answer = juliet.take()
    assert answer.get("id") == "get"
    assert set(items(answer)) == {"a@x"}
    assert len(reads) == 2


# When the database fails, or takes its time


def heard(client):
    """Return the last count of stanzas that the domain acknowledged."""
    return [tree.get("h") for tree in client.take() if tree.get("h")][-1]


@pytest.mark.parametrize("text", [GET, put("<item jid='a@x'/>")])
async def test_a_database_that_fails(stage, juliet, text, caplog):
    stage.database.error = DatabaseError("gone")
    assert condition(await juliet.ask(text)) == "internal-server-error"
    assert "gone" in caplog.text


async def test_a_subscription_stanza_is_handled_when_it_is_stored(stage, monkeypatch):
    """Design rule 3: ``h`` means that it is on disk, or refused."""
    romeo = await stage.come("romeo", "orchard")
    juliet = await stage.bind("juliet", "balcony", sm=True)
    gate = asyncio.Event()
    write = stage.database.write

    async def slow(operation, *payer):
        await gate.wait()
        return await write(operation, *payer)

    monkeypatch.setattr(stage.database, "write", slow)
    juliet.send("<presence to='romeo@localhost' type='subscribe'/>")
    juliet.send("<r xmlns='urn:xmpp:sm:3'/>")
    await settle()
    assert heard(juliet) == "0"
    assert romeo.take() == []
    gate.set()
    await settle()
    assert heard(juliet) == "1"
    assert [tree.get("type") for tree in romeo.take()] == ["subscribe"]


async def test_requests_are_answered_in_their_order(stage, juliet, monkeypatch):
    """RFC 6120 section 10.1: who asks after a change is told what it made."""
    gate = asyncio.Event()
    write = stage.database.write

    async def slow(operation, *payer):
        await gate.wait()
        return await write(operation, *payer)

    monkeypatch.setattr(stage.database, "write", slow)
    juliet.send(put("<item jid='a@x'/>"))
    juliet.send(GET)
    await settle()
    assert juliet.take() == []
    gate.set()
    await settle()
    answers = {tree.get("id"): tree for tree in juliet.take()}
    assert set(items(answers["get"])) == {"a@x"}


async def test_a_subscription_stanza_that_cannot_be_stored(stage, caplog):
    juliet = await stage.bind("juliet", "balcony", sm=True)
    stage.database.error = DatabaseError("gone")
    juliet.send("<presence id='1' to='romeo@localhost' type='subscribe'/>")
    await settle()
    juliet.send("<r xmlns='urn:xmpp:sm:3'/>")
    answer, acked = juliet.take()
    assert condition(answer) == "internal-server-error"
    assert acked.get("h") == "1"
    assert "gone" in caplog.text


# An independent check of the XML


async def test_slixmpp_writes_and_reads_it(juliet):
    request = Iq()
    request["type"], request["id"] = "set", "s1"
    request["roster"].set_items(
        {"nurse@localhost": {"name": "Nurse & <co>", "subscription": "none", "groups": ["A", "B"]}}
    )
    await juliet.ask(GET)
    juliet.send(str(request))
    await settle()
    push, answer = juliet.transport.take()
    read = slix(push)
    assert read["roster"]["items"] == {
        "nurse@localhost": {
            "ask": "",
            "approved": "",
            "groups": ["A", "B"],
            "name": "Nurse & <co>",
            "subscription": "none",
        }
    }
    assert read["roster"]["ver"] == roster_of(juliet.link.owner).ver
    assert slix(answer)["type"] == "result"
    asked = Iq()
    asked["type"], asked["id"] = "get", "s2"
    asked["roster"]["ver"] = ""
    juliet.send(str(asked))
    await settle()
    (full,) = juliet.transport.take()
    assert slix(full)["roster"]["items"] == read["roster"]["items"]


def slix(text):
    return Iq(xml=fromstring(text))


# In memory


def test_what_is_kept_in_memory():
    roster = Roster()
    roster.keep("a@x", Contact(State.NONE_IN), 0)
    assert (roster.requests, roster.version) == ({"a@x"}, 0)
    roster.keep("a@x", Contact(State.FROM, listed=True), 7)
    assert (roster.requests, roster.version) == (set(), 7)
    roster.keep("a@x", NOBODY, 8)
    assert (roster.contacts, roster.version) == ({}, 8)


@pytest.mark.parametrize("state", State)
def test_who_sees_an_account(state):
    owner = Owner("juliet@localhost")
    assert sees(owner, "juliet@localhost")
    assert not sees(owner, "romeo@localhost")
    roster = owner.parts[Roster] = Roster()
    roster.keep("romeo@localhost", Contact(state), 1)
    assert sees(owner, "romeo@localhost") == (state.subscription in {"from", "both"})


def test_items_are_escaped():
    item = Item("a@x", Contact(State.FROM_OUT, approved=True), "<'&\">", ("<&>",))
    assert write_query("1", item.to_xml()) == (
        "<query xmlns='jabber:iq:roster' ver='1'><item approved='true' ask='subscribe' jid='a@x'"
        " name='&lt;&apos;&amp;&quot;&gt;' subscription='from'><group>&lt;&amp;&gt;</group>"
        "</item></query>"
    )
