#!/usr/bin/env python3
"""What a message costs as that grows which it should not depend on.

    bench/growth.py [--quick]

Sessions on one process that do nothing, while 50 pairs write: all of the
server's processor time, over real sockets. Contacts of who writes, and stanzas
that wait for the acknowledgement of who is written to: processor time of the
domain and the sessions alone, which write to nowhere. Microseconds a message,
medians of some rounds; `bench/run` puts them into docs/performance.md.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from compare import machine
from compare.growth import FILE, Growth, table, write
from compare.limits import files
from compare.measuring import generate, read
from compare.rows import ANDIRON, Row
from compare.servers import Servers
from contacts import House, Inbox
from support.domains import Stage, settle

from andiron.domain.database.database import Database
from andiron.sm.config import SmConfig

SESSIONS = (100, 1_000, 5_000, 20_000)
CONTACTS = (1, 100, 1_000, 10_000)
QUEUED = (100, 1_000, 10_000, 100_000)
PAIRS = Row("growth", "", "ws", "pingpong")
ROUNDS = 15
MESSAGES = 200
BODY = "x" * 60
ENDLESS = 10**9
SPARE = 500
"""Files that a process opens beside the sockets of its sessions."""


def microseconds(action: Callable[[], None]) -> float:
    """Return what one of many costs, the median of some rounds."""
    took = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(MESSAGES):
            action()
        took.append(time.thread_time() - began)
    return statistics.median(took) / MESSAGES * 1e6


def beside_sessions(count: int, turns: int) -> float:
    """Return the cost beside so many sessions, the pairs' own 100 among them."""
    costs = []
    with tempfile.TemporaryDirectory(prefix="andiron-bench-") as name:
        servers = Servers(Path(name))
        for turn in range(turns):
            answer = Path(name) / f"{turn}.json"
            with servers.running(ANDIRON, PAIRS) as running:
                options = [*running.target(PAIRS), *PAIRS.arguments(ANDIRON, quick=False)]
                options += ["--bystanders", str(count - PAIRS.users), "--connect-timeout", "300"]
                said = generate(options, answer)
            if said.returncode:
                raise SystemExit(f"{count} sessions: {said.stdout}{said.stderr}")
            figures, _ = read(json.loads(answer.read_text()), PAIRS)
            costs.append(figures["cpu_s_per_1000"] * 1_000)
    return statistics.median(costs)


async def with_contacts(count: int) -> float:
    """Return the cost for who has so many contacts, five of them there."""
    with tempfile.TemporaryDirectory(prefix="andiron-bench-") as name:
        house = House(await Database.open(f"sqlite:///{name}/andiron.db"))
        await house.run()
        await house.people(count)
        juliet = await house.enter("juliet")
        await house.arrive(0, min(count, 5))
        message = (
            f"<message type='chat' id='m' to='user0@localhost/r'><body>{BODY}</body></message>"
        )
        cost = microseconds(lambda: juliet.send(message))
        await house.quiet()
        await house.domain.stop()
    return cost


async def with_queue(count: int) -> float:
    """Return the cost, of the acknowledgement too, while so many stanzas wait for one."""
    bounds = SmConfig(
        idle_probe=0,
        queue_stanzas=ENDLESS,
        queue_bytes=ENDLESS,
        account_bytes=ENDLESS,
        request_every=ENDLESS,
        rate=0,
    )
    stage = Stage(bounds)
    juliet = await stage.bind("juliet", "here")
    romeo = await stage.bind("romeo", "here", sm=True)
    juliet.transport.sent = Inbox()
    romeo.transport.sent = Inbox()
    message = f"<message type='chat' id='m' to='romeo@localhost/here'><body>{BODY}</body></message>"
    for number in range(count):
        juliet.send(message)
        if number % 1_000 == 0:
            await settle()
    acknowledged = 0

    def one_more() -> None:
        nonlocal acknowledged
        juliet.send(message)
        acknowledged += 1
        romeo.send(f"<a xmlns='urn:xmpp:sm:3' h='{acknowledged}'/>")

    cost = microseconds(one_more)
    assert isinstance(romeo.transport.sent, Inbox)
    assert romeo.transport.sent.got >= count + ROUNDS * MESSAGES
    return cost


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    most = files(SESSIONS[-1] + SPARE) - SPARE
    cut = slice(0, 2) if quick else slice(None)
    growth: Growth = {"sessions": [], "contacts": [], "queued": []}
    for count in QUEUED[cut]:
        growth["queued"].append((count, asyncio.run(with_queue(count))))
    for count in CONTACTS[cut]:
        growth["contacts"].append((count, asyncio.run(with_contacts(count))))
    for count in SESSIONS[cut]:
        some = min(count, most)
        growth["sessions"].append((some, beside_sessions(some, 1 if quick else 3)))
    print("\n".join(table(growth)))
    if not quick:
        write(FILE, machine.described(), growth)


if __name__ == "__main__":
    main()
