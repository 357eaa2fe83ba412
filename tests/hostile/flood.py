"""One account that floods, in a process of its own: ``python -m tests.hostile.flood PORT KIND N``.

It signs in N times as alice, over BOSH where KIND ends in ``-bosh``, and sends, as
fast as the server reads, what KIND names; it ends with its parent's pipe. ``CROWD``
more accounts, user0 and so on, are there meanwhile, subscribed to alice and in the room.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from itertools import count
from typing import Protocol

from tests.hostile.wire import PATIENCE, Gone, Wire, frame, plain

PASSWORD = "correct horse"
ROOM = "crowd@conference.localhost"
CROWD = int(os.environ.get("CROWD", "0"))

Stanzas = Callable[[str], Iterator[str]]

_C = "xmlns='jabber:client'"
_IQ = "<iq xmlns='jabber:client' type='{}' id='{}'{}>{}</iq>"
_JOIN = f"<presence {_C} to='{ROOM}/{{}}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
_PAGE = "<set xmlns='http://jabber.org/protocol/rsm'><max>250</max><before/></set>"
_PUBLISH = (
    "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'>"
    "<item id='i{n}'><note xmlns='urn:example:note'>" + "x" * 400 + "</note></item>"
    "</publish></pubsub>"
)
_CARD = "<vCard xmlns='vcard-temp'><FN>Alice {n}</FN><NOTE>" + "x" * 2000 + "</NOTE></vCard>"


def _iqs(kind: str, payload: str, to: str = "") -> Stanzas:
    address = f" to='{to}'" if to else ""
    return lambda _jid: (_IQ.format(kind, n, address, payload.format(n=n)) for n in count())


def _messages(to: str, body: str, kind: str = "chat") -> Stanzas:
    return lambda jid: (
        f"<message {_C} type='{kind}' to='{to or jid}' id='{n}'><body>{body}</body></message>"
        for n in count()
    )


def _presences(text: str) -> Stanzas:
    return lambda _jid: (text.format(n=n) for n in count())


def _rooms(jid: str) -> Iterator[str]:
    for n in count():
        room = f"flood-{n % 10}@conference.localhost/{jid.partition('/')[2]}"
        yield (f"<presence {_C} to='{room}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        yield f"<presence {_C} to='{room}' type='unavailable'/>"


def _joins(jid: str) -> Iterator[str]:
    """Come to the crowd and go again."""
    while True:
        yield _JOIN.format(jid.partition("/")[2])
        yield f"<presence {_C} to='{ROOM}/{jid.partition('/')[2]}' type='unavailable'/>"


def _said(jid: str) -> Iterator[str]:
    """Enter the room and talk there."""
    yield _JOIN.format(jid.partition("/")[2])
    yield from _messages(ROOM, "hello " * 20, "groupchat")(jid)


def _history(jid: str) -> Iterator[str]:
    """Fill an archive, then read it."""
    for _, text in zip(range(300), _messages("", "hello " * 20)(jid), strict=False):
        yield text
    yield from _iqs("set", f"<query xmlns='urn:xmpp:mam:2'>{_PAGE}</query>")(jid)


def _blocks(_jid: str) -> Iterator[str]:
    """Addresses that take long to prepare, and are new each time."""
    for n in count():
        items = "".join(f"<item jid='{'ᄀ' * 300}{n}-{m}@localhost'/>" for m in range(200))
        yield _IQ.format("set", n, "", f"<block xmlns='urn:xmpp:blocking'>{items}</block>")
        yield _IQ.format("set", n, "", "<unblock xmlns='urn:xmpp:blocking'/>")


KINDS: dict[str, Stanzas] = {
    "disco": _iqs("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "localhost"),
    "items": _iqs("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", "localhost"),
    "archive": _iqs("set", "<query xmlns='urn:xmpp:mam:2'/>"),
    "history": _history,
    "roster": _iqs("set", "<query xmlns='jabber:iq:roster'><item jid='c{n}@localhost'/></query>"),
    "contacts": _iqs("get", "<query xmlns='jabber:iq:roster'/>"),
    "blocks": _blocks,
    "messages": _messages("", "hello " * 20),
    "others": _messages("user0@localhost", "hello " * 20),
    "away": _messages("dave@localhost", "hello " * 20),
    "archive-20k": _messages("user0@localhost", "x" * 20_000),
    "archive-200k": _messages("user0@localhost", "x" * 200_000),
    "away-20k": _messages("dave@localhost", "x" * 20_000),
    "own-20k": _messages("", "x" * 20_000),
    "own-200k": _messages("", "x" * 200_000),
    "rooms": _rooms,
    "joins": _joins,
    "groupchat": _said,
    "publish": _iqs("set", _PUBLISH.replace("{node}", "urn:example:notes")),
    "vcard": _iqs("set", _CARD),
    "private": _iqs("set", "<query xmlns='jabber:iq:private'><a xmlns='urn:a'>{n}</a></query>"),
    "subscriptions": _presences(f"<presence {_C} type='subscribe' to='d{{n}}@localhost'/>"),
    "presence": _presences(f"<presence {_C}><status>{{n}}</status></presence>"),
    "children": _iqs("set", "<query xmlns='jabber:iq:private'>" + "<a/>" * 60_000 + "</query>"),
    "trees": _iqs(
        "set",
        "<query xmlns='jabber:iq:private'><b xmlns='urn:b'>" + "<a/>" * 3_900 + "</b></query>",
    ),
    "large": _messages("", "\U0001f434" * 60_000),
}


class Stream(Protocol):
    """A signed-in client's stream."""

    jid: str

    async def send_all(self, stanzas: list[bytes]) -> None:
        """Send them, and wait until the server takes more."""

    def close(self) -> None:
        """Vanish."""


