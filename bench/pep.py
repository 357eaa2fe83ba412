#!/usr/bin/env python3
"""Time what is asked of personal eventing, by the items of a node and by friends.

    bench/pep.py [--database URL] [--counts N,N,...]

Items have payloads of 200 bytes. Friends are resources that only count what
they get, so a row tells what the domain does, without connections. Times are
the processor's, in which no disk is waited for, and the best of some; what
counts is how they grow. A database that is named must be empty.
"""

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from xml.etree.ElementTree import fromstring

from andiron.domain.account_rows import read_births
from andiron.domain.client import Owner
from andiron.domain.config import PubSubConfig
from andiron.domain.contacts.roster import Roster
from andiron.domain.contacts.subscriptions import Contact, State
from andiron.domain.database.database import Database
from andiron.domain.owners import Owners
from andiron.domain.pubsub.config import NodeConfig
from andiron.domain.pubsub.interest import Interests
from andiron.domain.pubsub.items import ITEMS, Item
from andiron.domain.pubsub.nodes import NODES, insert_node, update_node
from andiron.domain.pubsub.notifier import Notifier
from andiron.domain.pubsub.pages import read_items
from andiron.domain.pubsub.service import PubSub
from andiron.domain.questions import Questions
from andiron.domain.router import Router

PAYLOAD = f"<entry xmlns='urn:bench'>{'x' * 170}</entry>"
NODE = "urn:bench"
ROUNDS = 20
PUBSUB = "http://jabber.org/protocol/pubsub"
RSM = "http://jabber.org/protocol/rsm"


class Link:
    """A resource that counts what it gets."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.account = owner.jid
        self.jid = f"{owner.jid}/r"
        self.priority = 0
        self.reachable = True
        self.got = 0
        self.session = self

    def deliver(self, _text: str, _now: float) -> None:
        self.got += 1

    def clock(self) -> float:
        return 0.0


class Scene:
    """An account, and friends who see it and whom it sees."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.router = Router("localhost")
        self.interests = Interests(Questions("localhost"))
        self.notifier = Notifier(database, self.router, self.interests)
        limits = PubSubConfig(max_items=100_000, quota=2**40)
        owners = Owners(database, read_births)
        self.pubsub = PubSub(database, owners, self.notifier, limits)
        self.owner = Owner("juliet@localhost")
        self.roster = self.owner.parts[Roster] = Roster()
        self.link = self.arrive(self.owner)

    def arrive(self, owner: Owner) -> Any:
        link: Any = Link(owner)
        self.router.add(link)
        self.interests._nodes[link] = frozenset({NODE})
        return link

    def befriend(self, count: int, *, there: bool) -> None:
        for number in range(count):
            friend = Owner(f"user{number}@localhost")
            self.roster.contacts[friend.jid] = Contact(state=State.BOTH)
            if there:
                self.arrive(friend)

    async def fill(self, usernames: list[str], count: int) -> None:
        """Give each of some accounts a node of some items."""

        async def operation(connection: Any) -> None:
            for username in usernames:
                node = await insert_node(connection, username, NODE, NodeConfig(max_items=0))
                rows = [
                    {
                        "node_id": node.id,
                        "item": f"item{number}",
                        "publisher": "",
                        "stamp": 1e9,
                        "bytes": len(PAYLOAD),
                        "payload": PAYLOAD,
                    }
                    for number in range(count)
                ]
                await connection.execute(ITEMS.insert(), rows)
                total = count * len(PAYLOAD)
                await update_node(connection, node, item_count=count, byte_count=total)

        await self.database.write(operation)

    async def clear(self) -> None:
        async def operation(connection: Any) -> None:
            await connection.execute(NODES.delete())

        await self.database.write(operation)

    async def publish(self, identity: str) -> None:
        await self.pubsub.publish(self.owner, NODE, Item(identity, "", 1e9, PAYLOAD))

    async def read(self, inner: str, result_set: str = "") -> None:
        payload = fromstring(f"<pubsub xmlns='{PUBSUB}'>{inner}{result_set}</pubsub>")
        node = await self.pubsub.node(self.owner, NODE)

        async def operation(connection: Any) -> Any:
            return await read_items(connection, node, payload, payload[0])

        found, _ = await self.database.read(operation)
        assert found


async def timed(action: Callable[[int], Awaitable[None]], rounds: int = ROUNDS) -> float:
    """Return the milliseconds of processor time that an action takes."""
    times = []
    for number in range(rounds):
        began = time.process_time()
        await action(number)
        times.append(time.process_time() - began)
    return min(times) * 1000


async def measure(database: Database, count: int) -> dict[str, float]:
    """Return the milliseconds of each request."""
    found: dict[str, float] = {}
    page = f"<set xmlns='{RSM}'><max>50</max>{{}}</set>"
    items, middle = "<items node='urn:bench'/>", f"item{count // 2}"

    scene = Scene(database)
    await scene.fill(["juliet"], count)
    one = f"<items node='urn:bench'><item id='{middle}'/></items>"
    last = "<items node='urn:bench' max_items='1'/>"
    found["publish, into a node of so many items"] = await timed(lambda n: scene.publish(f"n{n}"))
    found["one item by its id"] = await timed(lambda _: scene.read(one))
    found["the last item"] = await timed(lambda _: scene.read(last))
    found["the last page of 50"] = await timed(
        lambda _: scene.read(items, page.format("<before/>"))
    )
    found["a page of 50 in the middle"] = await timed(
        lambda _: scene.read(items, page.format(f"<after>{middle}</after>"))
    )
    found["retract one"] = await timed(lambda n: scene.pubsub.retract(scene.owner, NODE, f"n{n}"))
    await scene.clear()

    for there, name in ((False, "so many friends away"), (True, "so many friends there")):
        scene = Scene(database)
        scene.befriend(count, there=there)
        found[f"publish, {name}"] = await timed(lambda _, s=scene: s.publish("current"))
        assert sum(link.got for link in scene.router.full.values()) == ROUNDS * (1 + count * there)
        await scene.clear()

    scene = Scene(database)
    scene.befriend(count, there=False)
    nodes, friends = frozenset({NODE}), list(scene.roster.contacts)
    await scene.fill([jid.partition("@")[0] for jid in friends], 1)
    found["come, with a node of each of so many friends"] = await timed(
        lambda _: scene.notifier.send_last(scene.link, friends, nodes), 10
    )
    assert scene.link.got == 10 * count
    await scene.clear()
    return found


@contextlib.contextmanager
def database_url(named: str) -> Iterator[str]:
    if named:
        yield named
        return
    with tempfile.TemporaryDirectory(prefix="andiron-bench-") as directory:
        yield f"sqlite:///{directory}/andiron.db"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--database", default="", help="an empty one; default: SQLite on disk")
    parser.add_argument("--counts", default="1,1000,10000")
    options = parser.parse_args()
    counts = [int(count) for count in options.counts.split(",")]
    with database_url(options.database) as url:
        database = await Database.open(url)

        async def people(connection: Any) -> None:
            for name in ("juliet", *(f"user{number}" for number in range(max(counts)))):
                await connection.exec_driver_sql(
                    f"insert into accounts (username) values ('{name}')"
                )

        await database.write(people)
        results = [await measure(database, count) for count in counts]
        await database.close()
    print("| ms | " + " | ".join(f"{count:,}" for count in counts) + " |")
    print("|---|" + "---|" * len(counts))
    for name in results[0]:
        print(f"| {name} | " + " | ".join(f"{each[name]:.2f}" for each in results) + " |")


if __name__ == "__main__":
    asyncio.run(main())
