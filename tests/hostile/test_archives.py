"""One account floods the archive: nobody else's messages are missing, and the disk fills slowly."""

import contextlib
import sqlite3
import time

import pytest

from tests.hostile.conftest import Victim, eventually, maltreated
from tests.hostile.test_fairness import PATIENT, flood
from tests.hostile.wire import Wire

AVAILABLE = "<presence xmlns='jabber:client'/>"
ENABLE = "<enable xmlns='urn:xmpp:sm:3'/>"
ASK = "<r xmlns='urn:xmpp:sm:3'/>"
BODIES = "select count(*) from archive where owner = ? and text like '%<body>honest %'"
SAID = 150
RATE = 200_000
BURST = 1_048_576


def scalar(victim: Victim, query: str, *values: str) -> int:
    with contextlib.closing(sqlite3.connect(victim.database)) as database:
        (found,) = database.execute(query, values).fetchone()
    return int(found or 0)


async def available(victim: Victim, name: str) -> Wire:
    wire = await victim.sign_in(name)
    await wire.send(AVAILABLE)
    await wire.until("<presence")
    return wire


@pytest.mark.parametrize("kind", ["own-20k", "own-200k"])
async def test_no_message_of_others_that_was_acknowledged_is_missing(tmp_path, kind):
    with maltreated(tmp_path, people=1, ACCOUNT_RATE="0", **PATIENT) as victim:
        romeo, juliet = await available(victim, "bob"), await available(victim, "user0")
        await romeo.send(ENABLE)
        await romeo.until("<enabled")
        with flood(victim, kind, 2):
            for number in range(SAID):
                await romeo.send(
                    f"<message xmlns='jabber:client' type='chat' to='{juliet.jid}' id='{number}'>"
                    f"<body>honest {number}</body></message>"
                )
                await juliet.until(f"honest {number}<")
            await romeo.send(ASK)
            while f" h='{SAID}'" not in await romeo.until("<a "):
                await romeo.send(ASK)
            assert scalar(victim, BODIES, "bob") == SAID
            assert scalar(victim, BODIES, "user0") == SAID
        assert scalar(victim, "select count(*) from archive where owner = 'alice'") > 0
        await victim.hang_up()


async def test_the_disk_fills_no_faster_than_an_account_may_send(tmp_path):
    rate = {"ACCOUNT_RATE": str(RATE), "ACCOUNT_BURST": str(BURST)}
    with maltreated(tmp_path, **rate, **PATIENT) as victim:
        size = "select sum(length(text)) from archive"
        began = time.monotonic()
        with flood(victim, "own-20k", 2):
            await eventually(lambda: scalar(victim, size) > BURST // 2)
            await victim.logged("read from the slower")
            await eventually(lambda: time.monotonic() - began > 3)
            kept = scalar(victim, size)
            assert kept < 1.1 * (BURST + RATE * (time.monotonic() - began)) + 100_000
