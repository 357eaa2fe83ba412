"""A session's end in the embedded domain: it negotiates, then hands stanzas to the parts.

Before sign-in it takes SASL only, after it one bind request, then stanzas: RFC
6120 sections 4.3.2, 6 and 7. What may come when stands in a table.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from sys import intern
from typing import Final, Protocol

from andiron.domain.client import Client, Owner
from andiron.domain.contacts.contacts import FEATURES
from andiron.domain.contacts.presence import Presences
from andiron.domain.events import Events
from andiron.domain.freezing import Freezer, FrozenClient
from andiron.domain.iq import Iqs
from andiron.domain.messages import carbons, client_state, sharing
from andiron.domain.messages.client_state import Inactive
from andiron.domain.messages.offline import Offline
from andiron.domain.router import Router
from andiron.domain.sign_in import bind, legacy_session
from andiron.domain.sign_in.sign_in import Host as SignInHost
from andiron.domain.sign_in.sign_in import SignIn
from andiron.sm.frozen import Plain
from andiron.sm.link import CloseReason, StreamHeader, StreamOpen, Undelivered
from andiron.sm.payers import Payer
from andiron.sm.session import Session
from andiron.sm.strangers import is_local
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaError, StreamCondition, StreamError
from andiron.xmpp.jid import prepared
from andiron.xmpp.namespaces import CLIENT
from andiron.xmpp.stanza import (
    LANGUAGE_TAG,
    STANZA_NAMES,
    error_reply,
    from_attribute,
    unprefixed,
    with_language,
)
from andiron.xmpp.tokens import Tokens
from andiron.xmpp.xml import Element, Guard

_LONGEST_NAME: Final = 255
"""Characters of a domain that is asked for; with a dot at its end or in brackets it has no more."""
_SIGNED_IN: Final = "".join((bind.FEATURE, legacy_session.FEATURE, *FEATURES, client_state.FEATURE))
"""The features of a stream that may bind, but for what the domain can do."""
_STREAM_ID: Final = 12
"""Random bytes of a stream's id, which nobody shall guess (RFC 6120 section 4.7.3)."""
_VERSION: Final = re.compile(r"([0-9]{1,4})\.[0-9]{1,4}", re.ASCII)


class State(StrEnum):
    """Where in its life a link is."""

    NEGOTIATING = "negotiating"
    RESTARTING = "signed in, the stream must restart"
    AUTHENTICATED = "signed in, nothing bound"
    BOUND = "bound"
    CLOSED = "closed"


_BOUND: Final = State.BOUND


class Kind(StrEnum):
    """What a client may send at the top level."""

    SASL = "sasl"
    STATE = "whether somebody looks at the client"
    MESSAGE = "message"
    PRESENCE = "presence"
    IQ = "iq"
    STRAY = "a stanza's name in another namespace, or no namespace at all"
    OTHER = "anything else"


class Intake(Protocol):
    """What takes the messages of clients."""

    def receive(self, client: Client, element: Element, ticket: int, now: float) -> bool:
        """Take a message from a bound client; the result is that of :meth:`DomainLink.receive`.

        Raises :class:`StanzaError` for it.
        """


class Host(SignInHost, Protocol):
    """What a link needs of its domain."""

    router: Router
    caps: str
    reader: Guard
    offline: Offline
    intake: Intake
    iqs: Iqs
    events: Events
    presences: Presences
    freezer: Freezer
    tokens: Tokens

    def tell_of_unknown_host(self, name: str) -> None:
        """Let the operator know which domain a client asked for."""


