"""Who a client is, by table: each row is a way to be deceived or to be right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from andiron.sm.link import Channel
from andiron.web.proxy import Proxies, channel

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


def test_a_request_is_of_the_other_kind():
    request = scope() | {"type": "http", "scheme": "http"}
    assert channel(request, DEFAULT) == Channel("127.0.0.1", True, "bosh")


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
