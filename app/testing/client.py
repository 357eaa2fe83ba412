"""A client in memory: it does what a test says, and nothing by itself but answer pings."""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from andiron.application import Andiron
from andiron.sm.link import StreamHeader, StreamOpen
from andiron.testing.stanza import Stanza
from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape
from andiron.xmpp.jid import account_jid
from andiron.xmpp.tree import parse_text

__all__ = ["ChatClient", "StreamEndedError", "sign_in"]

_PATIENCE: Final = 10.0
"""Seconds within which what a test waits for must come; it takes milliseconds."""
_HERE: Final = f"{{{ns.MUC_USER}}}x/{{{ns.MUC_USER}}}status[@code='110']"
_MADE: Final = f"{{{ns.MUC_USER}}}x/{{{ns.MUC_USER}}}status[@code='201']"


class StreamEndedError(ConnectionError):
    """The client's stream has ended; the text is the condition, such as ``not-authorized``."""


async def sign_in(chat: Andiron, name: str) -> "ChatClient":
    """Return a client of the account ``name``, signed in without a password and available.

    The account is made if need be, whatever ``provision`` says. Close the client, or let
    it end with the application. Raises :class:`RuntimeError` while that does not run, and
    ValueError for a name that no account can have.
    """
    client = ChatClient(chat, name)
    await chat.domain.accounts.provide(client.name)
    await client.begin()
    return client


