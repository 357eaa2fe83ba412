"""ASGI's scopes and messages as bytes: those that the specification names, and nothing else.

What a server or middleware puts besides into a scope is an object of its own process. What a
client chooses takes about as many bytes as it had, whatever they are.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from andiron.cluster.frames import FrameError
from andiron.cluster.parts import joined, parted

__all__ = ["GONE", "PIECE", "Headers", "Message", "Receive", "Scope", "Send", "pieces"]
__all__ += ["read_answer", "read_message", "read_object", "read_request", "read_scope"]
__all__ += ["read_text", "write_answer", "write_message", "write_object", "write_scope"]

Scope = Mapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

GONE: Final[Mapping[str, Message]] = {
    "http": {"type": "http.disconnect"},
    "websocket": {"type": "websocket.disconnect", "code": 1006},
}
"""What is said of a client that left without a word, by the kind of scope; not to be changed."""
PIECE: Final = 32_768
"""Bytes of a body that go in one message."""
_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "http.request": ("more_body",),
    "http.disconnect": (),
    "http.response.start": ("status",),
    "http.response.body": ("more_body",),
    "websocket.connect": (),
    "websocket.accept": ("subprotocol",),
    "websocket.receive": (),
    "websocket.send": (),
    "websocket.close": ("code", "reason"),
    "websocket.disconnect": ("code", "reason"),
    "websocket.http.response.start": ("status",),
    "websocket.http.response.body": ("more_body",),
}
"""What a message may have besides its type, its headers and its bytes."""
_HEADED: Final = frozenset(
    {"http.response.start", "websocket.accept", "websocket.http.response.start"}
)
"""Which messages may have headers."""
_BYTES: Final = {
    "http.request": "body",
    "http.response.body": "body",
    "websocket.receive": "bytes",
    "websocket.send": "bytes",
    "websocket.http.response.body": "body",
}
"""Under which name a message has bytes."""
_TEXTS: Final = ("type", "http_version", "method", "scheme", "path", "root_path")
"""What of a scope is text; where it may be missing it is empty then."""
_OTHERS: Final = 7
"""How many parts a scope has behind those and before its headers."""
_ANSWERS: Final = "websocket.http.response"
"""The one extension that can be relayed: an HTTP answer to a handshake."""
_CODING: Final = "utf-8", "surrogatepass"
"""Of texts; those that a client chose may have been anything."""


def write_message(message: Message) -> bytes:
    """Return a message as bytes, headers and what is long in it as they are.

    Raises ValueError for one that ASGI has not, or that its extensions have which
    :func:`write_scope` leaves out.
    """
    kind = message["type"]
    fields = _FIELDS.get(kind)
    if fields is None:
        raise ValueError(f"an ASGI message {kind!r} cannot be relayed")
    small: dict[str, Any] = {name: message[name] for name in fields if name in message}
    small["type"] = kind
    parts = [write_object(small)]
    if kind in _HEADED:
        parts += _flat(message.get("headers") or ())
    name = _BYTES.get(kind)
    body = b"" if name is None else bytes(message.get(name) or b"")
    return joined(parts) + body


def pieces(message: Message) -> Iterator[Message]:
    """Return a message as it is, or as several where it has a body larger than :data:`PIECE`."""
    body = message.get("body") or b""
    size = len(body)
    if size <= PIECE:
        yield message
        return
    for start in range(0, size, PIECE):
        end = start + PIECE
        more = end < size or message.get("more_body", False)
        yield {"type": message["type"], "body": body[start:end], "more_body": more}


def read_message(payload: bytes) -> Message:
    """Return what :func:`write_message` wrote. Raises :class:`FrameError`."""
    parts, end = parted(payload)
    message = read_object(parts[0]) if parts else {}
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise FrameError("a message that ASGI has not")
    if kind in _HEADED and len(parts) > 1:
        message["headers"] = _pairs(parts[1:])
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
    get = scope.get
    parts = [(get(name) or "").encode(*_CODING) for name in _TEXTS]
    parts += (
        get("raw_path") or b"",
        get("query_string") or b"",
        _address(get("client")),
        _address(get("server")),
        ",".join(get("subprotocols") or ()).encode(*_CODING),
        b"1" if _ANSWERS in (get("extensions") or {}) else b"",
        write_object(told) if told else b"",
    )
    parts += _flat(scope["headers"])
    return joined(parts)


def read_scope(payload: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a scope, and what its door was told. Raises :class:`FrameError`."""
    scope, told, _ = read_request(payload)
    return scope, told


