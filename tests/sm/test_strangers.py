import pytest

from andiron.sm.strangers import Newcomers, Strangers, is_local


def test_strangers_are_counted_in_all_and_by_address():
    strangers = Strangers(most=3, most_per_address=2)
    assert [strangers.admit("a"), strangers.admit("a"), strangers.admit("a")] == [True, True, False]
    assert [strangers.admit("b"), strangers.admit("b"), strangers.admit("c")] == [
        True,
        False,
        False,
    ]
    assert strangers.count == 3
    strangers.release("a")
    assert strangers.admit("c")
    for address in "abc":
        strangers.release(address)
    assert strangers.count == 0
    assert [strangers.admit("a"), strangers.admit("a"), strangers.admit("a")] == [True, True, False]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8:0:0:1::", "2001:db8:0:0:2::", True),
        ("2001:db8:0:1::", "2001:db8:0:2::", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("unix", "unix", True),
        ("unix", "unknown", False),
    ],
)
def test_a_network_of_ipv6_is_one_address(one, other, same):
    strangers = Strangers(most=9, most_per_address=1)
    assert strangers.admit(one)
    assert strangers.admit(other) is not same
    strangers.release(one)
    assert strangers.admit(one)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("", True),
        ("unix", True),
        ("192.0.2.1", False),
        ("10.0.0.1", False),
        ("2001:db8::1", False),
    ],
)
def test_this_machine_is_no_customer(address, local):
    assert is_local(address) == local


def test_who_has_taken_longest_makes_room():
    newcomers = Newcomers(Strangers(most=4, most_per_address=2))
    for who, address in enumerate("abacda"):
        newcomers.add(who, address)
    assert newcomers.surplus() == [0, 1]
    assert len(newcomers) == 4
    assert newcomers.surplus() == []
    newcomers.add(3, "c")
    newcomers.add(6, "e")
    assert newcomers.surplus() == [2]
    assert 3 in newcomers
    for who in (*range(7), 3):
        newcomers.remove(who)
    assert len(newcomers) == 0
    assert newcomers.surplus() == []


def test_a_proxy_has_more_than_one_behind_it():
    newcomers = Newcomers(Strangers(most=3, most_per_address=1))
    for who in range(4):
        newcomers.add(who, "")
    assert newcomers.surplus() == [0]


def test_who_is_signing_in_and_who_goes_first_leave_less_room():
    strangers = Strangers(most=8, most_per_address=8)
    first = Newcomers(strangers)
    last = Newcomers(strangers, first)
    for who in range(5):
        last.add(who, str(who))
    assert strangers.admit("a")
    assert strangers.admit("b")
    first.add("x", "x")
    first.add("y", "y")
    assert last.surplus() == [0]
    for address in "cdefgh":
        assert strangers.admit(address)
    first.add("z", "z")
    assert first.surplus() == ["x"]
    assert last.surplus() == [1, 2]
