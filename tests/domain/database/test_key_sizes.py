"""What clients may choose fits into the keys of every database, at its longest."""

import random
import string

import pytest
from support.domains import CLIENT, condition
from support.house import House, ask
from support.waiting import until

from andiron.domain.accounts.accounts import InvalidName
from andiron.domain.archive.archive import Query
from andiron.domain.archive.store import Filter
from andiron.domain.config import RoomsConfig
from andiron.sm.payers import Payer
from andiron.xmpp import namespaces as ns

CAUSE = Payer("romeo@localhost")
LETTERS = string.ascii_lowercase + string.digits


def text(size, letters=LETTERS):
    """Return what no database can make shorter by compressing it."""
    return "".join(random.Random(size).choices(letters, k=size))


JULIET = text(255)
JID = f"{text(1023)}@" + ".".join(text(size) for size in (63, 62, 61, 60, 3))
ANY = f"{text(1023)}@{text(1022)}a"
"""As long as an address without a resource may be by RFC 7622, were it not for host names."""
SHOWN = f"{text(1023)}@" + ".".join(["\U00020000" * 56] * 3 + ["\U00020000" * 54])
"""As long as an address without a resource may be where its host is shown in letters."""
WIDE = "".join(map(chr, random.Random(1).choices(range(0x20000, 0x2A6D6), k=255)))
"""255 characters, 1,020 bytes."""


@pytest.fixture
async def house(lasting_url):
    house = House(lasting_url, rooms=RoomsConfig(max_nick=1023))
    await house.domain.start()
    for name in (JULIET, "romeo"):
        await house.domain.accounts.create(name, name)
    yield house
    await house.stop()


def block(jid):
    return f"<block xmlns='{ns.BLOCKING}'><item jid='{jid}'/></block>"


def contact(jid):
    return f"<query xmlns='{ns.ROSTER}'><item jid='{jid}'/></query>"


def notes(local):
    return f"<query xmlns='{ns.PRIVATE}'><{local} xmlns='urn:n'>x</{local}></query>"


def publish(node, item="current"):
    inner = f"<publish node='{node}'><item id='{item}'><x xmlns='urn:x'/></item></publish>"
    return f"<pubsub xmlns='{ns.PUBSUB}'>{inner}</pubsub>"


def affiliate(jid):
    inner = f"<affiliation jid='{jid}' affiliation='member'/>"
    return (
        f"<pubsub xmlns='{ns.PUBSUB_OWNER}'><affiliations node='n'>{inner}</affiliations></pubsub>"
    )


def subscribe(resource):
    inner = f"<subscribe node='n' jid='{JULIET}@localhost/{resource}'/>"
    return f"<pubsub xmlns='{ns.PUBSUB}'>{inner}</pubsub>"


@pytest.mark.parametrize(
    ("write", "size", "stem", "refusal"),
    [
        (block, 1277, JID, "jid-malformed"),
        (block, 2047, JID[8:] + "/", "not-acceptable"),
        (contact, 1277, JID, "jid-malformed"),
        (notes, 1024 - len("{urn:n}"), "n", "not-acceptable"),
        (publish, 1023, "", "not-acceptable"),
        (lambda item: publish("n", item), 1023, "", "not-acceptable"),
        (affiliate, 1277, JID, "jid-malformed"),
        (subscribe, 1023, "", "jid-malformed"),
    ],
)
async def test_the_longest_is_kept(house, write, size, stem, refusal):
    juliet = await house.come(JULIET, JULIET)
    await ask(juliet, "set", publish("n"))
    longest = stem + text(size - len(stem))
    assert len(longest) == size
    assert (await ask(juliet, "set", write(longest))).get("type") == "result"
    assert condition(await ask(juliet, "set", write("a" + longest))) == refusal


@pytest.mark.parametrize("write", [block, contact, affiliate])
async def test_a_host_that_is_longer_than_in_dns(house, write):
    assert len(SHOWN.encode()) == 1023 + 1 + 891
    juliet = await house.come(JULIET, JULIET)
    await ask(juliet, "set", publish("n"))
    assert (await ask(juliet, "set", write(SHOWN))).get("type") == "result"
    assert condition(await ask(juliet, "set", write(SHOWN + "\U00020000"))) == "jid-malformed"


