"""A session that is taken up: what its times are in another process."""

import time

import pytest
from support.journal import head
from support.sessions import MemoryBackend, MemoryLink

from andiron.sm.config import SmConfig
from andiron.sm.freezing import thaw
from andiron.sm.frozen import Frozen
from andiron.sm.manager import SessionManager


@pytest.mark.parametrize(
    ("lost", "left"), [(0.0, 600), (-100.0, 500), (-700.0, -100), (+3600.0, 600)]
)
def test_the_seconds_to_come_back_count_from_the_loss_and_are_never_more(
    lost: float, left: int
) -> None:
    """``lost`` is Unix seconds from now: a clock may be set back between two processes."""
    backend = MemoryBackend()
    manager = SessionManager(SmConfig(), backend)
    now, wall = manager.clock(), time.time()
    frozen = Frozen(head("a", lost_at=wall + lost if lost else 0.0, max=600), 0, 0)
    session = thaw(manager, frozen, lambda session, *_: MemoryLink(backend, session), now)
    assert session.hibernates_until - now == pytest.approx(left, abs=1)
    assert session.via is None, "by what its client came there is not written down"
