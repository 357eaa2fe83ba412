"""A journal through every kind of end, held against a list of what it was told.

Whatever was flushed and promised is there, in whole batches and in their order; nothing is there
that was not flushed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import replace
from errno import EIO, ENOSPC
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from support.journal import PATH, Beside, KilledError, MemoryDisk, head, plain, session
from support.thorough import examples

from andiron.sm.counters import MODULUS
from andiron.sm.frozen import Frozen
from andiron.sm.journal.config import Durability, JournalConfig
from andiron.sm.journal.file import JournalFile
from andiron.sm.timers import Timers

NAMES = st.sampled_from("abc")
TEXTS = st.sampled_from(["<message/>", '<message>ж\n\ud800"</message>', f"<iq>{'x' * 200}</iq>"])
STEPS = st.sampled_from(["write", "truncate", "sync", "sync_folder", "create", "replace", "remove"])
CONFIG = JournalConfig(floor=400, factor=1, slice=300, waiting=2000)
NARROW = replace(CONFIG, maximum=6000)


class Model:
    """What a journal says, as simply as can be."""

    def __init__(self) -> None:
        self.sessions: dict[str, Frozen] = {}
        self.notes: dict[str, Any] = {}
        self.debts: dict[str, tuple[int, list[tuple[int, Any]]]] = {}

    def plain(self) -> dict[str, Any]:
        return deepcopy({"sessions": self.sessions, "notes": self.notes, "debts": self.debts})

    def change(self, name: str, **other: Any) -> None:
        self.sessions[name] = replace(self.sessions[name], **other)


OTHER = {"subject": "Mantua", "seats": {"romeo": "host"}}
"""What is made of another object by changes."""


class World:
    """A journal, what it was told, and what it promised of that."""

    durability = Durability.PROCESS
    config = CONFIG

    def __init__(self) -> None:
        super().__init__()
        self.disk = MemoryDisk()
        self.now = 0.0
        self.start()

    def start(self) -> None:
        self.timers, self.beside = Timers(), Beside()
        config = replace(self.config, durability=self.durability)
        self.file = JournalFile.open(
            PATH, self.timers, self.beside, lambda: self.now, config, self.disk
        )
        found = plain(self.file.journal.state)
        self.model = Model()
        self.model.sessions, self.model.notes = found["sessions"], found["notes"]
        self.model.debts = found["debts"]
        self.history = [self.model.plain()]
        self.promised = 0
        self.recorded = False

    # What is recorded

    def record(self, method: str, *arguments: Any) -> Any:
        self.recorded = True
        return getattr(self.file.journal, method)(*arguments)

    def begin(self, name: str, acked: int = MODULUS - 1) -> None:
        self.model.sessions[name] = session(name, acked, [("<presence/>", 1.0)])
        self.record("began", self.model.sessions[name])

    def deliver(self, to: str, sender: str, text: str) -> None:
        self.now += 0.25
        self.model.change(to, queue=(*self.model.sessions[to].queue, (text, self.now)))
        handled = (self.model.sessions[sender].handled + 1) % MODULUS
        self.model.change(sender, handled=handled)
        self.record("queued", to, text, self.now)
        self.record("handled", sender, handled)

    def acknowledge(self, name: str, count: int) -> None:
        known = self.model.sessions[name]
        h = (known.acked + count) % MODULUS
        self.model.change(name, acked=h, queue=known.queue[count:])
        self.record("acknowledged", name, h)

    def change(self, name: str, status: str) -> None:
        changed = head(name, backend={"presence": status, "rooms": ["a", 1, None]})
        self.model.change(name, head=changed)
        self.record("changed", changed)

    def end(self, name: str) -> None:
        del self.model.sessions[name]
        self.record("ended", name)

    def note(self, key: str, value: Any) -> None:
        self.model.notes.pop(key, None)
        if value is not None:
            self.model.notes[key] = value
        self.record("note", key, value)

    def owe(self, kind: str, text: str) -> None:
        last, unpaid = self.model.debts.get(kind, (0, []))
        self.model.debts[kind] = (last + 1, [*unpaid, (last + 1, text)])
        assert self.record("owed", kind, text) == last + 1

    def pay(self, kind: str, upto: int) -> None:
        last, unpaid = self.model.debts[kind]
        self.model.debts[kind] = (last, [each for each in unpaid if each[0] > upto])
        self.record("paid", kind, upto)

    # What is written

    def flush(self) -> None:
        if self.recorded:
            self.history.append(self.model.plain())
            self.recorded = False
        number = len(self.history) - 1
        if self.file.flush(self.now, self.promise(number)):
            self.promise(number)()

    def promise(self, number: int) -> Callable[[], None]:
        disk = self.disk

        def promised() -> None:
            assert self.disk is disk, "of a process that is no more nobody is told"
            assert number >= self.promised, "in order"
            self.promised = number

        return promised

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.timers.run(self.now)

    def finish_job(self) -> None:
        self.beside.run()

    def stop(self) -> None:
        if self.recorded:
            self.history.append(self.model.plain())
            self.recorded = False
        self.file.close()
        assert not self.disk.files, "every file is closed"

    def reborn(self, disk: MemoryDisk) -> None:
        history, promised = self.history, self.promised
        self.disk = disk
        self.start()
        assert self.history[0] in history[promised:], "what was promised, in whole batches"
        # Whatever the first start wrote, the second finds the same.
        self.disk = MemoryDisk(self.disk.names)
        self.start()
        assert self.history[0] in history[promised:]

    def all_is_well(self) -> None:
        """Whatever happened, it goes on when nothing is in its way."""
        self.disk.fails.clear()
        self.disk.room = self.disk.kill_at = None
        for _ in range(200):
            self.flush()
            if self.promised == len(self.history) - 1 and not self.file.failing:
                break
            self.wait(70.0)
            self.finish_job()
        else:
            pytest.fail(f"{self.file.failing or 'waiting'} for ever")


class Crashes(World, RuleBasedStateMachine):
    """What befalls it, in any order."""

    def some(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.model.sessions)))

    @contextmanager
    def living(self) -> Iterator[None]:
        try:
            yield
        except KilledError:
            self.reborn(self.disk.after_kill())

    @initialize()
    def populate(self) -> None:
        for name in "ab":
            self.begin(name)
        self.flush()

    @rule(name=NAMES, acked=st.sampled_from([0, MODULUS - 1]))
    def begins(self, name: str, acked: int) -> None:
        self.begin(name, acked)

    @precondition(lambda self: self.model.sessions)
    @rule(data=st.data(), text=TEXTS)
    def delivers(self, data: st.DataObject, text: str) -> None:
        self.deliver(self.some(data), self.some(data), text)

    @precondition(lambda self: self.model.sessions)
    @rule(data=st.data())
    def acknowledges(self, data: st.DataObject) -> None:
        name = self.some(data)
        self.acknowledge(name, data.draw(st.integers(0, len(self.model.sessions[name].queue))))

    @precondition(lambda self: self.model.sessions)
    @rule(data=st.data(), status=TEXTS)
    def changes(self, data: st.DataObject, status: str) -> None:
        self.change(self.some(data), status)

    @precondition(lambda self: self.model.sessions)
    @rule(data=st.data())
    def ends(self, data: st.DataObject) -> None:
        self.end(self.some(data))

    @rule(key=NAMES, value=st.sampled_from([None, 1, {"subject": "Verona", "n": [0.5]}, OTHER]))
    def notes(self, key: str, value: Any) -> None:
        self.note(key, value)

    @rule(kind=NAMES, text=TEXTS)
    def owes(self, kind: str, text: str) -> None:
        self.owe(kind, text)

    @precondition(lambda self: self.model.debts)
    @rule(data=st.data())
    def pays(self, data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(sorted(self.model.debts)))
        self.pay(kind, data.draw(st.integers(0, self.model.debts[kind][0])))

    @precondition(lambda self: self.model.sessions)
    @rule(data=st.data(), turns=st.integers(1, 8))
    def talks(self, data: st.DataObject, turns: int) -> None:
        name = self.some(data)
        with self.living():
            for turn in range(turns):
                self.deliver(name, name, f"<message>{turn} {'x' * 100}</message>")
                self.flush()

    @rule()
    def flushes(self) -> None:
        with self.living():
            self.flush()

    @rule(seconds=st.sampled_from([0.0005, 0.01, 5.0, 70.0]))
    def waits(self, seconds: float) -> None:
        with self.living():
            self.wait(seconds)

    @rule(times=st.integers(1, 5))
    def goes_on(self, times: int) -> None:
        with self.living():
            for _ in range(times):
                self.wait(0.01)
                self.finish_job()

    @rule()
    def finishes_job(self) -> None:
        with self.living():
            self.finish_job()

    @rule(step=STEPS, errors=st.lists(st.sampled_from([EIO, ENOSPC])), part=st.integers(0, 200))
    def breaks_down(self, step: str, errors: list[int], part: int) -> None:
        self.disk.fails[step] = errors
        self.disk.part = part

    @rule(room=st.none() | st.integers(0, 5000))
    def fills(self, room: int | None) -> None:
        self.disk.room = room

    @rule(steps=st.integers(0, 6), part=st.integers(0, 500))
    def is_killed_soon(self, steps: int, part: int) -> None:
        self.disk.kill_at = len(self.disk.steps) + steps
        self.disk.part = part

    @rule()
    def is_killed(self) -> None:
        self.reborn(self.disk.after_kill())

    @rule()
    def stops(self) -> None:
        with self.living():
            self.stop()
            self.reborn(self.disk.after_kill())

    def teardown(self) -> None:
        self.disk.kill_at = None
        if self.config is CONFIG:
            self.all_is_well()
        self.reborn(self.disk.after_kill())


class NarrowCrashes(Crashes):
    config = NARROW


class PowerCuts(Crashes):
    durability = Durability.DISK

    @rule(names=st.booleans(), keep=st.floats(0, 1))
    def lose_power(self, names: bool, keep: float) -> None:
        self.reborn(self.disk.after_power(names=names, keep=keep))


class NarrowPowerCuts(PowerCuts):
    config = NARROW


for machine in (Crashes, NarrowCrashes, PowerCuts, NarrowPowerCuts):
    machine.TestCase.settings = settings(max_examples=examples(40), stateful_step_count=40)

TestCrashes = Crashes.TestCase
TestNarrowCrashes = NarrowCrashes.TestCase
TestPowerCuts = PowerCuts.TestCase
TestNarrowPowerCuts = NarrowPowerCuts.TestCase


class OnDisk(World):
    durability = Durability.DISK


STARTED = len(OnDisk().disk.steps)
"""Steps that the start takes."""


def story(world: World) -> None:
    """Tell a journal of everything, while it is written anew twice."""
    for name in "abc":
        world.begin(name)
    world.note("room", {"subject": "Verona"})
    world.flush()
    for number in range(12):
        world.deliver("a", "b", f"<message>{number} {'x' * 100}</message>")
        world.owe("archive", f"<message>{number}</message>")
        world.flush()
        if number % 3 == 2:
            world.wait(0.01)
            world.finish_job()
            world.acknowledge("a", 1)
            world.pay("archive", number - 1)
        if number == 6:
            world.end("c")
            world.note("room", None)
    for _ in range(4):
        world.finish_job()
        world.wait(2.0)
        world.flush()
    world.change("b", "<presence/>")
    world.flush()


def told(kind: type[World], *, stops: bool = True, **disk: Any) -> World:
    """Tell the story until the process ends."""
    world = kind()
    for name, value in disk.items():
        setattr(world.disk, name, value)
    with suppress(KilledError):
        story(world)
        if stops:
            world.stop()
    return world


@pytest.mark.parametrize("kind", [World, OnDisk])
def test_the_story_has_everything_in_it(kind: type[World]) -> None:
    world = told(kind)
    assert world.disk.steps.count("replace") >= 3
    assert set(world.disk.steps) >= {"create", "write", "sync", "remove", "replace", "sync_folder"}
    world.promised = len(world.history) - 1
    world.reborn(world.disk.after_power(names=False, keep=0))


@pytest.mark.parametrize("kind", [World, OnDisk])
@pytest.mark.parametrize("part", [0, 60, 10**6])
def test_it_may_be_killed_between_any_two_steps(kind: type[World], part: int) -> None:
    for step in range(len(told(kind).disk.steps) + 1):
        world = told(kind, kill_at=step, part=part)
        world.reborn(world.disk.after_kill())
        world.all_is_well()


@pytest.mark.parametrize("names", [False, True])
@pytest.mark.parametrize("keep", [0, 0.4, 1])
def test_the_machine_may_end_between_any_two_steps(names: bool, keep: float) -> None:
    for step in range(len(told(OnDisk).disk.steps) + 1):
        world = told(OnDisk, kill_at=step, part=60)
        world.reborn(world.disk.after_power(names=names, keep=keep))
        world.all_is_well()


@pytest.mark.parametrize("error", [EIO, ENOSPC])
@pytest.mark.parametrize("kind", [World, OnDisk])
def test_any_step_may_fail_before_an_end(kind: type[World], error: int) -> None:
    steps = told(kind).disk.steps
    for first in range(STARTED, len(steps)):
        for times in (1, 4):
            fails = dict.fromkeys(range(first, first + times), error)
            for later in (0, 3, 20):
                world = told(kind, fails_at=fails, kill_at=first + later, part=60)
                if kind is OnDisk:
                    world.reborn(world.disk.after_power(names=later % 2 == 0, keep=0))
                else:
                    world.reborn(world.disk.after_kill())
                world.all_is_well()


@pytest.mark.parametrize("error", [EIO, ENOSPC])
@pytest.mark.parametrize("kind", [World, OnDisk])
def test_after_any_failure_it_goes_on(kind: type[World], error: int) -> None:
    for first in range(STARTED, len(told(kind).disk.steps)):
        fails = dict.fromkeys(range(first, first + 3), error)
        world = told(kind, fails_at=fails, part=60, stops=False)
        world.all_is_well()
        world.reborn(world.disk.after_kill())
        assert world.history[0] == world.model.plain()
