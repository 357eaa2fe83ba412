"""The soak of bench/, small: many sessions of real sockets whose connections, or server, end."""

import shlex
import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parents[2] / "bench" / "soak.py"
RESTARTS = shlex.split(
    "--restart 0.5 --times 4 --sessions 20 --rate 10 --bosh 0.4 --room 5 --no-archive"
)
PROCESSES = shlex.split(
    "--restart 0.5 --times 4 --processes 3 --sessions 20 --rate 10 --bosh 0.4 --room 5 --no-archive"
)
BY_REDIS = [*PROCESSES, "--cluster", "redis", "--times", "2"]
QUICK = shlex.split("--sessions 60 --seconds 6 --warm 1 --life 3 --rate 4 --expiry 3")


def test_nothing_is_lost_doubled_or_left_over():
    command = [sys.executable, str(SOAK), *QUICK]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "ok   everything came" in result.stdout
    assert "FAIL" not in result.stdout


def test_restarts_are_not_noticed():
    command = [sys.executable, str(SOAK), *RESTARTS]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "ok   every session was resumed each time" in result.stdout
    assert "FAIL" not in result.stdout


def test_the_end_of_one_process_of_several_is_not_noticed():
    command = [sys.executable, str(SOAK), *PROCESSES]
    result = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "ok   all sessions were resumed when the home ended" in result.stdout
    assert "FAIL" not in result.stdout


def test_the_end_of_one_process_of_several_that_meet_by_redis_is_not_noticed(program):
    program("redis-server")
    command = [sys.executable, str(SOAK), *BY_REDIS]
    result = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "ok   all sessions were resumed when the home ended" in result.stdout
    assert "Redis was away for" in result.stdout
    assert "FAIL" not in result.stdout