async def test_letters_that_take_more_than_a_byte_count_for_more(house):
    juliet = await house.come(JULIET, JULIET)
    longest = "n" * (1024 - 7 - 2 * 500) + "é" * 500
    assert (await ask(juliet, "set", notes(longest))).get("type") == "result"
    assert condition(await ask(juliet, "set", notes(longest[1:] + "é"))) == "not-acceptable"


async def test_an_account(house):
    accounts = house.domain.accounts
    with pytest.raises(InvalidName, match="longer than 255 bytes"):
        await accounts.create(JULIET + "a", "x")
    assert await accounts.names() == sorted([JULIET, "romeo"])
    # One of an earlier version may have a longer name.
    assert accounts.username(JULIET + "a") == JULIET + "a"


async def told(client, payload, room):
    """Return what a room answers, whatever else it says meanwhile."""
    came = []

    def answered():
        came.extend(client.take())
        return any(each.tag == f"{CLIENT}iq" for each in came)

    client.send(f"<iq type='set' id='k' to='{room}'>{payload}</iq>")
    await until(answered)
    return next(each for each in came if each.tag == f"{CLIENT}iq")


async def test_a_room(house):
    juliet = await house.come(JULIET, JULIET)
    name, nick = text(255), text(1023)
    room = f"{name}@conference.localhost"
    enter = "<presence to='{}/{}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
    juliet.send(enter.format("a" + room, nick))
    await until(lambda: juliet.transport.sent)
    assert condition(juliet.take()[0]) == "not-acceptable"
    juliet.send(enter.format(room, nick))
    await until(lambda: juliet.transport.sent)
    assert "error" not in {each.get("type") for each in juliet.take()}
    persistent = (
        f"<query xmlns='{ns.MUC_OWNER}'><x xmlns='jabber:x:data' type='submit'>"
        "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
        "<field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query>"
    )
    assert (await told(juliet, persistent, room)).get("type") == "result"
    member = f"<query xmlns='{ns.MUC_ADMIN}'><item jid='{JID}' affiliation='member'/></query>"
    assert (await told(juliet, member, room)).get("type") == "result"
    juliet.send(f"<message to='{room}' type='groupchat'><body>Hello</body></message>")
    said = (
        f"<query xmlns='{ns.MAM}'><x xmlns='jabber:x:data' type='submit'>"
        f"<field var='FORM_TYPE'><value>{ns.MAM}</value></field>"
        f"<field var='with'><value>{room}/{nick}</value></field></x></query>"
    )
    fin = await told(juliet, said, room)
    assert fin.findtext(f".//{{{ns.RSM}}}count") == "1"


@pytest.mark.parametrize("resource", [text(1023), WIDE])
async def test_the_archive(house, resource):
    archive = house.domain.archive
    romeo = await house.come("romeo", "romeo")
    juliet = await house.domain.owners.load(f"{JULIET}@localhost")
    assert archive.add(juliet, f"{ANY}/{resource}", "<message/>", 1.0, CAUSE)
    assert archive.add(juliet, f"{ANY}/{resource[:100]}", "<message/>", 2.0, CAUSE)
    wanted = Filter(peer=ANY, resource=resource)
    page = await archive.page(JULIET, Query(wanted, 10))
    assert [row.resource for row in page.rows] == [resource]
    romeo.send(f"<message to='{juliet.jid}/{resource}' type='chat'><body>Hello</body></message>")
    wanted = Filter(peer=juliet.jid, resource=resource)
    page = await archive.page("romeo", Query(wanted, 10))
    assert [row.owner for row in page.rows] == ["romeo"]


async def test_what_the_database_refuses_all_the_same_is_let_go(house, lasting_url, caplog):
    """A lone surrogate, which none can keep; PostgreSQL refuses the long address, too."""
    archive = house.domain.archive
    romeo = await house.domain.owners.load("romeo@localhost")
    for number, content in enumerate(["one", "\ud800", "two", "three"]):
        peer = text(4000) if content == "two" else "juliet@localhost"
        assert archive.add(romeo, peer, content, float(number), CAUSE)
    page = await archive.page("romeo", Query(Filter(), 10))
    long = [] if lasting_url.startswith("postgresql") else ["two"]
    assert [row.text for row in page.rows] == ["one", *long, "three"]
    assert caplog.text.count("of romeo could not be archived") == 2 - len(long)
