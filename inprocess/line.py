"""A connection in memory as an asyncio transport, for slixmpp."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from andiron.inprocess.connection import MemoryConnection
from andiron.inprocess.entrance import Entrance
from andiron.sm.link import StreamHeader, StreamOpen
from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape

if TYPE_CHECKING:
    from slixmpp import ClientXMPP

__all__ = ["Line"]

_FOOTER: Final = "</stream:stream>"


class Line(asyncio.Transport):
    """Carries the stream of ``client``, which sends whole elements, as slixmpp does.

    One element is read in a run of the event loop; none while :meth:`hold` says too much.
    """

    def __init__(self, client: "ClientXMPP", entrance: Entrance, name: str) -> None:
        super().__init__()
        self._client = client
        self._limit = entrance.config.buffer_bytes
        self._held = False
        self._reading = False
        self._over = False
        self._writable = asyncio.Event()
        self._connection: MemoryConnection = entrance.enter(name, self._heard)

    # What slixmpp writes

    def write(self, data: Any) -> None:
        """Send what slixmpp writes at a time: a header, a footer, or whole elements."""
        client, text = self._client, bytes(data).decode()
        if text == client.stream_header:
            domain, lang = client.boundjid.domain, client.default_lang or ""
            self._connection.begin(StreamOpen(to=domain, version="1.0", lang=lang))
        elif text == client.stream_footer:
            self._connection.end()
        else:
            self._connection.write(text)

    async def writable(self) -> None:
        """Return when more may be written."""
        while self._connection.busy:
            self._writable.clear()
            await self._writable.wait()

    def is_closing(self) -> bool:
        """Tell whether the connection ends."""
        return self._connection.over

    def close(self) -> None:
        """Drop the connection: slixmpp has ended the stream before, if it wanted to."""
        self._connection.drop()

    def abort(self) -> None:
        """Drop the connection."""
        self._connection.drop()

    # What slixmpp reads

    def hold(self, worked_on: int) -> None:
        """Stop reading while so many bytes are more than may be worked on."""
        self._held = worked_on > self._limit
        if not self._held:
            self._read_soon()

    def _heard(self) -> None:
        self._writable.set()
        if not self._connection.over:
            self._read_soon()
        elif not self._over:
            self._over = True
            self._client.connection_lost(None)

    def _read_soon(self) -> None:
        if not self._reading:
            self._reading = True
            self._client.loop.call_soon(self._read)

    def _read(self) -> None:
        self._reading = False
        connection = self._connection
        if self._over or (self._held and not connection.closing):
            return
        item = connection.take()
        if isinstance(item, StreamHeader):
            self._client.data_received(_header(item))
        elif item is not None:
            self._client.data_received(item)
        elif connection.over:
            # The parser closes the stream, and slixmpp the connection.
            self._client.data_received(_FOOTER)
        else:
            return
        self._read_soon()


def _header(header: StreamHeader) -> str:
    return (
        f"<stream:stream xmlns='{ns.CLIENT}' xmlns:stream='{ns.STREAMS}'"
        f" from='{escape(header.sender)}' id='{escape(header.id)}'"
        f" version='{header.version}' xml:lang='{escape(header.lang)}'>"
    )
