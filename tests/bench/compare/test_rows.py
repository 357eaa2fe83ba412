"""The rows of the comparison, and how they are chosen."""

import pytest
from compare.rows import EJABBERD, PROSODY, QUICK_ROWS, ROWS, SERVERS, selected
from load.command import PATTERNS
from load.options import parse

NAMES = [row.name for row in ROWS]


def test_names_are_one_each():
    assert len(set(NAMES)) == len(NAMES)


def test_goals_name_rows_that_are_there():
    assert {goal.row for row in ROWS for goal in row.goals} - {""} <= set(NAMES)


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("quick", [True, False])
def test_the_generator_takes_the_options(row, server, quick):
    url = "ws://127.0.0.1:1/ws" if row.transport == "ws" else "http://127.0.0.1:1/bosh"
    options = parse(None, PATTERNS, ["--url", url, *row.arguments(server, quick=quick)])
    assert options.users <= row.users
    assert (options.pattern, options.auth) == (row.pattern, row.auth)
    assert options.duration <= 3 or row.pattern in ("connect", "join", "storm")


def test_options_for_one_server_alone():
    resume = next(row for row in ROWS if row.name == "ws-resume")
    assert "--gap-messages" in resume.arguments(EJABBERD, quick=False)
    assert "--gap-messages" not in resume.arguments(PROSODY, quick=False)


def chosen(*names: str, quick: bool = False) -> list[str]:
    return [row.name for row in selected(list(names), quick=quick)]


def test_selection():
    assert chosen() == NAMES
    assert sorted(chosen(quick=True)) == sorted(QUICK_ROWS)
    assert chosen("ws-plain") == ["ws-plain"]
    assert chosen("room") == ["room-join", "room-fanout"]
    assert chosen("room", "ws-plain") == ["ws-plain", "room-join", "room-fanout"]
    with pytest.raises(ValueError, match="no row dance"):
        chosen("dance")
