#!/usr/bin/env python3
# ruff: noqa: ASYNC220, E402, PLW1509 - a script of its own, which finds the tests beside it
"""What others notice while one account floods.

    bench/fairness.py [KIND[:STREAMS] ...] [--seconds 4] [--ordinary 500] [--rate N] [--writes]

For each flood of tests/hostile/flood.py there is a fresh `andiron serve`, on the first
processor; everything else has the last, the flood where nothing else has to run there. Bob, who is
honest, sends a message to himself and one to a friend, again and again with a pause;
people sign in by PLAIN for the first time and again (remembered), and by SCRAM. Both
before the flood and during it, in one run: what counts is the ratio. Meanwhile others
send each other so many ordinary messages a second; 0 leaves Bob and the flood alone.

A hundred others are subscribed to the flooder's presence and in a room, all the time.
The rate of an account is off, unless one is given, so that the flood is as large as
the server reads.

With --writes it is looked instead at how long it takes until something of Bob's is in the
database: an element of his private storage, and a message to somebody who is away, as his
acknowledgement tells.
"""

import argparse
import asyncio
import base64
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scramp import ScramClient

from tests.hostile.conftest import PASSWORD, Victim, andiron_serve, maltreated
from tests.hostile.flood import KINDS
from tests.hostile.wire import OPEN, SASL, Wire

CROWD = 100
MESSAGE = "<message xmlns='jabber:client' type='chat' to='{}' id='{}'><body>{}</body></message>"
PATIENT = {
    "STREAM_MANAGEMENT_REQUEST_TIMEOUT": "600",
    "SESSION_IDLE_PROBE": "600",
    "SESSION_NEGOTIATION_TIMEOUT": "600",
    "WEBSOCKET_PING_TIMEOUT": "600",
    "WEBSOCKET_PING_INTERVAL": "600",
    "LOG_LEVEL": "warning",
}
ORDINARY = [f"ordinary{number}" for number in range(20)]
ABSENT = [f"absent{number}" for number in range(20)]
PRIVATE = (
    "<iq xmlns='jabber:client' type='set' id='{0}'><query xmlns='jabber:iq:private'>"
    "<a xmlns='urn:example:a'>{0}</a></query></iq>"
)
MANAGEMENT = "xmlns='urn:xmpp:sm:3'"
PAUSE = 0.008
TICK = 0.01
SIGN_INS = 25


@dataclass
class Seen:
    """What the honest noticed, in seconds."""

    messages: list[float] = field(default_factory=list)
    sign_ins: dict[str, float] = field(default_factory=dict)
    kept: list[float] = field(default_factory=list)
    """Elements of private storage."""
    stored: list[float] = field(default_factory=list)
    """Messages for who is away."""


def percentile(times: list[float], part: float) -> float:
    return sorted(times)[int(part * len(times))]


def pin(processor: int, *, idle: bool = False) -> Callable[[], None]:
    processors = sorted(os.sched_getaffinity(0))

    def act() -> None:
        os.sched_setaffinity(0, {processors[processor]})
        if idle:
            # What is merely nice goes on for some milliseconds when the honest client wakes up.
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))

    return act


async def messages(victim: Victim, seconds: float, seen: Seen) -> None:
    bob, friend = await victim.sign_in("bob"), await victim.sign_in("friend")
    for wire in (bob, friend):
        # asyncio does it for sockets that it makes itself.
        connection = wire.writer.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await wire.send("<presence xmlns='jabber:client'/>")
        await wire.until("<presence")
    end = time.perf_counter() + seconds
    number = 0
    while time.perf_counter() < end:
        for to in (bob, friend):
            number += 1
            began = time.perf_counter()
            await bob.send(MESSAGE.format(to.jid, f"h{number}", "x" * 100))
            await to.until(f"id='h{number}'")
            seen.messages.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE)
    bob.close()
    friend.close()


async def writes(victim: Victim, seconds: float, seen: Seen) -> None:
    bob = await victim.sign_in("bob")
    await bob.send(f"<enable {MANAGEMENT}/>")
    await bob.until("<enabled")
    end = time.perf_counter() + seconds
    number = 0
    while time.perf_counter() < end:
        number += 1
        began = time.perf_counter()
        await bob.send(PRIVATE.format(f"p{number}"))
        await bob.until(f"id='p{number}'")
        seen.kept.append(time.perf_counter() - began)
        await asyncio.sleep(PAUSE)
        to = f"{ABSENT[number % len(ABSENT)]}@localhost"
        began = time.perf_counter()
        await bob.send(MESSAGE.format(to, f"a{number}", "x" * 100), f"<r {MANAGEMENT}/>")
        await bob.until(f" h='{2 * number}'")
        seen.stored.append(time.perf_counter() - began)
        await asyncio.sleep(PAUSE)
    bob.close()


async def scram(victim: Victim, name: str) -> None:
    wire = await victim.connect()
    client = ScramClient(["SCRAM-SHA-256"], name, PASSWORD)
    await wire.send(OPEN)
    await wire.until("<stream:features")
    await wire.send(_sasl("auth mechanism='SCRAM-SHA-256'", client.get_client_first()))
    client.set_server_first(_text(await wire.until("<challenge")))
    await wire.send(_sasl("response", client.get_client_final()))
    client.set_server_final(_text(await wire.until("<success")))
    wire.close()


def _sasl(tag: str, text: str) -> str:
    name = tag.partition(" ")[0]
    return f"<{tag} xmlns='{SASL}'>{base64.b64encode(text.encode()).decode()}</{name}>"