class DomainLink(Client):
    """One session's end in the domain; see :class:`andiron.sm.link.Link`."""

    __slots__ = ("_domain", "_inactive", "_language", "_messages", "_sign_in", "state")

    def __init__(self, domain: Host, session: Session) -> None:
        super().__init__(session)
        self._domain = domain
        self._inactive: Inactive | None = None
        self._sign_in: SignIn | None = None
        self._messages = domain.intake
        self._language = ""
        self.state = State.NEGOTIATING

    @property
    def payer(self) -> Payer:
        """Who pays for what is held and done for the account."""
        return self.owner.payer

    @property
    def lasting(self) -> bool:
        """Whether the session can go on elsewhere: an anonymous account is known here alone."""
        return self.owner.registered

    # The Newcomer protocol

    @property
    def negotiating(self) -> bool:
        """Whether the client is there and has not signed in."""
        return self.state is State.NEGOTIATING

    def signed_in(self, owner: Owner) -> None:
        """Take the client for the owner of an account from now on."""
        self.owner, self.account = owner, owner.jid
        if not owner.registered and not is_local(self.session.channel.address):
            # Anybody has as many such accounts as he likes.
            owner.payer.network = self.session.payer
        self.state = State.RESTARTING
        self._sign_in = None
        self._domain.router.unbound.add(self)

    # The Link protocol

    def open(self, opening: StreamOpen) -> StreamHeader:
        """Begin or restart the stream (RFC 6120 sections 4.3.3 and 4.7).

        Its language, where it is one, is that of stanzas which name none (section 4.7.4).
        """
        if self.state not in _OPENED:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "the stream is open")
        name = self._domain.name
        if not opening.to:
            raise StreamError(StreamCondition.IMPROPER_ADDRESSING, "a stream needs a to")
        if opening.to != name and (len(opening.to) > _LONGEST_NAME or prepared(opening.to) != name):
            self._domain.tell_of_unknown_host(opening.to[:_LONGEST_NAME])
            raise StreamError(StreamCondition.HOST_UNKNOWN)
        version = _VERSION.fullmatch(opening.version)
        if version is None or int(version[1]) < 1:
            raise StreamError(StreamCondition.UNSUPPORTED_VERSION)
        self._language = intern(opening.lang) if LANGUAGE_TAG.fullmatch(opening.lang) else ""
        self.state = _OPENED[self.state]
        return StreamHeader(sender=name, id=self._domain.tokens.next(_STREAM_ID))

    def features(self) -> Sequence[str]:
        """Return what the client may negotiate next (RFC 6120 section 4.3.2)."""
        if self.state is State.NEGOTIATING:
            return (
                _mechanisms(self._domain.authenticator.mechanisms(self.session.channel)),
                *self._domain.registration.features(self.session.channel),
            )
        if self.state is State.AUTHENTICATED:
            return _SIGNED_IN, self._domain.caps
        return ()

    def receive(self, element: Element, ticket: int, now: float) -> bool:
        """Take one element: route it, or go on with the negotiation."""
        if self.state is not _BOUND or element.namespace != CLIENT:
            return self._negotiate(element, now)
        element = unprefixed(element)
        if self._language:
            element = with_language(element, self._language)
        attributes = element.attributes
        if "from" in attributes:
            self._check_sender(attributes["from"])
        try:
            if element.name == "message":
                return self._messages.receive(self, element, ticket, now)
            if element.name == "iq":
                return self._domain.iqs.receive(self, element, ticket, now)
            if element.name == "presence":
                return self._domain.presences.receive(self, element, ticket, now)
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{element.name}/>")
        except StanzaError as error:
            self.refuse(element, error, now)
        return True

    def detached(self, now: float) -> None:  # noqa: ARG002
        """Let another resource go on with stored messages; a hibernating one stays available."""
        if self.owner.draining:
            self._domain.offline.shift(self.owner)

    def resumed(self, now: float) -> None:
        """Take the client for active again (XEP-0352 section 5.2); nobody noticed it was away."""
        self._activate(now)
        if self.owner.draining:
            self._domain.offline.shift(self.owner)

    def closed(self, reason: CloseReason, undelivered: Sequence[Undelivered], now: float) -> None:
        """Leave the domain and find another way for what was not delivered."""
        was_bound = self.state is State.BOUND
        self.abandoned()
        if self._sign_in is not None:
            self._sign_in.leave(now)
        if was_bound:
            self.bound = False
            self._domain.router.remove(self, now)
            carbons.leave(self)
            sharing.left(self, [each.text for each in undelivered])
            self._domain.presences.leave(self, now)
            self.priority = None
            self.presence = ""
            self.directed = None
        if undelivered:
            self._domain.offline.reroute(
                undelivered, self, now, store=reason is CloseReason.SHUTDOWN
            )
        if was_bound:
            self._domain.offline.left(self)
            for tell in self._domain.events.ended:
                tell(self, reason)

    def abandoned(self) -> None:
        """Forget this stream; another session goes on over its connection."""
        self.state = State.CLOSED
        self._domain.router.unbound.discard(self)

    # Outliving the process

    def freeze(self) -> Mapping[str, Plain]:
        """Return the resource as plain data."""
        idle = None if self._inactive is None else self._inactive.freeze()
        return self._domain.freezer.freeze(self, self._language, idle)

    def speak_up(self, now: float) -> None:
        """Deliver what waits for somebody to look."""
        if self._inactive is not None:
            self._inactive.flush(now)

    def take_up(self, owner: Owner, jid: str, kept: FrozenClient, now: float) -> None:
        """Be the resource that was frozen, of ``owner``."""
        self.owner, self.account = owner, owner.jid
        self._call(jid)
        self._language = kept.language
        self._domain.freezer.take_up(self, kept, now)
        if kept.inactive:
            self._wait_for_looks(kept.idle)

    # Negotiation

    def _negotiate(self, element: Element, now: float) -> bool:
        if self.state is State.CLOSED:
            return True
        step = _TABLE[self.state, _kind(element)]
        if isinstance(step, StreamCondition):
            raise StreamError(step, f"<{element.name}/>")
        step(self, element, now)
        return True

    def _authenticate(self, element: Element, _now: float) -> None:
        """Work on a SASL element."""
        if self._sign_in is None:
            self._sign_in = SignIn(self._domain, self)
        self._sign_in.take(element)

    def _register(self, element: Element, now: float) -> None:
        """Work on a registration (XEP-0077), in turn with what signs in."""
        if not self._domain.registration.config.enabled:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "<iq/>")
        self._authenticate(element, now)

    def _bind(self, element: Element, now: float) -> None:
        element = unprefixed(element)
        try:
            wish = bind.read_request(element)
            if wish is None:
                raise StreamError(StreamCondition.NOT_AUTHORIZED, "bind a resource first")
            jid = bind.bind(
                self, wish, self._domain.router, self._domain.config, self._domain.tokens.next, now
            )
        except StanzaError as error:
            self.session.send(error_reply(element, error))
            return
        self._call(jid)
        self._domain.router.add(self)
        self.session.send(bind.result(element, jid))
        self.session.bound(now)
        for tell in self._domain.events.bound:
            tell(self)

    def _call(self, jid: str) -> None:
        """Be bound, by this full JID."""
        self.jid = jid
        self.from_attribute = from_attribute(jid)
        self.state = State.BOUND
        self.bound = True

    def _indicate_state(self, element: Element, now: float) -> None:
        """Take the word that somebody looks at the client, or nobody (XEP-0352 section 4.2)."""
        if element.name == "inactive":
            if self._inactive is None:
                self._wait_for_looks()
                self.session.changed()
        elif element.name == "active":
            self._activate(now)
        else:
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{element.name}/>")

    def _wait_for_looks(self, idle: Mapping[str, str] | None = None) -> None:
        domain, session = self._domain, self.session
        self._inactive = Inactive(
            session.deliver, session.changed, domain.reader.read, domain.config.max_idle_held, idle
        )
        self.stand_behind(self._inactive)

    def _activate(self, now: float) -> None:
        inactive, self._inactive = self._inactive, None
        if inactive is not None:
            self.stand_behind(None)
            inactive.flush(now)
            self.session.changed()

    def _check_sender(self, sender: str) -> None:
        """Refuse a ``from`` that is not the account's own (RFC 6120 section 8.1.2.1).

        The resource is not looked at: after a resumption Converse.js names one that it has just
        made up, and whatever it names, the client's own takes its place.
        """
        if sender not in (self.jid, self.account) and _bare(sender) != self.account:
            raise StreamError(StreamCondition.INVALID_FROM)


