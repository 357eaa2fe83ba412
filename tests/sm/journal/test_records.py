"""Records that were read are applied whole, or refused and change nothing."""

import json
from math import inf
from typing import Any

import pytest
from support.journal import head, plain, session

from andiron.sm.counters import MODULUS
from andiron.sm.frozen import Noted
from andiron.sm.journal.records import apply, is_plain, whole
from andiron.sm.journal.state import State


def populated() -> State:
    state = State()
    state.began(session("a", 3, [("<iq/>", 1.0)]))
    state.owed("archive", 4, None)
    return state


def test_a_whole_session_comes_back() -> None:
    value = session("b", MODULUS - 1, [("<message/>", 1.5), ('"ж\n', 2)])
    state = populated()
    apply(state, json.loads(json.dumps(whole(value))))
    assert state.sessions["b"].frozen() == value
    assert json.dumps(whole(state.sessions["b"])) == json.dumps(whole(value))


def test_what_is_known_of_a_stanza_comes_back_with_it() -> None:
    owed: list[tuple[str, float]] = [("<iq/>", 1.0), (Noted.of("<message/>", [1, "a"]), 2.0)]
    state = populated()
    apply(state, json.loads(json.dumps(whole(session("b", 0, owed)))))
    apply(state, json.loads('["noted", "b", "<message/>", 3.0, null]'))
    found = [text for text, _ in state.sessions["b"].frozen().queue]
    assert found == ["<iq/>", "<message/>", "<message/>"]
    assert [text.note for text in found if isinstance(text, Noted)] == [[1, "a"], None]


@pytest.mark.parametrize(
    "record",
    [
        None,
        {},
        "ended",
        [],
        [1],
        [["ended"], "a"],
        ["unknown", "a"],
        ["ended"],
        ["ended", "a", "a"],
        ["ended", 1],
        ["ended", "b"],
        ["queued", "a", "text"],
        ["queued", "a", 1, 1.0],
        ["queued", "a", "text", "1"],
        ["queued", "a", "text", True],
        ["queued", "a", "text", 1.0, None],
        ["noted", "a", "text", 1.0],
        ["noted", "b", "text", 1.0, None],
        ["acknowledged", "a", -1],
        ["acknowledged", "a", 5],
        ["acknowledged", "a", 4.0],
        ["handled", "a", MODULUS],
        ["handled", "a", True],
        ["note", 1, 1],
        ["owed", "archive", 4, 1],
        ["owed", "archive", -1, 1],
        ["owed", "archive", "5", 1],
        ["paid", "archive", None],
        ["changed", {}],
        ["changed", "a", {}],
        ["changed", "b", []],
        ["changed", "a", [1]],
        ["changed", "a", [[]]],
        ["changed", "a", [["max", 5]]],
        ["changed", "a", [[[], 5]]],
        ["changed", "a", [[["max"], 5, 5]]],
        ["changed", "a", [[["max"], "5"]]],
        ["changed", "a", [[["max"]]]],
        ["changed", "a", [[["id"], "b"]]],
        ["changed", "a", [[["max", "deeper"], 5]]],
        ["changed", "a", [[["backend", "none", "at all"], 5]]],
        ["changed", "a", [[["backend", "none"]]]],
        ["changed", "a", [[["backend", 1], 5]]],
        ["amended", "none", []],
        ["began", head("b").plain(), 0, 0],
        ["began", head("b").plain(), 0, -1, []],
        ["began", head("b").plain(), 0, 0, {}],
        ["began", head("b").plain(), 0, 0, [1]],
        ["began", head("b").plain(), 0, 0, [["text"]]],
        ["began", head("b").plain(), 0, 0, [["text", 1.0, None, None]], []],
        ["began", head("b").plain(), 0, 0, [["text", None]]],
        ["began", head("b").plain(), 0, 0, [[None, 1]]],
        ["began", {**head("b").plain(), "max": "1"}, 0, 0, []],
    ],
)
def test_what_is_no_record_changes_nothing(record: Any) -> None:
    state = populated()
    before = plain(state)
    with pytest.raises((ValueError, KeyError)):
        apply(state, record)
    assert plain(state) == before


@pytest.mark.parametrize(
    "value", [None, True, 0, 1.5, "a", [], (), {}, {"a": [1, {"b": (None, "")}]}, inf]
)
def test_what_json_can_say(value: object) -> None:
    assert is_plain(value)


@pytest.mark.parametrize("value", [b"", object(), {1: 2}, [b""], {"a": {2}}, ({"a": [b""]},)])
def test_what_it_cannot(value: object) -> None:
    assert not is_plain(value)
