import pytest

from andiron.sm.strangers import Strangers, is_local


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
