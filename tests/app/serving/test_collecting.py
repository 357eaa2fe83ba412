import asyncio
import gc
import sys

import pytest

from andiron.serving import collecting
from andiron.serving.collecting import collect_seldom


@pytest.fixture(autouse=True)
def as_before():
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.fixture
def looked(monkeypatch):
    """Tell that all objects were looked at, at the start and whenever it is time."""
    monkeypatch.setattr(collecting, "PAUSE", 0)
    looked = asyncio.Queue()
    monkeypatch.setattr(collecting.gc, "collect", lambda: looked.put_nowait(None))
    return looked


if sys.version_info >= (3, 14):
    pytest.skip("Python looks a little at a time by itself", allow_module_level=True)


class Ring:
    def __init__(self):
        self.ring = self


async def test_what_is_there_at_the_start_stays_out_of_it():
    collect_seldom()
    assert gc.get_freeze_count() > 1000


async def test_many_new_objects_never_have_all_objects_looked_at():
    collect_seldom()
    full = []
    look = lambda phase, info: info["generation"] == 2 and full.append(phase)  # noqa: E731
    gc.callbacks.append(look)
    try:
        kept = [[] for _ in range(500_000)]
    finally:
        gc.callbacks.remove(look)
    assert (len(kept), full) == (500_000, [])


async def test_all_objects_are_looked_at_when_many_have_come(looked, monkeypatch):
    monkeypatch.setattr(collecting.gc, "get_count", lambda: (0, 0, 50))
    collect_seldom()
    for _ in range(3):
        await looked.get()


async def test_all_objects_are_looked_at_now_and_then_in_any_case(looked, monkeypatch):
    asked = []
    monkeypatch.setattr(collecting.gc, "get_count", lambda: asked.append(1) or (0, 0, 49))
    collect_seldom()
    await looked.get()
    assert asked == []
    await looked.get()
    assert len(asked) == 10
    await looked.get()
    assert len(asked) == 20
