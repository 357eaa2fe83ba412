"""Accounts of an Andiron, for those who make load."""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

ANDIRON = str(Path(sys.executable).with_name("andiron"))


def add_accounts(
    names: Iterable[str], password: str, told: Mapping[str, str], directory: Path
) -> None:
    """Add accounts with one password to the Andiron whose environment that is."""
    subprocess.run(
        [ANDIRON, "user", "add", "--from-file", "-"],
        input="".join(f"{name} {password}\n" for name in names),
        check=True,
        env=told,
        cwd=directory,
        text=True,
        stdout=subprocess.DEVNULL,
    )
