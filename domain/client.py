"""A signed-in client, and the account it belongs to, as every part of the domain knows them.

Neither imports a part: the parts keep what they know of an account in
:attr:`Owner.parts`, and reach a client by its ``deliver``, ``inform`` and
``forward``.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from math import inf
from typing import Any, Final, NamedTuple, Protocol, TypeAlias
from weakref import WeakValueDictionary

from andiron.sm.frozen import Noted, Plain
from andiron.sm.payers import Payer
from andiron.sm.session import Session
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.stanza import error_reply
from andiron.xmpp.xml import Element

__all__ = ["NOBODY", "Client", "Gate", "Held", "Owner", "no_room"]


class Owner:
    """An account, as the domain knows it while somebody has to do with it."""

    __slots__ = (
        "__weakref__",
        "blocked",
        "born",
        "carbons",
        "draining",
        "escaped",
        "jid",
        "parts",
        "payer",
        "registered",
        "username",
    )

    def __init__(self, jid: str, *, registered: bool = True) -> None:
        self.jid = jid
        """The bare JID."""
        self.escaped = escape(jid)
        """The same as it stands in attributes, for what is written with each message."""
        self.username = jid.partition("@")[0]
        self.registered = registered
        """Whether the account is in the database; an anonymous one is not and keeps nothing."""
        self.born = ""
        """What tells the account from others that had its name before."""
        self.blocked: set[str] = set()
        """Addresses it has blocked (XEP-0191)."""
        self.carbons: tuple[Client, ...] = ()
        """Resources that want copies of messages (XEP-0280)."""
        self.draining = False
        """Whether more is stored than its resources were given; what comes is stored, too."""
        self.payer = Payer(jid)
        """Who pays for what is held and done for its resources."""
        self.parts: dict[type, Any] = {}
        """What each specification knows of it, by the class it keeps that in."""


class HeldMessage(NamedTuple):
    """A message that waits for a resource."""

    text: str
    since: float
    """When it was accepted, in monotonic seconds."""
    plain: Sequence[Plain]
    """The same as it is written down, with its Unix time; made once, for that is done often."""


Held: TypeAlias = dict[str, HeldMessage]
"""Messages that wait for a resource, in their order, by number."""

NOBODY: Final = Owner("", registered=False)
"""Whose a client is before sign-in."""


class Gate(Protocol):
    """What stands before a client's session and decides what passes when."""

    def deliver(self, text: str, now: float) -> None:
        """Take a message."""

    def inform(self, text: str, now: float) -> None:
        """Take a presence."""

    def forward(self, text: str, now: float) -> None:
        """Take an iq."""


