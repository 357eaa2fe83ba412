"""A client over WebSocket and one over BOSH, with the same words for both."""

import asyncio
import base64
import random
import re
from types import TracebackType
from typing import Any, Self

import httpx
import websockets

PASSWORD = "correct horse"
PATIENCE = 60.0
FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
OPEN = f"<open xmlns='{FRAMING}' to='localhost' version='1.0'/>"
CLOSE = f"<close xmlns='{FRAMING}'/>"
HTTPBIND = "http://jabber.org/protocol/httpbind"
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{}</auth>"
BIND = (
    "<iq xmlns='jabber:client' type='set' id='bind'>"
    "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
)
ENABLE = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
RESUME = "<resume xmlns='urn:xmpp:sm:3' previd='{}' h='{}'/>"
MESSAGE = "<message xmlns='jabber:client' type='chat' to='{}@localhost'><body>{}</body></message>"


class Client:
    """What both do: a subclass connects, opens a stream, sends, and fills ``heard``."""

    def __init__(self, base: str) -> None:
        self.base = base
        """The URL below which the endpoints are, without scheme."""
        self.heard: asyncio.Queue[str | None] = asyncio.Queue()
        self.sm_id = ""
        self.tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        raise NotImplementedError

    async def reopen(self) -> None:
        raise NotImplementedError

    async def send(self, text: str) -> None:
        raise NotImplementedError

    async def cut(self) -> None:
        """Vanish without a word."""
        raise NotImplementedError

    async def close(self) -> None:
        """Say goodbye."""
        raise NotImplementedError

    async def sign_in(self, name: str) -> Self:
        await self.open()
        await self.until("PLAIN")
        secret = base64.b64encode(f"\0{name}\0{PASSWORD}".encode()).decode()
        await self.send(AUTH.format(secret))
        await self.until("<success")
        await self.reopen()
        await self.until("urn:xmpp:sm:3")
        return self

    async def bind(self, name: str, *, resumable: bool = False) -> Self:
        await self.sign_in(name)
        await self.send(BIND)
        await self.until(" id='bind'")
        if resumable:
            await self.send(ENABLE)
            found = re.search(r" id='([^']*)'", await self.until("<enabled "))
            assert found
            self.sm_id = found[1]
        await self.send("<presence xmlns='jabber:client'/>")
        await self.until("<presence")
        return self

    async def until(self, part: str) -> str:
        """Return the first text that holds ``part``; EOFError when the server has ended."""
        async with asyncio.timeout(PATIENCE):
            while (text := await self.heard.get()) is not None:
                if part in text:
                    return text
        raise EOFError

    async def rest(self) -> list[str]:
        """Return all texts up to the end."""
        texts: list[str] = []
        async with asyncio.timeout(PATIENCE):
            while (text := await self.heard.get()) is not None:
                texts.append(text)
        return texts

    def start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.cut()
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)


class WebSocketClient(Client):
    """RFC 7395."""

    socket: websockets.ClientConnection | None = None

    async def open(self) -> None:
        self.socket = await websockets.connect(
            f"ws://{self.base}/ws",
            subprotocols=[websockets.Subprotocol("xmpp")],
            open_timeout=PATIENCE,
        )
        self.start(self._listen(self.socket))
        await self.send(OPEN)

    async def reopen(self) -> None:
        await self.send(OPEN)

    async def send(self, text: str) -> None:
        assert self.socket
        await self.socket.send(text)

    async def cut(self) -> None:
        if self.socket is not None:
            self.socket.transport.abort()
            await self.socket.wait_closed()

    async def close(self) -> None:
        assert self.socket
        await self.send(CLOSE)
        await self.until("<close")
        await self.socket.close()

    async def _listen(self, socket: websockets.ClientConnection) -> None:
        try:
            async for frame in socket:
                assert isinstance(frame, str)
                self.heard.put_nowait(frame)
                if frame.startswith("<close"):
                    await socket.send(CLOSE)
        except websockets.ConnectionClosed:
            pass
        finally:
            self.heard.put_nowait(None)


class BoshClient(Client):
    """XEP-0124 with one request held, and one more to speak."""

    def __init__(self, base: str) -> None:
        super().__init__(base)
        self._http = httpx.AsyncClient(timeout=PATIENCE)
        self._rid = random.randrange(2**32)
        self._sid = ""
        self._over = False
        self._room = asyncio.Semaphore(2)

    async def open(self) -> None:
        text = await self._post(
            " to='localhost' hold='1' wait='20' ver='1.6' xmpp:version='1.0'"
            " xmlns:xmpp='urn:xmpp:xbosh'"
        )
        found = re.search(r" sid='([^']*)'", text)
        assert found, text
        self._sid = found[1]

    async def reopen(self) -> None:
        await self._post(
            f" sid='{self._sid}' to='localhost' xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh'"
        )
        self.start(self._poll())

    async def send(self, text: str) -> None:
        self.start(self._say(f" sid='{self._sid}'", text))

    async def cut(self) -> None:
        self._over = True
        for task in self.tasks:
            task.cancel()
        await self._http.aclose()

    async def close(self) -> None:
        self._over = True
        await self._say(f" sid='{self._sid}' type='terminate'")

    async def _poll(self) -> None:
        try:
            while not self._over:
                await self._say(f" sid='{self._sid}'")
        except httpx.TransportError:
            pass  # A server that ends may close a connection on which a request just comes.
        finally:
            self.heard.put_nowait(None)

    async def _say(self, attributes: str, payload: str = "") -> None:
        text = await self._post(attributes, payload)
        self._over = self._over or "type='terminate'" in text

    async def _post(self, attributes: str, payload: str = "") -> str:
        async with self._room:
            self._rid += 1
            answer = await self._http.post(
                f"http://{self.base}/http-bind",
                content=f"<body xmlns='{HTTPBIND}' rid='{self._rid}'{attributes}>{payload}</body>",
                headers={"Content-Type": "text/xml; charset=utf-8"},
            )
        if answer.status_code == 503:
            self._over = True  # the server is about to end
            return ""
        assert answer.status_code == 200, answer
        self.heard.put_nowait(answer.text)
        return answer.text


CLIENTS: dict[str, type[Client]] = {"WebSocket": WebSocketClient, "BOSH": BoshClient}
