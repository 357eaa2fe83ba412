#!/usr/bin/env python3
# ruff: noqa: E402 - a script of its own, which finds the tests beside it
"""Count the instructions of what is done most, and fail where one takes more than it may.

    bench/instructions.py [NAME ...]

`andiron serve` runs in valgrind's callgrind, which counts what the processor is told to do,
not how long that takes. A client does one thing after the other, as often as it takes for the
number to settle. On a busy machine what belongs together comes in more pieces, which only adds
to it: what takes too much is counted anew, and the least holds. What each may take is below: what
it took when that was written, and a tenth. Who makes one cheaper lowers it; who has to
make one dearer says why.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree.ElementTree import fromstring

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

os.environ["CROWD"] = "50000"  # All is slow in valgrind, and waited for as long.

from load.sasl import Client

from tests.hostile.conftest import PASSWORD, Serve, Victim, andiron_serve, maltreated
from tests.hostile.wire import FAREWELL, OPEN, SASL, Wire, plain
from tests.interop import server

C = "xmlns='jabber:client'"
BIND = f"<iq {C} type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
MESSAGE = f"<message {C} type='chat' to='{{}}' id='m{{}}'><body>{'x' * 100}</body></message>"
BODY = "<body xmlns='http://jabber.org/protocol/httpbind' rid='{}'{}>{}</body>"
XBOSH = " xmlns:xmpp='urn:xmpp:xbosh'"
MUC = "http://jabber.org/protocol/muc"
UNLOCK = f"<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='submit'/></query>"
MAM = "urn:xmpp:mam:2"
OCCUPANTS = 20
AT_ONCE = 20
"""Messages that are sent in one piece; they must fit one that the server reads."""
WARM = 20
ANEW = 2
"""How often what takes too much is counted anew."""
BATCHES = 4
"""The least of which counts: there is less in it of what the server does every second."""
LONG = "3600"
SETTINGS = {
    "AUTH_ANONYMOUS": "true",
    "LOG_LEVEL": "warning",
    "WEBSOCKET_PING_INTERVAL": LONG,
    "SESSION_IDLE_PROBE": LONG,
    "SESSION_NEGOTIATION_TIMEOUT": LONG,
    "HTTP_KEEP_ALIVE": LONG,
    # In valgrind a stanza takes as long as many do, and waits for turns that are none of its own.
    "ACCOUNT_TURN": LONG,
    "MAX_NEGOTIATING": LONG,
    "MAX_NEGOTIATING_PER_ADDRESS": LONG,
}
"""Nothing that is due by the time: in valgrind all takes fifty times as long."""

WITHOUT_PULSES = """
from andiron.cluster import link
from andiron.commands.cli import main

