"""Compressed frames: what counts is what they unfold to."""

import zlib

from tests.hostile.conftest import maltreated
from tests.hostile.wire import OPEN, TEXT, frame

OFFER = "Sec-WebSocket-Extensions: permessage-deflate"


def compressed(data):
    deflate = zlib.compressobj(wbits=-12)
    payload = deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)
    first, *rest = frame(payload.removesuffix(b"\0\0\xff\xff"))
    return bytes([first | 0x40, *rest])


async def test_a_small_frame_that_unfolds_to_100_megabytes(tmp_path):
    bomb = compressed(b"x" * (100 * 2**20))
    assert len(bomb) < 2**18
    with maltreated(tmp_path, WEBSOCKET_COMPRESSION="true") as victim:
        wire = await victim.connect(OFFER)
        assert "permessage-deflate" in wire.headers
        wire.write(compressed(OPEN.encode()))
        # <open/> and the features, compressed, too.
        assert [(await wire.receive())[0] for _ in range(2)] == [TEXT, TEXT]
        before = victim.memory
        wire.write(bomb)
        await wire.rest()
        assert wire.code == 1009
        assert victim.memory - before < 8
        await victim.logged("closed: stream-error (policy-violation: WebSocket closed with 1009)")
        await wire.gone()
