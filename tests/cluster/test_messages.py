"""ASGI's scopes and messages as bytes, and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.cluster.frames import FrameError
from andiron.cluster.messages import (
    read_message,
    read_scope,
    read_text,
    write_message,
    write_scope,
)

HEADERS = [(b"content-type", b"text/plain"), (b"x-odd", bytes(range(128, 256)))]
MESSAGES = [
    {"type": "http.request", "body": b"\0\xff" * 100, "more_body": True},
    {"type": "http.request", "body": b"", "more_body": False},
    {"type": "http.disconnect"},
    {"type": "http.response.start", "status": 200, "headers": HEADERS},
    {"type": "http.response.body", "body": b"{}", "more_body": False},
    {"type": "websocket.connect"},
    {"type": "websocket.accept", "subprotocol": "xmpp", "headers": []},
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
    bare, _ = read_scope(write_scope({"type": "http", "headers": [], "path": "/"}, {}))
    assert bare["extensions"] == {}


def scope_with(**wrong):
    usual = {"type": "http", "headers": [], "told": {}, "answers": False}
    return json.dumps(usual | wrong).encode()


NOT_RELAYED = {"extensions", "state", "session"}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        scope_with(told="x"),
        b"{",
        b"\xff",
        b"{}",
        scope_with(type="lifespan"),
        scope_with(headers=[1]),
        scope_with(headers=[["\u0100", ""]]),
        scope_with(client=3),
        scope_with(raw_path=3),
    ],
)
def test_what_is_no_scope_is_refused(payload):
    with pytest.raises(FrameError):
        read_scope(payload)


@given(st.binary(max_size=60))
def test_no_bytes_are_more_than_a_message_or_a_refusal(payload):
    for read in (read_message, read_scope, read_text):
        try:
            read(payload)
        except FrameError:
            continue


@pytest.mark.parametrize("head", [{"type": ["x"]}, {"type": "http.trailers"}, {}, {"type": None}])
def test_what_is_no_message_is_refused(head):
    text = json.dumps(head).encode()
    with pytest.raises(FrameError):
        read_message(len(text).to_bytes(4, "big") + text)
