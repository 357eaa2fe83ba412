"""A session's head as JSON has it: back again as it was, or refused."""

import json

import pytest
from support.journal import head

from andiron.sm.frozen import Head

HEAD = head("a", backend={"presence": "<presence/>", "rooms": [["a", 1, None, True, 0.5]]})


def test_it_comes_back_as_it_was() -> None:
    assert Head.of(json.loads(json.dumps(HEAD.plain()))) == HEAD
    assert HEAD.plain().keys() == set(Head._fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", 1),
        ("jid", None),
        ("max", "600"),
        ("max", 600.0),
        ("max", True),
        ("secure", 1),
        ("began", "now"),
        ("lost_at", False),
        ("backend", []),
        ("backend", None),
        ("other", 1),
    ],
)
def test_what_is_none_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match="session"):
        Head.of({**HEAD.plain(), name: value})  # type: ignore[dict-item]


@pytest.mark.parametrize("name", Head._fields)
def test_every_field_is_needed(name: str) -> None:
    with pytest.raises(ValueError, match="head"):
        Head.of({key: value for key, value in HEAD.plain().items() if key != name})


@pytest.mark.parametrize("value", [None, [], "a", 1])
def test_it_is_an_object(value: list[int] | str | int | None) -> None:
    with pytest.raises(ValueError, match="head"):
        Head.of(value)


def test_a_time_may_be_whole() -> None:
    assert Head.of({**HEAD.plain(), "began": 15}).began == 15
