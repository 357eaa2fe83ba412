"""Who a client is, by table: each row is a way to be deceived or to be right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from andiron.sm.link import Channel
from andiron.sm.notices import MOST
from andiron.web import proxy
from andiron.web.proxy import Proxies, arrived_by_tls, channel, may_tell_secrets, parse_address

DEFAULT = Proxies.of(["127.0.0.1", "::1"])
CHAIN = Proxies.of(["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"])
SOCKET = Proxies.of(["unix"])


def scope(client="127.0.0.1", scheme="ws", **headers):
    return {
        "type": "websocket",
        "scheme": scheme,
        "client": (client, 1234) if client is not None else None,
        "headers": [
            (name.replace("_", "-").encode(), line.encode())
            for name, value in headers.items()
            for line in ([value] if isinstance(value, str) else value)
        ],
    }


@pytest.mark.parametrize(
    ("given_scope", "address", "secure"),
    [
        # Nobody forwarded.
        (scope(), "127.0.0.1", True),
        (scope("::1"), "::1", True),
        (scope("::ffff:127.0.0.1"), "127.0.0.1", True),
        (scope("203.0.113.9"), "203.0.113.9", False),
        (scope("203.0.113.9", "wss"), "203.0.113.9", True),
        (scope("203.0.113.9", "https"), "203.0.113.9", True),
        (scope("fe80::1%eth0"), "fe80::1", False),
        (scope(None), "unix", False),
        (scope(""), "unix", False),
        (scope("testclient"), "unknown", False),
        # A stranger's headers are not believed.
        (scope("203.0.113.9", x_forwarded_for="127.0.0.1"), "203.0.113.9", False),
        (scope("203.0.113.9", x_forwarded_proto="https"), "203.0.113.9", False),
        (scope("203.0.113.9", forwarded="for=127.0.0.1;proto=https"), "203.0.113.9", False),
        (scope("testclient", x_forwarded_proto="https"), "unknown", False),
        (scope(None, x_forwarded_for="203.0.113.9", x_forwarded_proto="https"), "unix", False),
        # A trusted proxy's are.
        (scope(x_forwarded_for="203.0.113.9"), "203.0.113.9", False),
        (scope(x_forwarded_for="203.0.113.9", x_forwarded_proto="https"), "203.0.113.9", True),
        (scope(x_forwarded_for="203.0.113.9", x_forwarded_proto="WSS"), "203.0.113.9", True),
        (scope(x_forwarded_for="203.0.113.9", x_forwarded_proto="http"), "203.0.113.9", False),
        (scope(x_forwarded_for="203.0.113.9:4711"), "203.0.113.9", False),
        (scope(x_forwarded_for="[2001:db8::9]:4711"), "2001:db8::9", False),
        (scope(x_forwarded_for="2001:db8::9"), "2001:db8::9", False),
        (scope(x_forwarded_for="::ffff:203.0.113.9"), "203.0.113.9", False),
        # What the client wrote before the proxy added its word.
        (scope(x_forwarded_for="127.0.0.1, 203.0.113.9"), "203.0.113.9", False),
        (scope(x_forwarded_for=["127.0.0.1", "203.0.113.9"]), "203.0.113.9", False),
        (scope(x_forwarded_proto="https, http"), "127.0.0.1", False),
        (scope(x_forwarded_proto=["https", "http"]), "127.0.0.1", False),
        # What cannot be an address leaves the proxy's own.
        (scope(x_forwarded_for="unknown"), "127.0.0.1", False),
        (scope(x_forwarded_for="<script>"), "127.0.0.1", False),
        (scope(x_forwarded_for=""), "127.0.0.1", False),
        # A proxy on this machine that says nothing of use is no loopback client.
        (scope(x_real_ip="203.0.113.9"), "127.0.0.1", False),
        (scope(x_forwarded_host="chat.example.org"), "127.0.0.1", False),
        # TLS from proxy to here says nothing of the way before it.
        (scope("127.0.0.1", "wss", x_forwarded_proto="http"), "127.0.0.1", False),
        (scope("127.0.0.1", "https", x_forwarded_proto="http"), "127.0.0.1", False),
        (scope("127.0.0.1", "wss", x_forwarded_for="203.0.113.9"), "203.0.113.9", True),
        # RFC 7239
        (scope(forwarded="for=203.0.113.9;proto=https"), "203.0.113.9", True),
        (scope(forwarded="For=203.0.113.9; Proto=HTTPS ;by=10.0.0.1"), "203.0.113.9", True),
        (scope(forwarded='for="[2001:db8::9]:4711";proto=http'), "2001:db8::9", False),
        (scope(forwarded='for="203\\.0.113.9"'), "203.0.113.9", False),
        (scope(forwarded="for=127.0.0.1, for=203.0.113.9"), "203.0.113.9", False),
        (scope(forwarded=["for=127.0.0.1", "for=203.0.113.9"]), "203.0.113.9", False),
        (scope(forwarded="proto=https, proto=http"), "127.0.0.1", False),
        (scope(forwarded="for=_hidden;proto=https"), "127.0.0.1", True),
        (scope(forwarded="for=unknown, for=127.0.0.1;proto=https"), "127.0.0.1", True),
        (scope(forwarded="for"), "127.0.0.1", False),
        (scope(forwarded='for="203.0.113.9;proto=https'), "127.0.0.1", False),
        (scope(forwarded="for=203.0.113.9 proto=https"), "127.0.0.1", False),
        # Both kinds: one of them may be the client's own.
        (
            scope(
                x_forwarded_for="203.0.113.9",
                x_forwarded_proto="https",
                forwarded="for=203.0.113.9;proto=https",
            ),
            "203.0.113.9",
            True,
        ),
        (
            scope(x_forwarded_for="203.0.113.9", forwarded="for=127.0.0.1;proto=https"),
            "127.0.0.1",
            False,
        ),
        (
            scope(x_forwarded_proto="https", forwarded="for=203.0.113.9;proto=http"),
            "127.0.0.1",
            False,
        ),
    ],
)
def test_behind_the_default_proxies(given_scope, address, secure):
    assert channel(given_scope, DEFAULT) == Channel(address, secure, "websocket")
    assert may_tell_secrets(given_scope, DEFAULT) == secure


@pytest.mark.parametrize(
    ("given_scope", "address", "secure"),
    [
        (scope("10.0.0.5", x_forwarded_for="203.0.113.9"), "203.0.113.9", False),
        (scope(x_forwarded_for="203.0.113.9, 10.0.0.5"), "203.0.113.9", False),
        (scope(x_forwarded_for="6.6.6.6, 203.0.113.9, 10.0.0.5"), "203.0.113.9", False),
        (scope(x_forwarded_for="6.6.6.6, ?, 10.0.0.5"), "10.0.0.5", False),
        (scope(x_forwarded_for="10.0.0.6, 10.0.0.5"), "10.0.0.6", False),
        (scope("2001:db8::5", x_forwarded_for="203.0.113.9"), "203.0.113.9", False),
        (scope("::ffff:10.0.0.5", x_forwarded_for="203.0.113.9"), "203.0.113.9", False),
        (scope("11.0.0.5", x_forwarded_for="203.0.113.9"), "11.0.0.5", False),
    ],
)
def test_behind_a_chain_of_proxies(given_scope, address, secure):
    assert channel(given_scope, CHAIN) == Channel(address, secure, "websocket")
    assert may_tell_secrets(given_scope, CHAIN) == secure


@pytest.mark.parametrize(
    ("given_scope", "address", "secure"),
    [
        (
            scope(None, x_forwarded_for="203.0.113.9", x_forwarded_proto="https"),
            "203.0.113.9",
            True,
        ),
        (scope("", x_forwarded_for="203.0.113.9", x_forwarded_proto="http"), "203.0.113.9", False),
        (scope(None), "unix", False),
        (scope("127.0.0.1", x_forwarded_for="203.0.113.9"), "127.0.0.1", False),
    ],
)
def test_behind_a_proxy_on_a_socket_file(given_scope, address, secure):
    assert channel(given_scope, SOCKET) == Channel(address, secure, "websocket")
    assert may_tell_secrets(given_scope, SOCKET) == secure


def test_a_request_is_of_the_other_kind():
    request = scope() | {"type": "http", "scheme": "http"}
    assert channel(request, DEFAULT) == Channel("127.0.0.1", True, "bosh")


PLAIN_HTTP = {"x_forwarded_for": "203.0.113.9", "x_forwarded_proto": "http"}
BY_TLS = {"x_forwarded_for": "203.0.113.9", "x_forwarded_proto": "https"}


def told(caplog, given_scope, names):
    """Return what is logged of two connections that come in the same way."""
    caplog.clear()
    proxies = Proxies.of(names)
    for _ in range(2):
        channel(given_scope, proxies)
        arrived_by_tls(given_scope, proxies)
    return caplog.messages


@pytest.mark.parametrize(
    ("given_scope", "names", "peer", "headers", "remedy"),
    [
        # A container's proxy, which ends TLS.
        (scope("172.17.0.1", **BY_TLS), ["127.0.0.1"], "The peer 172.17.0.1",
         "X-Forwarded-For, X-Forwarded-Proto", "add 172.17.0.1 to"),
        (scope("8.8.8.8", **BY_TLS), ["10.0.0.0/8"], "The peer 8.8.8.8",
         "X-Forwarded-For, X-Forwarded-Proto", "add 8.8.8.8 to"),
        (scope("::ffff:172.17.0.1", forwarded="for=203.0.113.9;proto=https"), [],
         "The peer ::ffff:172.17.0.1", "Forwarded", "add 172.17.0.1 to"),
        (scope("fd00::1", **PLAIN_HTTP), [], "The peer fd00::1", "X-Forwarded-For", "add fd00::1"),
        (scope(None, **PLAIN_HTTP), ["127.0.0.1"], "The peer on the socket file",
         "X-Forwarded-For, X-Forwarded-Proto", "add unix to"),
        (scope("testclient", x_forwarded_proto="https"), ["127.0.0.1"], "The peer testclient",
         "X-Forwarded-Proto", "add testclient to"),
    ],
)  # fmt: skip
def test_a_proxy_that_is_not_believed_is_named_once(
    caplog, given_scope, names, peer, headers, remedy
):
    (message,) = told(caplog, given_scope, names)
    assert message.startswith(f"{peer} sends {headers}")
    assert "ignored since ANDIRON_TRUSTED_PROXIES does not list it" in message
    assert "are sent to ws:// and may not sign in by PLAIN" in message
    assert remedy in message


@pytest.mark.parametrize(
    ("given_scope", "names"),
    [
        (scope("172.17.0.1"), []),
        (scope("172.17.0.1", x_real_ip="203.0.113.9"), []),
        (scope("172.17.0.1", **BY_TLS), ["172.16.0.0/12"]),
        (scope("172.17.0.1", **PLAIN_HTTP), ["172.16.0.0/12"]),
        (scope(None, **BY_TLS), ["unix"]),
        (scope(x_forwarded_proto="http"), ["127.0.0.1"]),
        # Somebody in the world, who may invent anything.
        (scope("8.8.8.8", x_forwarded_for="127.0.0.1"), []),
        (scope("8.8.8.8", "wss", **BY_TLS), []),
        # The server itself has believed the proxy and moved the peer.
        (scope("203.0.113.9", "wss", **BY_TLS), ["127.0.0.1"]),
        (scope("192.168.0.9", x_forwarded_for="192.168.0.9"), ["127.0.0.1"]),
    ],
)
def test_where_all_is_well_nothing_is_logged(caplog, given_scope, names):
    assert told(caplog, given_scope, names) == []


def test_tls_between_proxy_and_server_is_tls(caplog):
    (message,) = told(caplog, scope("172.17.0.1", "wss", **BY_TLS), [])
    assert "its clients count as one address. If" in message


def test_a_proxy_that_says_nothing_of_tls_is_told_to(caplog):
    (message,) = told(caplog, scope(x_forwarded_for="203.0.113.9"), ["127.0.0.1"])
    assert message.startswith("The peer 127.0.0.1 forwards clients and does not say whether they")
    assert message.endswith("let the proxy set X-Forwarded-Proto")
    assert (
        told(caplog, scope("127.0.0.1", "wss", x_forwarded_for="203.0.113.9"), ["127.0.0.1"]) == []
    )


def test_a_proxy_that_passes_on_a_contradiction_is_told_not_to(caplog):
    given_scope = scope(**BY_TLS, forwarded="for=203.0.113.9;proto=http")
    (message,) = told(caplog, given_scope, ["127.0.0.1"])
    assert "X-Forwarded-* and Forwarded, which differ, so neither is believed" in message


def test_a_log_is_not_filled_by_many_peers(caplog):
    proxies = Proxies.of([])
    for number in range(1000):
        channel(scope(f"10.0.{number // 250}.{number % 250}", **BY_TLS), proxies)
    assert len(caplog.messages) == MOST


def test_proxies_are_compared_by_what_they_are():
    assert Proxies.of(["unix"]) == Proxies.of(["unix"])


HOPS = st.sampled_from(
    ["127.0.0.1", "10.0.0.5", "10.0.0.6", "203.0.113.9", "198.51.100.7", "2001:db8::5"]
)


@given(
    peer=HOPS,
    hops=st.lists(HOPS, min_size=1, max_size=4),
    proto=st.sampled_from(["https", "http"]),
)
async def test_a_server_that_rewrote_the_scope_changes_nothing(peer, hops, proto):
    """Under ``uvicorn andiron:app`` the server's own ``proxy_headers`` comes first."""
    plain = scope(peer, x_forwarded_for=", ".join(hops), x_forwarded_proto=proto)
    rewritten = []

    async def keep(seen, _receive, _send):
        rewritten.append(seen)

    names = ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"]
    await ProxyHeadersMiddleware(keep, names)(dict(plain), None, None)
    assert channel(rewritten[0], CHAIN) == channel(plain, CHAIN)


def test_what_is_too_long_for_an_address_is_none_and_is_not_remembered():
    before = proxy._parse_address.cache_info().currsize
    for number in range(3):
        assert parse_address("192.0.2.1" + " " * 10_000 + str(number)) is None
    assert proxy._parse_address.cache_info().currsize == before