@lru_cache(maxsize=16)
def _mechanisms(names: tuple[str, ...]) -> str:
    """Return the feature of RFC 6120 section 6.3.3."""
    mechanisms = "".join(f"<mechanism>{name}</mechanism>" for name in names)
    return f"<mechanisms xmlns='{ns.SASL}'>{mechanisms}</mechanisms>"


def _bare(address: str) -> str:
    return prepared(address).partition("/")[0]


def _kind(element: Element) -> Kind:
    if element.namespace == ns.SASL:
        return Kind.SASL
    if element.namespace == ns.CSI:
        return Kind.STATE
    if element.name in STANZA_NAMES and element.namespace == CLIENT:
        return Kind(element.name)
    if element.name in STANZA_NAMES or not element.namespace:
        return Kind.STRAY
    return Kind.OTHER


_OPENED: Final[Mapping[State, State]] = {
    State.NEGOTIATING: State.NEGOTIATING,
    State.RESTARTING: State.AUTHENTICATED,
    State.AUTHENTICATED: State.AUTHENTICATED,
}
"""What a stream header leads to; in other states there must be none."""

_Step = Callable[[DomainLink, Element, float], None] | StreamCondition
_REFUSED: Final[Mapping[Kind, _Step]] = {
    Kind.SASL: StreamCondition.UNSUPPORTED_STANZA_TYPE,
    Kind.STATE: StreamCondition.NOT_AUTHORIZED,
    Kind.MESSAGE: StreamCondition.NOT_AUTHORIZED,
    Kind.PRESENCE: StreamCondition.NOT_AUTHORIZED,
    Kind.IQ: StreamCondition.NOT_AUTHORIZED,
    Kind.STRAY: StreamCondition.INVALID_NAMESPACE,
    Kind.OTHER: StreamCondition.UNSUPPORTED_STANZA_TYPE,
}
_STEPS: Final[Mapping[State, Mapping[Kind, _Step]]] = {
    State.NEGOTIATING: {
        **_REFUSED,
        Kind.SASL: DomainLink._authenticate,
        Kind.IQ: DomainLink._register,
    },
    State.RESTARTING: {**_REFUSED, Kind.SASL: StreamCondition.NOT_AUTHORIZED},
    State.AUTHENTICATED: {**_REFUSED, Kind.IQ: DomainLink._bind},
    State.BOUND: {**_REFUSED, Kind.STATE: DomainLink._indicate_state},
}
"""Stanzas of a bound client do not come here. RFC 6120 section 4.9.3 names the errors."""
_TABLE: Final = {(state, kind): step for state, row in _STEPS.items() for kind, step in row.items()}
