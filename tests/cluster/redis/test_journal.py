"""What is promised when, what becomes of what fails, and when all is written anew."""

import logging

import pytest
from support.journal import plain, session
from support.redis_store import MemoryRedis, MemoryStore

from andiron.cluster.redis.journal import RedisJournal
from andiron.cluster.redis.segment import Segment
from andiron.cluster.redis.store import Append, Join, Switch
from andiron.sm.journal import lines
from andiron.sm.journal.config import JournalConfig
from andiron.sm.journal.state import State
from andiron.sm.timers import Timers

TEXT = f"<message>{'x' * 300}</message>"


class Desk:
    """A journal, settled, its Redis, and its time."""

    def __init__(self, **config: int) -> None:
        self.redis = MemoryRedis()
        self.redis.holder = "mine"
        self.store = MemoryStore(self.redis, "mine")
        self.timers = Timers()
        self.now = 0.0
        self.told: list[object] = []
        self.lost = 0
        self.journal = RedisJournal(
            "chat", None, State(), self.timers, self.store, lambda: self.now,
            touch=100, config=JournalConfig(**config),
        )  # fmt: skip
        self.journal.on_lost = self.lose
        self.flush()
        self.settle()

    def lose(self) -> None:
        self.lost += 1

    def flush(self) -> bool:
        return self.journal.flush(self.now)

    def note(self, value: object = TEXT, key: str = "a") -> bool:
        self.journal.journal.note(key, value)  # type: ignore[arg-type]
        return self.journal.flush(self.now, lambda: self.told.append(value))

    def pass_time(self, seconds: float, steps: int = 1) -> None:
        for _ in range(steps):
            self.now += seconds
            self.timers.run(self.now)

    def settle(self) -> None:
        for _ in range(50):
            self.store.all()
            self.pass_time(0.001)

    def sent(self, kind: type) -> int:
        return sum(isinstance(call.operation, kind) for call in self.store.calls)

    def found(self) -> dict:
        return plain(lines.read(self.redis.lines).state)

    def name(self) -> str:
        return self.redis.current


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_nothing_is_promised_before_redis_answers() -> None:
    desk = Desk()
    assert desk.flush(), "there is nothing"
    assert not desk.note(1)
    desk.store.do_one()
    assert desk.told == []
    assert desk.found()["notes"] == {"a": 1}
    desk.store.answer_one()
    assert desk.told == [1]
    assert desk.flush()


def test_a_turn_goes_out_at_once_and_those_behind_it_together() -> None:
    desk = Desk()
    for number in range(20):
        assert not desk.note(number)
    calls = [call.operation for call in desk.store.calls]
    assert [len(each.lines) for each in calls if isinstance(each, Append)] == [1, 1, 1, 1]
    desk.store.do_one()
    desk.store.answer_one()
    assert desk.told == [0]
    last = desk.store.calls[-1].operation
    assert isinstance(last, Append)
    assert len(last.lines) == 16
    desk.store.all()
    assert desk.told == list(range(20))


def test_much_goes_in_pieces() -> None:
    desk = Desk()
    for _ in range(5):
        desk.note("x")
    for number in range(30):
        desk.note("y" * 100_000, f"n{number}")
    desk.store.all()
    assert len(desk.told) == 35
    assert len(desk.found()["notes"]) == 31


def test_an_empty_turn_waits_for_those_before() -> None:
    desk = Desk()
    desk.note(1)
    assert not desk.journal.flush(desk.now, lambda: desk.told.append("empty"))
    desk.store.all()
    assert desk.told == [1, "empty"]


def test_who_is_told_may_go_on() -> None:
    desk = Desk()
    desk.journal.journal.note("a", 1)
    again = []
    assert not desk.journal.flush(desk.now, lambda: again.append(desk.note(2)))
    desk.store.all()
    assert again == [False]
    assert desk.told == [2]


