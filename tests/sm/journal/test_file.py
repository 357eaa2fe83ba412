"""What is promised when, what becomes of what fails, and when all is written anew."""

import errno
import logging
import os
import resource
from itertools import pairwise
from pathlib import Path

import pytest
from support.journal import PATH, Beside, MemoryDisk, plain, session

from andiron.sm.journal.config import Durability, JournalConfig
from andiron.sm.journal.file import JournalFile
from andiron.sm.timers import Timers

TEXT = f"<message>{'x' * 300}</message>"


class Desk:
    """A journal on a disk in memory, and its time."""

    def __init__(self, durability: Durability = Durability.PROCESS, **config: int) -> None:
        self.disk = MemoryDisk()
        self.now = 0.0
        self.told: list[object] = []
        self.open(JournalConfig(durability, **config))

    def open(self, config: JournalConfig) -> None:
        self.timers, self.beside = Timers(), Beside()
        self.file = JournalFile.open(
            PATH, self.timers, self.beside, lambda: self.now, config, self.disk
        )
        self.journal = self.file.journal

    def note(self, value: object = TEXT, key: str = "a") -> bool:
        self.journal.note(key, value)  # type: ignore[arg-type]
        return self.file.flush(self.now, lambda: self.told.append(value))

    def pass_time(self, seconds: float, steps: int = 1) -> None:
        for _ in range(steps):
            self.now += seconds
            self.timers.run(self.now)

    def found(self) -> dict:
        file = JournalFile.open(
            PATH, Timers(), Beside(), lambda: self.now, JournalConfig(), self.disk.after_kill()
        )
        assert file.journal.state.sessions.keys() == self.journal.state.sessions.keys()
        return plain(file.journal.state)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_what_is_written_is_promised_at_once() -> None:
    desk = Desk()
    assert desk.file.flush(0.0)
    assert desk.note()
    assert desk.found()["notes"] == {"a": TEXT}
    assert not desk.told
    assert desk.beside.job is None, "nobody waits for the disk"


def test_a_turn_is_one_write() -> None:
    desk = Desk()
    for number in range(100):
        desk.journal.note(f"n{number}", number)
    writes = desk.disk.steps.count("write")
    assert desk.file.flush(0.0)
    assert desk.disk.steps.count("write") == writes + 1
    assert desk.file.flush(0.0)
    assert desk.disk.steps.count("write") == writes + 1


def test_turns_share_a_sync() -> None:
    desk = Desk(Durability.DISK)
    syncs = desk.disk.steps.count("sync")
    assert not desk.note(1)
    for number in (2, 3, 4):
        assert not desk.note(number)
    assert not desk.file.flush(0.0, lambda: desk.told.append("empty")), "it waits for those before"
    desk.beside.run()
    assert desk.told == [1]
    desk.beside.run()
    assert desk.told == [1, 2, 3, 4, "empty"]
    assert desk.disk.steps.count("sync") == syncs + 2
    assert desk.file.flush(0.0)
    assert desk.beside.job is None
    assert desk.found()["notes"] == {"a": 4}


def test_who_is_told_may_go_on() -> None:
    desk = Desk(Durability.DISK)
    desk.journal.note("a", 1)
    again = []
    assert not desk.file.flush(0.0, lambda: again.append(desk.note(2)))
    desk.beside.run()
    assert again == [False]
    desk.beside.run()
    assert desk.told == [2]


def test_where_there_is_no_room_nothing_is_promised(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    assert desk.note(1)
    size = desk.file.size
    desk.disk.room = size + 10
    assert not desk.note(2)
    assert desk.file.failing == "No space left on device"
    assert len(desk.disk.file(PATH)) == size, "no half of it"
    assert desk.found()["notes"] == {"a": 1}
    assert not desk.note(3)
    desk.pass_time(0.5, 40)
    assert not desk.note(4)
    assert desk.file.size == size
    desk.disk.room = None
    desk.pass_time(10.1)
    assert desk.told == [2, 3, 4]
    assert desk.file.failing == ""
    assert desk.found()["notes"] == {"a": 4}
    assert desk.note(5)
    assert said(caplog) == [
        f"The journal {PATH} cannot be written (No space left on device): what comes now is not"
        " acknowledged",
        f"The journal {PATH} is written again",
    ]
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]
    assert desk.timers.next_deadline() > 1e9, "nothing is to be tried"


