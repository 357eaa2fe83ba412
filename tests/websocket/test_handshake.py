import pytest

from andiron.websocket.handshake import (
    NO_SUBPROTOCOL,
    WRONG_ORIGIN,
    check_handshake,
)


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