def read_request(payload: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Return a scope, what its door was told, and what comes behind. Raises FrameError."""
    parts, end = parted(payload)
    try:
        kind, version, method, scheme, path, root = [
            part.decode(*_CODING) for part in parts[: len(_TEXTS)]
        ]
        raw, query, client, server, subprotocols, answers, told = parts[len(_TEXTS) :][:_OTHERS]
        scope: dict[str, Any] = {
            "type": kind,
            "http_version": version or "1.1",
            "scheme": scheme,
            "path": path,
            "root_path": root,
            "raw_path": raw or None,
            "query_string": query,
            "client": _read_address(client),
            "server": _read_address(server),
            "headers": _pairs(parts[len(_TEXTS) + _OTHERS :]),
        }
        wishes = subprotocols.decode(*_CODING)
    except ValueError:
        raise FrameError("a scope that ASGI has not") from None
    # What is sent to one who asked over HTTP and is gone is dropped, not refused: that is 2.3.
    if kind == "http":
        scope["method"] = method
        scope["asgi"] = {"version": "3.0", "spec_version": "2.3"}
    elif kind == "websocket":
        scope["subprotocols"] = wishes.split(",") if wishes else []
        scope["asgi"] = {"version": "3.0", "spec_version": "2.4"}
    else:
        raise FrameError("a call that is neither of HTTP nor of a WebSocket")
    scope["extensions"] = {_ANSWERS: {}} if answers else {}
    return scope, read_object(told) if told else {}, payload[end:]


def write_answer(status: int, headers: Headers, body: bytes) -> bytes:
    """Return the whole answer to a request as bytes."""
    return joined([b"%d" % status, *_flat(headers)]) + body


def read_answer(payload: bytes) -> tuple[int, Headers, bytes]:
    """Return what :func:`write_answer` wrote. Raises :class:`FrameError`."""
    parts, end = parted(payload)
    try:
        status = int(parts[0])
    except (IndexError, ValueError):
        raise FrameError("an answer without a status") from None
    return status, _pairs(parts[1:]), payload[end:]


def write_object(value: Mapping[str, Any]) -> bytes:
    """Return a small object as JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def read_object(payload: bytes) -> dict[str, Any]:
    """Return what :func:`write_object` wrote. Raises :class:`FrameError`."""
    try:
        value = json.loads(payload)
    except (RecursionError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise FrameError("what should be a JSON object is none")
    return value


def _flat(headers: Iterable[Iterable[bytes]]) -> list[bytes]:
    return list(chain.from_iterable(headers))


def _pairs(parts: list[bytes]) -> Headers:
    if len(parts) % 2:
        raise FrameError("headers that are none")
    return list(zip(parts[::2], parts[1::2], strict=True))


def _address(address: Iterable[Any] | None) -> bytes:
    """Return a host and a port, which may be None, as bytes."""
    if address is None:
        return b""
    host, port = address
    return f"{host} {'' if port is None else port}".encode(*_CODING)


@lru_cache(maxsize=1024)
def _read_address(written: bytes) -> tuple[str, int | None] | None:
    """Return what was written. Raises ValueError."""
    if not written:
        return None
    host, _, port = written.rpartition(b" ")
    return host.decode(*_CODING), int(port) if port else None
