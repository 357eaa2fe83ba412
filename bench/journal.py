#!/usr/bin/env python3
"""What writing a session down costs: a turn of the event loop, a start, a rewriting.

    bench/journal.py [--folder FOLDER] [--seconds N]

A turn is one batch: N stanzas of 300 characters for as many sessions, each recorded with what its
sender's session has handled, and acknowledged a turn later: three records a stanza. Beside it
the same turn of what a session does anyway for them, its queue and its counter, without a journal.
Microseconds of the processor, the best of some rounds; FOLDER is on the disk to be measured.
"""

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from andiron.sm.counters import Inbound
from andiron.sm.frozen import Frozen, Head
from andiron.sm.journal.config import Durability, JournalConfig
from andiron.sm.journal.file import JournalFile
from andiron.sm.journal.syncing import SyncingThread
from andiron.sm.payers import Payer
from andiron.sm.queue import UnackedQueue
from andiron.sm.recording import Writer
from andiron.sm.timers import Timers

TURNS = (1, 10, 100)
SESSIONS = 10_000
QUEUED = 10
TEXT = f"<message from='romeo@localhost/orchard' to='juliet@localhost/balcony'>{'x' * 300}"[:300]
ROUNDS = 5


def frozen(number: int, queue: tuple[tuple[str, float], ...] = ()) -> Frozen:
    account = f"user{number}@localhost"
    head = Head(
        id=f"{number:048d}",
        number=f"a1b2c3-{number}",
        namespace="urn:xmpp:sm:3",
        max=600,
        account=account,
        jid=f"{account}/a1b2c3d4e5f6",
        domain="localhost",
        kind="websocket",
        address="192.0.2.1",
        secure=True,
        began=1.5e9,
        lost_at=0.0,
        ends_at=0.0,
        backend={"presence": "<presence/>", "priority": 0, "carbons": True, "directed": []},
    )
    return Frozen(head, 0, 0, queue)


@contextlib.contextmanager
def journal(path: Path, durability: Durability = Durability.PROCESS) -> Iterator[JournalFile]:
    config = JournalConfig(durability, floor=1 << 29, maximum=1 << 32)
    syncing = SyncingThread(lambda call: call())
    file = JournalFile.open(str(path), Timers(), syncing, time.monotonic, config)
    yield file
    file.close()


def with_journal(file: Writer, stanzas: int) -> Callable[[], None]:
    records = file.journal
    ids = [f"{number:048d}" for number in range(stanzas)]
    for number, sm_id in enumerate(ids):
        if sm_id not in records.state.sessions:
            records.began(frozen(number))
    count = 0

    def turn() -> None:
        nonlocal count
        count += 1
        for sm_id in ids:
            records.queued(sm_id, TEXT, 1.5e9 + count)
            records.handled(sm_id, count)
            records.acknowledged(sm_id, count)
        file.flush(0.0)

    for sm_id in ids:
        count = records.state.sessions[sm_id].acked
    return turn


def without(stanzas: int) -> Callable[[], None]:
    sessions = [(UnackedQueue(0, Payer("a")), Inbound()) for _ in range(stanzas)]
    count = 0

    def turn() -> None:
        nonlocal count
        count += 1
        for queue, inbound in sessions:
            queue.push(TEXT, 1.5e9 + count)
            inbound.handle(inbound.arrive())
            queue.ack(count)

    return turn


def microseconds(turn: Callable[[], None], stanzas: int, seconds: float) -> float:
    turns = max(1, int(seconds * 20_000 / stanzas))
    took = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(turns):
            turn()
        took.append((time.process_time() - began) / turns)
    return min(took) * 1e6


def turns(folder: Path, seconds: float) -> None:
    print("stanzas a turn   turn, µs   stanza, µs   record, µs   without, µs   ratio")
    for stanzas in TURNS:
        with journal(folder / f"turns{stanzas}") as file:
            cost = microseconds(with_journal(file, stanzas), stanzas, seconds)
        bare = microseconds(without(stanzas), stanzas, seconds)
        print(
            f"{stanzas:14} {cost:10.1f} {cost / stanzas:12.2f} {cost / stanzas / 3:12.2f}"
            f" {bare / stanzas:13.2f} {cost / bare:7.1f}"
        )


def disk(folder: Path) -> None:
    """Print how long a turn waits for the disk, and how many turns share it."""
    with journal(folder / "disk", Durability.DISK) as file:
        turn, waits, flushed = with_journal(file, 10), [], 0
        end = time.monotonic() + 2
        while time.monotonic() < end:
            began = time.monotonic()
            turn()
            flushed += 1
            file.flush(0.0, lambda began=began: waits.append(time.monotonic() - began))
            time.sleep(0.001)
    waits.sort()
    print(
        f"disk: {flushed} turns in 2 s waited {waits[len(waits) // 2] * 1e3:.1f} ms, p99"
        f" {waits[len(waits) * 99 // 100] * 1e3:.1f} ms"
    )


def big(folder: Path) -> None:
    """Print what the many sessions cost at a start, a stop, and a rewriting."""
    path = folder / "big"
    with journal(path) as file:
        for number in range(SESSIONS):
            file.journal.began(frozen(number))
            file.flush(0.0)
        for place in range(QUEUED):
            for number in range(SESSIONS):
                text = f"{TEXT[:280]}{place * SESSIONS + number:020}"
                file.journal.queued(f"{number:048d}", text, 1.5e9 + place)
            file.flush(0.0)
        size = file.size
        began = time.monotonic()
    print(f"stop: {SESSIONS} sessions, {QUEUED} stanzas each: {time.monotonic() - began:.2f} s")
    print(f"      {size / 1e6:.0f} MB before, {path.stat().st_size / 1e6:.0f} MB after")
    began = time.monotonic()
    with journal(path) as file:
        print(
            f"start: {time.monotonic() - began:.2f} s, {len(file.journal.state.sessions)} sessions"
        )
        rewrite(file)


def rewrite(file: JournalFile) -> None:
    """Write it anew by its timer, and print how long that has the event loop at a time."""
    file._config = JournalConfig()
    size, longest, slices = file.size, 0.0, 0
    began = now = time.monotonic()
    file.flush(now)
    while file.size == size and now < began + 30:
        now = time.monotonic()
        file.on_timer(now)
        longest = max(longest, time.monotonic() - now)
        slices += 1
        time.sleep(0.001)
    took = time.monotonic() - began
    print(f"anew: {took:.2f} s in {slices} slices, the longest {longest * 1e3:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", help="where to write; by default a temporary one")
    parser.add_argument("--seconds", type=float, default=1, help="about so many for a figure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="andiron-bench-", dir=options.folder) as name:
        folder = Path(name)
        turns(folder, options.seconds)
        disk(folder)
        big(folder)


if __name__ == "__main__":
    main()
