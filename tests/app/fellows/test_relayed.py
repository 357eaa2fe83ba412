"""A relayed WebSocket at home: the wire of its connection, and the taker of its line."""

import asyncio

import pytest
from support.links import link
from support.waiting import until

from andiron.cluster.frames import Kind
from andiron.cluster.line import Line
from andiron.cluster.link import COST, Ended
from andiron.cluster.messages import read_message
from andiron.cluster.window import WINDOW
from andiron.fellows.relayed import RelayedWebSocket
from andiron.websocket.config import WebSocketConfig
from andiron.websocket.endpoint import Admitted

__all__ = ["link"]

SIZE = 1000 + COST
LIMIT = 5000


class Connection:
    """Keeps what it is told; its session is paused by a word."""

    def __init__(self):
        self.told = []
        self.wire = None

    def carried_by(self, wire):
        self.wire = wire

    def hear(self, text):
        self.told.append(text)
        if text == "pause":
            self.wire.pause()

    def hear_bytes(self):
        self.told.append(b"")

    def ended(self, code):
        self.told.append(code)

    def lost(self):
        self.told.append("lost")

    def drained(self):
        self.told.append("drained")

    def failed(self, error):
        self.told.append(("failed", error))
        self.wire.drop()


@pytest.fixture
def line(link):
    made = link.open_calls[7] = Line(link, 7)
    return made


@pytest.fixture
def connection():
    return Connection()


@pytest.fixture
async def wire(line, connection):
    begun = []
    config = WebSocketConfig(buffer_bytes=LIMIT)
    admitted = Admitted(connection, config, lambda: begun.append(connection.wire))
    line.taker = RelayedWebSocket(admitted, line)
    assert begun == [line.taker]
    return line.taker


@pytest.fixture
def said(wire, link):
    """What was said to the door, but for that it is accepted."""
    kind, _, payload = link.written.pop(0)
    accept = {"type": "websocket.accept", "subprotocol": "xmpp"}
    assert (kind, read_message(payload)) == (Kind.MESSAGE, accept)
    return link.written


def fill(line):
    """Have no room left."""
    while line.has_room():
        line.write(Kind.TEXT, b"x" * 1000)


async def test_what_comes_is_told_and_what_is_sent_goes_out(wire, line, connection, said):
    line.hear("hello", SIZE)
    line.hear({"type": "websocket.receive", "bytes": b"\0"}, SIZE)
    assert connection.told == ["hello", b""]
    wire.send("one")
    wire.send_all(["two", "three"])
    assert [payload for _, _, payload in said] == [b"one", b"two", b"three"]
    assert not wire.busy
    wire.signed_in()


async def test_what_comes_while_it_does_not_read_waits(wire, line, connection):
    line.hear("pause", SIZE)
    line.hear("later", SIZE)
    assert connection.told == ["pause"]
    wire.unpause()
    await asyncio.sleep(0)
    assert connection.told == ["pause", "later"]


async def test_what_there_is_no_room_for_waits_in_order(wire, line, connection, said):
    fill(line)
    said.clear()
    assert wire.congested
    for number in range(3):
        wire.send(str(number))
    assert not said
    line.given_back(2 * SIZE)
    assert [payload for _, _, payload in said] == [b"0", b"1", b"2"]
    assert connection.told == ["drained"]
    assert not wire.congested


async def test_what_waits_goes_as_far_as_there_is_room(wire, line, connection, said):
    fill(line)
    said.clear()
    for _ in range(4):
        wire.send("x" * 1000)
    line.given_back(SIZE)
    assert len(said) == 1
    assert wire.congested
    assert not connection.told
    wire.send("behind")
    line.given_back(4 * SIZE)
    assert said[-1][2] == b"behind"
    assert connection.told == ["drained"]


async def test_what_waits_can_be_taken_back(wire, line, said):
    assert wire.take_back(lost=False) == []
    fill(line)
    said.clear()
    wire.send("one")
    wire.send("two")
    assert wire.take_back(lost=True) == ["one", "two"]
    line.given_back(WINDOW)
    assert not said


async def test_more_than_may_wait_drops_it_once(wire, line, connection, link):
    fill(line)
    for _ in range(LIMIT // 1000 + 2):
        wire.send("x" * 1000)
    assert not connection.told, "not before it has returned"
    await until(lambda: "lost" in connection.told)
    assert connection.told == [("failed", None), 1006, "lost"]
    assert link.over_with == [(7, False)]


async def test_what_cannot_be_said_drops_it(wire, connection, link):
    wire.send("\ud800")
    await until(lambda: "lost" in connection.told)
    assert isinstance(connection.told[0][1], UnicodeEncodeError)
    assert link.over_with == [(7, False)]


async def test_a_close_is_said_behind_all_that_waits(wire, line, connection, said):
    fill(line)
    wire.send("last")
    said.clear()
    wire.close(1000)
    assert not said
    line.given_back(WINDOW)
    assert [kind for kind, _, _ in said] == [Kind.TEXT, Kind.MESSAGE]
    assert read_message(said[1][2]) == {"type": "websocket.close", "code": 1000}
    line.hear({"type": "websocket.disconnect", "code": 1000}, SIZE)
    assert connection.told == [1000, "lost"]


async def test_a_close_is_said_at_once_where_nothing_waits(wire, said):
    wire.close(1000)
    assert [read_message(payload)["code"] for _, _, payload in said] == [1000]


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ({"type": "websocket.disconnect", "code": 1009}, 1009),
        ({"type": "websocket.disconnect", "code": None}, None),
        (Ended(None), 1006),
    ],
)
async def test_its_end_is_told_once(wire, line, connection, link, last, code):
    line.hear(last, SIZE)
    wire.drop()
    await asyncio.sleep(0)
    assert connection.told == [code, "lost"]
    assert link.over_with == [(7, False)]
    wire.send("late")
    assert wire.take_back(lost=True) == []


async def test_a_connection_that_drops_it_is_told_afterwards(wire, connection, link):
    wire.drop()
    assert not connection.told
    assert link.over_with == [(7, False)]
    await asyncio.sleep(0)
    assert connection.told == [1006, "lost"]