def test_while_it_is_cut_off_nothing_is_promised(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.note(1)
    desk.note(2)
    desk.store.cut("gone")
    assert desk.journal.failing == "gone"
    assert not desk.note(3)
    assert not desk.store.calls, "it is not asked for ever"
    name = desk.name()
    desk.pass_time(0.11)
    assert desk.sent(Join) == 1
    assert desk.sent(Append) == 0
    desk.store.all()
    assert desk.told == [1, 2, 3]
    assert desk.journal.failing == ""
    assert desk.name() == name, "nothing is written anew for that"
    assert desk.found()["notes"] == {"a": 3}
    assert len(desk.redis.lines()) == len(set(desk.redis.lines())), "nothing twice"
    assert said(caplog) == [
        "The journal chat cannot be written (gone): what comes now is not acknowledged",
        "The journal chat is written again",
    ]


def test_what_was_done_without_an_answer_is_not_written_again() -> None:
    desk = Desk()
    desk.note(1)
    desk.note(2)
    before = len(desk.redis.lines())
    desk.store.do_one()
    desk.store.cut()
    desk.pass_time(0.11)
    desk.store.all()
    assert desk.told == [1, 2]
    assert len(desk.redis.lines()) == before + 2


def test_pauses_grow() -> None:
    desk = Desk()
    desk.note()
    desk.store.cut()
    joined = []
    while len(joined) < 9:
        desk.now = desk.timers.next_deadline()
        desk.timers.run(desk.now)
        if desk.sent(Join):
            joined.append(desk.now)
            desk.store.cut()
    assert joined[-1] - joined[-2] == pytest.approx(10.0)
    assert joined[1] - joined[0] < 1.0


def test_too_much_that_waits_is_not_kept_but_written_anew() -> None:
    desk = Desk(waiting=2000)
    name = desk.name()
    desk.store.cut()
    for number in range(20):
        assert not desk.note(f"{number} {TEXT}")
    assert desk.journal.size == 0
    desk.pass_time(0.2)
    desk.settle()
    desk.pass_time(1.0)
    desk.settle()
    assert len(desk.told) == 20
    assert desk.journal.failing == ""
    assert desk.name() != name
    assert set(desk.redis.lists) == {desk.name()}
    assert desk.found()["notes"] == {"a": f"19 {TEXT}"}


def test_what_redis_has_lost_is_written_anew(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.note(1)
    desk.store.all()
    desk.redis.lists.clear()
    assert not desk.note(2)
    desk.settle()
    desk.pass_time(1.0)
    desk.settle()
    assert desk.told == [1, 2]
    assert desk.found()["notes"] == {"a": 2}
    assert said(caplog)[0] == "Redis has lost the journal chat: it is written anew"


def busy(desk: Desk, turns: int) -> None:
    for number in range(turns):
        desk.note(f"{number} {TEXT}")
        desk.store.all()


def test_all_is_written_anew_when_most_is_past() -> None:
    desk = Desk(floor=5000)
    desk.pass_time(1.1)
    name = desk.name()
    busy(desk, 20)
    assert desk.journal.size > 5000
    desk.settle()
    assert desk.name() != name
    assert desk.journal.size < 3000
    assert set(desk.redis.lists) == {desk.name()}
    busy(desk, 3)
    assert desk.found()["notes"] == {"a": f"2 {TEXT}"}


def test_in_slices_with_turns_in_between() -> None:
    desk = Desk(floor=10_000, slice=1000)
    desk.pass_time(1.1)
    for number in range(30):
        desk.journal.journal.began(session(f"s{number}", 0, [(TEXT, 1.0)]))
        desk.flush()
        desk.store.all()
    name, slices = desk.name(), 0
    while desk.name() == name:
        desk.pass_time(0.001)
        assert desk.sent(Append) <= 1
        slices += 1
        desk.journal.journal.queued(f"s{slices % 30}", f"<message>{slices}</message>", 2.0)
        desk.journal.journal.handled("s29", slices)
        desk.flush()
        desk.store.all()
        assert desk.found() == plain(desk.journal.journal.state)
    assert slices > 5


def test_a_redis_that_is_slow_is_not_asked_for_more_and_more() -> None:
    desk = Desk(floor=2000, slice=500)
    desk.pass_time(1.1)
    for number in range(40):
        desk.note(key=f"n{number}")
        desk.store.all()
    desk.pass_time(0.001, 200)
    copy = desk.journal._copy
    assert copy is not None
    assert copy.segment.waiting < 2000
    assert desk.timers.next_deadline() > desk.now + 1, "answers are waited for, not looked for"
    desk.settle()
    assert desk.found() == plain(desk.journal.journal.state)


def test_a_copy_that_grows_while_redis_is_slow_is_let_go() -> None:
    desk = Desk(floor=2000, slice=500, waiting=3000)
    desk.pass_time(1.1)
    for number in range(20):
        desk.note(key=f"n{number}")
        desk.store.all()
    desk.pass_time(0.001, 3)
    assert desk.journal._copy is not None
    for number in range(20):
        desk.note(f"{number} {TEXT}", "other")
    assert desk.journal._copy is None
    assert desk.journal.failing == "it is too slow"
    for _ in range(3):
        desk.pass_time(1.1)
        desk.settle()
    assert desk.journal.failing == ""
    assert desk.found() == plain(desk.journal.journal.state)
    assert set(desk.redis.lists) == {desk.name()}


def test_a_turn_that_is_not_over_is_not_written_by_a_timer_or_an_answer() -> None:
    desk = Desk(floor=1000)
    desk.pass_time(1.1)
    busy(desk, 5)
    desk.note("a turn")
    desk.journal.journal.note("b", "half a turn")
    desk.settle()
    assert "b" not in desk.found()["notes"]
    desk.flush()
    desk.settle()
    assert desk.found()["notes"] == {"a": "a turn", "b": "half a turn"}


def test_the_largest_that_it_may_be_is_never_exceeded(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(maximum=5000, floor=100_000)
    desk.pass_time(1.1)
    for number in range(30):
        desk.note(key=f"n{number}")
        desk.settle()
        assert all(sum(map(len, each)) <= 5600 for each in desk.redis.lists.values())
    assert "is full" in desk.journal.failing
    told = len(desk.told)
    for number in range(25):
        desk.note(None, f"n{number}")
    for _ in range(10):
        desk.pass_time(11.0)
        desk.settle()
    assert desk.journal.failing == ""
    assert len(desk.told) > told
    assert len(desk.found()["notes"]) == 5
    assert len([each for each in said(caplog) if "cannot be written (it is full" in each]) == 1


def test_who_lost_the_lease_promises_nothing_any_more(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.redis.holder = "another"
    desk.note(1)
    desk.note(2)
    desk.store.all()
    assert desk.lost == 1
    assert desk.told == []
    assert desk.journal.failing == "another process has taken over"
    assert not desk.note(3)
    assert not desk.flush()
    desk.pass_time(11.0, 10)
    assert not desk.store.calls
    assert said(caplog) == ["The journal chat is another process's now"]
    assert caplog.records[0].levelno == logging.ERROR


def test_what_is_idle_is_used_from_time_to_time() -> None:
    desk = Desk()
    desk.pass_time(101)
    assert [call.operation for call in desk.store.calls] == [
        Append(desk.name(), len(desk.redis.lines()), ())
    ]
    desk.store.all()
    desk.pass_time(99)
    assert not desk.store.calls
    desk.pass_time(2)
    assert desk.sent(Append) == 1


def test_after_the_end_nothing_is_sent() -> None:
    desk = Desk()
    desk.note(1)
    desk.journal.close()
    assert not desk.note(2)
    desk.store.all()
    desk.pass_time(200)
    assert desk.told == []
    assert not desk.store.calls


def test_the_question_to_switch_is_asked_once() -> None:
    desk = Desk(floor=1000)
    desk.pass_time(1.1)
    busy(desk, 5)
    for _ in range(20):
        desk.pass_time(0.001)
        if desk.sent(Switch):
            break
        desk.store.do_one()
        desk.store.answer_one()
    desk.note(1)
    desk.pass_time(0.001, 5)
    assert desk.sent(Switch) == 1
    desk.store.all()
    assert desk.told[-1] == 1
    assert desk.found()["notes"] == {"a": 1}


def test_it_goes_on_with_a_list_that_was_read() -> None:
    desk = Desk()
    desk.note(1)
    desk.store.all()
    desk.redis.holder = "next"
    reading = lines.read(desk.redis.lines)
    count = len(desk.redis.lines())
    segment = Segment(desk.name(), count, reading.size, reading.check)
    store = MemoryStore(desk.redis, "next")
    journal = RedisJournal("chat", segment, reading.state, Timers(), store, lambda: 0.0, touch=9)
    journal.journal.note("b", 2)
    journal.flush(0.0)
    store.all()
    assert desk.found()["notes"] == {"a": 1, "b": 2}
    assert len(desk.redis.lines()) == count + 1


def test_a_switch_that_was_done_without_an_answer_is_not_done_again() -> None:
    desk = Desk(floor=1000)
    desk.pass_time(1.1)
    busy(desk, 5)
    former = desk.name()
    while not desk.sent(Switch):
        desk.store.all()
        desk.pass_time(0.001)
    desk.note(1)
    desk.note(2)
    while desk.name() == former:
        desk.store.do_one()
    desk.store.cut()
    name = desk.name()
    desk.note(3)
    desk.pass_time(0.11)
    desk.store.all()
    assert desk.told[-3:] == [1, 2, 3]
    assert desk.name() == name
    assert set(desk.redis.lists) == {name}
    assert desk.found()["notes"] == {"a": 3}
