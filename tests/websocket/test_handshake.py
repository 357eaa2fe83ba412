import pytest

from andiron.websocket.handshake import (
    NO_SUBPROTOCOL,
    WRONG_ORIGIN,
    Strangers,
    check_handshake,
    origin_allowed,
)


@pytest.mark.parametrize(
    ("origin", "host", "listed", "allowed"),
    [
        # The page's own host, by default ports and by others.
        ("https://chat.example", "chat.example", (), True),
        ("https://chat.example", "chat.example:443", (), True),
        ("http://chat.example", "chat.example:80", (), True),
        ("http://localhost:8000", "localhost:8000", (), True),
        ("https://CHAT.Example", "chat.eXample", (), True),
        ("http://[::1]:8000", "[::1]:8000", (), True),
        ("https://[2001:DB8::1]", "[2001:db8::1]", (), True),
        # Anything else.
        ("https://evil.example", "chat.example", (), False),
        ("https://chat.example:8443", "chat.example", (), False),
        ("http://chat.example", "chat.example:443", (), False),
        ("https://chat.example", "chat.example:80", (), False),
        ("https://chat.example.evil.example", "chat.example", (), False),
        ("https://sub.chat.example", "chat.example", (), False),
        ("http://[::1]:8001", "[::1]:8000", (), False),
        ("https://chat.example", "", (), False),
        # What is no origin of a page.
        ("null", "chat.example", (), False),
        ("", "chat.example", (), False),
        ("null", "null", (), False),
        ("chat.example", "chat.example", (), False),
        ("file://", "", (), False),
        ("ftp://chat.example", "chat.example", (), False),
        ("https://chat.example:port", "chat.example", (), False),
        ("https://chat.example:99999", "chat.example", (), False),
        ("https://[::1", "[::1", (), False),
        ("https://chat.example/page", "chat.example", (), False),
        ("https://evil.example", "chat.example/../", (), False),
        # Listed ones, which are compared with the scheme.
        ("https://www.example", "chat.example", ("https://www.example",), True),
        ("https://WWW.example:443", "chat.example", ("https://www.example",), True),
        ("https://www.example", "chat.example", ("https://a.example", "https://www.example"), True),
        ("http://www.example", "chat.example", ("https://www.example",), False),
        ("https://www.example:8443", "chat.example", ("https://www.example",), False),
        ("https://evil.example", "chat.example", ("https://www.example",), False),
        ("null", "chat.example", ("https://www.example",), False),
        ("https://evil.example", "chat.example", ("*",), True),
        ("null", "chat.example", ("*",), True),
    ],
)
def test_origins(origin, host, listed, allowed):
    assert origin_allowed(origin, host, listed) is allowed


def scope(*headers, subprotocols=("xmpp",)):
    return {
        "subprotocols": list(subprotocols),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }


OWN = ("host", "chat.example")


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ([OWN], None),
        ([], None),
        ([OWN, ("origin", "https://chat.example")], None),
        ([("Host", "chat.example"), ("Origin", "https://chat.example")], None),
        ([OWN, ("origin", "https://evil.example")], WRONG_ORIGIN),
        ([OWN, ("origin", "")], WRONG_ORIGIN),
        ([OWN, ("origin", "https://\xff")], WRONG_ORIGIN),
        ([("origin", "https://chat.example")], WRONG_ORIGIN),
        (
            [OWN, ("origin", "https://chat.example"), ("origin", "https://chat.example")],
            WRONG_ORIGIN,
        ),
        (
            [OWN, ("host", "evil.example"), ("origin", "https://evil.example")],
            WRONG_ORIGIN,
        ),
    ],
)
def test_the_origin_header(headers, refusal):
    assert check_handshake(scope(*headers), ()) is refusal


def test_any_origin_means_one_origin():
    twice = [OWN, ("origin", "https://a.example"), ("origin", "https://b.example")]
    assert check_handshake(scope(*twice[:2]), ("*",)) is None
    assert check_handshake(scope(*twice), ("*",)) is WRONG_ORIGIN


@pytest.mark.parametrize(
    ("subprotocols", "refusal"),
    [
        (["xmpp"], None),
        (["chat", "xmpp"], None),
        ([], NO_SUBPROTOCOL),
        (["chat"], NO_SUBPROTOCOL),
        (["XMPP"], NO_SUBPROTOCOL),
        (["xmpp2", "xmpp "], NO_SUBPROTOCOL),
    ],
)
def test_the_subprotocol(subprotocols, refusal):
    assert check_handshake(scope(OWN, subprotocols=subprotocols), ()) is refusal


def test_the_subprotocol_is_asked_for_first():
    foreign = scope(OWN, ("origin", "https://evil.example"), subprotocols=[])
    assert check_handshake(foreign, ()) is NO_SUBPROTOCOL


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
