"""Sessions are traced by the API, for a while, in outline."""

from datetime import UTC, datetime, timedelta

import pytest

from andiron.api import BusyError, InvalidError, NotFoundError


async def test_a_session_is_traced_until_it_ends(chat):
    alice, _bob = await chat.client_of("alice"), await chat.client_of("bob")
    (session,) = await chat.api.sessions("alice")
    idle = await chat.api.trace(session.id)
    assert (idle.running_for, idle.lines, idle.lost) == (0, (), 0)
    trace = await chat.api.start_trace(session.id, seconds=60)
    assert (trace.session, trace.lines) == (session.id, ())
    assert 50 < trace.running_for <= 60
    await alice.send("bob", "a word to nobody else")
    await alice.ask("<ping xmlns='urn:xmpp:ping'/>")
    lines = (await chat.api.trace(session.id)).lines
    assert [line.way for line in lines] == ["in", "in", "out"]
    assert "<body>…</body>" in lines[0].text
    assert "nobody else" not in str(lines)
    assert timedelta() <= datetime.now(UTC) - lines[0].time < timedelta(minutes=1)
    assert [line.number for line in (await chat.api.trace(session.id, after=1)).lines] == [2, 3]
    await chat.api.end_session(session.id)
    ended = await chat.api.trace(session.id, after=3)
    assert ended.running_for == 0
    assert ended.lines[-1].text == "closed: kicked"
    await chat.api.stop_trace(session.id)
    with pytest.raises(NotFoundError):
        await chat.api.trace(session.id)


async def test_lines_that_are_kept_no_more_are_counted(chat):
    alice = await chat.client_of("alice")
    (session,) = await chat.api.sessions("alice")
    await chat.api.start_trace(session.id)
    for _ in range(260):
        await alice.ask("<ping xmlns='urn:xmpp:ping'/>")
    trace = await chat.api.trace(session.id, after=5)
    assert len(trace.lines) == 500
    assert trace.lines[0].number == 21
    assert trace.lost == 15


async def test_traces_are_few_and_short(chat):
    for at in range(11):
        await chat.client_of(f"alice{at}")
    *sessions, last = await chat.api.sessions()
    for each in sessions:
        await chat.api.start_trace(each.id)
    with pytest.raises(BusyError, match="10 sessions are traced"):
        await chat.api.start_trace(last.id)
    for seconds in (0, 3601):
        with pytest.raises(InvalidError, match="from 1 to 3600"):
            await chat.api.start_trace(last.id, seconds=seconds)
    with pytest.raises(NotFoundError, match="no such session"):
        await chat.api.start_trace("nothing-1")
