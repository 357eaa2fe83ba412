"""A TCP proxy on loopback that a test can cut at any moment, also with bytes on their way."""

import asyncio
import contextlib
import socket
import struct
from enum import Enum

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Way(Enum):
    """A direction, named after where its bytes go."""

    TO_SERVER = "to-server"
    TO_CLIENT = "to-client"


class CuttableProxy:
    """Stands between one client and the server.

    :meth:`lose` lets bytes vanish in one direction while both connections look
    healthy, as they do before a network failure is noticed; :meth:`cut` resets
    both. While ``accepting`` is False every new connection is reset.
    """

    def __init__(self, host: str, port: int) -> None:
        self.accepting = True
        self._upstream = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._passing: dict[Way, int] = {}
        self._lost = dict.fromkeys(Way, 0)
        self._changed = asyncio.Event()

    @property
    def port(self) -> int:
        """Where the client connects, on 127.0.0.1."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Listen no more and reset what is open."""
        assert self._server is not None
        self._server.close()
        pumps = list(self._pumps)
        self.cut()
        await asyncio.gather(*pumps, return_exceptions=True)

    def lose(self, way: Way, after: int = 0) -> None:
        """Let ``after`` more bytes pass in this direction and none behind them; then cut."""
        self._lost[way] = 0
        self._passing[way] = after

    async def lost(self, way: Way, at_least: int) -> None:
        """Wait until that many bytes have vanished in this direction."""
        while self._lost[way] < at_least:
            self._changed.clear()
            await self._changed.wait()

    def cut(self) -> None:
        """Reset every connection, on both sides; new ones work again."""
        for pump in self._pumps:
            pump.cancel()
        for writer in self._writers:
            _reset(writer)
        self._writers.clear()
        self._passing.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.accepting:
            _reset(writer)
            return
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            _reset(writer)
            return
        self._writers |= {writer, up_writer}
        for way, source, sink in (
            (Way.TO_SERVER, reader, up_writer),
            (Way.TO_CLIENT, up_reader, writer),
        ):
            pump = asyncio.create_task(self._pump(way, source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(
        self, way: Way, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(self._let_pass(way, data))
                await sink.drain()
        self._writers.discard(sink)
        sink.close()

    def _let_pass(self, way: Way, data: bytes) -> bytes:
        if way not in self._passing:
            return data
        passed = data[: self._passing[way]]
        self._passing[way] -= len(passed)
        self._lost[way] += len(data) - len(passed)
        self._changed.set()
        return passed


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE
        )
    writer.transport.abort()
