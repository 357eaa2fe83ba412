import re

import pytest

from andiron.xmpp import tokens as module
from andiron.xmpp.tokens import Tokens


@pytest.mark.parametrize(("size", "length"), [(9, 12), (12, 16), (24, 32)])
def test_each_is_new(size, length):
    tokens = Tokens()
    made = [tokens.next(size) for _ in range(1000)]
    assert len(set(made)) == 1000
    assert all(re.fullmatch(r"[\w-]+", each) and len(each) == length for each in made)


def test_no_byte_is_used_twice(monkeypatch):
    """Whatever is left of a block that is too short is let go."""
    asked = iter([bytes(range(14)), b"\xff" * 14])
    monkeypatch.setattr(module, "urandom", lambda _size: next(asked))
    tokens = Tokens()
    assert [tokens.next(9), tokens.next(9)] == ["AAECAwQFBgcI", "____________"]


def test_two_have_nothing_in_common():
    assert Tokens().next(12) != Tokens().next(12)
