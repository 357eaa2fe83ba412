"""What an open WebSocket does beside carrying stanzas: pings, closes, and no more than is read."""

import asyncio
import weakref
import zlib
from collections.abc import AsyncIterator

import pytest
from support.asgi import CLOSE as FAREWELL
from support.asgi import OPEN, settle
from support.sessions import BIND, SIGN_IN, message
from support.taken import CLOSE, PING, PONG, TakenClient, masked
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Opcode

from andiron.serving.open_websocket import OpenWebSocket, Server
from andiron.serving.pieces import PIECE
from andiron.sm.config import SmConfig
from andiron.sm.link import CloseReason
from andiron.sm.session import State
from tests.websocket.conftest import Place


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    place = Place(None, "taken over", close_timeout=0.05)
    yield place
    await place.end()
    place.check()


async def bound(place: Place, **options: object) -> TakenClient:
    client = await place.bind(sm=True, **options)
    assert isinstance(client, TakenClient)
    return client


# Pings


async def test_a_ping_is_answered(place):
    client = await bound(place)
    client.feed(masked(b"are you there", PING))
    await settle()
    assert client.pongs == [b"are you there"]


async def test_who_does_not_read_gets_the_latest_answer_only(place):
    client = await bound(place)
    client.push_back()
    for number in range(100):
        client.feed(masked(b"%d" % number, PING))
    await settle()
    assert not client.pongs
    client.let_go()
    await settle()
    assert client.pongs == [b"99"]


async def test_pings_are_sent_and_who_answers_stays(place):
    place.server = Server(set(), 0.01, 5.0)
    client = await bound(place)
    for _ in range(3):
        await client.until_has(client.pings)
        client.feed(masked(client.pings.pop(), PONG))
    assert place.link().session.state is State.BOUND


async def test_who_does_not_answer_is_closed_and_may_come_back(place):
    place.server = Server(set(), 0.01, 0.01)
    client = await bound(place)
    await client.task
    assert client.code == 1011
    assert client.pings
    assert place.link().session.state is State.DETACHED


async def test_no_answer_is_missed_while_nothing_is_read(place):
    place.server = Server(set(), 0.01, 0.01)
    client = await bound(place)
    place.link().session.transport.pause()
    await client.until_has(client.pings, 3)
    assert place.link().session.state is State.BOUND
    place.link().session.transport.unpause()
    await client.cut()


# The end of it


async def test_a_close_is_answered_with_its_code(place):
    client = await bound(place)
    client.feed(masked((3456).to_bytes(2) + b"bye", CLOSE))
    await client.task
    assert client.code == 3456
    assert place.link().session.state is State.DETACHED


async def test_what_comes_behind_a_close_is_for_nobody(place):
    client = await bound(place)
    session = place.link().session
    client.feed(masked(b"", CLOSE) + masked(FAREWELL.encode()) + masked(b"x", PING) + b"\xff\xff")
    await client.task
    assert session.state is State.DETACHED
    assert not client.pongs


async def test_the_server_closes_and_waits_for_the_answer(place):
    client = await bound(place)
    client.send(FAREWELL)
    texts = await client.rest()
    assert texts[-1] == FAREWELL
    assert client.code == 1000
    assert client.network.closing


async def test_who_does_not_answer_a_close_is_dropped(place):
    client = await bound(place)
    client._gone = True  # It reads, and says nothing.
    client.send(FAREWELL)
    await client.task
    assert client.code == 1000
    assert place.manager.closed == {CloseReason.CLIENT_CLOSED: 1}


async def test_the_end_of_the_server(place):
    client = await bound(place)
    assert client.server.connections == {client.carrier}
    client.carrier.shutdown()
    await client.task
    assert client.code == 1012
    assert client.server.connections == set()
    assert place.link().session.state is State.DETACHED


async def test_broken_frames_end_the_session(place):
    client = await bound(place)
    client.feed(b"\x81\x05hello")
    await client.task
    assert client.code == 1002
    assert place.manager.closed == {CloseReason.STREAM_ERROR: 1}


async def test_a_client_that_vanishes_while_it_is_closed(place):
    client = await bound(place)
    client.push_back()
    place.manager.kick("juliet@localhost", asyncio.get_running_loop().time())
    client.disconnected()
    await client.task
    assert place.manager.closed == {CloseReason.KICKED: 1}


async def test_a_client_that_vanishes_right_after_a_close(place):
    client = await bound(place)
    client.carrier.pause()
    client.carrier.close(1000)
    client.disconnected()
    failed = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, told: failed.append(told))
    await settle()
    assert not failed
    assert place.link().session.state is State.DETACHED


# How much is read and kept


async def test_what_came_before_the_handshake_was_over_is_read_first(place):
    client = place.dial()
    frames = masked(OPEN.encode()) + masked(b"x", PING)
    client.early = frames[:-3]
    await client.connected()
    client.feed(frames[-3:])
    assert (await client.text()).startswith("<open ")
    await settle()
    assert client.pongs == [b"x"]


async def test_one_at_a_time_where_the_backend_has_enough_to_do():
    place = Place(SmConfig(pending=2), "taken over")
    client = await bound(place)
    place.backend.deferring = True
    client.send(*[message("romeo@localhost", str(number) * 2000) for number in range(9)])
    await settle()
    assert len(place.backend.deferred) == 2
    assert not client.network.reading
    assert client._bytes
    for _ in range(9):
        place.backend.settle_all()
        await settle()
    bodies = [item.text for item in place.backend.undelivered["romeo@localhost"]]
    assert bodies == [message("romeo@localhost", str(number) * 2000) for number in range(9)]
    assert client.network.reading
    await place.end()


