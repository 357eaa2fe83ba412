"""Presence subscriptions: the states and tables of RFC 6121's appendix A.

A :class:`Contact` is what one account keeps of another; what leaves the
account and what arrives there changes it. Nothing here knows of a database.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape

__all__ = [
    "INBOUND",
    "NOBODY",
    "OUTBOUND",
    "Contact",
    "Kind",
    "State",
    "Step",
    "arrive",
    "farewell",
    "leave",
    "stanza",
]


class Kind(StrEnum):
    """The presence stanzas that manage subscriptions."""

    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"


class State(StrEnum):
    """A subscription's state, as appendix A.1 names them."""

    NONE = "None"
    NONE_OUT = "None + Pending Out"
    NONE_IN = "None + Pending In"
    NONE_OUT_IN = "None + Pending Out+In"
    TO = "To"
    TO_IN = "To + Pending In"
    FROM = "From"
    FROM_OUT = "From + Pending Out"
    BOTH = "Both"

    @classmethod
    def of(cls, subscription: str, *, ask: bool, pending: bool) -> "State":
        """Return the state of a roster item (section 2.1.2), and a request that waits or not.

        A request that waits where there is a subscription already means nothing.
        """
        return _BY_PARTS.get((subscription, ask, pending)) or _BY_PARTS[subscription, False, False]

    @property
    def subscription(self) -> str:
        """The roster item's attribute of that name."""
        return _PARTS[self][0]

    @property
    def ask(self) -> bool:
        """Whether the account asked, and waits for the answer."""
        return _PARTS[self][1]

    @property
    def pending(self) -> bool:
        """Whether the contact asked, and waits for the answer."""
        return _PARTS[self][2]

    @property
    def is_seen(self) -> bool:
        """Whether the contact sees the account's presence."""
        return self in _SEEN

    @property
    def sees(self) -> bool:
        """Whether the account sees the contact's presence."""
        return self in _SEES


_S = State
_PARTS: Final = {
    _S.NONE: ("none", False, False),
    _S.NONE_OUT: ("none", True, False),
    _S.NONE_IN: ("none", False, True),
    _S.NONE_OUT_IN: ("none", True, True),
    _S.TO: ("to", False, False),
    _S.TO_IN: ("to", False, True),
    _S.FROM: ("from", False, False),
    _S.FROM_OUT: ("from", True, False),
    _S.BOTH: ("both", False, False),
}
_BY_PARTS: Final = {parts: state for state, parts in _PARTS.items()}
_SEEN: Final = frozenset({_S.FROM, _S.FROM_OUT, _S.BOTH})
_SEES: Final = frozenset({_S.TO, _S.TO_IN, _S.BOTH})

_Row = Mapping[State, tuple[bool, State]]


def _row(*cells: tuple[bool, State]) -> _Row:
    return dict(zip(State, cells, strict=True))


_YES, _NO = True, False

OUTBOUND: Final[Mapping[Kind, _Row]] = {
    Kind.SUBSCRIBE: _row(
        (_YES, _S.NONE_OUT),
        (_YES, _S.NONE_OUT),
        (_YES, _S.NONE_OUT_IN),
        (_YES, _S.NONE_OUT_IN),
        (_YES, _S.TO),
        (_YES, _S.TO_IN),
        (_YES, _S.FROM_OUT),
        (_YES, _S.FROM_OUT),
        (_YES, _S.BOTH),
    ),
    Kind.UNSUBSCRIBE: _row(
        (_YES, _S.NONE),
        (_YES, _S.NONE),
        (_YES, _S.NONE_IN),
        (_YES, _S.NONE_IN),
        (_YES, _S.NONE),
        (_YES, _S.NONE_IN),
        (_YES, _S.FROM),
        (_YES, _S.FROM),
        (_YES, _S.FROM),
    ),
    Kind.SUBSCRIBED: _row(
        (_NO, _S.NONE),
        (_NO, _S.NONE_OUT),
        (_YES, _S.FROM),
        (_YES, _S.FROM_OUT),
        (_NO, _S.TO),
        (_YES, _S.BOTH),
        (_NO, _S.FROM),
        (_NO, _S.FROM_OUT),
        (_NO, _S.BOTH),
    ),
    Kind.UNSUBSCRIBED: _row(
        (_NO, _S.NONE),
        (_NO, _S.NONE_OUT),
        (_YES, _S.NONE),
        (_YES, _S.NONE_OUT),
        (_NO, _S.TO),
        (_YES, _S.TO),
        (_YES, _S.NONE),
        (_YES, _S.NONE_OUT),
        (_YES, _S.TO),
    ),
}
"""Whether what the account sends is routed, and the account's new state (appendix A.2)."""