link._PULSE = 3600.0
main()
"""

Once = Callable[[], Awaitable[None]]


@dataclass
class Kind:
    """Something that is counted."""

    begin: Callable[[Victim], Awaitable[Once]]
    """Prepares it, and returns what does it once."""
    times: int
    """How often it is done in each batch."""
    allowed: int
    """How many instructions it may take."""
    parts: int = 1
    """How many of what is counted are done at once."""
    relayed: bool = False
    """Whether it is the home that counts, to which another process relays."""


async def managed(wire: Wire) -> str:
    """Turn stream management on; return what resumes the session."""
    await wire.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    enabled = re.search(r" id='([^']+)'", await wire.until("<enabled"))
    assert enabled
    return enabled[1]


async def message(victim: Victim) -> Once:
    alice, bob = await victim.sign_in("alice"), await victim.sign_in("bob")
    return said(alice, bob)


async def managed_message(victim: Victim) -> Once:
    """A message, and in one piece with it the acknowledgement of the one that it answers.

    By itself that would be read with the next message or before it, by who is quicker.
    """
    alice, bob = await victim.sign_in("alice"), await victim.sign_in("bob")
    await managed(alice)
    await managed(bob)
    count = itertools.count()

    async def once() -> None:
        number = next(count)
        one, other = (bob, alice) if number % 2 else (alice, bob)
        handled = f"<a xmlns='urn:xmpp:sm:3' h='{(number + 1) // 2}'/>"
        await one.send(handled, MESSAGE.format(other.jid, number))
        await other.until(f"id='m{number}'")

    return once


def said(alice: Wire, bob: Wire) -> Once:
    count = itertools.count()

    async def once() -> None:
        number = next(count)
        await alice.send(MESSAGE.format(bob.jid, number))
        await bob.until(f"id='m{number}'")

    return once


async def messages(victim: Victim) -> Once:
    """As many messages as come in one piece, from one to another: as under load."""
    alice, bob = await victim.sign_in("alice"), await victim.sign_in("bob")
    return said_at_once(alice, bob)


async def managed_messages(victim: Victim) -> Once:
    """The same with stream management, an acknowledgement for all of them each way."""
    alice, bob = await victim.sign_in("alice"), await victim.sign_in("bob")
    await managed(alice)
    await managed(bob)
    said_once, count = said_at_once(alice, bob), itertools.count(1)

    async def once() -> None:
        await said_once()
        number = next(count) * AT_ONCE
        await bob.send(f"<a xmlns='urn:xmpp:sm:3' h='{number}'/>")
        await alice.send("<r xmlns='urn:xmpp:sm:3'/>")
        await alice.until(f"h='{number}'")

    return once


def said_at_once(alice: Wire, *others: Wire) -> Once:
    """Return what has one send all the others their share of messages in one piece."""
    count = itertools.count()

    async def once() -> None:
        number = next(count)
        turns = [others[turn % len(others)] for turn in range(AT_ONCE)]
        await alice.send(*[MESSAGE.format(bob.jid, number) for bob in turns])
        for bob in turns:
            await bob.until(f"id='m{number}'")

    return once


async def messages_to_many(victim: Victim) -> Once:
    """As many messages as come in one piece, each to somebody else."""
    alice, *others = [await victim.sign_in("alice") for _ in range(1 + AT_ONCE)]
    return said_at_once(alice, *others)


async def archived_message(victim: Victim) -> Once:
    """A message of people who are present, its commit, and a question that waits for that.

    More at once would share commits, by how fast they come.
    """
    alice, bob = await victim.sign_in("alice"), await victim.sign_in("bob")
    for wire in (alice, bob):
        await wire.send(f"<presence {C}/>")
        await wire.until("<presence")
    said_once, count = said(alice, bob), itertools.count()

    async def once() -> None:
        await said_once()
        number = next(count)
        await alice.send(f"<iq {C} type='get' id='e{number}'><metadata xmlns='{MAM}'/></iq>")
        await alice.until(f"id='e{number}'")

    return once


async def room_message(victim: Victim) -> Once:
    """A message to a room, and its copies for all who are there."""
    room = "hall@conference.localhost"
    occupants = [await victim.sign_in("alice") for _ in range(OCCUPANTS)]
    for number, wire in enumerate(occupants):
        await wire.send(f"<presence {C} to='{room}/{number}'><x xmlns='{MUC}'/></presence>")
        await wire.until("code='110'")
        if not number:
            await wire.send(f"<iq {C} type='set' id='u' to='{room}'>{UNLOCK}</iq>")
            await wire.until("id='u'")
    message = MESSAGE.replace("'chat'", "'groupchat'")
    count = itertools.count()

    async def once() -> None:
        number = next(count)
        await occupants[0].send(message.format(room, number))
        for wire in occupants:
            await wire.until(f"id='m{number}'")

    return once


async def authenticated(victim: Victim, auth: str) -> Wire:
    wire = await victim.connect()
    await authenticate(wire, auth)
    return wire


async def authenticate(wire: Wire, auth: str) -> None:
    await wire.send(OPEN)
    await wire.until("<stream:features")
    await wire.send(auth)
    await wire.until("<success")
    await wire.send(OPEN)
    await wire.until("<stream:features")


def signing_in(auth: str) -> Callable[[Victim], Awaitable[Once]]:
    async def begin(victim: Victim) -> Once:
        async def once() -> None:
            await bound_and_gone(await authenticated(victim, auth))

        return once

    return begin


async def bound_and_gone(wire: Wire) -> None:
    await wire.send(BIND)
    await wire.until("<jid>")
    await wire.send(FAREWELL)
    await wire.rest()
    await wire.gone()


async def scram(victim: Victim) -> Once:
    """SCRAM-SHA-1 with keys that the client has derived already."""

    async def once() -> None:
        client = Client("SCRAM-SHA-1", "alice", PASSWORD)
        wire = await victim.connect()
        await wire.send(OPEN)
        await wire.until("<stream:features")
        first = client.first().decode()
        await wire.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>{first}</auth>")
        challenge = fromstring(await wire.until("<challenge")).text
        await wire.send(f"<response xmlns='{SASL}'>{client.answer(challenge).decode()}</response>")
        client.verify(fromstring(await wire.until("<success")).text)
        await wire.send(OPEN)
        await wire.until("<stream:features")
        await bound_and_gone(wire)

    return once


async def resumption(victim: Victim) -> Once:
    wire = await victim.sign_in("alice")
    previd = await managed(wire)
    wires = [wire]

    async def once() -> None:
        await wires.pop().gone()
        wires.append(await authenticated(victim, plain("alice", PASSWORD)))
        await wires[0].send(f"<resume xmlns='urn:xmpp:sm:3' previd='{previd}' h='0'/>")
        await wires[0].until("<resumed")

    return once


class BoshClient:
    """A session over BOSH that has signed in by ANONYMOUS, on one connection."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.own = ""
        self.jid = ""
        self._rid = itertools.count(1)

    async def sign_in(self) -> None:
        begin = " to='localhost' ver='1.6' wait='60' hold='1' xmpp:version='1.0'" + XBOSH
        sid = re.search(r" sid='([^']+)'", await self.post("", begin))
        assert sid
        self.own = f" sid='{sid[1]}'"
        await self.post(f"<auth xmlns='{SASL}' mechanism='ANONYMOUS'/>")
        await self.post("", f" xmpp:restart='true'{XBOSH}")
        jid = re.search("<jid>(.*)</jid>", await self.post(BIND))
        assert jid
        self.jid = jid[1]

    async def post(self, payload: str, attributes: str = "") -> str:
        """Return what a request is answered with."""
        body = BODY.format(next(self._rid), self.own + attributes, payload)
        head = "POST /http-bind HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Content-Type: text/xml; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wire.write((head + body).encode())
        answer = (await self.wire.reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = re.search(r"content-length: (\d+)", answer)
        assert size, answer
        return (await self.wire.reader.readexactly(int(size[1]))).decode()


async def bosh_message(victim: Victim) -> Once:
    """A request that brings a message to its sender, and its answer, which holds it."""
    client = BoshClient(await victim.dial())
    await client.sign_in()
    count = itertools.count()

    async def once() -> None:
        number = next(count)
        assert f"id='m{number}'" in await client.post(MESSAGE.format(client.jid, number))

    return once


async def bosh_anonymous(victim: Victim) -> Once:
    """A session from its first request to its last, on a connection of its own."""

    async def once() -> None:
        client = BoshClient(await victim.dial())
        await client.sign_in()
        assert "type='terminate'" in await client.post("", " type='terminate'")
        await client.wire.gone()

    return once


KINDS = {
    "message": Kind(message, 100, 125_000),
    "managed message": Kind(managed_message, 100, 322_000),
    "message of many": Kind(messages, 20, 105_000, AT_ONCE),
    "managed of many": Kind(managed_messages, 20, 160_000, AT_ONCE),
    "message to many": Kind(messages_to_many, 20, 108_000, AT_ONCE),
    "archived message": Kind(archived_message, 20, 3_660_000),
    "room copy": Kind(room_message, 20, 39_000, OCCUPANTS),
    "ANONYMOUS": Kind(signing_in(f"<auth xmlns='{SASL}' mechanism='ANONYMOUS'/>"), 20, 1_340_000),
    "PLAIN again": Kind(signing_in(plain("alice", PASSWORD)), 20, 1_770_000),
    "SCRAM again": Kind(scram, 20, 2_010_000),
    "resumption": Kind(resumption, 20, 1_980_000),
    "BOSH message": Kind(bosh_message, 50, 385_000),
    "BOSH ANONYMOUS": Kind(bosh_anonymous, 20, 2_160_000),
    "relayed of many": Kind(messages, 20, 103_000, AT_ONCE, relayed=True),
    "relayed BOSH": Kind(bosh_message, 50, 415_000, relayed=True),
}
PYTHON = (3, 13)
MACHINE = "x86_64"
"""On which the allowances were taken; elsewhere numbers are shown and nothing fails."""


def control(pid: int, *options: str) -> None:
    subprocess.run(
        ["callgrind_control", *options, str(pid)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def counted(directory: Path) -> int:
    """Return what the last dump says; there is one file for each."""
    newest = max(directory.glob("callgrind.*"), key=lambda path: path.stat().st_mtime_ns)
    found = re.search(r"^(?:totals|summary): (\d+)", newest.read_text(), re.MULTILINE)
    assert found
    newest.unlink()
    return int(found[1])


async def measure(victim: Victim, kind: Kind, directory: Path) -> int:
    once = await kind.begin(victim)
    for _ in range(WARM):
        await once()
    control(victim.pid, "-i", "on")
    for _ in range(WARM):
        await once()
    control(victim.pid, "-z")
    least: list[int] = []
    for _ in range(BATCHES):
        for _ in range(kind.times):
            await once()
        control(victim.pid, "-d")
        least.append(counted(directory))
    control(victim.pid, "-i", "off")
    await victim.hang_up()
    return min(least) // (kind.times * kind.parts)


def measure_all(names: list[str], directory: Path) -> dict[str, int]:
    def serve(port: int) -> list[str]:
        out = f"--callgrind-out-file={directory / 'callgrind.%p'}"
        valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", out]
        return [*valgrind, *without_pulses(port)]

    os.environ["PYTHONHASHSEED"] = "0"
    server.START_PATIENCE = 600
    took = {}
    for relayed in (False, True):
        if some := [name for name in names if KINDS[name].relayed is relayed]:
            folder = directory / f"relayed-{relayed}"
            folder.mkdir()
            how = relaying if relayed else maltreated
            with how(folder, serve, started="", **SETTINGS) as victim:
                for name in some:
                    took[name] = asyncio.run(measure(victim, KINDS[name], directory))
    return took


def without_pulses(port: int) -> list[str]:
    """Return what serves as `andiron serve` does, and tells other processes nothing by the time."""
    return [sys.executable, "-c", WITHOUT_PULSES, *andiron_serve(port)[1:]]


@contextlib.contextmanager
def relaying(directory: Path, serve: Serve, **settings: str) -> Iterator[Victim]:
    """Run a home and a door; clients come to the door, and the home is looked at."""
    settings |= {"CLUSTER": f"unix:{directory / 'chat'}"}
    with (
        maltreated(directory, serve, **settings) as home,
        maltreated(directory, without_pulses, again=True, **settings) as door,
    ):
        yield replace(door, pid=home.pid)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(KINDS))
    names = parser.parse_args().names or list(KINDS)
    if not shutil.which("valgrind"):
        print("Instructions are NOT counted: valgrind is not installed")
        return int("CI" in os.environ)
    bound = sys.version_info[:2] == PYTHON and platform.machine() == MACHINE
    took = dict[str, int]()
    over = names
    for _ in range(1 + ANEW):
        with tempfile.TemporaryDirectory(prefix="andiron-bench-") as directory:
            for name, number in measure_all(over, Path(directory)).items():
                took[name] = min(number, took.get(name, number))
        over = [name for name in names if bound and took[name] > KINDS[name].allowed]
        if not over:
            break
    for name, number in took.items():
        told = " TOO MANY" if name in over else ""
        print(f"{name:16} {number:12,} of {KINDS[name].allowed:12,}{told}")
    return int(bool(over))


if __name__ == "__main__":
    sys.exit(main())
