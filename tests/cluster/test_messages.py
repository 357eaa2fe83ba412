"""ASGI's scopes and messages as bytes, and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.cluster.frames import FrameError
from andiron.cluster.messages import (
    PIECE,
    pieces,
    read_answer,
    read_message,
    read_request,
    read_scope,
    read_text,
    write_answer,
    write_message,
    write_scope,
)
from andiron.cluster.parts import joined

HEADERS = [(b"content-type", b"text/plain"), (b"x-odd", bytes(range(128, 256)))]
MESSAGES = [
    {"type": "http.request", "body": b"\0\xff" * 100, "more_body": True},
    {"type": "http.request", "body": b"", "more_body": False},
    {"type": "http.disconnect"},
    {"type": "http.response.start", "status": 200, "headers": HEADERS},
    {"type": "http.response.body", "body": b"{}", "more_body": False},
    {"type": "websocket.connect"},
    {"type": "websocket.accept", "subprotocol": "xmpp", "headers": HEADERS},
    {"type": "websocket.accept", "subprotocol": None},
    {"type": "websocket.receive", "bytes": b"\x01"},
    {"type": "websocket.send", "bytes": b"\x01"},
    {"type": "websocket.close", "code": 1000, "reason": "Ende gut"},
    {"type": "websocket.disconnect", "code": 1006, "reason": None},
    {"type": "websocket.http.response.start", "status": 403, "headers": HEADERS},
    {"type": "websocket.http.response.body", "body": b"no", "more_body": False},
]
SCOPE = {
    "type": "websocket",
    "http_version": "1.1",
    "scheme": "wss",
    "path": "/chat/ws",
    "raw_path": b"/chat/w%73",
    "query_string": b"a=\xff",
    "root_path": "/chat",
    "headers": HEADERS,
    "client": ("2001:db8::1", 443),
    "server": None,
    "subprotocols": ["xmpp"],
    "extensions": {"websocket.http.response": {}, "http.response.pathsend": {}},
    "state": {"database": object()},
    "session": {"user": object()},
}


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_comes_as_it_went(message):
    assert read_message(write_message(message)) == message


def test_what_a_message_need_not_have_may_be_missing():
    assert read_message(write_message({"type": "http.response.body"})) == {
        "type": "http.response.body",
        "body": b"",
    }
    headers = iter([[b"a", b"b"]])  # as an application may make them
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    assert read_message(write_message(start))["headers"] == [(b"a", b"b")]


@pytest.mark.parametrize("kind", ["http.response.pathsend", "http.response.trailers", "x"])
def test_one_of_an_extension_that_was_not_offered_is_refused(kind):
    with pytest.raises(ValueError, match="cannot be relayed"):
        write_message({"type": kind})


def test_of_a_scope_goes_what_the_specification_names():
    scope, told = read_scope(write_scope(SCOPE, {"visitor": {"name": "\ud800"}}))
    assert told == {"visitor": {"name": "\ud800"}}
    assert scope.pop("asgi")["version"] == "3.0"
    assert scope.pop("extensions") == {"websocket.http.response": {}}
    assert scope == {name: SCOPE[name] for name in SCOPE if name not in NOT_RELAYED}
    assert isinstance(scope["client"], tuple)


NOT_RELAYED = {"extensions", "state", "session"}


def test_what_a_scope_need_not_have_is_as_the_specification_says():
    scope, told = read_scope(write_scope({"type": "http", "headers": [], "path": "/"}, {}))
    assert told == {}
    assert scope["extensions"] == {}
    assert scope["client"] is None
    assert scope["raw_path"] is None
    assert (scope["http_version"], scope["root_path"], scope["query_string"]) == ("1.1", "", b"")
    socket_file = {"type": "websocket", "headers": [], "path": "/", "server": ("/run/x y", None)}
    scope, _ = read_scope(write_scope(socket_file, {}))
    assert scope["server"] == ("/run/x y", None)
    assert scope["subprotocols"] == []


@given(st.binary(max_size=300), st.text(max_size=100))
def test_what_a_client_chooses_grows_little(odd, path):
    headers = [(b"cookie", odd)]
    scope = SCOPE | {"headers": headers, "query_string": odd, "path": path, "subprotocols": []}
    written = write_scope(scope, {})
    assert read_scope(written)[0]["headers"] == headers
    assert read_scope(written)[0]["path"] == path
    assert len(written) < 2 * len(odd) + len(path.encode()) + 250
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    assert len(write_message(start)) < len(odd) + 100


def test_a_request_that_has_come_whole_is_its_scope_and_its_body():
    scope, told, body = read_request(write_scope(SCOPE, {"operator": "root"}) + b"\0body")
    assert (scope["path"], told, body) == ("/chat/ws", {"operator": "root"}, b"\0body")


def test_a_whole_answer_comes_as_it_went():
    assert read_answer(write_answer(404, HEADERS, b"\0no")) == (404, HEADERS, b"\0no")


@pytest.mark.parametrize("written", [b"", joined([]), joined([b"x"]), joined([b"200", b"a"])])
def test_what_is_no_answer_is_refused(written):
    with pytest.raises(FrameError):
        read_answer(written)


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 3 * PIECE])
@pytest.mark.parametrize("more", [False, True])
def test_a_large_body_goes_in_pieces(size, more):
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    cut = list(pieces({"type": "http.response.body", "body": body, "more_body": more}))
    assert b"".join(each["body"] for each in cut) == body
    assert all(len(each["body"]) <= PIECE for each in cut)
    assert [each["more_body"] for each in cut] == [True] * (len(cut) - 1) + [more]


def test_what_has_no_body_is_one_piece():
    for message in ({"type": "http.disconnect"}, {"type": "websocket.receive", "bytes": b"x"}):
        assert list(pieces(message)) == [message]


def scope_with(**wrong):
    """Return a scope whose part of a name is wrong."""
    names = ["type", "version", "method", "scheme", "path", "root", "raw", "query"]
    names += ["client", "server", "subprotocols", "answers", "told", "header", "value"]
    usual = {"type": b"http", "client": b"::1 1", "told": b"{}"} | wrong
    return joined([usual.get(name, b"") for name in names if usual.get(name, b"") is not None])


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"\xff",
        joined([]),
        joined([b"http"] * 12),
        scope_with(type=b"lifespan"),
        scope_with(value=None),
        scope_with(client=b"nobody"),
        scope_with(client=b"h x"),
        scope_with(path=b"\xff"),
        scope_with(told=b"[]"),
        scope_with(told=b"[" * 10_000),
    ],
)
def test_what_is_no_scope_is_refused(payload):
    with pytest.raises(FrameError):
        read_scope(payload)


def test_a_scope_with_nothing_wrong_is_none_of_those():
    assert read_scope(scope_with())[0]["client"] == ("::1", 1)


@given(st.binary(max_size=60))
def test_no_bytes_are_more_than_a_message_or_a_refusal(payload):
    for read in (read_message, read_scope, read_answer, read_text):
        try:
            read(payload)
        except FrameError:
            continue


@pytest.mark.parametrize("head", [{"type": ["x"]}, {"type": "http.trailers"}, {}, {"type": None}])
def test_what_is_no_message_is_refused(head):
    with pytest.raises(FrameError):
        read_message(joined([json.dumps(head).encode()]))


@pytest.mark.parametrize("payload", [b"", joined([]), joined([b""]), joined([b"[]"])])
def test_what_has_no_head_is_no_message(payload):
    with pytest.raises(FrameError):
        read_message(payload)
