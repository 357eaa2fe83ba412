"""A presence to many contacts (RFC 6121 section 4.4): how many copies can be delivered."""

import asyncio
import collections
from xml.etree.ElementTree import Element

from load import names as ns
from load.figures import Figures
from load.link import STEP_TIMEOUT, LoadError
from load.run import Load
from load.session import Session

PRESENCE_MARK = 20_000_000
"""What presences say they are for; sessions are numbered from zero."""
ROSTER = "jabber:iq:roster"


class Person:
    """A session and those who see its presence, as it sees theirs."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.bare = session.jid.partition("/")[0]
        self.contacts: set[str] = set()
        self._asked: set[str] = set()
        self._changed = asyncio.Event()

    async def look_around(self) -> None:
        """Learn whose contact this is already; more is told as it changes."""
        self.session.look = self._look
        self._changed.clear()
        self.session.send_stanza(
            f"<iq xmlns='{ns.CLIENT}' type='get' id='roster'><query xmlns='{ROSTER}'/></iq>"
        )
        async with asyncio.timeout(STEP_TIMEOUT):
            await self._changed.wait()

    async def befriend(self, other: "Person") -> None:
        """Subscribe to each other (RFC 6121 section 3.1)."""
        if other.bare not in self.contacts:
            self._ask(other.bare)
        async with asyncio.timeout(STEP_TIMEOUT):
            await self._has(other.bare)
            await other._has(self.bare)

    async def _has(self, bare: str) -> None:
        while bare not in self.contacts:
            self._changed.clear()
            await self._changed.wait()

    def _ask(self, bare: str) -> None:
        self._asked.add(bare)
        self._say(bare, "subscribe")

    def _say(self, bare: str, kind: str) -> None:
        self.session.send_stanza(f"<presence xmlns='{ns.CLIENT}' to='{bare}' type='{kind}'/>")

    def _look(self, element: Element) -> None:
        bare = element.get("from", "").partition("/")[0]
        if ns.local(element.tag) == "presence" and element.get("type") == "subscribe":
            self._say(bare, "subscribed")
            if bare not in self._asked:
                self._ask(bare)
        elif ns.local(element.tag) == "iq":
            items = element.iter(f"{{{ROSTER}}}item")
            both = {item.get("jid", "") for item in items if item.get("subscription") == "both"}
            self.contacts |= both
            if element.get("type") == "set":
                answer = f"<iq xmlns='{ns.CLIENT}' type='result' id='{element.get('id')}'/>"
                self.session.send_stanza(answer)
            self._changed.set()


async def presence(load: Load) -> Figures:
    """N sessions in groups of --group-size who see each other; W presences on their way to all.

    Those that are no contacts yet become so, and are not measured: accounts that a server
    has in groups need nothing, and those of an earlier run nothing more.
    """
    opts, size = load.opts, load.opts.group_size
    opts.presence = True
    await load.sign_in(opts.users // size * size)
    people = [Person(session) for session in load.sessions]
    await load.in_parallel((each.look_around() for each in people), opts.concurrency)
    groups = [people[start : start + size] for start in range(0, len(people), size)]
    pairs = [
        (group[at], group[(at + far) % size])
        for far in range(1, size)
        for at in range(size)
        for group in groups
        if at < (at + far) % size
    ]
    await load.in_parallel((one.befriend(other) for one, other in pairs), opts.concurrency)
    if load.errors:
        raise LoadError("there are no contacts")
    await asyncio.sleep(opts.settle)
    for session in load.sessions:
        session.look = None
        session.checker.addresses.add(PRESENCE_MARK)
    figures = await _spread(load, size)
    await load.drain()
    return figures


async def _spread(load: Load, size: int) -> Figures:
    """Let one after the other send a presence, when one that was sent has come to its group."""
    copies: collections.Counter[tuple[int, int]] = collections.Counter()
    turn = 0

    def send_next() -> None:
        nonlocal turn
        load.sessions[turn % len(load.sessions)].send_status(PRESENCE_MARK, copies=size)
        turn += size + 1

    def arrived(_session: Session, source: int, number: int) -> None:
        copies[source, number] += 1
        if copies[source, number] == size:  # itself among them (section 4.4.2)
            del copies[source, number]
            send_next()

    load.on_arrival = arrived
    for _ in range(load.opts.window):
        send_next()
    return await load.measure()
