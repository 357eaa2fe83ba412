"""BOSH sessions without a network: a registry over a manager in memory, and clients."""

from collections import deque
from collections.abc import Callable
from typing import Any

from andiron.bosh.config import BoshConfig
from andiron.bosh.registry import BoshRegistry
from andiron.sm.config import SmConfig
from andiron.sm.link import Channel
from andiron.sm.strangers import Strangers
from andiron.xmpp.children import read_children
from andiron.xmpp.xml import Element
from support.sessions import BIND, GUARD, SIGN_IN, MemoryLink, World

HTTPBIND = "http://jabber.org/protocol/httpbind"
OPEN = f"<body xmlns='{HTTPBIND}'"
EMPTY = f"{OPEN}/>"
RECOVERABLE = f"{OPEN} type='error'/>"
TERMINATE = f"{OPEN} type='terminate'/>"
ENABLE = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"


Turn = Callable[[], None]


def terminal(condition: str) -> str:
    return f"{OPEN} type='terminate' condition='{condition}'/>"


class RecordedCall:
    """An HTTP request without HTTP."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.status = 0
        self.content_type = ""
        self.replies = 0

    def reply(self, text: str, status: int, content_type: str) -> None:
        self.replies += 1
        if self.text is None:
            self.text, self.status, self.content_type = text, status, content_type

    @property
    def waits(self) -> bool:
        return self.text is None

    def children(self) -> list[str]:
        """Return the elements in the answer."""
        return children(self.text or "")

    def attribute(self, name: str) -> str:
        return attributes(self.text or "").get(name, "")


def children(text: str) -> list[str]:
    """Return the elements in a body as they stand there."""
    inner = text.partition(">")[2].removesuffix("</body>")
    if not inner:
        return []
    return [child.text for child in _read(f"<body>{inner}</body>")[1]]


def attributes(text: str) -> dict[str, str]:
    return _read(text)[0].attributes


def _read(text: str) -> tuple[Element, list[Element]]:
    return read_children(GUARD, text, max_size=2**24, max_children=10_000)


class BoshWorld(World):
    """A world in which clients come over BOSH, too."""

    def __init__(
        self,
        sm: SmConfig | None = None,
        *,
        most: int = 1000,
        most_per_address: int = 1000,
        **config: Any,
    ) -> None:
        super().__init__(sm)
        self.pending: deque[Turn] = deque()
        self.strangers = Strangers(most, most_per_address)
        self.registry = BoshRegistry(
            self.manager,
            BoshConfig(**({"hold": 3} | config)),
            GUARD,
            self.strangers,
            self.pending.append,
        )

    def settle(self) -> None:
        """Let the turn of the loop end."""
        while self.pending:
            self.pending.popleft()()

    def post(
        self,
        text: str | bytes,
        *,
        secure: bool = True,
        address: str = "192.0.2.1",
        via: str = "",
    ) -> RecordedCall:
        """Send one request and let it take effect."""
        call = RecordedCall()
        data = text.encode() if isinstance(text, str) else text
        channel = Channel(address, secure=secure, kind="bosh", via=via)
        self.registry.receive(data, call, lambda: channel, lambda: channel.secure, via=via)
        self.settle()
        return call

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.manager.timers.next_deadline()) <= end:
            self.now = max(self.now, due)
            self.manager.timers.run(self.now)
            self.settle()
        self.now = end

    def client(self, **attributes: Any) -> "BoshClient":
        """Return a client whose session was created."""
        client = BoshClient(self)
        client.create(**attributes)
        return client

    def bound(
        self, account: str = "juliet", *, sm: bool = False, **attributes: Any
    ) -> "BoshClient":
        """Return a client that is signed in and bound, with no request held."""
        client = self.client(**attributes)
        client.sign_in(account)
        client.bind()
        if sm:
            answer = client.send(ENABLE)
            client.sm_id = answer.text.split(" id='")[1].split("'")[0]
        return client

    def link(self, account: str = "juliet") -> MemoryLink:
        return self.backend.links[f"{account}@localhost"][-1]

    def deliver(self, *ids: str, account: str = "juliet") -> None:
        """Deliver messages to an account's latest session, and let the turn end."""
        for id_ in ids:
            self.link(account).session.deliver(
                f"<message xmlns='jabber:client' id='{id_}'/>", self.now
            )
        self.settle()

    def undelivered(self, account: str = "juliet") -> list[str]:
        return [lost.text for lost in self.backend.undelivered[f"{account}@localhost"]]


class BoshClient:
    """A client that counts ``rid`` and remembers ``sid``."""

    def __init__(self, world: BoshWorld, rid: int = 1000) -> None:
        self.world = world
        self.rid = rid
        self.sid = ""
        self.sm_id = ""
        self.created: RecordedCall

    @property
    def connection(self) -> Any:
        return self.world.registry._find(self.sid)

    def create(self, **given: Any) -> RecordedCall:
        wished = {"to": "localhost", "wait": 60, "hold": 1, "ver": "1.6", **given}
        named = "".join(
            f" {name.replace('_', ':')}='{value}'"
            for name, value in wished.items()
            if value is not None
        )
        self.created = self.world.post(
            f"{OPEN} rid='{self.rid}'{named} xmlns:xmpp='urn:xmpp:xbosh'/>"
        )
        self.sid = self.created.attribute("sid") if self.created.text else ""
        return self.created

    def body(self, *payload: str, rid: int | None = None, **given: Any) -> str:
        """Return a request with the next ``rid``, or another."""
        if rid is None:
            self.rid += 1
            rid = self.rid
        named = "".join(f" {name}='{value}'" for name, value in given.items())
        head = f"{OPEN} rid='{rid}' sid='{self.sid}'{named}"
        return f"{head}>{''.join(payload)}</body>" if payload else f"{head}/>"

    def send(self, *payload: str, rid: int | None = None, **given: Any) -> RecordedCall:
        return self.world.post(self.body(*payload, rid=rid, **given))

    def repeat(self, *payload: str, **given: Any) -> RecordedCall:
        """Send the last ``rid`` again."""
        return self.send(*payload, rid=self.rid, **given)

    def terminate(self, *payload: str) -> RecordedCall:
        return self.send(*payload, type="terminate")

    def restart(self) -> RecordedCall:
        self.rid += 1
        return self.world.post(
            f"{OPEN} rid='{self.rid}' sid='{self.sid}' to='localhost' xmpp:restart='true'"
            " xmlns:xmpp='urn:xmpp:xbosh'/>"
        )

    def sign_in(self, account: str = "juliet") -> None:
        assert self.send(SIGN_IN.format(account)).children() == ["<success/>"]
        assert "<bind/>" in (self.restart().text or "")

    def bind(self) -> None:
        assert "type='result'" in (self.send(BIND).text or "")

    def lose(self, call: RecordedCall) -> None:
        """Lose the connection of a request that is held."""
        self.connection.gone(call)
        self.world.settle()


def message(id_: str, to: str = "nobody@localhost") -> str:
    return f"<message xmlns='jabber:client' to='{to}' id='{id_}'/>"


def ids(texts: list[str]) -> list[str]:
    """Return the ids of the messages among some elements."""
    return [GUARD.read(text).get("id") for text in texts if text.startswith("<message")]
