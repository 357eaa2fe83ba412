from datetime import UTC, datetime, timedelta

import pytest
from support.clients import managed

from andiron.api import InvalidError, NotFoundError, RefusedError
from andiron.domain.client import Owner
from andiron.testing import StreamEndedError


async def test_sessions_are_listed_and_ended(chat):
    first, second = await chat.client_of("alice"), await chat.client_of("alice")
    await chat.client_of("bob")
    found = await chat.api.sessions("alice")
    assert [each.address for each in found] == [first.jid, second.jid]
    one = found[0]
    assert (one.account, one.transport, one.ip, one.state) == (
        "alice@example.org",
        "in-process",
        "in-process",
        "bound",
    )
    assert f"{one.account}/{one.resource}" == one.address
    assert (one.managed, one.acknowledged, one.unacknowledged, one.resumable_for) == (
        False,
        0,
        0,
        None,
    )
    assert len({each.id for each in await chat.api.sessions()}) == 3
    assert timedelta() <= datetime.now(UTC) - one.since < timedelta(minutes=1)
    assert len(await chat.api.sessions()) == 3
    assert await chat.api.end_sessions(first.jid, reason="a new phone") == 1
    with pytest.raises(StreamEndedError, match="not-authorized"):
        await first.next(lambda _: False)
    assert await chat.api.end_sessions("alice") == 1
    assert await chat.api.end_sessions("alice") == 0
    assert len(await chat.api.sessions()) == 1


async def test_one_that_waits_to_be_resumed_is_listed_as_such(chat):
    alice = await chat.client_of("alice")
    await managed(alice)
    await chat.api.send("alice", "hello")
    await alice.receive()
    (one,) = await chat.api.sessions("alice")
    assert (one.managed, one.state, one.unacknowledged) == (True, "bound", 1)
    assert one.unacknowledged_bytes > 0
    assert one.resumable_for is None
    await alice.write("<a xmlns='urn:xmpp:sm:3' h='1'/>")
    await alice.ask("<ping xmlns='urn:xmpp:ping'/>")
    alice.cut()
    (one,) = await chat.api.sessions("alice")
    assert (one.state, one.handled, one.acknowledged, one.unacknowledged) == ("detached", 1, 1, 1)
    assert 590 < one.resumable_for <= 600
    assert 0 <= one.idle < 10
    assert await chat.api.end_sessions("alice") == 1


async def test_presence_is_that_of_the_client_that_messages_come_to(chat):
    alice = await chat.client_of("alice")
    presence = await chat.api.presence("alice")
    assert (presence.available, presence.show, presence.status) == (True, "", "")
    phone = await chat.client_of("alice")
    await phone.write(
        "<presence><show>away</show><status>at lunch</status><priority>5</priority></presence>"
    )
    await phone.next(lambda one: "at lunch" in one.text)
    presence = await chat.api.presence("Alice@example.org")
    assert (presence.show, presence.status) == ("away", "at lunch")
    assert [each.resource for each in presence.resources] == [
        phone.jid.partition("/")[2],
        alice.jid.partition("/")[2],
    ]
    assert presence.resources[0].priority == 5
    await phone.close()
    await alice.close()
    presence = await chat.api.presence("alice")
    assert (presence.available, presence.resources) == (False, ())


async def test_nobody_has_no_presence_and_nonsense_no_sessions(chat):
    with pytest.raises(NotFoundError, match="no account nobody"):
        await chat.api.presence("nobody")
    assert await chat.api.sessions("nobody") == ()
    with pytest.raises(InvalidError, match="is no session"):
        await chat.api.end_sessions("alice/")
    with pytest.raises(InvalidError, match="nobody's name"):
        await chat.api.end_sessions("a b")


async def test_a_guest_is_written_to_and_gets_no_account(chat):
    guest = chat.domain.owners.add(Owner("guest@example.org", registered=False))
    assert await chat.api.notify("guest", "hello") == 0
    with pytest.raises(RefusedError, match="nothing is kept for guests"):
        await chat.api.send("guest", "hello")
    assert (await chat.api.presence("guest")).available is False
    assert not await chat.domain.accounts.exists(guest.username)
