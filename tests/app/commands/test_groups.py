"""``andiron group``, as an operator meets it."""

import pytest
from click.testing import CliRunner

from andiron.commands.cli import main


def run(*arguments, code=0, stdin=None):
    result = CliRunner().invoke(main, arguments, input=stdin)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(autouse=True)
def accounts(monkeypatch):
    monkeypatch.setenv("ANDIRON_AUTH_ITERATIONS", "4096")
    run("user", "add", "--from-file", "-", stdin="juliet x\nnurse y\n")


def test_a_group_is_made_shown_and_deleted():
    assert run("group", "list") == ""
    assert (
        run("group", "add", "The House", "juliet", "Nurse") == "In The House now: juliet, Nurse\n"
    )
    assert run("group", "list") == "The House\t2\n"
    assert run("group", "list", "The House") == "juliet@localhost\nnurse@localhost\n"
    run("group", "remove", "The House", "nurse")
    assert run("group", "list") == "The House\t1\n"
    run("group", "delete", "The House")
    assert run("group", "list") == ""


def test_all_are_put_in_or_none():
    assert "There is no account romeo." in run("group", "add", "House", "juliet", "romeo", code=1)
    assert run("group", "list") == ""


@pytest.mark.parametrize("name", ["", " House", "x" * 201, "two\nlines"])
def test_a_name_that_could_not_be_shown_is_refused(name):
    assert "a group's name is" in run("group", "add", name, "juliet", code=2)
