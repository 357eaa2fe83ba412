"""One account that floods, in a process of its own: ``python -m tests.hostile.flood PORT KIND N``.

It signs in N times as alice and sends, as fast as the server reads, what KIND
names; it ends with its parent's pipe.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from itertools import count

from tests.hostile.wire import Gone, Wire, frame

Stanzas = Callable[[str], Iterator[str]]

_IQ = "<iq xmlns='jabber:client' type='{}' id='{}'{}>{}</iq>"


def _iqs(kind: str, payload: str, to: str = "") -> Stanzas:
    address = f" to='{to}'" if to else ""
    return lambda _jid: (_IQ.format(kind, n, address, payload.format(n=n)) for n in count())


def _messages(to: str, body: str) -> Stanzas:
    return lambda jid: (
        f"<message xmlns='jabber:client' type='chat' to='{to or jid}' id='{n}'>"
        f"<body>{body}</body></message>"
        for n in count()
    )


def _rooms(jid: str) -> Iterator[str]:
    for n in count():
        room = f"flood-{n % 10}@conference.localhost/{jid.partition('/')[2]}"
        yield (
            f"<presence xmlns='jabber:client' to='{room}'>"
            "<x xmlns='http://jabber.org/protocol/muc'/></presence>"
        )
        yield f"<presence xmlns='jabber:client' to='{room}' type='unavailable'/>"


KINDS: dict[str, Stanzas] = {
    "disco": _iqs("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "localhost"),
    "archive": _iqs("set", "<query xmlns='urn:xmpp:mam:2'/>"),
    "roster": _iqs("set", "<query xmlns='jabber:iq:roster'><item jid='c{n}@localhost'/></query>"),
    "contacts": _iqs("get", "<query xmlns='jabber:iq:roster'/>"),
    "presence": lambda _jid: (
        f"<presence xmlns='jabber:client'><status>{n}</status></presence>" for n in count()
    ),
    "messages": _messages("", "hello " * 20),
    "away": _messages("carol@localhost", "hello " * 20),
    "rooms": _rooms,
    "children": _iqs("set", "<query xmlns='jabber:iq:private'>" + "<a/>" * 60_000 + "</query>"),
    "large": _messages("", "\U0001f434" * 60_000),
}


async def _drain(wire: Wire) -> None:
    with contextlib.suppress(OSError):
        while await wire.reader.read(2**18):
            pass


async def _flood(port: int, kind: str, began: Callable[[], None]) -> None:
    while True:
        wire = await Wire.dial(port)
        try:
            wire.ask(port)
            await wire.answer()
            await wire.sign_in("alice", "correct horse")
            reading = asyncio.ensure_future(_drain(wire))
            batch: list[bytes] = []
            for stanza in KINDS[kind](wire.jid):
                batch.append(frame(stanza.encode()))
                if len(batch) >= 50 or len(batch[0]) > 10_000:
                    wire.write(b"".join(batch))
                    batch = []
                    await wire.writer.drain()
                    began()
                if reading.done():
                    break
        except (OSError, Gone):
            await asyncio.sleep(0.1)
        finally:
            wire.close()


async def _main(port: int, kind: str, connections: int) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), lambda: os.read(0, 1) or ended.set())
    waiting = [connections]

    def began() -> None:
        waiting[0] -= 1
        if waiting[0] == 0:
            sys.stdout.write("flooding\n")
            sys.stdout.flush()

    floods = [loop.create_task(_flood(port, kind, began)) for _ in range(connections)]
    await ended.wait()
    for flood in floods:
        flood.cancel()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
