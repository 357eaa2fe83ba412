"""A WebSocket client without a network: the ASGI server's part, played by the test."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from types import TracebackType
from typing import Any, Self

from andiron.xmpp import namespaces as ns

Message = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]

OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"
CLOSE = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"
HTTP_ANSWERS = {"websocket.http.response": {}}


async def request(app: App, path: str, body: bytes, **more: Any) -> list[Message]:
    """Make a request, a POST, whose body is one message; return what ``send`` was told.

    ``more`` is put into its scope, over what is there.
    """
    coming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        if not coming:
            await asyncio.Event().wait()
        return coming.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
    }
    await app(scope | more, receive, send)
    return sent


class ClientGone(OSError):  # noqa: N818
    """What a server's ``send`` raises when the client has left."""


class AsgiClient:
    """One WebSocket scope run through an application.

    The network pushes back on command: after :meth:`push_back` the server's
    ``send`` suspends, until :meth:`let_go`.
    """

    def __init__(
        self,
        app: App,
        *,
        path: str = "/ws",
        subprotocols: Iterable[str] = ("xmpp",),
        headers: Iterable[tuple[str, str]] = (("host", "localhost"),),
        scheme: str = "ws",
        address: str = "127.0.0.1",
        extensions: MutableMapping[str, Any] | None = None,
    ) -> None:
        self.scope = {
            "type": "websocket",
            "path": path,
            "root_path": "",
            "scheme": scheme,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers],
            "client": (address, 1234),
            "subprotocols": list(subprotocols),
            "extensions": HTTP_ANSWERS if extensions is None else extensions,
        }
        self.taken: list[Message] = []
        """All that the network took."""
        self.error: Exception | None = None
        """What ``send`` shall raise."""
        self.waiting = 0
        """How many sends the network holds up."""
        self._room: int | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = False
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(app(self.scope, self._incoming.get, self._send))

    async def _send(self, message: Message) -> None:
        if self._room == 0:
            self.waiting += 1
            try:
                await self._writable.wait()
            finally:
                self.waiting -= 1
        elif self._room is not None:
            self._room -= 1
            if not self._room:
                self._writable.clear()
        if self.error is not None:
            raise self.error
        if self._gone:
            raise ClientGone
        self.taken.append(message)
        self._outgoing.put_nowait(message)
        if message["type"] == "websocket.close":
            code = message.get("code", 1000)
            self._incoming.put_nowait({"type": "websocket.disconnect", "code": code})

    # The client's side

    async def connected(self) -> Self:
        """Wait until the WebSocket is accepted."""
        message = await self.event()
        assert message == {"type": "websocket.accept", "subprotocol": "xmpp"}
        return self

    async def opened(self) -> str:
        """Open a stream; return what the server offers."""
        await self.connected()
        self.send(OPEN)
        return await self.until("<stream:features")

    async def authenticate(self, mechanism: str, message: str) -> str:
        """Begin to sign in; return the answer."""
        content = base64.b64encode(message.encode()).decode() or "="
        self.send(f"<auth xmlns='{ns.SASL}' mechanism='{mechanism}'>{content}</auth>")
        return await self.text()

    async def event(self) -> Message:
        """Return the next ASGI message; EOFError when the application has returned."""
        getting = asyncio.ensure_future(self._outgoing.get())
        await asyncio.wait([getting, self.task], return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            getting.cancel()
            await asyncio.wait([getting])
            await self.task
            raise EOFError
        return getting.result()

    async def refusal(self) -> tuple[int, str]:
        """Return the HTTP status and text that the handshake is refused with."""
        start, body = await self.event(), await self.event()
        assert start["type"] == "websocket.http.response.start"
        await self.task
        return start["status"], body["body"].decode()

    def send(self, *texts: str) -> None:
        """Send each text as a frame."""
        for text in texts:
            self._incoming.put_nowait({"type": "websocket.receive", "text": text})

    def send_binary(self, data: bytes) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "bytes": data})

    async def text(self) -> str:
        """Return the next text frame."""
        message = await self.event()
        assert message["type"] == "websocket.send", message
        text: str = message["text"]
        return text

    async def texts(self, number: int) -> list[str]:
        return [await self.text() for _ in range(number)]

    async def until(self, part: str) -> str:
        """Return the first frame that holds ``part``."""
        while part not in (text := await self.text()):
            pass
        return text

    async def rest(self) -> list[str]:
        """Answer a farewell, and return all frames up to the end of the WebSocket."""
        texts: list[str] = []
        while True:
            try:
                message = await self.event()
            except EOFError:
                return texts
            if message["type"] == "websocket.close":
                await self.task
                return texts
            texts.append(message["text"])
            if texts[-1].startswith("<close"):
                self.send(CLOSE)

    def take(self) -> list[str]:
        """Return the frames that came and were not read yet."""
        texts = []
        while not self._outgoing.empty():
            message = self._outgoing.get_nowait()
            if message["type"] != "websocket.close":
                texts.append(message["text"])
        return texts

    def leave(self, code: int | None = 1001) -> None:
        """End the WebSocket without a word of XMPP."""
        self._gone = True
        self._writable.set()
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": code})

    async def cut(self, code: int | None = 1006) -> None:
        """Lose the connection, and wait until the application has noticed."""
        self.leave(code)
        await asyncio.wait([self.task])

    def crash(self) -> None:
        """Be a server that does not speak ASGI."""
        self._incoming.put_nowait({})

    # The network

    def push_back(self, after: int = 0) -> None:
        """Let ``after`` more messages pass, then hold up what is sent."""
        self._room = after
        if not after:
            self._writable.clear()

    def let_go(self) -> None:
        """Take what is held up, and everything from now on."""
        self._room = None
        self._writable.set()

    async def __aenter__(self) -> Self:
        return await self.connected()

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.cut()


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)
