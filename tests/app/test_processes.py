"""What a home makes of the processes that it knows."""

import os
from datetime import UTC, datetime
from types import SimpleNamespace

from andiron.cluster.hello import Hello
from andiron.processes import Processes, introduced, told
from andiron.version import __version__
from andiron.vitals import Vitals

HOME = Hello("localhost", 1, machine="web-1", began=1e9, release="1.0")


def door(process, *, calls=0, silent=0, label="", **news):
    other = Hello("localhost", process, machine="web-2", began=2e9, release="1.1")
    label = label or other.label
    return SimpleNamespace(other=other, label=label, calls=calls, silent=silent, news=news)


def processes(*doors):
    return Processes(HOME, Vitals(), lambda: doors)


def test_one_that_is_alone():
    vitals = Vitals()
    vitals.add(0.25)
    alone = Processes(introduced("localhost", {}, 0), vitals, None)
    (one,) = alone.all()
    assert (one.name, one.pid, one.home) == (alone.home, os.getpid(), True)
    assert one.name == f"{one.machine}:{one.pid}"
    assert (one.version, one.relayed, one.silent, one.lag) == (__version__, 0, 0, 0.25)
    assert one.memory == vitals.memory or one.memory
    assert one.since <= datetime.now(UTC)
    assert not alone.several


def test_the_home_is_first_and_the_others_stand_by_their_names():
    found = processes(door(3, calls=7, silent=2, memory=1000, lag=0.12341), door(2))
    assert found.several
    home, second, third = found.all()
    assert [each.name for each in (home, second, third)] == ["web-1:1", "web-2:2", "web-2:3"]
    assert [each.home for each in (home, second, third)] == [True, False, False]
    assert (third.memory, third.lag, third.relayed, third.silent) == (1000, 0.1234, 7, 2)
    assert (third.machine, third.pid, third.version) == ("web-2", 3, "1.1")
    assert third.since == datetime.fromtimestamp(2e9, UTC)


def test_what_a_door_does_not_tell_is_not_known():
    _, quiet, odd = processes(door(2), door(3, memory="much", lag=None)).all()
    assert (quiet.memory, quiet.lag, odd.memory, odd.lag) == (None, None, None, None)


def test_a_door_that_has_come_back_is_one_process():
    former, latter = door(2, calls=3, silent=20, memory=1), door(2, calls=4, memory=2)
    _, one = processes(latter, former).all()
    assert (one.relayed, one.silent, one.memory) == (7, 0, 2)


def test_by_which_process_something_came():
    found = processes()
    assert found.of("web-2:2") == "web-2:2"
    assert found.of("") == "web-1:1"
    assert found.of(None) == ""


def test_what_a_door_tells_is_what_its_home_reads():
    vitals = Vitals()
    vitals.add(0.5)
    _, one = processes(door(2, **told(vitals))).all()
    assert one.lag == 0.5
    assert (one.memory is None) == (vitals.memory is None)
