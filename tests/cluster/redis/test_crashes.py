"""Whatever befalls it, the next process finds what was promised, whole batches, and once."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from support.journal import plain, session
from support.redis_store import MemoryRedis, MemoryStore
from support.thorough import examples

from andiron.cluster.redis.journal import RedisJournal
from andiron.cluster.redis.segment import Segment
from andiron.cluster.redis.store import Switch
from andiron.sm.journal import lines
from andiron.sm.journal.config import JournalConfig
from andiron.sm.journal.state import State
from andiron.sm.timers import Timers

CONFIG = JournalConfig(floor=400, factor=1, slice=300, waiting=1500)
TEXT = f"<message>{'x' * 100}</message>"
NAMES = st.sampled_from("abc")


def read(redis: MemoryRedis) -> lines.Reading:
    reading = lines.read(redis.lines)
    assert not reading.damaged
    assert not reading.torn
    return reading


class World:
    """Processes that hold the lease one after another, and what each promised."""

    config = CONFIG

    def __init__(self) -> None:
        super().__init__()
        self.redis = MemoryRedis()
        self.now = 0.0
        self.processes = self.turn = 0
        self.former: list[MemoryStore] = []
        self.start()

    def start(self) -> None:
        self.processes += 1
        token = self.redis.holder = f"process {self.processes}"
        self.store = MemoryStore(self.redis, token)
        reading = read(self.redis)
        segment = None
        if reading.size:
            segment = Segment(
                self.redis.current, len(self.redis.lines()), reading.size, reading.check
            )
        self.timers = Timers()
        self.journal = RedisJournal(
            "chat", segment, reading.state if segment else State(), self.timers, self.store,
            lambda: self.now, touch=100, config=self.config,
        )  # fmt: skip
        self.history = [self.snapshot()]
        self.promised = 0
        self.check()

    def snapshot(self) -> dict[str, Any]:
        return deepcopy(plain(self.journal.journal.state))

    def flush(self) -> None:
        if self.journal.journal.pending:
            self.history.append(self.snapshot())
        number = len(self.history) - 1
        if self.journal.flush(self.now, self.promise(number)):
            self.promise(number)()

    def promise(self, number: int) -> Callable[[], None]:
        process = self.processes

        def promised() -> None:
            assert process == self.processes, "of a process that is no more nobody is told"
            assert number >= self.promised, "in order"
            self.promised = number

        return promised

    def check(self) -> None:
        """At any moment somebody else may have to go on with it."""
        assert plain(read(self.redis).state) in self.history[self.promised :]

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.timers.run(self.now)

    def all_is_well(self) -> None:
        """Whatever happened, it goes on when nothing is in its way."""
        self.redis.full, self.redis.holder = False, self.store.token
        for _ in range(100):
            self.flush()
            self.store.all()
            if self.promised == len(self.history) - 1 and not self.journal.failing:
                break
            self.wait(11.0)
        else:
            pytest.fail(f"{self.journal.failing or 'waiting'} for ever")
        assert len(self.redis.lists) <= 1 + self.processes, "what is not used is removed"


class Crashes(World, RuleBasedStateMachine):
    """What befalls it, in any order."""

    @initialize()
    def settle(self) -> None:
        self.all_is_well()

    @rule(name=NAMES)
    def begins(self, name: str) -> None:
        self.journal.journal.began(session(name))

    @precondition(lambda self: self.journal.journal.state.sessions)
    @rule(data=st.data(), size=st.sampled_from([1, 10]))
    def delivers(self, data: st.DataObject, size: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.journal.journal.state.sessions)))
        self.journal.journal.queued(name, TEXT * size, self.now)

    @precondition(lambda self: self.journal.journal.state.sessions)
    @rule(data=st.data())
    def acknowledges(self, data: st.DataObject) -> None:
        state = self.journal.journal.state
        name = data.draw(st.sampled_from(sorted(state.sessions)))
        known = state.sessions[name]
        count = data.draw(st.integers(0, len(known.queue)))
        self.journal.journal.acknowledged(name, known.acked + count)

    @precondition(lambda self: self.journal.journal.state.sessions)
    @rule(data=st.data())
    def ends(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.journal.journal.state.sessions)))
        self.journal.journal.ended(name)

    @rule(key=NAMES, value=st.sampled_from([None, 1, TEXT]))
    def notes(self, key: str, value: Any) -> None:
        self.journal.journal.note(key, value)

    @rule()
    def owes(self) -> None:
        self.journal.journal.owed("row", self.now)

    @precondition(lambda self: self.journal.journal.last("row"))
    @rule(data=st.data())
    def pays(self, data: st.DataObject) -> None:
        self.journal.journal.paid(
            "row", data.draw(st.integers(1, self.journal.journal.last("row")))
        )

    def turns(self, turns: int) -> None:
        for _ in range(turns):
            self.turn += 1
            self.journal.journal.note("turn", self.turn)
            self.flush()

    @rule()
    def ends_turn(self) -> None:
        self.flush()

    @rule(seconds=st.sampled_from([0.001, 0.002, 0.2, 1.0, 11.0, 101.0]))
    def time_passes(self, seconds: float) -> None:
        self.wait(seconds)

    @rule(done=st.integers(0, 5), answered=st.integers(0, 5))
    def the_server_works(self, done: int, answered: int) -> None:
        for _ in range(done):
            self.store.do_one()
            self.check()
        for _ in range(answered):
            self.store.answer_one()
            self.check()

    @rule(turns=st.integers(2, 4), done=st.integers(0, 4), answered=st.integers(0, 4))
    def turns_overlap(self, turns: int, done: int, answered: int) -> None:
        self.turns(turns)
        self.the_server_works(done, answered)

    @rule()
    def all_is_answered(self) -> None:
        self.store.all()
        self.check()

    @rule(
        before=st.integers(0, 4), done=st.integers(0, 3), then=st.integers(0, 3), cut=st.booleans()
    )
    def it_is_written_anew(self, before: int, done: int, then: int, cut: bool) -> None:
        """Get as far as the question that lets the new list be the current one, if it can."""
        self.wait(1.1)
        for _ in range(50):
            if any(isinstance(call.operation, Switch) for call in self.store.calls):
                break
            self.turns(int(before > 2))
            self.wait(0.001)
            if not (self.store.do_one() and self.store.answer_one()):
                break
        self.turns(before)
        for _ in range(done):
            self.store.do_one()
            self.check()
        self.turns(then)
        if cut:
            self.store.cut()
            self.wait(0.2)

    @rule()
    def the_connection_breaks(self) -> None:
        self.store.cut()

    @rule()
    def what_was_on_its_way_arrives(self) -> None:
        for store in (*self.former, self.store):
            store.do_late()
        self.check()

    @rule(there=st.booleans())
    def the_lease_is_missing(self, there: bool) -> None:
        self.redis.holder = self.store.token if there else ""

    @rule(full=st.booleans())
    def memory_is_full(self, full: bool) -> None:
        self.redis.full = full

    @rule(settled=st.sampled_from([True, True, False]))
    def the_process_is_killed(self, settled: bool) -> None:
        self.store.late += [call for call in self.store.calls if call.answer is None]
        self.former.append(self.store)
        history, promised = self.history, self.promised
        self.start()
        assert self.history[0] in history[promised:]
        if settled:
            self.all_is_well()

    @rule()
    def all_goes_well(self) -> None:
        self.all_is_well()

    def teardown(self) -> None:
        self.all_is_well()


class Narrow(Crashes):
    """Where there is hardly room."""

    config = replace(CONFIG, maximum=4000)

    def all_is_well(self) -> None:
        journal = self.journal.journal
        for name in list(journal.state.sessions):
            journal.ended(name)
        super().all_is_well()


TestCrashes = Crashes.TestCase
TestNarrow = Narrow.TestCase
TestCrashes.settings = TestNarrow.settings = settings(
    max_examples=examples(100), stateful_step_count=60
)
