"""Schemathesis in a pytest of its own.

What it asks is thought out as it is collected, which takes seconds: once, here, and not by each
worker. And its tests all have one name, of which pytest-xdist would run but one.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from andiron.http_api.description import described

ASKING = Path(__file__).with_name("by_its_document.py")


@pytest.mark.timeout(600)
def test_it_does_what_it_says():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    done = subprocess.run(
        [*command, str(ASKING)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    operations = sum(len(path) for path in described("")["paths"].values())
    assert f"{operations} passed" in done.stdout
