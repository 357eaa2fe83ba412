"""One account has written as much as it may at a time: others' writes wait for little of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice

import pytest

from tests.hostile.conftest import Victim, maltreated
from tests.hostile.flood import KINDS
from tests.hostile.test_fairness import PATIENT
from tests.hostile.wire import Wire, frame

STREAMS, EACH = 8, 100
"""What waits at once: of each stream as much as is in work at a time."""
TOLD = {"STREAM_MANAGEMENT_UNSOLICITED_ACK_FREQUENCY": "1"}
"""Each message that is handled is acknowledged unasked."""
PRIVATE = (
    "<iq xmlns='jabber:client' type='set' id='kept'><query xmlns='jabber:iq:private'>"
    "<a xmlns='urn:example:a'>x</a></query></iq>"
)
MESSAGE = "<message xmlns='jabber:client' type='chat' to='carol@localhost'><body>x</body></message>"


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[Victim]:
    with maltreated(tmp_path_factory.mktemp("writes"), more=["carol"], **PATIENT, **TOLD) as victim:
        yield victim


async def something_kept(bob: Wire) -> None:
    await bob.send(PRIVATE)
    await bob.until("id='kept'")


async def a_message_stored(bob: Wire) -> None:
    """Carol is away; that it is handled is said when it is in the store."""
    await bob.send(MESSAGE, "<r xmlns='urn:xmpp:sm:3'/>")
    await bob.until(" h='1'")


@pytest.mark.parametrize("written", [something_kept, a_message_stored])
@pytest.mark.parametrize("kind", ["publish", "vcard"])
async def test_a_write_does_not_wait_for_all_that_another_has_written(
    house: Victim, kind: str, written: Callable[[Wire], Awaitable[None]]
):
    alices = [await house.sign_in("alice") for _ in range(STREAMS)]
    bob = await house.sign_in("bob")
    await bob.send("<enable xmlns='urn:xmpp:sm:3'/>")
    await bob.until("<enabled")
    done, begun = 0, asyncio.Event()

    async def answered(alice: Wire) -> None:
        nonlocal done
        for _ in range(EACH):
            await alice.until("type='result'")
            done += 1
            if done == EACH:
                begun.set()

    for alice in alices:
        stanzas = islice(KINDS[kind](alice.jid), EACH)
        alice.write(b"".join(frame(stanza.encode()) for stanza in stanzas))
    answers = [asyncio.create_task(answered(alice)) for alice in alices]
    await begun.wait()
    first = done
    await written(bob)
    meanwhile = done - first
    await asyncio.gather(*answers)
    await house.hang_up()
    assert meanwhile < STREAMS * EACH / 8


async def test_who_becomes_available_waits_for_nothing_that_another_has_sent(house: Victim):
    """What waits is given out, and what a third says arrives, before all of that is stored."""
    alices = [await house.sign_in("alice") for _ in range(STREAMS)]
    bob, carol = await house.sign_in("bob"), await house.sign_in("carol")
    done, begun = 0, asyncio.Event()

    async def answered(alice: Wire) -> None:
        nonlocal done
        for handled in range(1, EACH + 1):
            await alice.until(f"h='{handled}'")
            done += 1
            if done == EACH:
                begun.set()

    for alice in alices:
        await alice.send("<enable xmlns='urn:xmpp:sm:3'/>")
        await alice.until("<enabled")
        alice.write(frame(MESSAGE.encode()) * EACH)
    answers = [asyncio.create_task(answered(alice)) for alice in alices]
    await begun.wait()
    first = done
    await carol.send("<presence xmlns='jabber:client'/>")
    await bob.send(MESSAGE.replace("<body>x", "<body>from bob"))
    await carol.until("from bob")
    meanwhile = done - first
    await asyncio.gather(*answers)
    await house.hang_up()
    assert meanwhile < STREAMS * EACH / 8