class Client:
    """One resource of an account: who it is, and how stanzas reach it."""

    __slots__ = (
        "__weakref__",
        "_gate",
        "_most_held",
        "_numbers",
        "_waits",
        "account",
        "best_since",
        "bound",
        "deliver",
        "directed",
        "forward",
        "from_attribute",
        "had",
        "held",
        "inform",
        "interested",
        "jid",
        "owner",
        "presence",
        "priority",
        "session",
    )

    def __init__(self, session: Session) -> None:
        self.session = session
        self.owner = NOBODY
        """What is known of the account, from sign-in on."""
        self.account = ""
        """The bare JID, empty before sign-in."""
        self.jid = ""
        """The full JID, empty before resource binding."""
        self.from_attribute = ""
        """``from='…'`` with the full JID, as :func:`with_sender` wants it."""
        self.bound = False
        """Whether it has a resource and its session goes on."""
        self.priority: int | None = None
        """None while the resource is not available."""
        self.presence = ""
        """The available presence it last sent, as others get it."""
        self.directed: WeakValueDictionary[str, Client] | None = None
        """Who saw its directed presence, by full JID."""
        self.interested = False
        """Whether it asked for the roster, and is told of what changes there."""
        self.best_since = inf
        """Since when the account's messages come here, in monotonic seconds."""
        self.had: dict[str, bool] | None = None
        """Which messages that it shares with others sessions that have ended had, by number."""
        self.held: Held | None = None
        """Messages that wait, while stored ones are fetched."""
        self._most_held = 0
        self._numbers = count()
        self._waits: Callable[[str], bool] | None = None
        self._gate: Gate | None = None
        outlet: Callable[[str, float], None] = session.deliver
        self.deliver = outlet
        """Takes a message for this resource; raises :class:`StanzaError` when it cannot."""
        self.inform = outlet
        """Takes a presence for this resource."""
        self.forward = outlet
        """Takes an iq for this resource."""

    @property
    def reachable(self) -> bool:
        """Whether messages to the account may come here (RFC 6121 section 8.5.2.1)."""
        return self.priority is not None and self.priority >= 0

    def takes(self, text: str) -> bool:
        """Tell whether it takes a message now: one more may wait, or that one has not to."""
        if self.held is None or len(self.held) < self._most_held:
            return True
        return self._waits is not None and not self._waits(text)

    def refuse(self, element: Element, error: StanzaError, now: float) -> None:
        """Answer a stanza of this client with an error, unless it is an answer itself."""
        kind = element.get("type")
        if kind != "error" and not (kind == "result" and element.name == "iq"):
            self.session.tally.refused[error.condition] += 1
            self.forward(self.refusal(element, error), now)

    def refusal(self, element: Element, error: StanzaError) -> str:
        """Return the error that answers a stanza of this client.

        It is from the address as it was given, also from one that cannot be (RFC 6120
        sections 8.3.1 and 8.3.3.8): by that the client knows it. Where the address is
        empty it is from the domain, as nothing can be from nobody.
        """
        sender = element.attributes.get("to", self.account) or self.session.domain
        return error_reply(element, error, sender=sender, to=self.jid)

    def hold(self, most: int, former: Iterable[tuple[str, float]] = ()) -> Held | None:
        """Let messages wait from now on, ``most`` at a time, behind ``former``, each with its time.

        Returns what waits; None where messages do so before.
        """
        if self.held is not None:
            return None
        self.held = {}
        self._numbers = count()
        for text, since in former:
            self._keep(text, since)
        self._most_held = most
        self._direct()
        return self.held

    def hold_only(self, waits: Callable[[str], bool]) -> None:
        """Let of messages only those wait any longer that ``waits`` tells; pass the rest on."""
        self._waits = waits
        held = self.held
        assert held is not None
        for number, (text, since, _) in list(held.items()):
            if self.held is not held:
                return  # The session has ended by what it was given.
            if not waits(text):
                del held[number]
                self.pass_on(text, since)
        self.session.changed()

    def release(self) -> None:
        """Let messages pass again, those first that wait."""
        held = self.held
        while held and self.held is held:  # By what it is given, its session may end, or get more.
            text, since, _ = held.pop(next(iter(held)))
            self.pass_on(text, since)
        if self.held is held:
            self.let_go()

    def let_go(self) -> list[tuple[str, float]]:
        """Let messages pass again; return those that waited, which are the caller's now."""
        held, self.held, self._waits = self.held or {}, None, None
        self._direct()
        self.session.changed()
        return [(each.text, each.since) for each in held.values()]

    def pass_on(self, text: str, since: float) -> None:
        """Deliver a message that was held, or stored: those that are held now come after it.

        ``since`` is when it was accepted: who came later was not given it.
        """
        (self._gate or self.session).deliver(text, since)

    def stand_behind(self, gate: Gate | None) -> None:
        """Let stanzas come through ``gate`` from now on, or straight where there is none."""
        self._gate = gate
        self._direct()

    def _direct(self) -> None:
        gate = self._gate
        if gate is None:
            self.deliver = self.inform = self.forward = self.session.deliver
        else:
            self.deliver, self.inform, self.forward = gate.deliver, gate.inform, gate.forward
        if self.held is not None:
            self.deliver = self._hold

    def _hold(self, text: str, now: float) -> None:
        assert self.held is not None
        if self._waits is not None and not self._waits(text):
            self.pass_on(text, now)
            return
        if len(self.held) >= self._most_held:
            raise no_room()
        self._keep(text, now)
        self.session.changed()

    def _keep(self, text: str, since: float) -> None:
        assert self.held is not None
        wall = round(self.session.wall(since), 3)
        plain = (str(text), wall, text.note) if isinstance(text, Noted) else (str(text), wall)
        self.held[str(next(self._numbers))] = HeldMessage(text, since, plain)


def no_room() -> StanzaError:
    """Return the error for a message that no resource takes that should."""
    return StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "try again later")
