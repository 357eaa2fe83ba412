#!/usr/bin/env python3
"""Time the pages of a short and a long archive, and what a message costs to archive.

    bench/archive.py [--messages N]... [--database URL]...

Each archive is filled in a database of its own, half of it with one
correspondent and the rest spread over a hundred, among as many messages of
other accounts. A page has 50 messages. Times are medians; what counts is how
they grow with the archive. A database that is named must be empty.
"""

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from xml.etree.ElementTree import fromstring

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.archive.archive import Archive, Query
from andiron.domain.archive.ids import Ids, write_id
from andiron.domain.archive.mam import read_query
from andiron.domain.archive.store import ACCOUNTS, ArchiveStore, Row
from andiron.domain.config import ArchiveConfig
from andiron.domain.database.database import Database

START = 1_750_000_000.0
FRIEND = "romeo@localhost"
BODY = "x" * 100
ROUNDS = 100
CHUNK = 4096


def rows(number: int) -> Iterator[Row]:
    ids = Ids()
    for at in range(number):
        for owner in ("juliet", f"user{at % 100}"):
            peer = FRIEND if at % 2 else f"user{at % 100}@localhost"
            resource = f"r{at % 5}"
            text = (
                f"<message xmlns='jabber:client' from='{peer}/{resource}' type='chat'"
                f" to='{owner}@localhost/balcony' id='{at}'><body>{BODY}</body></message>"
            )
            yield Row(owner, ids.next(START + at), peer, resource, text)


def query(fields: str = "", rsm: str = "") -> str:
    form = (
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
        f"<value>urn:xmpp:mam:2</value></field>{fields}</x>"
    )
    limits = f"<set xmlns='http://jabber.org/protocol/rsm'>{rsm}<max>50</max></set>"
    return f"<query xmlns='urn:xmpp:mam:2'>{form}{limits}</query>"


def pages(middle: str) -> dict[str, str]:
    person = f"<field var='with'><value>{FRIEND}</value></field>"
    device = f"<field var='with'><value>{FRIEND}/r1</value></field>"
    silent = f"<field var='with'><value>{FRIEND}/none</value></field>"
    after, before = f"<after>{middle}</after>", f"<before>{middle}</before>"
    return {
        "first page": query(),
        "page after one in the middle": query(rsm=after),
        "page before one in the middle": query(rsm=before),
        "last page": query(rsm="<before/>"),
        "first page with a person": query(person),
        "page with a person in the middle": query(person, before),
        "last page with a person": query(person, "<before/>"),
        "last page with one of their devices": query(device, "<before/>"),
        "no page with a device that said nothing": query(silent, "<before/>"),
    }


class Filled:
    """A database with an archive of so many messages."""

    def __init__(self, database: Database, number: int) -> None:
        self.number = number
        self.cost = 0.0
        """Microseconds of CPU for each row that was written."""
        self.times: dict[str, list[float]] = {}
        self._database = database
        self._archive = Archive(database, ArchiveConfig(), lambda _owner, _jid: False)
        self._asked: dict[str, Query] = {}

    async def fill(self) -> None:
        accounts = Accounts(self._database, "localhost", 4096)
        for name in ("juliet", *(f"user{at}" for at in range(100))):
            await accounts.create(name, "pw")
        store = ArchiveStore(self._database, ACCOUNTS)
        everything, spent, middle = rows(self.number), 0.0, ""
        for at in range(0, 2 * self.number, CHUNK):
            chunk = list(islice(everything, CHUNK))
            if at <= self.number < at + CHUNK:
                middle = write_id(chunk[(self.number - at) // 2 * 2].id)
            began = time.process_time()
            await store.add(chunk)
            spent += time.process_time() - began
        self.cost = spent / self.number / 2 * 1e6
        self._asked = {
            name: read_query(fromstring(text), 50) for name, text in pages(middle).items()
        }
        self.times = {name: [] for name in (*self._asked, "the ends")}

    async def time(self) -> None:
        """Ask for each page once."""
        for name, wanted in self._asked.items():
            began = time.perf_counter()
            found = await self._archive.page("juliet", wanted)
            self.times[name].append(time.perf_counter() - began)
            assert len(found.rows) == (0 if name.startswith("no ") else 50), name
        began = time.perf_counter()
        await self._archive.range("juliet")
        self.times["the ends"].append(time.perf_counter() - began)

    def milliseconds(self, name: str) -> float:
        return statistics.median(self.times[name]) * 1000


async def run(urls: list[str], numbers: list[int]) -> list[Filled]:
    async with contextlib.AsyncExitStack() as stack:
        archives = []
        for url, number in zip(urls, numbers, strict=True):
            database = await Database.open(url)
            stack.push_async_callback(database.close)
            archives.append(Filled(database, number))
            await archives[-1].fill()
        # By turns, so that what else the machine does is the same for all.
        for _ in range(ROUNDS):
            for archive in archives:
                await archive.time()
    return archives


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", action="append", default=[], help="one for each archive")
    parser.add_argument("--messages", type=int, action="append")
    arguments = parser.parse_args()
    numbers = arguments.messages or [1_000, 1_000_000]
    with tempfile.TemporaryDirectory(prefix="andiron-bench-") as directory:
        files = [f"sqlite:///{directory}/{at}.db" for at in range(len(numbers))]
        archives = asyncio.run(run(arguments.database or files, numbers))
    for archive in archives:
        print(f"{archive.number:,} messages: {archive.cost:.1f} µs of CPU for each row written")
    for name in archives[0].times:
        found = [archive.milliseconds(name) for archive in archives]
        shown = "".join(f"{each:9.2f} ms" for each in found)
        print(f"  {name:40}{shown}   {found[-1] / found[0]:.2f} times")


if __name__ == "__main__":
    main()
