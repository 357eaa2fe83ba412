"""The frames of an open WebSocket as a server reads and writes them, without a network (RFC 6455).

The library that makes handshakes has a reader, too. This one returns texts as
such, makes no object for a frame, and is asked for one message at a time, so
that what else has come waits in as many bytes as it came in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from struct import Struct
from typing import Final

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions import Extension
from websockets.frames import CloseCode, Frame, Opcode

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

__all__ = [
    "BrokenFrame",
    "Closed",
    "Event",
    "FrameReader",
    "Ping",
    "Pong",
    "close_frame",
    "compressing",
    "control_frame",
    "text_frame",
]

_TEXT: Final = 0x81
"""The first byte of a frame that is a whole text."""
_IN_TWO_BYTES: Final = 126
"""Where a length stands that the second byte cannot tell; one more is in eight."""
_in_two_bytes: Final = Struct("!BBH").pack
_in_eight_bytes: Final = Struct("!BBQ").pack
_two_bytes: Final = Struct("!H").unpack_from
_eight_bytes: Final = Struct("!Q").unpack_from

_FIN: Final = 0x80
_COMPRESSED: Final = 0x40
_RESERVED: Final = 0x70
_CONTROL: Final = 0x08
_MASKED: Final = 0x80
_LONGEST_CONTROL: Final = 125
_OPCODES: Final = frozenset(Opcode)
_MOST_FRAGMENTS: Final = 1024
"""Fragments of one message; a client has no reason to send them smaller than some hundred bytes."""
_KNOWN_CODES: Final = frozenset({*range(1000, 1004), *range(1007, 1015)})
"""Codes of the protocol that may be sent (section 7.4.1, and IANA's registry)."""
_OTHERS_CODES: Final = range(3000, 5000)
"""Codes of applications (section 7.4.2)."""


class BrokenFrame(Exception):  # noqa: N818
    """The client broke the protocol: the WebSocket is to be closed with ``code``."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = int(code)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping, to be answered with the same ``data`` (section 5.5.2)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """An answer, or one that nobody asked for (section 5.5.3)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The client's end of the WebSocket; 1005 where it gave no ``code`` (section 7.1.5)."""

    code: int


Event = str | bytes | Ping | Pong | Closed
"""A whole message, text or binary, or a control frame."""


class FrameReader:
    """Reads what a client sends: :meth:`feed` what came, then ask for :meth:`next` until None.

    A message has ``max_size`` bytes, and ``max_wide`` where it is not ASCII; more is refused as
    soon as a frame's head tells it. ``extension`` is permessage-deflate as it was agreed
    (RFC 7692), by which no message unfolds to more.
    """

    __slots__ = (
        "_at",
        "_compressed",
        "_data",
        "_extension",
        "_first",
        "_fragments",
        "_length",
        "_mask",
        "_message",
        "_opcode",
        "_payload",
        "max_size",
        "max_wide",
        "missing",
    )

    def __init__(
        self, max_size: int, max_wide: float = inf, extension: Extension | None = None
    ) -> None:
        self.max_size = max_size
        self.max_wide = max_wide
        self._extension = extension
        self._data = b""
        self._at = 0
        self._first = -1
        """The first byte of the frame whose payload is to come, -1 before its head has."""
        self._length = 0
        self._mask = b""
        self._payload: bytearray | None = None
        """What has come of a payload that comes in pieces."""
        self.missing = 0
        """How many bytes of it are still to come."""
        self._opcode = 0
        """What kind of message is coming in fragments; 0: none."""
        self._compressed = False
        self._message = bytearray()
        self._fragments = 0

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._data += data

    def next(self) -> Event | None:
        """Return what came next; None while it has not come whole.

        Raises :class:`BrokenFrame`, after which there is nothing more to read.
        """
        while True:
            payload = self._read_payload() if self._first >= 0 or self._read_head() else None
            if payload is None:
                # What has been read must not stay until the next comes.
                self._data, self._at = self._data[self._at :], 0
                return None
            first, self._first = self._first, -1
            # Nearly always: a text in one frame, not compressed.
            event = self._text(payload) if first == _TEXT else self._other(first, payload)
            if event is not None:
                return event

    def _read_head(self) -> bool:
        """Read a frame's head (section 5.2); return whether it was there."""
        data, at = self._data, self._at
        there = len(data) - at
        if there < 2:
            return False
        first, second = data[at], data[at + 1]
        length = second & 0x7F
        if first != _TEXT or self._opcode or not second & _MASKED:
            self._check_head(first, second, length)
        at += 2
        if length == _IN_TWO_BYTES:
            if there < 8:
                return False
            length, least = _two_bytes(data, at)[0], _IN_TWO_BYTES
            at += 2
        elif length > _IN_TWO_BYTES:
            if there < 14:
                return False
            length, least = _eight_bytes(data, at)[0], 1 << 16
            at += 8
        elif there < 6:
            return False
        else:
            least = 0
        if length < least or length >> 63:
            raise BrokenFrame(CloseCode.PROTOCOL_ERROR, "a length that is not the shortest")
        if length + len(self._message) > self.max_size and not first & _CONTROL:
            raise BrokenFrame(CloseCode.MESSAGE_TOO_BIG, "too large")
        self._first, self._length = first, length
        self._mask = data[at : at + 4]
        self._at = at + 4
        return True

    def _check_head(self, first: int, second: int, length: int) -> None:
        opcode = first & 0x0F
        # Compression says so in the first frame of a message (RFC 7692 section 6).
        spare = _COMPRESSED if self._extension is not None and opcode in (1, 2) else 0
        if first & _RESERVED & ~spare:
            reason = "a reserved bit is set"
        elif opcode not in _OPCODES:
            reason = "an unknown opcode"
        elif not second & _MASKED:
            reason = "a frame is not masked"
        elif opcode & _CONTROL:
            if first & _FIN and length <= _LONGEST_CONTROL:
                return
            reason = "a control frame is too long, or a fragment"
        elif (opcode == 0) is (self._opcode == 0):
            reason = "a continuation of nothing, or a message within another"
        else:
            return
        raise BrokenFrame(CloseCode.PROTOCOL_ERROR, reason)

    def _read_payload(self) -> bytes | None:
        """Return the payload, unmasked (section 5.3), once it has come whole."""
        data, at, length, payload = self._data, self._at, self._length, self._payload
        if payload is None:
            end = at + length
            if end <= len(data):
                self._at = end
                return apply_mask(data[at:end], self._mask)
            # Kept where it can grow: joining what comes byte by byte would copy all each time.
            self._payload = bytearray(data[at:])
            self._at = len(data)
            self.missing = end - len(data)
            return None
        end = at + length - len(payload)
        payload += data[at:end]
        self._at = min(end, len(data))
        self.missing = length - len(payload)
        if self.missing:
            return None
        self._payload = None
        return apply_mask(payload, self._mask)

    def _other(self, first: int, payload: bytes) -> Event | None:
        opcode = first & 0x0F
        if opcode & _CONTROL:
            return _control(opcode, payload)
        if opcode:
            self._opcode = opcode
            self._compressed = bool(first & _COMPRESSED)
            self._fragments = 0
        fin = bool(first & _FIN)
        if self._compressed:
            payload = self._unfolded(opcode, payload, fin=fin)
        self._fragments += 1
        if not fin:
            if self._fragments >= _MOST_FRAGMENTS:
                raise BrokenFrame(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            self._message += payload
            return None
        if self._message:
            self._message += payload
            payload = bytes(self._message)
            self._message = bytearray()
        kind, self._opcode, self._compressed = self._opcode, 0, False
        return self._text(payload) if kind == Opcode.TEXT else payload

    def _unfolded(self, opcode: int, payload: bytes, *, fin: bool) -> bytes:
        assert self._extension is not None
        frame = Frame(Opcode(opcode), payload, fin, rsv1=bool(opcode))
        room = self.max_size - len(self._message)
        try:
            # 0 would be no limit, to zlib.
            unfolded = bytes(self._extension.decode(frame, max_size=max(room, 1)).data)
        except PayloadTooBig:
            unfolded = bytes(room + 1)
        except ProtocolError as error:
            raise BrokenFrame(CloseCode.PROTOCOL_ERROR, str(error)) from None
        if len(unfolded) > room:
            raise BrokenFrame(CloseCode.MESSAGE_TOO_BIG, "too large")
        return unfolded

    def _text(self, data: bytes) -> str:
        if len(data) > self.max_wide and not data.isascii():
            raise BrokenFrame(CloseCode.MESSAGE_TOO_BIG, "too large before sign-in")
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise BrokenFrame(CloseCode.INVALID_DATA, "not UTF-8") from None


def _control(opcode: int, data: bytes) -> Event:
    if opcode == Opcode.PING:
        return Ping(data)
    if opcode == Opcode.PONG:
        return Pong(data)
    if not data:
        return Closed(CloseCode.NO_STATUS_RCVD)
    code = int.from_bytes(data[:2])
    if len(data) < 2 or not (code in _KNOWN_CODES or code in _OTHERS_CODES):
        raise BrokenFrame(CloseCode.PROTOCOL_ERROR, "a code that must not be sent")
    try:
        data[2:].decode()
    except UnicodeDecodeError:
        raise BrokenFrame(CloseCode.INVALID_DATA, "not UTF-8") from None
    return Closed(code)


def text_frame(text: str) -> bytes:
    """Return a whole text as a server sends it: unmasked, in one frame (RFC 6455 section 5.2).

    Raises :class:`UnicodeEncodeError` for one that UTF-8 cannot say.
    """
    data = text.encode()
    size = len(data)
    if size < _IN_TWO_BYTES:
        return bytes((_TEXT, size)) + data
    if size <= 0xFFFF:
        return _in_two_bytes(_TEXT, _IN_TWO_BYTES, size) + data
    return _in_eight_bytes(_TEXT, _IN_TWO_BYTES + 1, size) + data


def compressing(extension: Extension) -> Callable[[str], bytes]:
    """Return what makes a compressed frame of a text (RFC 7692 section 7.2.1)."""

    def frame(text: str) -> bytes:
        return Frame(Opcode.TEXT, text.encode()).serialize(mask=False, extensions=[extension])

    return frame


def control_frame(opcode: int, data: bytes) -> bytes:
    """Return a control frame, of at most 125 bytes (section 5.5)."""
    return bytes((_FIN | opcode, len(data))) + data


def close_frame(code: int, reason: str = "") -> bytes:
    """Return the frame that closes a WebSocket; 1005 stands for no code."""
    if code == CloseCode.NO_STATUS_RCVD:
        return control_frame(Opcode.CLOSE, b"")
    data = code.to_bytes(2) + reason.encode()
    return control_frame(Opcode.CLOSE, data)
