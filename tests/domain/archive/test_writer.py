"""Messages are written behind the sessions' backs, each once, and none is lost in silence."""

import asyncio
import json
from collections.abc import Collection, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from support.domains import settle

from andiron.domain.archive import writer as archive_writer
from andiron.domain.archive.store import Row, Withdrawal
from andiron.domain.archive.writer import ArchiveWriter, Held
from andiron.domain.database.database import DatabaseError
from andiron.domain.database.engines import RefusedError
from andiron.sm.journal.journal import Journal
from andiron.sm.journal.ledger import Ledger
from andiron.sm.journal.records import apply
from andiron.sm.journal.state import State
from andiron.sm.payers import Payer

BOUND = 10_000


class Store:
    """A store that can be stopped and broken."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.errors: list[Exception] = []
        self.refused: dict[int, Exception] = {}
        """What every batch fails with that has the row of an id."""
        self.running = asyncio.Event()
        self.running.set()
        self.busy = 0
        self.written = asyncio.Event()
        self.stops = False
        """Whether it stops after each batch."""

    async def add(self, rows: Sequence[Row], but: Collection[str] = ()) -> None:
        self.busy += 1
        assert self.busy == 1, "one batch at a time"
        await self.running.wait()
        await asyncio.sleep(0)
        self.busy -= 1
        rows = [each for each in rows if each.owner not in but]
        for each in rows:
            if each.id in self.refused:
                raise self.refused[each.id]
        if self.errors:
            raise self.errors.pop(0)
        if rows:
            self.batches.append([row.id for row in rows])
        self.written.set()
        if self.stops:
            self.running.clear()

    async def withdraw(self, withdrawals: Sequence[Withdrawal]) -> None:
        await self.running.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.batches.append([-each.id for each in withdrawals])


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_writer, "_FIRST_PAUSE", 0)
    monkeypatch.setattr(archive_writer, "_LONGEST_PAUSE", 0)


def start(bound: int = BOUND) -> tuple[Any, ArchiveWriter]:
    store: Any = Store()
    return store, ArchiveWriter(store, bound, bound)


OWNER = "juliet"
CAUSE = Payer("romeo@localhost")


def row(identity: int, owner: str = "juliet", text: str = "") -> Row:
    return Row(owner, identity, "romeo@localhost", "", text)


async def test_what_comes_during_a_batch_makes_the_next():
    store, writer = start()
    store.running.clear()
    assert writer.put((row(1),), CAUSE)
    await settle()
    assert writer.put((row(2),), CAUSE)
    assert writer.put((row(3),), CAUSE)
    await settle()
    store.running.set()
    await writer.flushed(OWNER)
    assert store.batches == [[1], [2, 3]]


async def test_a_batch_has_an_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive_writer, "_BATCH", 2)
    store, writer = start()
    for identity in range(5):
        writer.put((row(identity),), CAUSE)
    await writer.flushed(OWNER)
    assert store.batches == [[0, 1], [2, 3], [4]]


async def test_waiting_is_for_what_was_put_before():
    store, writer = start()
    await writer.flushed(OWNER)
    store.running.clear()
    writer.put((row(1),), CAUSE)
    await settle()
    early = asyncio.create_task(writer.flushed(OWNER))
    await settle()
    writer.put((row(2),), CAUSE)
    late = asyncio.create_task(writer.flushed(OWNER))
    await settle()
    assert not early.done()
    store.stops = True
    store.running.set()
    await early
    assert store.batches == [[1]]
    assert not late.done()
    store.running.set()
    await late
    assert store.batches == [[1], [2]]


async def test_who_stops_waiting_stops_nobody_else():
    store, writer = start()
    store.running.clear()
    writer.put((row(1),), CAUSE)
    gone, stays = (asyncio.create_task(writer.flushed(OWNER)) for _ in range(2))
    await settle()
    gone.cancel()
    store.running.set()
    await stays
    assert store.batches == [[1]]


async def test_a_failed_batch_is_tried_again(caplog: pytest.LogCaptureFixture):
    store, writer = start()
    store.errors = [DatabaseError("The disk is full."), DatabaseError("The disk is full.")]
    writer.put((row(1),), CAUSE)
    with pytest.raises(DatabaseError, match="disk is full"):
        await writer.flushed(OWNER)
    writer.put((row(2),), CAUSE)
    await store.written.wait()
    await writer.flushed(OWNER)
    assert store.batches == [[1], [2]]
    assert "1 messages wait to be archived: The disk is full." in caplog.text


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnicodeEncodeError("utf-8", "a secret \ud800", 9, 10, "a secret"), "UnicodeEncodeError"),
        (IntegrityError("a secret", None, Exception("a secret")), "IntegrityError"),
        (RefusedError("The row is too long."), "The row is too long."),
    ],
)
@pytest.mark.parametrize("unfit", [{0}, {3, 7}, {4, 5}, {9}, set(range(10))])
async def test_one_that_cannot_be_written_holds_up_no_other(
    caplog: pytest.LogCaptureFixture, error: Exception, reason: str, unfit: set[int]
):
    store, writer = start()
    store.refused = dict.fromkeys(unfit, error)
    for identity in range(10):
        writer.put((row(identity, text="a secret"),), CAUSE)
    await writer.flushed(OWNER)
    written = [identity for batch in store.batches for identity in batch]
    assert written == sorted(set(range(10)) - unfit)
    assert caplog.messages == [
        f"message {identity} of juliet could not be archived: {reason}"
        for identity in sorted(unfit)
    ]
    assert "a secret" not in caplog.text
    writer.put((row(10),), CAUSE)
    await writer.flushed(OWNER)
    assert store.batches[-1] == [10]


async def test_what_is_sound_waits_for_a_database_that_went_meanwhile():
    store, writer = start()
    store.refused = {1: RefusedError("The row is too long.")}
    for identity in range(4):
        writer.put((row(identity),), CAUSE)
    store.errors = [DatabaseError("It is gone.")]
    with pytest.raises(DatabaseError, match="gone"):
        await writer.flushed(OWNER)
    await writer.flushed(OWNER)
    assert store.batches == [[0], [2, 3]]


async def test_no_more_waits_than_may(caplog: pytest.LogCaptureFixture):
    store, writer = start(bound=4 * 612)
    store.running.clear()
    taken = [writer.put((row(identity, text="x" * 100),), CAUSE) for identity in range(7)]
    assert taken == [True] * 4 + [False] * 3
    assert caplog.text.count("does not keep up") == 1
    store.running.set()
    await writer.flushed(OWNER)
    assert [identity for batch in store.batches for identity in batch] == [0, 1, 2, 3]
    assert "3 messages were not archived" in caplog.text
    assert writer.put((row(8),), CAUSE)
    await writer.flushed(OWNER)
    assert store.batches[-1] == [8]
    assert caplog.text.count("were not archived") == 1


async def test_closing_writes_what_waits():
    store, writer = start()
    writer.put((row(1),), CAUSE)
    await writer.close()
    assert store.batches == [[1]]
    assert not writer.put((row(2),), CAUSE)
    await settle()
    assert store.batches == [[1]]


async def test_closing_does_not_wait_for_a_database_that_is_gone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(archive_writer, "_FIRST_PAUSE", 3600)
    store, writer = start()
    store.errors = [DatabaseError("It is gone.")] * 2
    writer.put((row(1),), CAUSE)
    await settle()
    assert len(store.errors) == 1
    await writer.close()
    assert not store.errors
    assert "1 messages are lost to the archive" in caplog.text


async def test_what_is_written_down_is_not_lost(caplog: pytest.LogCaptureFixture):
    store, writer = start()
    writer.write_down(SimpleNamespace(owed=lambda _payload: 1, paid=lambda _numbers: None))
    store.errors = [DatabaseError("It is gone.")]
    writer.put((row(1),), CAUSE)
    await writer.close()
    assert not store.errors
    assert "lost" not in caplog.text
    assert "1 messages are the next process's to archive" in caplog.text


async def test_closing_when_nothing_came():
    store, writer = start()
    await writer.close()
    assert store.batches == []


async def test_what_is_removed_is_not_written():
    store, writer = start(bound=3 * 512)
    store.running.clear()
    writer.put((row(1, "nurse"),), CAUSE)
    await settle()
    writer.put((row(2, "juliet"),), CAUSE)
    writer.put((row(3, "nurse"),), CAUSE)
    waits = asyncio.create_task(writer.flushed(OWNER))
    await settle()
    writer.forget("nurse")
    assert not waits.done()
    assert writer.put((row(4, "juliet"),), CAUSE)
    store.running.set()
    await waits
    await writer.flushed(OWNER)
    assert store.batches == [[2, 4]]
    assert all(writer.put((row(identity),), CAUSE) for identity in (5, 6, 7))
    writer.forget("juliet")
    await writer.flushed(OWNER)
    assert store.batches == [[2, 4]]
    await writer.close()


async def test_what_is_removed_of_one_side_is_written_on_the_other():
    store, writer = start(bound=4 * 612)
    store.running.clear()
    cause = Payer("romeo@localhost")
    for at in (1, 3):
        both = (row(at, "nurse", "x" * 100), row(at + 1, "juliet", "x" * 100))
        assert writer.put(both, cause)
        await settle()
    assert cause.backlog == 4 * 612
    writer.forget("nurse")
    assert cause.backlog == 3 * 612
    store.running.set()
    await writer.flushed(OWNER)
    assert store.batches == [[2], [4]]
    assert (writer.waiting, cause.backlog) == (0, 0)


def hold(writer: ArchiveWriter, identity: int, owner: str = "juliet") -> Held:
    held = writer.hold(row(identity, owner), CAUSE, "")
    assert held is not None
    return held


@pytest.mark.parametrize("kept", [True, False])
async def test_what_is_held_is_written_once_that_is_decided(kept: bool):
    store, writer = start()
    held = hold(writer, 1)
    assert held.id == "0000000000000001"
    writer.put((row(2),), CAUSE)
    waits = asyncio.create_task(writer.flushed(OWNER))
    await settle()
    assert store.batches == [[2]], "others do not wait"
    assert not waits.done()
    for _ in range(2):
        (held.keep if kept else held.drop)()
    held.drop()
    await waits
    assert store.batches == [[2], [1]][: 1 + kept]
    await writer.flushed(OWNER)


async def test_nobody_waits_for_what_is_held_of_another():
    _, writer = start()
    held = hold(writer, 1, "romeo")
    await writer.flushed(OWNER)
    held.drop()
    await writer.close()


async def test_waiting_is_for_what_was_held_before():
    store, writer = start()
    first, second = hold(writer, 1), hold(writer, 2)
    waits = asyncio.create_task(writer.flushed(OWNER))
    await settle()
    third = hold(writer, 3)
    second.keep()
    await settle()
    assert not waits.done()
    first.drop()
    await waits
    assert store.batches == [[2]]
    third.keep()
    await writer.flushed(OWNER)
    assert store.batches == [[2], [3]]


async def test_what_is_held_counts_and_is_let_go(caplog: pytest.LogCaptureFixture):
    store, writer = start(bound=2 * 512)
    held = [hold(writer, 1), hold(writer, 2)]
    assert writer.hold(row(3), CAUSE, "") is None
    assert not writer.put((row(3),), CAUSE)
    assert "does not keep up" in caplog.text
    held[0].drop()
    assert writer.put((row(4),), CAUSE)
    held[1].drop()
    await writer.flushed(OWNER)
    assert store.batches == [[4]]


async def test_what_is_held_of_an_archive_that_is_removed_is_never_written():
    store, writer = start()
    mine, other = hold(writer, 1, "juliet"), hold(writer, 2, "nurse")
    writer.forget("juliet")
    for held in (mine, other):
        held.keep()
    await writer.flushed(OWNER)
    assert store.batches == [[2]]


async def test_what_is_withdrawn_is_removed_after_it_was_written(caplog: pytest.LogCaptureFixture):
    store, writer = start()
    writer.put((row(1),), CAUSE)
    writer.withdraw(Withdrawal("juliet", 1))
    writer.put((row(2),), CAUSE)
    await writer.flushed(OWNER)
    assert store.batches == [[1, 2], [-1]]
    store.errors = [DatabaseError("The disk is full."), RefusedError("Impossible.")]
    writer.withdraw(Withdrawal("juliet", 2))
    with pytest.raises(DatabaseError, match="disk is full"):
        await writer.flushed(OWNER)
    await writer.flushed(OWNER)
    assert "1 messages stay in archives, though refused" in caplog.text
    assert writer._size == 0


async def test_what_is_withdrawn_is_written_down_and_forgotten_when_it_is_removed():
    _, writer = start()
    journal = Journal(State())
    writer.write_down(Ledger(journal, "archive"))
    writer.put((tuple(row(1)),), CAUSE, ("born",))
    writer.withdraw(Withdrawal("juliet", 1))
    state = State()
    for record in json.loads(json.dumps(journal.take())):
        apply(state, record)
    assert [payload for _, payload in state.debts["archive"].unpaid] == [
        [[list(row(1))], ["born"]],
        ["juliet", 1],
    ]
    await writer.flushed(OWNER)
    for record in json.loads(json.dumps(journal.take())):
        apply(state, record)
    assert not state.debts["archive"].unpaid


async def test_what_is_withdrawn_while_the_database_is_away_is_removed_later():
    store, writer = start()
    store.errors = [DatabaseError("The disk is full.")]
    writer.withdraw(Withdrawal("juliet", 1))
    with pytest.raises(DatabaseError, match="disk is full"):
        await writer.flushed(OWNER)
    await writer.flushed(OWNER)
    assert store.batches == [[-1]]


async def test_who_floods_keeps_nobody_elses_messages_from_being_archived():
    store: Any = Store()
    writer = ArchiveWriter(store, 100_000, 6_000)
    store.running.clear()
    assert writer.put((row(1),), CAUSE)
    await settle()
    flood = [writer.put((row(number, text="x" * 500),), CAUSE) for number in range(2, 50)]
    assert flood.count(True) == 5
    assert not any(flood[5:])
    other = Payer("nurse@localhost")
    assert writer.put((row(100, text="x" * 500),), other)
    store.running.set()
    await writer.flushed(OWNER)
    assert store.batches[-1][-1] == 100
    assert (CAUSE.backlog, other.backlog) == (0, 0)


async def test_some_of_everybodys_waits_though_others_fill_it():
    store, writer = start(20_000)
    store.running.clear()
    floods = [Payer(f"{number}@localhost") for number in range(3)]
    for number in range(100):
        writer.put((row(number, text="x" * 9_000),), floods[number % 3])
    assert writer.put((row(1000),), Payer("nurse@localhost"))
    store.running.set()
    await writer.flushed(OWNER)
    assert store.batches[-1][-1] == 1000


class Asking:
    """A session that is told when its stanzas are handled."""

    def __init__(self) -> None:
        self.told: list[int] = []

    def clock(self) -> float:
        return 0.0

    def handled(self, ticket: int, _now: float) -> None:
        self.told.append(ticket)


async def test_a_stanza_is_handled_when_its_message_is_written():
    store, writer = start()
    session: Any = Asking()
    assert writer.written(session, 1), "nothing waits"
    store.running.clear()
    for number in (2, 3):
        writer.put((row(number),), CAUSE)
        assert not writer.written(session, number)
        await settle()
    assert session.told == []
    store.stops = True
    store.running.set()
    await store.written.wait()
    await settle()
    assert session.told == [2]
    store.running.set()
    await writer.flushed(OWNER)
    assert session.told == [2, 3]


async def test_no_stanza_waits_for_a_database_that_is_out_of_reach():
    store, writer = start()
    session: Any = Asking()
    store.errors = [DatabaseError("gone")]
    writer.put((row(1),), CAUSE)
    assert not writer.written(session, 1)
    await settle()
    assert session.told == [1]
    await writer.flushed(OWNER)
    assert store.batches == [[1]]
    store.running.clear()
    writer.put((row(2),), CAUSE)
    assert not writer.written(session, 2), "it is there again"
    store.running.set()
    await writer.flushed(OWNER)


async def test_what_fails_for_one_session_keeps_no_other_waiting(caplog):
    store, writer = start()
    first: Any = Asking()
    second: Any = Asking()
    first.link = type("Link", (), {"jid": "romeo@localhost/orchard"})
    first.handled = None
    first.logged = {}
    store.running.clear()
    writer.put((row(1),), CAUSE)
    assert not writer.written(first, 1)
    assert not writer.written(second, 2)
    store.running.set()
    await writer.flushed(OWNER)
    assert second.told == [2]
    assert "romeo@localhost/orchard: a stanza could not be settled" in caplog.text


async def test_what_a_database_refuses_that_was_away_shows_that_it_is_there_again():
    store, writer = start()
    session: Any = Asking()
    store.errors = [DatabaseError("gone"), RefusedError("not that one")]
    writer.put((row(1),), CAUSE)
    while store.errors:
        await settle()
    await writer.flushed(OWNER)
    store.running.clear()
    writer.put((row(2),), CAUSE)
    assert not writer.written(session, 1)
    store.running.set()
    await writer.flushed(OWNER)
    assert store.batches == [[2]]
    assert session.told == [1]


async def test_what_is_being_written_of_an_archive_that_is_removed_is_not_written_when_it_can_be():
    """Another may have its name by then, of which what is put later is written."""
    store, writer = start()
    add, failed = store.add, asyncio.Event()

    async def fail(_rows: Sequence[Row], _but: Collection[str]) -> None:
        store.running.clear()
        store.add = add
        failed.set()
        raise DatabaseError("The disk is full.")

    store.add = fail
    writer.put((row(1, "nurse"), row(2, "juliet")), CAUSE)
    await failed.wait()
    writer.forget("nurse")
    writer.put((row(3, "nurse"),), CAUSE)
    store.running.set()
    await writer.flushed(OWNER)
    assert store.batches == [[2], [3]]
    await writer.close()
