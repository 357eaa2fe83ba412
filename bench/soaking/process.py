"""The server's process, in a directory and with accounts of its own."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from load.accounts import add_accounts

from soaking import words

ITERATIONS = "4096"


def environment(database: str, **settings: str) -> dict[str, str]:
    """Return what an Andiron is told; settings are named as in the environment."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("ANDIRON_")}
    return own | {
        "ANDIRON_DATABASE": database,
        "ANDIRON_AUTH_ITERATIONS": ITERATIONS,
        "ANDIRON_MAX_NEGOTIATING": "100000",
        "ANDIRON_MAX_NEGOTIATING_PER_ADDRESS": "100000",
        "ANDIRON_LOG_LEVEL": "warning",
        **settings,
    }


def make_accounts(directory: Path, told: Mapping[str, str], users: int) -> None:
    """Make the accounts of so many sessions."""
    add_accounts(map(words.name, range(users)), words.PASSWORD, told, directory)


def resident(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024
