"""What the documentation shows of a terminal is what one sees: commands and what they print."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.pages import BLOCKS, Block, commands

SHOWN = [block for block in BLOCKS if "$ " in block.text and re.search(r"^\$ ", block.text, re.M)]


class Terminal:
    """A shell in a folder of its own, where ``andiron`` is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {"PATH": path, "ANDIRON_AUTH_ITERATIONS": "4096"}

    def run(self, script: str) -> str:
        """Return what a script prints, also of what goes wrong."""
        return subprocess.run(
            ["bash", "-c", script],
            check=False,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ).stdout

    def people(self, *names: str, database: str = "andiron.db") -> None:
        """Make accounts."""
        (self.folder / "list").write_text("".join(f"{name} secret\n" for name in names))
        self.run(f"ANDIRON_DATABASE=sqlite:///{database} andiron user add --from-file list")


def people_with_faults(terminal: Terminal) -> None:
    terminal.people("carol")
    lines = ["dave one", "erin two", "frank", "grace 4", "", "heidi 6", "ivan 7", "carol 8", ""]
    (terminal.folder / "people.txt").write_text("\n".join(lines))


def accounts_of_another_server(terminal: Terminal) -> None:
    terminal.people("carol", "dave", database="other.db")
    terminal.run("ANDIRON_DATABASE=sqlite:///other.db andiron user export --output accounts.xml")
    terminal.people("carol")


def a_contact_by_other_rules(terminal: Terminal) -> None:
    terminal.people("alice")
    with closing(sqlite3.connect(terminal.folder / "andiron.db")) as database, database:
        database.execute(
            "INSERT INTO contacts VALUES"
            " ('alice', 'bob@example.org.', 1, 'both', 0, 0, '', '', '[]')"
        )


def another_database(terminal: Terminal) -> None:
    terminal.people("alice", database="old.db")


def nothing(terminal: Terminal) -> None:
    """Begin in an empty folder."""


BEFORE: dict[str, Callable[[Terminal], None]] = {
    "andiron user add --from-file people.txt": people_with_faults,
    "andiron user import accounts.xml": accounts_of_another_server,
    "export ANDIRON_TOKEN_SECRET=$(openssl rand -hex 32)": nothing,
    "andiron database check": a_contact_by_other_rules,
    "andiron database import sqlite:////var/lib/andiron/andiron.db": another_database,
    "ANDIRON_PORT=9000 andiron config show": nothing,
}


def pattern(shown: str) -> str:
    """Return what the output must match: with other numbers, and with what was left out."""
    expected = re.escape(shown).replace("\N{HORIZONTAL ELLIPSIS}", "(?s:.*)")
    # What is none is not counted: "Accounts made: 41 (contacts: 212, messages: 9120)".
    expected = re.sub(r"\\ \\\(contacts:.*?\\\)", r"(?: \\([^)]*\\))?", expected)
    return re.sub(r"(?<=:\\ )\d+", r"\\d+", expected)


@pytest.mark.parametrize("block", SHOWN, ids=str)
def test_it_prints_what_is_shown(block: Block, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    script = commands(block.text)
    BEFORE[script[0]](terminal)
    shown = "".join(line for line in block.text.splitlines(True) if not line.startswith("$ "))
    printed = terminal.run("\n".join(script).replace("/var/lib/andiron/andiron.db", "old.db"))
    assert re.fullmatch(pattern(shown), printed), printed


def test_what_the_check_finds_is_mended_as_described(tmp_path: Path) -> None:
    (block,) = [each for each in BLOCKS if each.first.startswith("andiron database check |")]
    terminal = Terminal(tmp_path)
    a_contact_by_other_rules(terminal)
    find, mend = commands(block.text)
    terminal.run(find)
    assert mend == "sqlite3 /var/lib/andiron/andiron.db < mend.sql"
    with closing(sqlite3.connect(tmp_path / "andiron.db")) as database, database:
        database.executescript((tmp_path / "mend.sql").read_text())
    assert terminal.run("andiron database check").endswith("Found: 0\n")
