"""kill -9 right after an acknowledgement: what was acknowledged is there after the next start."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.hostile.conftest import Victim, maltreated
from tests.hostile.wire import Wire

MESSAGES = 200
SM = "urn:xmpp:sm:3"
ENABLE = f"<enable xmlns='{SM}' resume='true'/>"
ONLINE = "<presence xmlns='jabber:client'/>"
SAY = "<message xmlns='jabber:client' type='chat' to='bob@localhost'><body>n{}.</body></message>"
ASK = (
    "<iq xmlns='jabber:client' type='set' id='q'><query xmlns='urn:xmpp:mam:2'>"
    "<set xmlns='http://jabber.org/protocol/rsm'><max>1000</max>{}</set></query></iq>"
)


async def recipient(victim: Victim, state: str) -> None:
    """Bring bob into a state."""
    if state == "away":
        return
    wire = await victim.sign_in("bob")
    if state != "online without stream management":
        await wire.send(ENABLE)
        await wire.until("<enabled")
    await wire.send(ONLINE)
    await wire.until("<presence")
    if state == "hibernating":
        await wire.gone()
        await victim.logged("detached")


async def acknowledged(victim: Victim) -> int:
    """Say much as alice, and kill the server as soon as some of it is acknowledged."""
    wire = await victim.sign_in("alice")
    await wire.send(ENABLE)
    await wire.until("<enabled")
    request = f"<r xmlns='{SM}'/>"
    for number in range(MESSAGES):
        await wire.send(SAY.format(number), request)
    handled = 0
    while not handled:
        answer = await wire.until(f"<a xmlns='{SM}'")
        handled = int(answer.partition(" h='")[2].partition("'")[0])
    os.kill(victim.pid, signal.SIGKILL)
    await wire.ended()
    await victim.hang_up()
    return handled


async def archived(wire: Wire) -> set[int]:
    """Return the numbers of the messages in an archive."""
    found: set[int] = set()
    after = ""
    while True:
        await wire.send(ASK.format(after))
        while "<fin" not in (text := await wire.text()):
            found.update(map(int, re.findall(r"<body>n(\d+)\.", text)))
        last = text.partition("<last>")[2].partition("<")[0]
        if "complete='true'" in text or not last:
            return found
        after = f"<after>{last}</after>"


STATES = ["online", "online without stream management", "hibernating", "away"]


@pytest.mark.parametrize("state", STATES)
async def test_what_was_acknowledged_is_in_the_archive(tmp_path: Path, state: str):
    with maltreated(tmp_path) as victim:
        await recipient(victim, state)
        handled = await acknowledged(victim)
    with maltreated(tmp_path, again=True) as victim:
        wire = await victim.sign_in("bob")
        assert await archived(wire) >= set(range(handled))
        await victim.hang_up()


async def test_what_was_acknowledged_waits_where_there_is_no_archive(tmp_path: Path):
    with maltreated(tmp_path, ARCHIVE="false") as victim:
        handled = await acknowledged(victim)
    with maltreated(tmp_path, ARCHIVE="false", again=True) as victim:
        wire = await victim.sign_in("bob")
        await wire.send(ONLINE)
        for number in range(handled):
            assert f"<body>n{number}.</body>" in await wire.until("<message")
        await victim.hang_up()