class Socket:
    """A WebSocket that reads whatever comes and looks at nothing."""

    def __init__(self, wire: Wire) -> None:
        self.jid = wire.jid
        self._wire = wire
        self._reading = asyncio.ensure_future(_drain(wire))

    @classmethod
    async def sign_in(cls, port: int, name: str) -> "Socket":
        wire = await Wire.dial(port)
        wire.ask(port)
        await wire.answer()
        await wire.sign_in(name, PASSWORD)
        return cls(wire)

    async def send_all(self, stanzas: list[bytes]) -> None:
        if self._reading.done():
            raise Gone
        self._wire.write(b"".join(map(frame, stanzas)))
        await self._wire.writer.drain()

    def close(self) -> None:
        self._reading.cancel()
        self._wire.close()


async def _drain(wire: Wire) -> None:
    with contextlib.suppress(OSError):
        while await wire.reader.read(2**18):
            pass


_BOSH = "xmlns='http://jabber.org/protocol/httpbind'"
_RESTART = "xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh' to='localhost'"
_BIND = _IQ.format("set", "b", "", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")


class Bosh:
    """A BOSH session over two connections; the server may hold one request."""

    def __init__(self, port: int, wires: list[Wire]) -> None:
        self.jid = ""
        self._wires = wires
        self._unanswered: set[Wire] = set()
        self._port = port
        self._sid = ""
        self._rid = 1_000_000

    @classmethod
    async def sign_in(cls, port: int, name: str) -> "Bosh":
        self = cls(port, [await Wire.dial(port), await Wire.dial(port)])
        opening = "hold='1' wait='60' to='localhost' ver='1.11' xmpp:version='1.0'"
        await self._post(f"{opening} xmlns:xmpp='urn:xmpp:xbosh'")
        self._sid = (await self._answer()).partition(" sid='")[2].partition("'")[0]
        await self._until("<success", "", plain(name, PASSWORD))
        await self._until("<bind", _RESTART)
        answer = await self._until("<jid>", "", _BIND)
        self.jid = answer.partition("<jid>")[2].partition("<")[0]
        return self

    async def send_all(self, stanzas: list[bytes]) -> None:
        if "type='terminate'" in (await self._post("", b"".join(stanzas)))[:300]:
            raise Gone

    def close(self) -> None:
        for wire in self._wires:
            wire.close()

    async def _until(self, part: str, attributes: str, payload: str = "") -> str:
        answer = await self._post(attributes, payload.encode())
        while part not in answer:
            answer = await self._post()
        return answer

    async def _post(self, attributes: str = "", payload: bytes = b"") -> str:
        """Send a request on the connection that is free; return what was answered to its last."""
        wire = self._wires[self._rid % 2]
        answer = await self._answer() if wire in self._unanswered else ""
        sid = f"sid='{self._sid}' " if self._sid else ""
        body = f"<body {_BOSH} rid='{self._rid}' {sid}{attributes}>".encode() + payload + b"</body>"
        lines = f"POST /http-bind HTTP/1.1\r\nHost: localhost:{self._port}\r\n"
        wire.write(f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await wire.writer.drain()
        self._unanswered.add(wire)
        self._rid += 1
        return answer

    async def _answer(self) -> str:
        """Return the answer to the oldest request without one."""
        wire = self._wires[(self._rid - len(self._unanswered)) % 2]
        try:
            async with asyncio.timeout(3 * PATIENCE):
                head = (await wire.reader.readuntil(b"\r\n\r\n")).decode().lower()
                size = int(head.partition("content-length: ")[2].partition("\r")[0] or 0)
                answer = (await wire.reader.readexactly(size)).decode()
        except asyncio.IncompleteReadError:
            raise Gone from None
        self._unanswered.remove(wire)
        return answer


async def _flood(port: int, kind: str, began: Callable[[], None], *, bosh: bool) -> None:
    while True:
        stream: Stream | None = None
        try:
            stream = await (Bosh if bosh else Socket).sign_in(port, "alice")
            await stream.send_all([f"<presence {_C}/>".encode()])
            batch: list[bytes] = []
            for stanza in KINDS[kind](stream.jid):
                batch.append(stanza.encode())
                if len(batch) >= 50 or len(batch[0]) > 1_000:
                    await stream.send_all(batch)
                    batch = []
                    began()
        except (OSError, Gone):
            await asyncio.sleep(0.1)
        finally:
            if stream is not None:
                stream.close()


async def _be_there(port: int) -> list[Socket]:
    """Let the crowd come, be told of alice's presence, and enter the room."""
    alice = await Socket.sign_in(port, "alice")
    there = []
    for number in range(CROWD):
        one = await Socket.sign_in(port, f"user{number}")
        granted = f"<presence {_C} type='subscribed' to='user{number}@localhost'/>"
        await alice.send_all([granted.encode()])
        asked = f"<presence {_C} type='subscribe' to='alice@localhost'/>"
        join = _JOIN.format(f"user{number}")
        await one.send_all([text.encode() for text in (f"<presence {_C}/>", asked, join)])
        there.append(one)
    await asyncio.sleep(0.5)
    alice.close()
    return there


async def _main(port: int, kind: str, connections: int) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), lambda: os.read(0, 1) or ended.set())
    there = await _be_there(port) if CROWD else []
    if there:
        sys.stdout.write("there\n")
        sys.stdout.flush()
        started = asyncio.Event()
        loop.remove_reader(sys.stdin.fileno())
        loop.add_reader(sys.stdin.fileno(), lambda: started.set() if os.read(0, 1) else ended.set())
        await started.wait()
    waiting = [connections]

    def began() -> None:
        waiting[0] -= 1
        if waiting[0] == 0:
            sys.stdout.write("flooding\n")
            sys.stdout.flush()

    bosh = kind.endswith("-bosh")
    floods = [
        loop.create_task(_flood(port, kind.removesuffix("-bosh"), began, bosh=bosh))
        for _ in range(connections)
    ]
    await ended.wait()
    for flood in floods:
        flood.cancel()
    for one in there:
        one.close()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