def _text(element: str) -> str:
    return base64.b64decode(element.partition(">")[2].partition("<")[0]).decode()


async def plain(victim: Victim, name: str) -> None:
    (await victim.sign_in(name)).close()


async def sign_ins(victim: Victim, first: int, seen: Seen) -> None:
    """Sign in with accounts from a number on, one after the other; each number is of one run."""
    kinds: dict[str, Callable[[Victim, str], Coroutine[None, None, None]]] = {
        "plain": plain,
        "remembered": plain,
        "scram": scram,
    }
    for kind, sign_in in kinds.items():
        began = time.perf_counter()
        for number in range(first, first + SIGN_INS):
            await sign_in(victim, f"user{number}")
        seen.sign_ins[kind] = SIGN_INS / (time.perf_counter() - began)


async def ordinary(wires: list[Wire], rate: float) -> None:
    """Let each write to the next, so many messages a second of all together."""
    began, sent = time.perf_counter(), 0
    while True:
        due = rate * (time.perf_counter() - began)
        while sent < due:
            sent += 1
            to = wires[(sent + 1) % len(wires)].jid
            await wires[sent % len(wires)].send(MESSAGE.format(to, f"o{sent}", "x" * 100))
        await asyncio.sleep(TICK)


async def hear(wire: Wire) -> None:
    while await wire.reader.read(2**18):
        pass


async def look(victim: Victim, seconds: float, first: int, options: argparse.Namespace) -> Seen:
    seen = Seen()
    wires = [await victim.sign_in(name) for name in ORDINARY]
    async with asyncio.TaskGroup() as group:
        others = [group.create_task(hear(wire)) for wire in wires]
        others.append(group.create_task(ordinary(wires, options.ordinary)))
        if options.writes:
            await writes(victim, seconds, seen)
        else:
            await messages(victim, seconds, seen)
            await sign_ins(victim, first, seen)
        for other in others:
            other.cancel()
    await victim.hang_up()
    return seen


def say(process: subprocess.Popen[bytes], awaited: str) -> None:
    assert process.stdout is not None
    line = process.stdout.readline().decode().strip()
    if line != awaited:
        raise SystemExit(f"the flood said {line!r}, not {awaited!r}")


async def measure(kind: str, connections: int, options: argparse.Namespace) -> tuple[Seen, Seen]:
    settings = PATIENT | {"ACCOUNT_RATE": str(options.rate)}
    settings |= dict(one.split("=", 1) for one in options.set)
    with tempfile.TemporaryDirectory(prefix="andiron-bench-") as name, contextlib.ExitStack() as on:

        def serve(port: int) -> list[str]:
            return ["taskset", "-c", str(min(os.sched_getaffinity(0))), *andiron_serve(port)]

        people = CROWD + 4 * SIGN_INS
        victim = on.enter_context(
            maltreated(
                Path(name),
                serve,
                started="",
                people=people,
                more=["friend", "dave", *ORDINARY, *ABSENT],
                **settings,
            )
        )
        command = [sys.executable, "-m", "tests.hostile.flood", str(victim.port), kind]
        process = subprocess.Popen(
            [*command, str(connections)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"CROWD": str(CROWD)},
            preexec_fn=pin(-1, idle=True),
            start_new_session=True,
        )
        assert process.stdin is not None
        pin(-1)()
        try:
            say(process, "there")
            await look(victim, 0.5, CROWD, options)
            without = await look(victim, options.seconds, CROWD + SIGN_INS, options)
            process.stdin.write(b"x")
            process.stdin.flush()
            say(process, "flooding")
            await asyncio.sleep(0.5)
            seen = await look(victim, options.seconds, CROWD + 2 * SIGN_INS, options)
        finally:
            process.stdin.close()
            process.kill()
            process.wait()
    return without, seen


def show(name: str, without: Seen, seen: Seen) -> None:
    cells = [f"{name:18}"]
    pairs = ("messages", "kept", "stored")
    for times, others in ((getattr(without, each), getattr(seen, each)) for each in pairs):
        if not times:
            continue
        for part in (0.5, 0.99):
            one, other = percentile(times, part), percentile(others, part)
            cells.append(f"{1000 * one:7.2f} {1000 * other:7.2f} {other / one:5.1f}x")
        cells.append(f"{1000 * max(others):7.1f}")
    for kind, rate in without.sign_ins.items():
        cells.append(f"{rate:5.0f} {seen.sign_ins[kind]:5.0f}")
    print(" | ".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("floods", nargs="*", metavar="KIND[:STREAMS]")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--ordinary", type=float, default=500, help="messages a second of others")
    parser.add_argument("--rate", type=int, default=0, help="ANDIRON_ACCOUNT_RATE")
    parser.add_argument("--writes", action="store_true", help="what goes into the database")
    parser.add_argument("--set", action="append", default=[], metavar="SETTING=VALUE")
    options = parser.parse_args()
    times = "p50 ms without, with    | p99                     | worst   |"
    if options.writes:
        print(f"flood              | private: {times} stored message: {times}", flush=True)
    else:
        print(f"flood              | {times} sign-ins/s PLAIN, remembered, SCRAM", flush=True)
    for flood in options.floods or [*KINDS]:
        kind, _, connections = flood.partition(":")
        without, seen = asyncio.run(measure(kind, int(connections or 1), options))
        show(flood, without, seen)


if __name__ == "__main__":
    main()
