"""What differs between two objects makes the one of the other."""

import json
from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from andiron.sm.journal.changes import amended, changes

NAMES = st.sampled_from("abc")
VALUES = st.recursive(
    st.none() | st.integers(0, 3) | st.text("xy", max_size=2) | st.lists(st.integers(0, 1)),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=3)


@given(OBJECTS, OBJECTS)
def test_the_new_one_comes_of_the_old_which_stays(old: dict[str, Any], new: dict[str, Any]) -> None:
    before = deepcopy(old)
    found = changes(old, new)
    assert amended(old, json.loads(json.dumps(found))) == new
    assert old == before
    assert bool(found) == (old != new)


def test_what_stays_is_not_among_the_changes() -> None:
    old = {"rooms": {"hall": "long", "garden": "long", "cellar": "long"}, "priority": 1}
    new = {"rooms": {"hall": "short", "garden": "long", "attic": "new"}, "priority": 1}
    assert changes(old, new) == [
        (["rooms", "hall"], "short"),
        (["rooms", "attic"], "new"),
        (["rooms", "cellar"],),
    ]
