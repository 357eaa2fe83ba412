from hypothesis import given
from hypothesis import strategies as st

from andiron.domain.sign_in.places import Places


def test_an_owner_is_known_where_he_has_been_in():
    places = Places(10)
    places.succeeded(b"alice", b"home")
    assert places.knows(b"alice", b"home")
    assert not places.knows(b"alice", b"office")
    assert not places.knows(b"bob", b"home")


def test_five_failures_in_a_row_make_a_place_as_good_as_any():
    places = Places(10)
    for place in (b"home", b"office"):
        places.succeeded(b"alice", place)
    for _ in range(4):
        places.failed(b"alice", b"home")
    assert places.knows(b"alice", b"home")
    places.succeeded(b"alice", b"home")
    for _ in range(4):
        places.failed(b"alice", b"home")
        places.failed(b"alice", b"elsewhere")
        places.failed(b"bob", b"home")
    assert places.knows(b"alice", b"home")
    places.failed(b"alice", b"home")
    assert not places.knows(b"alice", b"home")
    assert places.knows(b"alice", b"office")
    for _ in range(5):
        places.failed(b"alice", b"office")
    assert len(places) == 0


def test_the_places_of_one_account_are_few_and_the_latest():
    places = Places(10)
    for number in range(8):
        places.succeeded(b"alice", bytes([number]))
    places.succeeded(b"alice", b"\0")
    places.succeeded(b"alice", b"home")
    known = [places.knows(b"alice", bytes([number])) for number in range(8)]
    assert known == [True, False, True, True, True, True, True, True]
    assert places.knows(b"alice", b"home")


def test_nobody_can_have_another_forgotten_from_many_places():
    places = Places(2)
    places.succeeded(b"alice", b"home")
    for number in range(256):
        places.succeeded(b"mallory", bytes([number]))
    assert places.knows(b"alice", b"home")
    places.succeeded(b"bob", b"home")
    assert not places.knows(b"alice", b"home")
    assert places.knows(b"bob", b"home")


NAMES = st.integers(0, 20).map(lambda number: bytes([number]))


@given(st.lists(st.tuples(st.booleans(), NAMES, NAMES), max_size=300))
def test_memory_stays_within_its_bounds(events):
    places = Places(5)
    for right, account, place in events:
        if right:
            places.succeeded(account, place)
            assert places.knows(account, place)
        else:
            places.failed(account, place)
        assert len(places) <= 5
        assert sum(places.knows(account, bytes([number])) for number in range(21)) <= 8