INBOUND: Final[Mapping[Kind, _Row]] = {
    Kind.SUBSCRIBE: _row(
        (_YES, _S.NONE_IN),
        (_YES, _S.NONE_OUT_IN),
        (_NO, _S.NONE_IN),
        (_NO, _S.NONE_OUT_IN),
        (_YES, _S.TO_IN),
        (_NO, _S.TO_IN),
        (_NO, _S.FROM),
        (_NO, _S.FROM_OUT),
        (_NO, _S.BOTH),
    ),
    Kind.UNSUBSCRIBE: _row(
        (_NO, _S.NONE),
        (_NO, _S.NONE_OUT),
        (_YES, _S.NONE),
        (_YES, _S.NONE_OUT),
        (_NO, _S.TO),
        (_YES, _S.TO),
        (_YES, _S.NONE),
        (_YES, _S.NONE_OUT),
        (_YES, _S.TO),
    ),
    Kind.SUBSCRIBED: _row(
        (_NO, _S.NONE),
        (_YES, _S.TO),
        (_NO, _S.NONE_IN),
        (_YES, _S.TO_IN),
        (_NO, _S.TO),
        (_NO, _S.TO_IN),
        (_NO, _S.FROM),
        (_YES, _S.BOTH),
        (_NO, _S.BOTH),
    ),
    Kind.UNSUBSCRIBED: _row(
        (_NO, _S.NONE),
        (_YES, _S.NONE),
        (_NO, _S.NONE_IN),
        (_YES, _S.NONE_IN),
        (_YES, _S.NONE),
        (_YES, _S.NONE_IN),
        (_NO, _S.FROM),
        (_YES, _S.FROM),
        (_YES, _S.FROM),
    ),
}
"""Whether what arrives is delivered, and the account's new state (appendix A.3)."""


@dataclass(frozen=True, slots=True)
class Contact:
    """What an account keeps of another."""

    state: State = State.NONE
    listed: bool = False
    """Whether it is in the roster; a request that waits is not reason enough."""
    approved: bool = False
    """Whether a request will be granted when it comes (section 3.4)."""


NOBODY: Final = Contact()
"""An address that the account has nothing to do with."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one stanza does at one of the two accounts."""

    contact: Contact
    """What is kept from now on."""
    passed: bool
    """Whether the stanza goes on: routed to the contact, or delivered to the account."""
    reply: Kind | None = None
    """What the server answers in the name of the account."""


def leave(contact: Contact, kind: Kind) -> Step:
    """Tell what a stanza does that the account sends to the contact."""
    routed, state = OUTBOUND[kind][contact.state]
    match kind:
        case Kind.SUBSCRIBE:
            after = replace(contact, state=state, listed=True)
        case Kind.SUBSCRIBED if routed:
            after = replace(contact, state=state, listed=True)
        case Kind.SUBSCRIBED if not contact.state.is_seen:
            after = replace(contact, listed=True, approved=True)
        case Kind.UNSUBSCRIBED:
            after = replace(contact, state=state, approved=False)
        case _:
            after = replace(contact, state=state)
    return Step(after, routed)


def arrive(contact: Contact, kind: Kind) -> Step:
    """Tell what a stanza does that the contact sent to the account."""
    delivered, state = INBOUND[kind][contact.state]
    if kind is Kind.SUBSCRIBE:
        if contact.state.is_seen:
            return Step(contact, passed=False, reply=Kind.SUBSCRIBED)
        if contact.approved:
            _, state = OUTBOUND[Kind.SUBSCRIBED][state]
            return Step(replace(contact, state=state), passed=False, reply=Kind.SUBSCRIBED)
    reply = Kind.UNSUBSCRIBED if kind is Kind.UNSUBSCRIBE and delivered else None
    return Step(replace(contact, state=state), delivered, reply)


def farewell(contact: Contact) -> tuple[Kind, ...]:
    """Tell what is sent for an account that removes a contact (section 2.5.2)."""
    state = contact.state
    kinds = []
    if state.sees or state.ask:
        kinds.append(Kind.UNSUBSCRIBE)
    if state.is_seen or state.pending:
        kinds.append(Kind.UNSUBSCRIBED)
    return tuple(kinds)


def stanza(kind: Kind, sender: str, recipient: str) -> str:
    """Return what the server itself sends, between bare JIDs."""
    return (
        f"<presence xmlns='{ns.CLIENT}' type='{kind}' from='{escape(sender)}'"
        f" to='{escape(recipient)}'/>"
    )
