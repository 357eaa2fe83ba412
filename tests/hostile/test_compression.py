"""Compressed frames: what counts is what they unfold to."""

import asyncio
import zlib

import pytest

from tests.hostile.conftest import maltreated
from tests.hostile.wire import CONTINUATION, OPEN, TEXT, frame

OFFER = "Sec-WebSocket-Extensions: permessage-deflate"


class Folder:
    """Compresses what a client sends, frame by frame, as one stream."""

    def __init__(self):
        self._deflate = zlib.compressobj(9, wbits=-12)

    def frame(self, data, opcode=TEXT, *, fin=True):
        payload = self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        whole = payload.removesuffix(b"\0\0\xff\xff") if fin else payload
        first, *rest = frame(whole, opcode, fin=fin)
        return bytes([first | (0x40 if opcode == TEXT else 0), *rest])


def compressed(data):
    return Folder().frame(data)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    directory = tmp_path_factory.mktemp("compressing")
    with maltreated(directory, WEBSOCKET_COMPRESSION="true") as victim:
        yield victim


@pytest.fixture
async def folding(house):
    house.mark()
    yield house
    for wire in house.wires:
        await wire.gone()
    house.wires.clear()


async def opened(victim):
    wire = await victim.connect(OFFER)
    assert "permessage-deflate" in wire.headers
    wire.write(compressed(OPEN.encode()))
    # <open/> and the features, compressed, too.
    assert [(await wire.receive())[0] for _ in range(2)] == [TEXT, TEXT]
    return wire


async def test_a_small_frame_that_unfolds_to_100_megabytes(folding):
    bomb = compressed(b"x" * (100 * 2**20))
    assert len(bomb) < 2**18
    wire = await opened(folding)
    before = folding.memory
    wire.write(bomb)
    await wire.rest()
    assert wire.code == 1009
    assert folding.memory - before < 8
    await folding.logged("closed: stream-error (policy-violation: WebSocket closed with 1009)")


async def test_fragments_that_unfold_to_100_megabytes(folding):
    """Each alone would be small enough."""
    wire, folder = await opened(folding), Folder()
    parts = [folder.frame(b"x" * 200_000, TEXT, fin=False)]
    parts += [folder.frame(b"x" * 200_000, CONTINUATION, fin=False) for _ in range(500)]
    before = folding.memory
    wire.write(b"".join(parts))
    await wire.rest()
    assert wire.code == 1009
    assert folding.memory - before < 8


async def test_many_small_frames_at_once_that_unfold_to_much(folding):
    """Each is as large as a frame may be; of each connection one is unfolded at a time."""
    bomb = compressed(b"x" * 262_000)
    bombs = bomb * (8192 // len(bomb))
    wires = [await opened(folding) for _ in range(60)]
    before = folding.peak
    for wire in wires:
        wire.write(bombs)
    await asyncio.gather(*(wire.ended() for wire in wires))
    unfolded = 60 * (8192 // len(bomb)) * 262_000 / 2**20
    assert folding.peak - before < unfolded / 3
    await folding.still_serves()
