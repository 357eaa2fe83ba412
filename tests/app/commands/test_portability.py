"""Accounts that leave by the command line, and come by it."""

import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from andiron.commands.cli import main


@pytest.fixture(autouse=True)
def cheap_keys(monkeypatch):
    monkeypatch.setenv("ANDIRON_AUTH_ITERATIONS", "4096")


def run(*arguments, code=0, stdin=None):
    result = CliRunner().invoke(main, ["user", *arguments], input=stdin)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def people():
    for name in ("romeo", "juliet"):
        run("add", name, "--password-stdin", stdin="secret\n")


def elsewhere(monkeypatch):
    monkeypatch.setenv("ANDIRON_DATABASE", "sqlite:///elsewhere.db")


def test_leaving_and_coming(people, monkeypatch):
    result = run("export", "--output", "all.xml")
    assert result.stdout == "Accounts exported: 2\n"
    assert stat.S_IMODE(os.stat("all.xml").st_mode) == 0o600
    elsewhere(monkeypatch)
    assert run("import", "all.xml").stdout == (
        "Accounts made: 2 (contacts: 0, messages: 0, nodes: 0)\n"
    )
    assert run("export").stdout == Path("all.xml").read_text("utf-8")
    assert run("list").stdout == "juliet@localhost\nromeo@localhost\n"


def test_some_accounts(people):
    result = run("export", "Romeo")
    assert "<user name='romeo'>" in result.stdout
    assert "juliet" not in result.stdout
    assert result.stderr == "Accounts exported: 1\n"
    assert "There is no account nurse." in run("export", "nurse", code=1).output


def test_no_file_is_overwritten_nor_left_half(people):
    Path("all.xml").write_text("mine")
    assert (
        "all.xml cannot be made: File exists."
        in run("export", "--output", "all.xml", code=1).output
    )
    assert Path("all.xml").read_text() == "mine"


def test_accounts_that_exist(people):
    run("export", "--output", "all.xml")
    run("remove", "romeo", "--yes")
    result = run("import", "all.xml", code=1)
    assert "Error: juliet was not imported: there is such an account already" in result.stderr
    assert result.stdout == "Accounts made: 1 (contacts: 0, messages: 0, nodes: 0)\n"
    assert run("import", "--merge", "all.xml").stdout.startswith("Accounts added to: 2\n")


def test_sentences(people):
    Path("bad.xml").write_text("<html/>")
    output = run("import", "bad.xml", code=1).output
    assert "bad.xml, line 1: this is not a document of XEP-0227" in output
    assert "does not exist" in run("import", "gone.xml", code=2).output
