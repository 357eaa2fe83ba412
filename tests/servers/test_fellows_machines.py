"""Three servers on machines of their own, whichever of them is cut off, silently."""

import argparse
import shutil
from pathlib import Path

import pytest
from soaking.cuts import Cut, Seen, cut_all
from soaking.network import impossible
from support.postgres import programs

from tests.conftest import require

pytestmark = [pytest.mark.peer, pytest.mark.timeout(600)]

OPTIONS = argparse.Namespace(
    sessions=20,
    rate=1.0,
    life=0,
    bosh=0.2,
    room=10,
    durability="process",
    archive=True,
    expiry=300,
)


@pytest.fixture
def possible() -> None:
    require("Redis", shutil.which("redis-server"))
    require("PostgreSQL", str(programs() or "") or None)
    require("ip", shutil.which("ip"))
    if why := impossible():
        pytest.skip(f"NOBODY IS CUT OFF FROM ANYBODY: {why}")


def replaced(seen: Seen) -> bool:
    """Tell whether another machine became home, and was ready."""
    homes = {each.now for each in seen.changes if each.what == "home"} - {"", seen.home}
    return any(each.what in homes and each.now == "ready" for each in seen.changes)


@pytest.mark.usefixtures("possible")
async def test_a_home_that_is_cut_off_is_replaced_and_ends_or_is_a_door(tmp_path: Path) -> None:
    # Its clients reach it still the first time; the second time nobody does, and it gets SIGTERM.
    cuts = [Cut.read("home-redis+home-postgres+home-doors:home"), Cut.read("home-all:home:TERM")]
    seen, crowd = await cut_all(tmp_path, OPTIONS, cuts)
    assert all(map(replaced, seen))
    assert not crowd.faults
    assert not crowd.begun_anew
    assert crowd.arrived == crowd.owed