def test_pauses_grow() -> None:
    desk = Desk()
    desk.disk.room = 0
    desk.note()
    tried = []
    writes = desk.disk.steps.count("write")
    while len(tried) < 10:
        desk.now = desk.timers.next_deadline()
        desk.timers.run(desk.now)
        if desk.disk.steps.count("write") > writes:
            writes = desk.disk.steps.count("write")
            tried.append(desk.now)
    pauses = [round(later - earlier, 3) for earlier, later in pairwise(tried)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == pauses[-2] > 20 * pauses[0]


def test_flushes_do_not_try_sooner() -> None:
    desk = Desk()
    desk.disk.room = 0
    desk.note()
    steps = len(desk.disk.steps)
    for number in range(50):
        desk.note(number)
    assert len(desk.disk.steps) == steps


def test_too_much_that_waits_is_not_kept_but_written_anew() -> None:
    desk = Desk(waiting=2000)
    desk.note("before")
    desk.disk.room = desk.file.size
    for number in range(20):
        assert not desk.note(f"{number} {TEXT}")
    assert desk.file._held == []
    desk.disk.room = None
    desk.pass_time(2.0, 5)
    desk.beside.run()
    assert len(desk.told) == 20
    assert desk.file.failing == ""
    assert desk.found()["notes"] == {"a": f"19 {TEXT}"}


def test_a_file_that_is_broken_is_replaced() -> None:
    desk = Desk()
    desk.note(1)
    desk.disk.fails["write"] = [errno.EIO]
    assert not desk.note(2)
    assert desk.file.failing == "Input/output error"
    desk.pass_time(0.01, 3)
    desk.beside.run()
    assert desk.told == [2]
    assert desk.found()["notes"] == {"a": 2}


def test_after_a_sync_that_failed_all_is_written_anew() -> None:
    desk = Desk(Durability.DISK)
    desk.disk.fails["sync"] = [errno.EIO]
    desk.note(1)
    desk.beside.run()
    assert desk.file.failing == "Input/output error"
    assert desk.told == []
    replaced = desk.disk.steps.count("replace")
    for _ in range(5):
        desk.pass_time(1.0)
        desk.beside.run()
    assert desk.disk.steps.count("replace") == replaced + 1
    assert desk.told == [1]
    assert desk.file.failing == ""


def test_that_is_over_though_nothing_new_comes() -> None:
    desk = Desk(Durability.DISK, floor=3000)
    for number in range(20):
        desk.note(number)
        desk.beside.run()
    desk.note(TEXT * 10)
    desk.beside.run()
    desk.pass_time(1.0, 3)
    assert desk.told[-1] == TEXT * 10
    desk.disk.fails["sync"] = [errno.EIO]
    desk.beside.run()
    assert desk.file.failing == "Input/output error"
    for _ in range(5):
        desk.pass_time(1.0)
        desk.beside.run()
    assert desk.file.failing == ""
    assert desk.file.flush(desk.now)


def test_a_sync_of_what_came_before_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(Durability.DISK)
    desk.note(1)
    desk.disk.room = 0
    desk.note(2)
    desk.beside.run()
    assert desk.told == [1]
    assert desk.file.failing == "No space left on device"
    assert len(caplog.records) == 1


def busy(desk: Desk, turns: int) -> None:
    for number in range(turns):
        assert desk.note(f"{number} {TEXT}")


def test_all_is_written_anew_when_most_is_past() -> None:
    desk = Desk(floor=5000)
    busy(desk, 20)
    largest = desk.file.size
    assert largest > 5000
    desk.pass_time(0.01, 4)
    assert desk.file.size == largest
    desk.beside.run()
    assert desk.file.size < 1000
    assert set(desk.disk.names) == {PATH}
    busy(desk, 3)
    assert desk.found()["notes"] == {"a": f"2 {TEXT}"}


def test_not_while_most_of_it_is_live() -> None:
    desk = Desk(floor=3000, factor=3)
    for number in range(12):
        desk.note(key=f"n{number}")
    desk.pass_time(2.0, 4)
    desk.beside.run()
    size = desk.file.size
    for number in range(12):
        desk.note(key=f"n{number}")
    desk.pass_time(2.0, 4)
    assert desk.beside.job is None
    assert size < desk.file.size < 3 * size


def test_in_slices_with_turns_in_between() -> None:
    desk = Desk(floor=10000, slice=1000)
    for number in range(30):
        desk.journal.began(session(f"s{number}", 0, [(TEXT, 1.0)]))
        desk.file.flush(0.0)
    creates = desk.disk.steps.count("create")
    assert creates == 1
    slices = 0
    while desk.beside.job is None:
        writes = desk.disk.steps.count("write")
        desk.pass_time(0.01)
        assert desk.disk.steps.count("write") <= writes + 1
        slices += 1
        desk.journal.queued(f"s{slices % 30}", f"<message>{slices}</message>", 2.0)
        desk.journal.handled("s29", slices)
        assert desk.file.flush(desk.now)
    assert slices > 5
    assert desk.note("while the disk is waited for")
    desk.beside.run()
    assert desk.disk.steps.count("replace") == 1
    assert desk.found() == plain(desk.journal.state)


def test_a_turn_that_is_not_over_is_not_written_by_a_timer() -> None:
    desk = Desk(floor=1000)
    busy(desk, 5)
    desk.journal.note("a", "half a turn")
    writes = desk.disk.steps.count("write")
    desk.pass_time(1.0, 3)
    assert desk.disk.steps.count("write") == writes
    assert desk.file.flush(desk.now)
    desk.pass_time(1.0, 3)
    desk.beside.run()
    assert desk.disk.steps.count("replace") == 1
    assert desk.found()["notes"] == {"a": "half a turn"}


@pytest.mark.parametrize("step", ["create", "sync", "replace"])
def test_a_rewriting_that_fails_disturbs_nobody(
    step: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(floor=3000)
    desk.disk.fails[step] = [errno.EIO]
    busy(desk, 20)
    for _ in range(3):
        desk.pass_time(1.0)
        desk.beside.run()
    assert desk.file.failing == ""
    assert desk.note(1)
    assert set(desk.disk.names) == {PATH}
    assert said(caplog) == [f"The journal {PATH} cannot be written anew (Input/output error)"]
    assert desk.file.size > 3000
    desk.now += 70
    desk.note(2)
    desk.pass_time(1.0, 3)
    desk.beside.run()
    assert desk.file.size < 1000
    assert desk.found()["notes"] == {"a": 2}


def test_there_is_rest_between_rewritings_but_not_for_what_must_be() -> None:
    desk = Desk(floor=3000, factor=1)
    for number in range(40):
        desk.note(key=f"n{number % 12}")
        desk.pass_time(0.02)
        desk.beside.run()
    assert desk.disk.steps.count("replace") == 1
    desk.disk.fails["write"] = [errno.EIO]
    assert not desk.note(1)
    desk.pass_time(0.02, 3)
    desk.beside.run()
    assert desk.disk.steps.count("replace") == 2
    assert desk.told == [1]


def test_a_rewriting_makes_room_for_what_must_be_written() -> None:
    desk = Desk(floor=5000, slice=1000)
    for number in range(20):
        desk.note(key=f"n{number}")
    desk.pass_time(0.01, 3)
    new = len(desk.disk.file(f"{PATH}.new"))
    assert new > 1000
    desk.disk.room = desk.file.size + new
    assert desk.note("as much as was free", "n13"), "of what is not written anew yet"
    assert set(desk.disk.names) == {PATH}


def test_the_largest_that_it_may_be_is_never_exceeded(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(maximum=5000, floor=100000, waiting=3000)
    promised = []
    for number in range(40):
        promised.append(desk.note(key=f"n{number}"))
        desk.pass_time(0.01, 2)
        desk.beside.run()
        assert max(len(each.data) for each in desk.disk.names.values()) <= 5600
        assert desk.file.size <= 5000
    assert promised[0]
    assert not promised[-1]
    assert "is full" in desk.file.failing
    for number in range(35):
        desk.note(None, f"n{number}")
    for _ in range(10):
        desk.pass_time(11.0)
        desk.beside.run()
    assert desk.file.failing == ""
    assert desk.note(1)
    assert len(desk.found()["notes"]) == 6
    assert len([each for each in said(caplog) if "cannot be written (it is full" in each]) == 1


@pytest.mark.parametrize("durability", Durability)
def test_a_clean_stop_leaves_what_is_live(durability: Durability) -> None:
    desk = Desk(durability)
    for number in range(50):
        desk.note(number)
    desk.journal.note("a", "last")
    desk.file.close()
    assert not desk.disk.files
    assert len(desk.disk.file(PATH)) < 100
    assert desk.found()["notes"] == {"a": "last"}
    desk.disk = desk.disk.after_power(names=False, keep=0)
    assert desk.found()["notes"] == {"a": "last"}
    if durability is Durability.DISK:
        assert desk.told == list(range(50)), "all is safe"
    desk.journal.note("a", "too late")
    assert not desk.file.flush(desk.now)


def test_a_stop_without_room_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    busy(desk, 5)
    desk.disk.fails["create"] = [errno.ENOSPC]
    desk.journal.note("a", "last")
    desk.file.close()
    assert not desk.disk.files
    assert desk.found()["notes"] == {"a": "last"}
    assert "cannot be written anew (No space left on device)" in said(caplog)[0]


def test_a_stop_while_it_is_written_anew() -> None:
    desk = Desk(floor=3000)
    busy(desk, 20)
    desk.pass_time(0.01, 3)
    assert desk.beside.job is not None
    done = desk.beside.done
    desk.file.close()
    assert done is not None
    done(None)
    assert set(desk.disk.names) == {PATH}
    assert not desk.disk.files
    assert desk.found()["notes"] == {"a": f"19 {TEXT}"}


def test_on_a_real_disk_that_is_full(tmp_path: Path) -> None:
    path = str(tmp_path / "andiron.journal")
    timers = Timers()
    file = JournalFile.open(path, timers, Beside(), lambda: 0.0)
    file.journal.began(session("a"))
    assert file.flush(0.0)
    size = os.path.getsize(path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    told: list[bool] = []
    # Python ignores SIGXFSZ, so that a write beyond is a short one, and the next an error.
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, limits[1]))
    try:
        file.journal.queued("a", TEXT, 1.0)
        file.journal.handled("a", 1)
        promised = file.flush(0.0, lambda: told.append(True))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not promised
    assert file.failing == "File too large"
    assert os.path.getsize(path) == file.size == size
    timers.run(1.0)
    assert told == [True]
    assert file.failing == ""
    before = plain(file.journal.state)
    file.close()
    file = JournalFile.open(path, Timers(), Beside(), lambda: 0.0)
    assert plain(file.journal.state) == before
    file.close()


def test_what_is_recorded_after_the_end_is_let_go() -> None:
    """Else whoever ends the turns would ask for one more, for ever."""
    desk = Desk()
    desk.note("before")
    desk.file.close()
    assert not desk.note("after")
    assert not desk.journal.pending
    assert desk.found()["notes"] == {"a": "before"}
