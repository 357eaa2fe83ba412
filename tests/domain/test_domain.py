"""The domain as a whole, with its database and its sign-in."""

import asyncio
import base64

import pytest
from support.domains import Client, bind_request
from support.sessions import MemoryTransport
from support.waiting import until

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.config import DomainConfig
from andiron.domain.database.database import Database
from andiron.domain.domain import Domain
from andiron.sm.config import SmConfig
from andiron.sm.manager import SessionManager
from andiron.xmpp.xml import Guard


class House:
    """A domain on a file, as an application runs it."""

    def __init__(self, path, **config):
        self.guard = Guard()
        url = f"sqlite:///{path}/andiron.db"
        self.domain = Domain(
            DomainConfig(database=url, scram_iterations=4096, **config), self.guard
        )
        self.manager = SessionManager(
            SmConfig(), self.domain, clock=asyncio.get_running_loop().time
        )

    @property
    def now(self):
        return self.manager.clock()

    def connect(self):
        transport = MemoryTransport()
        self.manager.connect(transport, self.now)
        client = Client(self, transport)
        client.open()
        return client

    async def sign_in(self, name, password):
        client = self.connect()
        client.take()
        secret = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        client.send(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + secret + "</auth>"
        )
        await until(lambda: client.transport.sent)
        return client

    async def bind(self, name, resource):
        client = await self.sign_in(name, f"{name}'s password")
        client.open()
        client.send(bind_request(resource))
        client.take()
        return client

    async def stop(self):
        self.manager.shutdown(self.now)
        await self.domain.stop()


@pytest.fixture
async def path(tmp_path):
    database = await Database.open(f"sqlite:///{tmp_path}/andiron.db")
    accounts = Accounts(database, "localhost", 4096)
    for name in ("romeo", "juliet"):
        await accounts.create(name, f"{name}'s password")
    await database.close()
    return tmp_path


async def test_two_people_chat_across_a_restart(path):
    house = House(path)
    await house.domain.start()
    romeo = await house.bind("romeo", "orchard")
    romeo.send("<presence/>")
    romeo.send("<message to='juliet@localhost' type='chat'><body>good night</body></message>")
    await until(lambda: house.manager.sessions and romeo.session.inbound.pending == 0)
    await house.stop()
    assert romeo.error == "system-shutdown"

    house = House(path)
    await house.domain.start()
    juliet = await house.bind("juliet", "balcony")
    romeo = await house.bind("romeo", "orchard")
    juliet.send("<presence/>")
    await until(lambda: any("good night" in text for text in juliet.transport.sent))
    await until(lambda: juliet.link.held is None)
    assert juliet.bodies() == ["good night"]
    juliet.send(f"<message to='{romeo.jid}' type='chat'><body>parting</body></message>")
    assert romeo.bodies() == ["parting"]
    await house.stop()


async def test_a_domain_that_changed_its_name_is_told_of_once(path, caplog):
    said = []
    for name in ("localhost", "chat.example.org", "chat.example.org", "localhost"):
        caplog.clear()
        house = House(path, domain=name)
        await house.domain.start()
        await house.stop()
        said.append([text.partition(" (")[0] for text in caplog.messages if "served as" in text])
    changed = "The database was last served as {}, and now it is as {}"
    assert said == [
        [],
        [changed.format("localhost", "chat.example.org")],
        [],
        [changed.format("chat.example.org", "localhost")],
    ]


async def test_messages_in_flight_when_the_domain_stops_are_stored(path):
    house = House(path)
    await house.domain.start()
    romeo = await house.bind("romeo", "orchard")
    for number in range(30):
        romeo.send(f"<message to='juliet@localhost'><body>{number}</body></message>")
    await house.stop()
    house = House(path)
    await house.domain.start()
    juliet = await house.bind("juliet", "balcony")
    juliet.send("<presence/>")
    await until(lambda: any(">29<" in text for text in juliet.transport.sent))
    assert juliet.bodies() == [str(number) for number in range(30)]
    await house.stop()


async def test_unknown_accounts_have_no_store(path):
    house = House(path)
    await house.domain.start()
    romeo = await house.bind("romeo", "orchard")
    romeo.send("<message to='nobody@localhost' id='1'><body>a</body></message>")
    await until(lambda: romeo.transport.sent)
    assert "service-unavailable" in romeo.transport.sent[0]
    await house.stop()


async def test_a_wrong_password(path):
    house = House(path)
    await house.domain.start()
    client = await house.sign_in("romeo", "juliet's password")
    assert "not-authorized" in client.transport.sent[0]
    await house.stop()
    assert not asyncio.all_tasks() - {asyncio.current_task()}


async def test_who_signs_in_when_the_domain_stops(path):
    house = House(path)
    await house.domain.start()
    client = house.connect()
    client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>")
    await house.stop()
    assert client.error == "system-shutdown"
    assert not asyncio.all_tasks() - {asyncio.current_task()}


async def test_a_domain_that_is_not_started_takes_no_sessions(path):
    house = House(path)
    with pytest.raises(RuntimeError, match="not started"):
        house.connect()
    await house.stop()


async def test_a_domain_can_start_again(path):
    house = House(path)
    for _ in range(2):
        await house.domain.start()
        await house.domain.stop()
    assert house.domain.database is None


@pytest.mark.parametrize("name", ["", "a@b", "a/b", "local host", "@", "/"])
def test_names_that_no_domain_has(name):
    with pytest.raises(ValueError, match="not a domain"):
        Domain(DomainConfig(domain=name), Guard())


def test_the_domains_name_is_prepared():
    assert Domain(DomainConfig(domain="Example.ORG"), Guard()).name == "example.org"