async def test_a_strangers_buffers_are_small(place):
    client = await place.open()
    assert client.network.high == 16_384
    await client.cut()
    client = await bound(place)
    assert client.network.high is None


async def test_without_a_buffer_for_all_each_piece_has_its_own(place):
    client = await bound(place)
    first = weakref.ref(client.carrier.get_buffer(-1))
    client.carrier.buffer_updated(0)
    assert first() is None


async def test_one_ends_that_is_dropped_while_it_is_not_read_and_whose_client_has_left(place):
    client = await bound(place)
    session = place.link().session
    connection = session.transport
    connection.pause()
    client.leave(1006)
    connection.abort()
    await settle()
    assert session.state is State.DETACHED


async def test_nothing_is_left_of_one_that_has_gone(place):
    client = await bound(place)
    gone = weakref.ref(client.network)
    assert isinstance(client.carrier, OpenWebSocket)
    await client.cut()
    assert gone() is client.network
    assert client.carrier._timer is None


# How much at a time


@pytest.mark.parametrize("whole", [8 * PIECE, PIECE])
async def test_the_rest_of_a_long_frame_and_nothing_else_is_read_in_few_pieces(place, whole):
    client = place.dial()
    client.buffer = memoryview(bytearray(whole))
    await client.connected()
    client.send(OPEN)
    await client.texts(2)
    client.send(SIGN_IN.format("juliet"))
    await client.texts(1)
    client.send(OPEN)
    await client.texts(2)
    client.send(BIND)
    await client.text()
    client.pieces.clear()
    long, short = message("juliet@localhost", "x" * 20 * PIECE), message("juliet@localhost", "y")
    client.send(*[long, short] * 2)
    assert [await client.text() for _ in range(4)] == [long, short] * 2
    assert max(client.pieces) == whole
    frames = len(masked(long.encode())) + len(masked(short.encode()))
    assert sum(client.pieces) == 2 * frames
    assert len(client.pieces) <= 2 * (20 * PIECE // whole + 4)


# Compression


async def test_texts_are_compressed_both_ways(place):
    client = place.dial()
    client.extension = PerMessageDeflate(False, False, 12, 12)
    await client.connected()
    folding, unfolding = zlib.compressobj(wbits=-12), zlib.decompressobj(wbits=-12)
    folded = folding.compress(OPEN.encode()) + folding.flush(zlib.Z_SYNC_FLUSH)
    client.feed(masked(folded[:-4], bits=0x40))
    await client.until_has(client.folded, 2)
    texts = [unfolding.decompress(data + b"\0\0\xff\xff").decode() for data in client.folded]
    assert texts[0].startswith("<open ")
    assert texts[1].startswith("<stream:features ")
    client.feed(masked(b"", Opcode.CLOSE))
    await client.task


async def test_what_a_client_sent_before_it_left_is_read():
    place = Place(SmConfig(pending=1), "taken over")
    client = await place.bind()
    place.backend.deferring = True
    client.send(*[message("romeo@localhost", str(number)) for number in range(3)])
    await settle()
    client.disconnected()
    for _ in range(3):
        place.backend.settle_all()
        await settle()
    bodies = [item.text for item in place.backend.undelivered["romeo@localhost"]]
    assert bodies == [message("romeo@localhost", str(number)) for number in range(3)]
    assert not place.manager.sessions
    await place.end()
    place.check()


async def test_nothing_is_sent_behind_a_close(place):
    client = await bound(place)
    client.push_back()
    place.deliver(message("juliet@localhost", "waits"))
    client.feed(b"\xff\xff")
    await client.task
    client.network.closing = False
    client.carrier.resume_writing()
    assert client.taken[-1]["type"] == "websocket.close"


async def test_what_is_sent_in_a_turn_behind_the_first_is_one_write(place, monkeypatch):
    monkeypatch.setattr("andiron.serving.outbox.monotonic", lambda: 0.0)
    client = await bound(place)
    await settle()
    writes = client.writes
    bodies = [message("juliet@localhost", str(number)) for number in range(9)]
    place.deliver(*bodies)
    assert client.writes == writes + 1
    await settle()
    assert client.take() == bodies
    assert client.writes == writes + 2


async def test_a_stream_opens_with_its_features_in_one_write(place):
    client = await place.connect()
    writes = client.writes
    client.send(OPEN)
    opening, features = await client.texts(2)
    assert opening.startswith("<open ")
    assert features.startswith("<stream:features ")
    assert client.writes == writes + 1


async def test_what_one_piece_brings_about_for_a_client_is_one_write(place):
    client = await bound(place)
    writes = client.writes
    client.send(*["<r xmlns='urn:xmpp:sm:3'/>"] * 3)
    await settle()
    assert len(client.take()) == 3
    assert client.writes == writes + 1


async def test_no_more_is_joined_than_shows_whether_the_network_pushes_back(place):
    client = await bound(place)
    client.push_back(2)
    bodies = [message("juliet@localhost", "x" * 5_000) for _ in range(20)]
    place.deliver(*bodies)
    assert place.link().session.transport.congested
    await settle()
    assert len(client.take()) == 5
    client.let_go()
    await settle()
    assert len(client.take()) == 15