class ChatClient:
    """One session of an account; made by :func:`sign_in`.

    Where an address is asked for, an account's name will do. What waits for something raises
    :class:`TimeoutError` if that does not come within ``within`` seconds, and
    :class:`StreamEndedError` if the stream ends first. ``async with`` closes it at the end.
    """

    def __init__(self, chat: Andiron, name: str) -> None:
        entrance = chat.entrance()
        self._domain = entrance.domain
        account = account_jid(name, self._domain)
        self.name = account.node
        self.account = account.bare
        """The account's address."""
        self.jid = ""
        """The session's address."""
        rooms = chat.domain.rooms
        self._rooms = f"conference.{self._domain}" if rooms is None else rooms.host
        self._ids = itertools.count(1)
        self._came: deque[Stanza] = deque()
        self._last: deque[str] = deque()
        self._ended = ""
        self._reading = asyncio.Lock()
        self._more = asyncio.Event()
        self._connection = entrance.enter(self.name, self._heard)

    async def begin(self) -> None:
        """Sign in, bind a resource and be available."""
        async with asyncio.timeout(_PATIENCE):
            await self._open()
            self._connection.write(f"<auth xmlns='{ns.SASL}' mechanism='EXTERNAL'>=</auth>")
            answer = await self._read()
            if not answer.startswith("<success"):
                self._connection.drop()
                raise StreamEndedError(f"{self.name} is not let in: {answer}")
            await self._open()
        bound = await self.ask(f"<bind xmlns='{ns.BIND}'/>", kind="set")
        self.jid = bound.tree.findtext(f"{{{ns.BIND}}}bind/{{{ns.BIND}}}jid", "")
        await self.write("<presence/>")
        # It is available, and has what waited for it, once its own presence has come back.
        await self.next(lambda one: one.name == "presence" and one.sender == self.jid)

    # Chat

    async def send(self, to: str, body: str, *, kind: str = "chat") -> None:
        """Send a message."""
        address = escape(self._address(to))
        await self.write(
            f"<message to='{address}' type='{kind}' id='{self._new_id()}'>"
            f"<body>{escape(body)}</body></message>"
        )

    async def receive(self, *, within: float = _PATIENCE) -> Stanza:
        """Return the next message that says something."""
        return await self.next(lambda one: one.name == "message" and bool(one.body), within=within)

    async def join(self, room: str, nick: str = "") -> str:
        """Enter a room (XEP-0045 section 7.2), make it if need be, and return its address.

        A name alone is that of a room of the domain's own.
        """
        address = room if "@" in room else f"{room}@{self._rooms}"
        place = escape(f"{address}/{nick or self.name}")
        await self.write(f"<presence to='{place}'><x xmlns='{ns.MUC}'/></presence>")
        answer = await self.next(
            lambda one: (
                one.name == "presence"
                and one.sender.partition("/")[0] == address
                and (one.kind == "error" or one.tree.find(_HERE) is not None)
            )
        )
        if answer.kind == "error":
            raise PermissionError(f"{self.name} may not enter {address}: {answer.condition}")
        if answer.tree.find(_MADE) is not None:
            form = f"<x xmlns='{ns.DATA}' type='submit'/>"
            await self.ask(f"<query xmlns='{ns.MUC_OWNER}'>{form}</query>", to=address, kind="set")
        return address

    async def say(self, room: str, body: str) -> None:
        """Send a message to all in a room, whose address :meth:`join` returned."""
        await self.send(room, body, kind="groupchat")

    # Anything else

    async def write(self, xml: str) -> None:
        """Send whole elements; a namespace is needed where it is not ``jabber:client``."""
        self._check()
        self._connection.write(xml)
        while self._connection.busy:
            self._more.clear()
            await self._more.wait()

    async def ask(self, payload: str, *, to: str = "", kind: str = "get") -> Stanza:
        """Send an iq request and return its answer, which may be an error (:attr:`Stanza.kind`)."""
        name = self._new_id()
        address = f" to='{escape(self._address(to))}'" if to else ""
        await self.write(f"<iq type='{kind}' id='{name}'{address}>{payload}</iq>")
        return await self.next(
            lambda one: one.name == "iq" and one.id == name and one.kind in ("result", "error")
        )

    async def next(
        self, wanted: Callable[[Stanza], bool] = lambda _: True, *, within: float = _PATIENCE
    ) -> Stanza:
        """Return the first stanza that is wanted; those before it wait to be asked for."""
        try:
            async with asyncio.timeout(within):
                while True:
                    for stanza in self._came:
                        if wanted(stanza):
                            self._came.remove(stanza)
                            return stanza
                    await self._read_on()
        except TimeoutError:
            others = ", ".join(one.text for one in self._came) or "nothing"
            raise TimeoutError(
                f"{self.name} waited {within:g} s in vain; what came is {others}"
            ) from None

    async def close(self) -> None:
        """End the stream and wait until the server has."""
        self._connection.end()
        while not self._connection.over:
            self._more.clear()
            await self._more.wait()

    def cut(self) -> None:
        """Be gone without a word, as when a network fails."""
        self._connection.drop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _address(self, to: str) -> str:
        if "@" in to or to == self._domain or to.endswith("." + self._domain):
            return to
        return account_jid(to, self._domain).bare

    def _new_id(self) -> str:
        return f"{self.name}-{next(self._ids)}"

    # The stream

    async def _open(self) -> None:
        self._connection.begin(StreamOpen(to=self._domain, version="1.0"))
        await self._read()

    async def _read_on(self) -> None:
        """Take one more element, or let somebody else who waits do so."""
        known = len(self._came)
        async with self._reading:
            if len(self._came) > known:
                return
            text = await self._read()
            tree = parse_text(text)
            if tree.tag == f"{{{ns.CLIENT}}}iq" and tree.find(f"{{{ns.PING}}}ping") is not None:
                to, name = escape(tree.get("from", "")), escape(tree.get("id", ""))
                self._connection.write(f"<iq type='result' to='{to}' id='{name}'/>")
            else:
                self._came.append(Stanza(text, tree))

    async def _read(self) -> str:
        while True:
            item = self._last.popleft() if self._last else self._connection.take()
            if isinstance(item, str):
                if item.startswith("<stream:error"):
                    self._ended = parse_text(item)[0].tag.rpartition("}")[2]
                    continue
                return item
            if not isinstance(item, StreamHeader):
                self._check()
                self._more.clear()
                await self._more.wait()

    def _check(self) -> None:
        if self._connection.over and not self._last:
            raise StreamEndedError(self._ended or "the stream has ended")

    def _heard(self) -> None:
        if self._connection.closing:
            # Nobody may ask for it any more, and the server waits for it to be taken.
            while (item := self._connection.take()) is not None:
                if isinstance(item, str):
                    self._last.append(item)
        self._more.set()
