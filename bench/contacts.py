"""What contacts, block lists and waiting messages cost, by how many there are.

    python bench/contacts.py [numbers ...]

Sessions write to nowhere and sign in without a password, so the figures are
the domain's and the sessions' own, with a database in SQLite on disk. They are
milliseconds of processor time, medians of some rounds: of all threads until
the answer is there where the database is asked, else of the one that works.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from sqlalchemy import text
from support.domains import AUTH, Client, Manager, MemoryAuthenticator, Stage, bind_request, settle

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.client import Owner
from andiron.domain.config import DomainConfig, RosterConfig
from andiron.domain.contacts.roster import Roster
from andiron.domain.contacts.subscriptions import Contact, State
from andiron.domain.database.database import Database
from andiron.domain.domain import Domain
from andiron.domain.messages.offline_store import OfflineStore
from andiron.sm.config import SmConfig
from andiron.xmpp.xml import Guard

ROUNDS = 9
LIMIT = 100_000
FEW = 5
BODY = "x" * 200
ROSTER = "<iq type='get' id='{id}'><query xmlns='jabber:iq:roster'{ver}/></iq>"
PUT = (
    "<iq type='set' id='{id}'><query xmlns='jabber:iq:roster'>"
    "<item jid='{jid}' name='{id}'><group>Friends</group></item></query></iq>"
)
BLOCKING = "<iq type='{type}' id='{id}'><{name} xmlns='urn:xmpp:blocking'>{items}</{name}></iq>"
MESSAGE = f"<message type='chat' id='m' to='user0@localhost/r'><body>{BODY}</body></message>"
WAITING = (
    "<message xmlns='jabber:client' type='chat' from='user0@localhost/r' to='romeo@localhost'"
    f" id='{{}}'><body>{BODY}</body></message>"
)


class Inbox(list[str]):
    """Takes what is sent and keeps nothing, but tells when something came that is waited for."""

    def __init__(self) -> None:
        self.got = 0
        self._awaited = ""
        self._came = asyncio.Event()

    def append(self, text: str) -> None:
        self.got += 1
        if self._awaited and self._awaited in text:
            self._awaited = ""
            self._came.set()

    def expect(self, awaited: str) -> Awaitable[object]:
        self._awaited = awaited
        self._came.clear()
        return self._came.wait()


class House(Stage):
    """The domain with a database on disk, and juliet's many contacts."""

    def __init__(self, database: Database) -> None:
        self.now = 1_000.0
        self.guard = Guard()
        config = DomainConfig(
            max_blocked=LIMIT, max_offline=LIMIT, roster=RosterConfig(max_contacts=LIMIT)
        )
        self.domain = Domain(config, self.guard)
        self.disk = database
        self.names = {"juliet", "romeo"}
        self.manager = Manager(SmConfig(idle_probe=0), self.domain, clock=lambda: self.now)

    async def run(self) -> None:
        authenticator: Any = MemoryAuthenticator(self.names)
        accounts = Accounts(self.disk, self.domain.name)
        store = OfflineStore(self.disk, LIMIT)
        await self.domain.run(self.disk, accounts, authenticator, store)

    async def insert(self, statement: str, rows: list[dict[str, object]]) -> None:
        async def operation(connection: Any) -> None:
            await connection.execute(text(statement), rows)

        await self.disk.write(operation)

    async def people(self, count: int) -> None:
        """Make accounts, some of them contacts of juliet's who see her as she sees them."""
        friends = [f"user{number}" for number in range(count)]
        self.names.update(friends, (f"stranger{number}" for number in range(ROUNDS)))
        accounts = [{"n": name} for name in self.names]
        await self.insert("insert into accounts (username) values (:n)", accounts)
        await self.insert("insert into roster_versions values ('juliet', :v)", [{"v": 1}])
        await self.insert(
            "insert into contacts values"
            " ('juliet', :jid, true, 'both', false, false, '', :name, 'Friends')",
            [{"jid": f"{name}@localhost", "name": name} for name in friends],
        )

    async def arrive(self, first: int, last: int) -> None:
        """Let some of the contacts come online."""
        clients = []
        for number in range(first, last):
            owner = Owner(f"user{number}@localhost")
            roster = owner.parts[Roster] = Roster()
            roster.contacts["juliet@localhost"] = Contact(state=State.BOTH)
            # Those in memory already are not read.
            self.domain.owners.add(owner)
            client = self.connect()
            client.transport.sent = Inbox()
            client.open()
            client.send(AUTH.format(owner.username))
            clients.append((client, owner))
        await settle()
        for client, _ in clients:
            client.open()
            client.send(bind_request("r"))
            # At a negative priority no waiting messages are looked for.
            client.send(presence("here", priority=-1))

    async def enter(self, name: str) -> Client:
        """Sign in and bind, an account that is not in memory."""
        client = self.connect()
        inbox = client.transport.sent = Inbox()
        client.open()
        success = inbox.expect("<success")
        client.send(AUTH.format(name))
        await success
        client.open()
        client.send(bind_request("r"))
        return client

    async def quiet(self) -> None:
        """Let what goes on behind come to its end, so that it is not counted for what follows."""

        async def nothing(_connection: Any) -> None:
            return

        await settle()
        await self.disk.write(nothing)
        await settle()


def presence(status: str, priority: int = 0) -> str:
    return f"<presence><status>{status}</status><priority>{priority}</priority></presence>"


