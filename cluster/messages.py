"""ASGI's scopes and messages as bytes: those that the specification names, and nothing else.

What a server or middleware puts besides into a scope is an object of its own process.
"""

import json
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final

from andiron.cluster.frames import FrameError

__all__ = ["Message", "Scope", "read_message", "read_object", "read_scope", "read_text"]
__all__ += ["write_message", "write_object", "write_scope"]

Scope = Mapping[str, Any]
Message = MutableMapping[str, Any]

_LENGTH: Final = 4
_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "http.request": ("more_body",),
    "http.disconnect": (),
    "http.response.start": ("status", "headers"),
    "http.response.body": ("more_body",),
    "websocket.connect": (),
    "websocket.accept": ("subprotocol", "headers"),
    "websocket.receive": (),
    "websocket.send": (),
    "websocket.close": ("code", "reason"),
    "websocket.disconnect": ("code", "reason"),
    "websocket.http.response.start": ("status", "headers"),
    "websocket.http.response.body": ("more_body",),
}
"""What a message may have besides its type and its bytes."""
_BYTES: Final = {
    "http.request": "body",
    "http.response.body": "body",
    "websocket.receive": "bytes",
    "websocket.send": "bytes",
    "websocket.http.response.body": "body",
}
"""Under which name a message has bytes."""
_SCOPE: Final = (
    *("type", "http_version", "method", "scheme", "path", "root_path"),
    *("client", "server", "subprotocols"),
)
_SCOPE_BYTES: Final = ("raw_path", "query_string")
_PAIRS: Final = ("client", "server")
_ANSWERS: Final = "websocket.http.response"
"""The one extension that can be relayed: an HTTP answer to a handshake."""


def write_message(message: Message) -> bytes:
    """Return a message as bytes, what is long in it as it is.

    Raises ValueError for one that ASGI has not, or that its extensions have which
    :func:`write_scope` leaves out.
    """
    kind = message["type"]
    fields = _FIELDS.get(kind)
    if fields is None:
        raise ValueError(f"an ASGI message {kind!r} cannot be relayed")
    small: dict[str, Any] = {name: message[name] for name in fields if name in message}
    small["type"] = kind
    if "headers" in small:
        small["headers"] = _texts(small["headers"])
    body = b""
    name = _BYTES.get(kind)
    if name is not None:
        body = bytes(message.get(name) or b"")
    text = write_object(small)
    return b"".join((len(text).to_bytes(_LENGTH, "big"), text, body))


def read_message(payload: bytes) -> Message:
    """Return what :func:`write_message` wrote. Raises :class:`FrameError`."""
    end = _LENGTH + int.from_bytes(payload[:_LENGTH], "big")
    message = read_object(payload[_LENGTH:end])
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in _FIELDS or end > len(payload):
        raise FrameError("a message that ASGI has not")
    if "headers" in message:
        message["headers"] = _pairs(message["headers"])
    name = _BYTES.get(kind)
    if name is not None:
        message[name] = payload[end:]
    return message


def read_text(payload: bytes) -> str:
    """Return the text of a WebSocket's message. Raises :class:`FrameError`."""
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise FrameError("a text that is not UTF-8") from None


def write_scope(scope: Scope, told: Mapping[str, Any]) -> bytes:
    """Return a scope as bytes, with what the door has been told of who asks."""
    small: dict[str, Any] = {name: scope[name] for name in _SCOPE if name in scope}
    for name in _SCOPE_BYTES:
        value = scope.get(name)
        if value is not None:
            small[name] = value.decode("latin-1")
    small["headers"] = _texts(scope["headers"])
    small["answers"] = _ANSWERS in (scope.get("extensions") or {})
    small["told"] = told
    return write_object(small)


def read_scope(payload: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a scope, and what its door was told. Raises :class:`FrameError`."""
    scope = read_object(payload)
    try:
        told: dict[str, Any] = dict(scope.pop("told"))
        answers = scope.pop("answers")
        for name in _SCOPE_BYTES:
            if name in scope:
                scope[name] = scope[name].encode("latin-1")
        for name in _PAIRS:
            if scope.get(name) is not None:
                scope[name] = tuple(scope[name])
        scope["headers"] = _pairs(scope["headers"])
        if scope["type"] not in {"http", "websocket"}:
            raise FrameError("a call that is neither of HTTP nor of a WebSocket")
    except (AttributeError, KeyError, TypeError, ValueError):
        raise FrameError("a scope that ASGI has not") from None
    # What is sent to one who asked over HTTP and is gone is dropped, not refused: that is 2.3.
    spec = "2.3" if scope["type"] == "http" else "2.4"
    scope["asgi"] = {"version": "3.0", "spec_version": spec}
    scope["extensions"] = {_ANSWERS: {}} if answers else {}
    return scope, told


def write_object(value: Mapping[str, Any]) -> bytes:
    """Return a small object as JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def read_object(payload: bytes) -> dict[str, Any]:
    """Return what :func:`write_object` wrote. Raises :class:`FrameError`."""
    try:
        value = json.loads(payload)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise FrameError("what should be a JSON object is none")
    return value


def _texts(headers: Iterable[Iterable[bytes]]) -> list[list[str]]:
    return [[bytes(part).decode("latin-1") for part in header] for header in headers]


def _pairs(headers: Any) -> list[tuple[bytes, bytes]]:
    try:
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    except (AttributeError, TypeError, ValueError):
        raise FrameError("headers that are none") from None
