"""What accounts keep, on each kind of database."""

import asyncio
import base64

import pytest
from support.domains import Client, bind_request, condition
from support.sessions import MemoryTransport

from andiron.domain.config import DomainConfig
from andiron.domain.domain import Domain
from andiron.domain.roster import roster_of
from andiron.sm.config import SmConfig
from andiron.sm.manager import SessionManager
from andiron.xmpp import namespaces as ns
from andiron.xmpp.xml import Guard

ITEMS = "<item jid='tybalt@localhost'/><item jid='a.example'/>"
BLOCK = f"<block xmlns='{ns.BLOCKING}'>{ITEMS}</block>"
BLOCKLIST = f"<blocklist xmlns='{ns.BLOCKING}'/>"
CARD = f"<vCard xmlns='{ns.VCARD}'><FN>Júliet</FN></vCard>"
LAST = f"<query xmlns='{ns.LAST}'/>"
NOTES = f"<query xmlns='{ns.PRIVATE}'><notes xmlns='urn:n'>{{}}</notes></query>"
FIELDS = "<username>juliet</username><password>new one</password>"


class House:
    """A domain on a database of its own, with two accounts."""

    def __init__(self, url):
        self.guard = Guard()
        self.domain = Domain(DomainConfig(database=url, scram_iterations=4096), self.guard)
        clock = asyncio.get_running_loop().time
        self.manager = SessionManager(SmConfig(), self.domain, clock=clock)

    @property
    def now(self):
        return self.manager.clock()

    async def come(self, name, password):
        """Return a client that is bound, or None where the password is wrong."""
        transport = MemoryTransport()
        self.manager.connect(transport, self.now)
        client = Client(self, transport)
        client.open()
        client.take()
        secret = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        client.send(f"<auth xmlns='{ns.SASL}' mechanism='PLAIN'>{secret}</auth>")
        await until(lambda: transport.sent)
        if "failure" in client.take()[0].tag:
            return None
        client.open()
        client.send(bind_request())
        client.take()
        return client

    async def stop(self):
        self.manager.shutdown(self.now)
        await self.domain.stop()


async def until(happened):
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def ask(client, kind, payload, to=""):
    client.transport.take()
    addressed = f" to='{to}'" if to else ""
    client.send(f"<iq type='{kind}' id='k'{addressed}>{payload}</iq>")
    await until(lambda: client.transport.sent)
    (answer,) = client.take()
    return answer


@pytest.fixture
async def house(lasting_url):
    house = House(lasting_url)
    await house.domain.start()
    for name in ("romeo", "juliet"):
        await house.domain.accounts.create(name, name)
    yield house
    await house.stop()


async def test_what_is_kept_is_found_again(house, lasting_url):
    juliet = await house.come("juliet", "juliet")
    for kept in ("first", "second"):
        for payload in (NOTES.format(kept), BLOCK, CARD):
            assert (await ask(juliet, "set", payload)).get("type") == "result"
    await house.stop()

    again = House(lasting_url)
    await again.domain.start()
    juliet, romeo = await again.come("juliet", "juliet"), await again.come("romeo", "romeo")
    ((notes,),) = await ask(juliet, "get", NOTES.format(""))
    assert notes.text == "second"
    (blocked,) = await ask(juliet, "get", BLOCKLIST)
    assert [item.get("jid") for item in blocked] == ["a.example", "tybalt@localhost"]
    ((name,),) = await ask(romeo, "get", CARD, "juliet@localhost")
    assert name.text == "Júliet"
    await again.stop()


async def test_who_leaves_was_last_seen(house):
    juliet, romeo = await house.come("juliet", "juliet"), await house.come("romeo", "romeo")
    for _ in range(2):
        juliet.send("<presence/>")
        juliet.send("<presence type='subscribed' to='romeo@localhost'/>")
        romeo.send("<presence type='subscribe' to='juliet@localhost'/>")
        await until(lambda: "romeo@localhost" in _seers(house))
        juliet.leave()
        juliet = await house.come("juliet", "juliet")
    (query,) = await ask(romeo, "get", LAST, "juliet@localhost")
    assert 0 <= int(query.get("seconds")) < 60


def _seers(house):
    contacts = roster_of(house.domain.owners.get("juliet@localhost")).contacts
    return {jid for jid, contact in contacts.items() if contact.state.is_seen}


async def test_a_password_and_an_account_end(house):
    juliet, romeo = await house.come("juliet", "juliet"), await house.come("romeo", "romeo")
    for payload in (NOTES.format("x"), BLOCK, CARD):
        await ask(juliet, "set", payload)
    changed = await ask(juliet, "set", f"<query xmlns='{ns.REGISTER}'>{FIELDS}</query>")
    assert changed.get("type") == "result"
    assert await house.come("juliet", "juliet") is None
    assert await house.come("juliet", "new one") is not None
    await ask(juliet, "set", f"<query xmlns='{ns.REGISTER}'><remove/></query>")
    await until(lambda: juliet.transport.closed)
    assert juliet.error == "not-authorized"
    assert await house.come("juliet", "new one") is None
    assert condition(await ask(romeo, "get", CARD, "juliet@localhost")) == "service-unavailable"
    await house.domain.accounts.create("juliet", "third")
    third = await house.come("juliet", "third")
    (blocked,) = await ask(third, "get", BLOCKLIST)
    assert list(blocked) == []
