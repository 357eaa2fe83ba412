"""Patterns in rooms (XEP-0045): how many can enter, and a message to all who are there."""

import asyncio
import collections
from collections.abc import Callable
from xml.etree.ElementTree import Element

from load import names as ns
from load.figures import Figures, percentile, scaled
from load.link import STEP_TIMEOUT, LoadError
from load.run import Load
from load.session import Session

ROOM_MARK = 10_000_000
"""Rooms are numbered from here, sessions from zero."""


class Occupant:
    """A session in a room: whom it has been told of, and whether it is in."""

    def __init__(self, session: Session, room: str) -> None:
        self.session, self.room = session, room
        self.nick = session.name
        self.present: collections.Counter[str] = collections.Counter()
        self.created = self.itself = False
        self._entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._configured: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def enter(self) -> None:
        """Enter, and be told of everybody and of the subject (section 7.2)."""
        self.session.look = self._look
        self.session.send_stanza(
            f"<presence xmlns='{ns.CLIENT}' to='{self.room}/{self.nick}'><x xmlns='{ns.MUC}'>"
            "<history maxstanzas='0'/></x></presence>"
        )
        async with asyncio.timeout(STEP_TIMEOUT):
            await self._entered
        if not self.itself:
            raise LoadError("the subject came before one's own presence")

    async def unlock(self) -> None:
        """Take a new room as it is (section 10.1.2), if it was made just now."""
        if not self.created:
            return
        self.session.send_stanza(
            f"<iq xmlns='{ns.CLIENT}' type='set' id='unlock' to='{self.room}'>"
            f"<query xmlns='{ns.MUC_OWNER}'><x xmlns='{ns.DATA}' type='submit'/></query></iq>"
        )
        async with asyncio.timeout(STEP_TIMEOUT):
            await self._configured

    def _look(self, element: Element) -> None:
        name = ns.local(element.tag)
        room, _, nick = element.get("from", "").partition("/")
        if room != self.room:
            return
        if name == "presence" and nick:  # ejabberd sends one of the room itself, for its avatar
            codes = {each.get("code") for each in element.iter(f"{{{ns.MUC_USER}}}status")}
            self.present[nick] += 1
            if nick == self.nick and "110" in codes:
                self.itself = True
                self.created = "201" in codes
                if self.created and not self._entered.done():
                    self._entered.set_result(None)  # a room that is locked need not send more
        elif name == "message" and element.find(f"{{{ns.CLIENT}}}subject") is not None:
            if not self._entered.done():
                self._entered.set_result(None)
        elif name == "iq" and element.get("id") == "unlock" and not self._configured.done():
            self._configured.set_result(None)


async def _told(load: Load, rooms: list[list[Occupant]]) -> None:
    """Wait until each occupant has been told of each in its room, and of nobody else."""

    def missing() -> list[str]:
        return [
            f"{occupant.nick} was told of {dict(occupant.present)}, not of {len(room)} once"
            for room in rooms
            for occupant in room
            if occupant.present != dict.fromkeys((each.nick for each in room), 1)
        ]

    for _ in range(200):
        if not missing():
            return
        await asyncio.sleep(0.05)
    for text in missing():
        load.errors(text)


async def join(load: Load) -> Figures:
    """N sessions enter rooms of --room-size, C at a time; who makes a room is not measured."""
    size = load.opts.room_size
    await load.sign_in(load.opts.users // size * size)
    rooms = [
        [Occupant(session, f"room{start}@{load.opts.rooms}") for session in sessions]
        for start in range(0, len(load.sessions), size)
        if (sessions := load.sessions[start : start + size])
    ]
    await load.in_parallel((_make(room[0]) for room in rooms), load.opts.concurrency)
    # By turns, so that rooms grow alike.
    rest = [room[place] for place in range(1, size) for room in rooms]
    before = load.snapshot()
    seconds = await load.in_parallel((each.enter() for each in rest), load.opts.concurrency)
    since = load.since(before)
    if not load.errors:
        await _told(load, rooms)
    return {
        "joins_per_s": len(rest) / since.seconds,
        "join_ms_p50": percentile(seconds, 50) * 1e3,
        "join_ms_p99": percentile(seconds, 99) * 1e3,
        "cpu_ms_per_join": scaled(since.server_cpu_s, 1e3 / len(rest)),
        **since.shares,
    }


async def _make(first: Occupant) -> None:
    await first.enter()
    await first.unlock()


async def room(load: Load) -> Figures:
    """N sessions in one room, one of them writes; W messages in flight to all."""
    opts = load.opts
    await load.sign_in(opts.users)
    address = f"hall@{opts.rooms}"
    occupants = [Occupant(session, address) for session in load.sessions]
    await _make(occupants[0])
    await load.in_parallel((each.enter() for each in occupants[1:]), opts.concurrency)
    if load.errors:
        raise LoadError("entering failed")
    await _told(load, [occupants])
    for session in load.sessions:
        session.look = None
        session.checker.addresses.add(ROOM_MARK)
    load.on_arrival = _next_when_all_have_it(load, address)
    for _ in range(opts.window):
        load.sessions[0].send_mark(ROOM_MARK, address, "groupchat", copies=opts.users)
    figures = await load.measure()
    await load.drain()
    return figures


def _next_when_all_have_it(load: Load, address: str) -> Callable[[Session, int, int], None]:
    """Return what sends a message for each that has come to everybody."""
    copies: collections.Counter[int] = collections.Counter()
    sender, everybody = load.sessions[0], len(load.sessions)

    def arrived(_session: Session, _source: int, number: int) -> None:
        copies[number] += 1
        if copies[number] == everybody:
            del copies[number]
            sender.send_mark(ROOM_MARK, address, "groupchat", copies=everybody)

    return arrived