class Clock:
    """Times actions of one client; each row is named."""

    def __init__(self, house: House, client: Client) -> None:
        self.house = house
        self.client = client
        self.inbox: Any = client.transport.sent
        self.rows: dict[str, float] = {}

    async def ask(
        self, name: str, write: Callable[[int], str], awaited: str, rounds: int = ROUNDS
    ) -> None:
        """Time stanzas until what answers them; ``{}`` in it is the number of the round."""
        took = []
        for number in range(rounds):
            await self.house.quiet()
            answer = self.inbox.expect(awaited.format(number))
            began = time.process_time()
            self.client.send(write(number))
            await answer
            took.append(time.process_time() - began)
        self.rows[name] = statistics.median(took) * 1e3

    async def send(self, names: tuple[str, ...], *writers: Callable[[int], str]) -> None:
        """Time stanzas, one after the other in each round, that take effect at once."""
        took: list[list[float]] = [[] for _ in names]
        for number in range(ROUNDS):
            for times, write in zip(took, writers, strict=True):
                await self.house.quiet()
                stanza = write(number)
                began = time.thread_time()
                self.client.send(stanza)
                times.append(time.thread_time() - began)
        for name, times in zip(names, took, strict=True):
            self.rows[name] = statistics.median(times) * 1e3


async def sign_in(house: House) -> tuple[float, Client]:
    took = []
    for _ in range(ROUNDS):
        house.domain.owners.forget("juliet@localhost")
        await house.quiet()
        began = time.process_time()
        client = await house.enter("juliet")
        took.append(time.process_time() - began)
        client.leave()
    return statistics.median(took) * 1e3, await house.enter("juliet")


async def contacts(house: House, count: int) -> dict[str, float]:
    """Time what juliet does with so many contacts."""
    await house.people(count)
    entered, juliet = await sign_in(house)
    clock = Clock(house, juliet)
    clock.rows["sign in"] = entered
    await clock.ask("get the roster", lambda n: ROSTER.format(id=f"g{n}", ver=""), "'g{}'")
    known = " ver='1'"
    await clock.ask("the same, known already", lambda n: ROSTER.format(id=n, ver=known), "'{}'")
    await clock.ask(
        "rename a contact", lambda n: PUT.format(id=f"s{n}", jid="user0@localhost"), "'s{}'"
    )
    await clock.ask(
        "add a contact", lambda n: PUT.format(id=f"a{n}", jid=f"new{n}@localhost"), "'a{}'"
    )
    await clock.ask(
        "ask to subscribe",
        lambda n: f"<presence type='subscribe' to='stranger{n}@localhost'/>",
        "'stranger{}@localhost'",
    )
    there = min(count, FEW)
    await house.arrive(0, there)
    for name in (f"{FEW} of them there", "all there"):
        before = clock.inbox.got
        await clock.send(
            (
                f"come, {name}",
                f"another presence, {name}",
                f"a message to one, {name}",
                f"leave, {name}",
            ),
            lambda _: presence("here"),
            lambda n: presence(f"busy {n}"),
            lambda _: MESSAGE,
            lambda _: "<presence type='unavailable'/>",
        )
        # Each time, everybody's presence and the own, another, and the last.
        assert clock.inbox.got - before == ROUNDS * (there + 3)
        await house.arrive(there, count)
        there = count
    return clock.rows


async def others(house: House, count: int) -> dict[str, float]:
    """Time what romeo does, who blocked so many, and for whom so many messages wait."""
    jids = [{"jid": f"spam{number}@localhost"} for number in range(count)]
    block, waiting = (
        "insert into blocked values ('romeo', :jid)",
        "insert into offline_messages (username, stamp, text) values ('romeo', 1e9, :text)",
    )
    await house.insert(block, jids)
    romeo = await house.enter("romeo")
    clock = Clock(house, romeo)

    def blocking(name: str, kind: str = "set", jid: str = "") -> Callable[[int], str]:
        items = f"<item jid='{jid}'/>" if jid else ""
        return lambda n: BLOCKING.format(
            type=kind, id=f"{name}{n}", name=name, items=items.format(n)
        )

    await clock.ask("get a block list of so many", blocking("blocklist", "get"), "'blocklist{}'")
    await clock.ask("block one more", blocking("block", jid="new{}@localhost"), "'block{}'")
    await clock.ask("unblock one", blocking("unblock", jid="new{}@localhost"), "'unblock{}'")
    await clock.ask("unblock all", blocking("unblock"), "'unblock{}'", rounds=1)

    took = []
    for _ in range(5):
        texts: list[dict[str, object]] = [{"text": WAITING.format(n)} for n in range(count)]
        await house.insert(waiting, texts)
        await house.quiet()
        last = clock.inbox.expect(f"id='{count - 1}'")
        began = time.process_time()
        romeo.send(presence("here"))
        await last
        took.append(time.process_time() - began)
        romeo.send("<presence type='unavailable'/>")
    clock.rows["come, while so many messages wait"] = statistics.median(took) * 1e3
    return clock.rows


async def measure(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="andiron-bench-") as directory:
        house = House(await Database.open(f"sqlite:///{directory}/andiron.db"))
        await house.run()
        rows = await contacts(house, count) | await others(house, count)
        await house.domain.stop()
    return rows


async def main(counts: list[int]) -> None:
    results = [await measure(count) for count in counts]
    print("| ms | " + " | ".join(f"{count:,}" for count in counts) + " |")
    print("|---|" + "---|" * len(counts))
    for name in results[0]:
        print(f"| {name} | " + " | ".join(f"{each[name]:.3g}" for each in results) + " |")


if __name__ == "__main__":
    asyncio.run(main([int(count) for count in sys.argv[1:]] or [1, 1_000, 10_000]))
