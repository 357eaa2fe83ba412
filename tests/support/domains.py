"""The embedded domain under real sessions, with connections and a store in memory."""

import asyncio
import re
import secrets
from collections import defaultdict
from collections.abc import Collection, Coroutine, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar
from xml.etree.ElementTree import Element as Tree
from xml.etree.ElementTree import fromstring

from sqlalchemy import text

from andiron.domain.accounts.accounts import Accounts, NoSuchAccount
from andiron.domain.config import DomainConfig
from andiron.domain.domain import Domain
from andiron.domain.link import DomainLink
from andiron.domain.messages.offline_store import OfflineFull, Page, StoredMessage, Waiting
from andiron.domain.sign_in.site import Site
from andiron.domain.sign_in.steps import Step
from andiron.sm.config import SmConfig
from andiron.sm.link import Channel, StreamOpen
from andiron.sm.manager import SessionManager
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import SaslCondition, SaslError
from andiron.xmpp.xml import Element, Guard
from support.database import InstantDatabase
from support.sessions import MemoryTransport

T = TypeVar("T")

AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='TEST' name='{}'/>"
CLIENT = "{jabber:client}"
START = 1_000.0
_PATIENCE = 20_000
"""Milliseconds within which a thread must have ended; on a healthy machine it is one or two."""
STANZA = re.compile("^<(message|presence|iq)")


class MemoryStore:
    """An offline store that the test can stop, fill and break."""

    def __init__(self) -> None:
        self.accounts = {"romeo", "juliet"}
        self.messages: defaultdict[str, list[StoredMessage]] = defaultdict(list)
        self.limit = 1000
        self.error: Exception | None = None
        self.writes = 0
        """How many times something was added."""
        self.added: list[str] = []
        """The texts of all that was ever added."""
        self.pages: list[int] = []
        """How many messages each page had."""
        self._last = 0
        self.running = asyncio.Event()
        self.running.set()
        self.stopped: dict[str, asyncio.Event] = {}
        """By payers for whom nothing is added; others do not wait for that."""
        self._lines: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._lock = asyncio.Lock()

    async def add_all(
        self,
        username: str,
        messages: Sequence[Waiting],
        payer: str = "",
        _born: str | None = None,
    ) -> Sequence[OfflineFull | None]:
        async with self._lines[payer]:
            while payer in self.stopped:
                await self.stopped[payer].wait()
            return await self._add_all(username, messages)

    async def _add_all(
        self, username: str, messages: Sequence[Waiting]
    ) -> Sequence[OfflineFull | None]:
        async with self._lock:
            await self._work()
            self.writes += 1
            if username not in self.accounts:
                raise NoSuchAccount(username)
            kept = self.messages[username]
            refusals = list[OfflineFull | None]()
            for message in messages:
                is_full = len(kept) >= self.limit
                refusals.append(OfflineFull("") if is_full else None)
                if not is_full:
                    self._last += 1
                    self.added.append(message.text)
                    kept.append(StoredMessage(message.text, message.stamp, self._last))
            return refusals

    def stop(self, payer: str) -> None:
        """Add nothing for a payer, until :meth:`go_on`."""
        self.stopped.setdefault(payer, asyncio.Event())

    def go_on(self, payer: str) -> None:
        self.stopped.pop(payer).set()

    async def page(
        self,
        username: str,
        most: int,
        size: int,
        *,
        had: Collection[int] = (),
        out: Collection[int] = (),
    ) -> Page:
        async with self._lock:
            await self._work()
            self._remove(username, had)
            waiting = [each for each in self.messages[username] if each.id not in out]
            page = Page(waiting[:most], complete=len(waiting) <= most)
            self.pages.append(len(page.messages))
            return page

    async def remove(self, username: str, had: Collection[int]) -> None:
        async with self._lock:
            await self._work()
            self._remove(username, had)

    def _remove(self, username: str, had: Collection[int]) -> None:
        kept = [each for each in self.messages.pop(username, []) if each.id not in had]
        if kept:
            self.messages[username] = kept

    async def _work(self) -> None:
        await self.running.wait()
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error

    async def has(self, username: str, message: Waiting) -> bool:
        kept = self.messages.get(username, [])
        return any((each.text, each.stamp) == (message.text, message.stamp) for each in kept)

    async def among(self, usernames: Sequence[str]) -> set[str]:
        return {each for each in usernames if self.messages.get(each)}

    def bodies(self, username: str) -> list[str | None]:
        return [body(message.text) for message in self.messages[username]]


class MemoryAuthenticator:
    """Lets in whoever says a name, as anonymous where there is no account of it.

    ``wrong`` is refused, ``crash`` fails for no known reason.
    """

    mechanism = "PLAIN"
    admission = SimpleNamespace(disabled=0)

    def __init__(self, accounts: Collection[str]) -> None:
        self.accounts = accounts
        self.running = asyncio.Event()
        self.running.set()
        self.left = 0

    def mechanisms(self, channel: Channel) -> tuple[str, ...]:
        return ("TEST",)

    def exchange(self, channel: Channel) -> "MemoryAuthenticator":
        return self

    async def step(self, element: Element, now: float) -> Step:
        await self.running.wait()
        match element.get("name"):
            case "wrong":
                raise SaslError(SaslCondition.NOT_AUTHORIZED)
            case "crash":
                raise ZeroDivisionError
            case "challenge":
                return Step(f"<challenge xmlns='{ns.SASL}'/>")
            case name:
                known = name in self.accounts
                return Step(f"<success xmlns='{ns.SASL}'/>", name, done=True, anonymous=not known)

    def leave(self, now: float) -> None:
        self.left += 1

    def close(self) -> None:
        pass


