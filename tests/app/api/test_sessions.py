import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from support.clients import managed

from andiron.api import InvalidError, NotFoundError, RefusedError, SessionColumn
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


async def test_sessions_are_found_sorted_and_paged(chat):
    for name in ("carol", "alice", "bob"):
        await chat.client_of(name)
    dave = await chat.client_of("dave")
    await managed(dave)
    await chat.api.send("dave", "hello")
    dave.cut()

    async def names(**asked):
        page = await chat.api.session_page(**asked)
        return [each.account.partition("@")[0] for each in page.sessions]

    assert await names() == ["carol", "alice", "bob", "dave"]
    assert await names(sort="address") == ["alice", "bob", "carol", "dave"]
    assert await names(sort="address", descending=True, start=1, size=2) == ["carol", "bob"]
    assert await names(sort="unacknowledged", descending=True, size=1) == ["dave"]
    assert await names(sort="resumable_for", size=1) == ["dave"]
    assert await names(text="DETACHED") == ["dave"]
    assert await names(text="bob@") == ["bob"]
    assert await names(text="in-process", start=3) == ["dave"]
    (bob,) = await chat.api.sessions("bob")
    assert await names(text=bob.id) == ["bob"]
    page = await chat.api.session_page(text="nobody")
    assert (page.sessions, page.found, page.total) == ((), 0, 4)
    assert page.transports == {"in-process": 4}
    assert (page.detached, page.unacknowledged) == (1, 1)
    assert page.unacknowledged_bytes > 0


@pytest.mark.parametrize("column", get_args(SessionColumn))
async def test_sessions_can_be_sorted_by_any_column(chat, column):
    for name in ("alice", "bob"):
        await chat.client_of(name)
    page = await chat.api.session_page(sort=column)
    assert len(page.sessions) == 2


async def test_a_page_is_within_bounds(chat):
    for asked in ({"size": 0}, {"size": 1001}, {"start": -1}, {"start": 100_001}, {"sort": "x"}):
        with pytest.raises(InvalidError):
            await chat.api.session_page(**asked)


async def test_many_sessions_hold_nobody_up(chat, monkeypatch):
    monkeypatch.setattr("andiron.api.sessions._SLICE", 2)
    for at in range(9):
        await chat.client_of(f"alice{at}")
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    for ask in (chat.api.sessions, chat.api.session_page):
        turns = 0
        await ask()
        assert turns >= 4
    counting.cancel()


async def test_one_that_ends_meanwhile_is_left_out(chat, monkeypatch):
    monkeypatch.setattr("andiron.api.sessions._SLICE", 1)
    for name in ("alice", "bob"):
        await chat.client_of(name)
    for ask in (chat.api.sessions, chat.api.session_page):
        asked = asyncio.create_task(ask())
        await asyncio.sleep(0)
        await chat.api.end_sessions("bob")
        found = await asked
        assert [each.resource for each in getattr(found, "sessions", found)] != []
        assert all(each.state == "bound" for each in getattr(found, "sessions", found))
        await chat.client_of("bob")


async def test_one_session_is_told_and_ended_by_its_id(chat):
    first, second = await chat.client_of("alice"), await chat.client_of("alice")
    one, other = await chat.api.sessions("alice")
    assert (await chat.api.session(one.id)).address == first.jid
    await chat.api.end_session(one.id, reason="a new phone")
    with pytest.raises(StreamEndedError, match="not-authorized"):
        await first.next(lambda _: False)
    assert [each.id for each in await chat.api.sessions()] == [other.id]
    assert (await chat.api.session(other.id)).address == second.jid
    for gone in (one.id, "", "x-1", f"{one.id}x", one.id.replace("-", "-0x")):
        with pytest.raises(NotFoundError):
            await chat.api.end_session(gone)


@pytest.mark.parametrize("end", ["\n", "\r", "\x9b", "\u2028", "\u202e"])
async def test_a_reason_breaks_no_line_of_the_log(chat, caplog, end):
    caplog.set_level(logging.INFO, "andiron")
    alice = await chat.client_of("alice")
    (session,) = await chat.api.sessions("alice")
    reason = f"tea{end}operator 'portia' from 192.0.2.7: end_session: done"
    await chat.api.end_session(session.id, reason=reason)
    with pytest.raises(StreamEndedError, match="not-authorized"):
        await alice.receive()
    assert [line for line in caplog.messages if "closed: kicked" in line]
    assert all(line.isprintable() for line in caplog.messages)


async def test_of_one_process_all_are_there_and_nothing_else_is_found(chat):
    alice = await chat.client_of("alice")
    (process,) = await chat.api.processes()
    assert process.home
    (one,) = await chat.api.sessions()
    assert (one.process, one.home) == (process.name, process.name)
    page = await chat.api.session_page(sort="process")
    assert page.processes == {process.name: 1}
    assert [each.address for each in page.sessions] == [alice.jid]
    assert (await chat.api.session_page(text=process.name)).found == 0
    await managed(alice)
    alice.cut()
    assert (await chat.api.session_page()).processes == {process.name: 0}
    (one,) = await chat.api.sessions()
    assert (one.state, one.process) == ("detached", process.name)
