"""What the site may say of somebody: of the right types, or it hears so at once."""

import pytest

from andiron import Person


def test_who_somebody_is():
    person = Person("juliet", "Juliet", b"picture", ["capulets"])
    assert person == Person("juliet", "Juliet", b"picture", ("capulets",))
    assert "picture" not in repr(person)
    assert Person("juliet") == Person("juliet", "", None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": None},
        {"name": 7},
        {"display_name": None},
        {"avatar": "https://example.org/juliet.png"},
        {"groups": "capulets"},
        {"groups": [7]},
        {"groups": 7},
    ],
)
def test_what_is_of_another_type_is_refused(wrong):
    with pytest.raises(TypeError):
        Person(**({"name": "juliet"} | wrong))
