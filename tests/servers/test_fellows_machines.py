"""Three servers on machines of their own, whichever of them is cut off, silently."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from soaking.network import impossible
from support.postgres import programs

from tests.conftest import require

pytestmark = [pytest.mark.peer, pytest.mark.timeout(600)]

SOAK = Path(__file__).parents[2] / "bench" / "soak.py"
# Its clients reach it still the first time; the second time nobody does, and it gets SIGTERM.
CUTS = shlex.split(
    "--sessions 20 --bosh 0.2 --room 10"
    " --cut home-redis+home-postgres+home-doors:home home-all:home:TERM"
)


@pytest.fixture
def possible() -> None:
    require("Redis", shutil.which("redis-server"))
    require("PostgreSQL", str(programs() or "") or None)
    require("ip", shutil.which("ip"))
    if why := impossible():
        pytest.skip(f"NOBODY IS CUT OFF FROM ANYBODY: {why}")


def replaced(told: str) -> bool:
    """Tell whether, of one cut, another machine became home, and was ready."""
    (former,) = re.findall(r", home is (\w+)$", told, re.MULTILINE)
    homes = set(re.findall(r" s  home: (\w+)$", told, re.MULTILINE)) - {former}
    return any(f" s  {home}: ready\n" in told for home in homes)


@pytest.mark.usefixtures("possible")
def test_a_home_that_is_cut_off_is_replaced_and_ends_or_is_a_door() -> None:
    command = [sys.executable, str(SOAK), *CUTS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    _, *cuts = re.split(r"^== ", done.stdout, flags=re.MULTILINE)
    assert [replaced(told) for told in cuts] == [True, True], done.stdout
