"""What is measured of this process."""

import asyncio
import sys
from pathlib import Path

import pytest
from support.waiting import until

from andiron import vitals as module
from andiron.vitals import Vitals, measured


async def test_the_event_loop_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EVERY", 0.001)
    with measured() as vitals:
        await until(lambda: sum(vitals.lags.counts) > 2)
    seen = sum(vitals.lags.counts)
    await asyncio.sleep(0.01)
    assert sum(vitals.lags.counts) == seen


def test_the_lag_is_the_worst_of_late() -> None:
    vitals = Vitals()
    assert vitals.lag == 0
    for late in (0.002, 0.3, 0.001):
        vitals.add(late)
    assert vitals.lag == 0.3
    for _ in range(module._RECENT):
        vitals.add(0.001)
    assert vitals.lag == 0.001
    assert sum(vitals.lags.counts) == 3 + module._RECENT


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_the_memory_is_that_which_this_process_has() -> None:
    before = Vitals().memory
    assert before is not None
    much = b"x" * 2**26
    after = Vitals().memory
    assert after is not None
    assert after - before > len(much) // 2


def test_a_system_that_tells_no_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_STATM", tmp_path / "statm")
    assert Vitals().memory is None
    (tmp_path / "statm").write_text("17\n")
    assert Vitals().memory is None