class Client:
    """A client at the other end of a connection."""

    def __init__(self, stage: "Stage", transport: MemoryTransport) -> None:
        self.stage = stage
        self.transport = transport
        self.session = transport.session

    @property
    def link(self) -> DomainLink:
        link = self.session.link
        assert isinstance(link, DomainLink)
        return link

    @property
    def jid(self) -> str:
        return self.link.jid

    @property
    def error(self) -> str | None:
        """The condition of the stream error that ended the stream, if one did."""
        closed = self.transport.closed
        return None if isinstance(closed, bool) or closed is None else closed.condition

    def open(self, to: str | None = None, version: str = "1.0", lang: str = "") -> None:
        host = self.stage.domain.name if to is None else to
        self.session.open_stream(StreamOpen(host, version, lang=lang), self.stage.now)

    def send(self, text: str) -> None:
        """Send one element; a stanza may leave its namespace out."""
        if "xmlns=" not in text.partition(">")[0]:
            text = STANZA.sub(r"<\1 xmlns='jabber:client'", text)
        self.session.receive(self.stage.guard.read(text), self.stage.now)

    async def ask(self, text: str) -> Tree:
        """Send an iq request and return its one answer, which a thread may have to make."""
        self.transport.take()
        self.send(text)
        await settle()
        for _ in range(_PATIENCE):
            if self.transport.sent:
                break
            await asyncio.sleep(0.001)
        (answer,) = self.take()
        return answer

    def take(self) -> list[Tree]:
        """Return what was sent since the last call, parsed."""
        return [fromstring(text) for text in self.transport.take()]

    def bodies(self) -> list[str | None]:
        """Return the bodies of the messages sent since the last call."""
        return [
            tree.findtext(CLIENT + "body") for tree in self.take() if tree.tag == f"{CLIENT}message"
        ]

    def lose(self) -> None:
        self.session.transport_lost(self.transport, self.stage.now)

    def leave(self) -> None:
        self.session.client_closed(self.stage.now)


class Manager(SessionManager):
    """A manager whose Unix time follows the test's clock."""

    def wall(self, now: float) -> float:
        return 1_700_000_000 + now


class Stage:
    """A domain, a manager of its sessions, and a clock that the test turns.

    One with a ``former`` has the store and the database of that, as the next process has.
    """

    def __init__(
        self,
        sm: SmConfig | None = None,
        site: Site | None = None,
        former: "Stage | None" = None,
        **config: Any,
    ) -> None:
        self.now = START if former is None else former.now
        self.guard = Guard()
        self.store = MemoryStore() if former is None else former.store
        self.authenticator = MemoryAuthenticator(self.store.accounts)
        self.domain = Domain(DomainConfig(**config), self.guard, site or Site())
        self.database = InstantDatabase() if former is None else former.database
        if former is None:
            self.add_account("romeo", "juliet")
        finished(self._run())
        self.manager = Manager(sm or SmConfig(idle_probe=0), self.domain, clock=lambda: self.now)

    async def _run(self) -> None:
        database: Any = self.database
        authenticator: Any = self.authenticator
        store: Any = self.store
        accounts = Accounts(database, self.domain.name)
        await self.domain.run(database, accounts, authenticator, store)

    def add_account(self, *names: str) -> None:
        """Make accounts; anybody else who signs in has none, as an anonymous user."""
        self.store.accounts.update(names)
        with self.database.engine.begin() as connection:
            for name in names:
                connection.execute(
                    text("insert into accounts (username, born) values (:name, :born)"),
                    {"name": name, "born": secrets.token_hex(4)},
                )

    def connect(self) -> Client:
        transport = MemoryTransport()
        self.manager.connect(transport, self.now)
        return Client(self, transport)

    async def sign_in(self, name: str = "juliet") -> Client:
        client = self.connect()
        client.open()
        client.send(AUTH.format(name))
        await settle()
        client.open()
        client.take()
        return client

    async def bind(self, name: str = "juliet", resource: str = "", *, sm: bool = False) -> Client:
        client = await self.sign_in(name)
        client.send(bind_request(resource))
        if sm:
            client.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        client.take()
        return client

    async def come(
        self, name: str = "juliet", resource: str = "", priority: int = 0, *, sm: bool = False
    ) -> Client:
        """Return a client that is bound and available."""
        client = await self.bind(name, resource, sm=sm)
        client.send(f"<presence><priority>{priority}</priority></presence>")
        await settle()
        client.take()
        return client

    def wall(self, now: float) -> float:
        return self.manager.wall(now)


def bind_request(resource: str = "", identity: str = "b") -> str:
    wish = f"<resource>{resource}</resource>" if resource else ""
    return f"<iq type='set' id='{identity}'><bind xmlns='{ns.BIND}'>{wish}</bind></iq>"


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("it waits")


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(40):
        await asyncio.sleep(0)


def body(text: str) -> str | None:
    return fromstring(text).findtext(CLIENT + "body")


def condition(stanza: Tree) -> str:
    """Return the condition of an error stanza."""
    error = stanza.find(CLIENT + "error")
    assert error is not None
    return error[0].tag.partition("}")[2]


def delays(stanza: Tree) -> list[str | None]:
    return [delay.get("stamp") for delay in stanza.findall(f"{{{ns.DELAY}}}delay")]
