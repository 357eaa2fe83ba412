"""Where stanzas go: the bound resources, and RFC 6121 section 8 as a table."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from andiron.domain.client import Client
from andiron.domain.events import Service
from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import may_name, shows_body, tags
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.jid import JID
from andiron.xmpp.xml import Element

_NO_STORE: Final = f"{{{ns.HINTS}}}no-store"
TRIFLES: Final = (
    f"{{{ns.CHAT_STATES}}}",
    f"{{{ns.HINTS}}}no-",
    f"{{{ns.STANZA_ID}}}",
    f"{{{ns.OCCUPANT_ID}}}",
    f"{{{ns.CLIENT}}}thread",
)
"""How the tags begin of what, alone in a message, tells nothing that lasts."""


class Situation(StrEnum):
    """What an address means at the moment (RFC 6121 section 8.5 and RFC 6120 section 10.3)."""

    RESOURCE = "a full JID that is bound"
    OTHERS = "a full JID that is not bound, of an account with another resource to talk to"
    ABSENT = "a full JID that is not bound, of an account without such a resource"
    ACCOUNT = "a bare JID with a resource to talk to"
    OFFLINE = "a bare JID without: unknown, offline, or of negative priority only"
    DOMAIN = "the domain"
    SERVICE = "a resource of the domain"
    FOREIGN = "another domain"


class Action(StrEnum):
    """What is done with a stanza."""

    DELIVER = "deliver to the resource"
    BEST = "deliver to the resources of the highest priority"
    ALL = "deliver to all resources of non-negative priority"
    EVERY = "deliver to all available resources"
    STORE = "keep until the account comes online, or answer service-unavailable"
    ANSWER = "answer by a handler"
    MANAGE = "change a subscription"
    REFUSE = "answer service-unavailable"
    NOT_FOUND = "answer remote-server-not-found"
    IGNORE = "let it go"


def _row(*actions: Action) -> Mapping[Situation, Action]:
    return dict(zip(Situation, actions, strict=True))


_A = Action
_SPOKEN: Final = _row(
    _A.DELIVER, _A.BEST, _A.STORE, _A.BEST, _A.STORE, _A.REFUSE, _A.REFUSE, _A.NOT_FOUND
)
"""Of normal and chat messages: RFC 6121 lets a server drop a normal one to a full JID that
is not bound; here nothing is lost in silence."""
_SUBSCRIBE: Final = _row(*[_A.MANAGE] * 5, _A.REFUSE, _A.REFUSE, _A.NOT_FOUND)
_CANCEL: Final = _row(*[_A.MANAGE] * 5, _A.IGNORE, _A.IGNORE, _A.MANAGE)
"""A roster may know contacts elsewhere from former times, and let go of them."""
_PROBE: Final = _row(*[_A.ANSWER] * 5, *[_A.IGNORE] * 3)
_PRESENCE: Final = _row(
    _A.DELIVER, _A.IGNORE, _A.IGNORE, _A.EVERY, _A.EVERY, _A.IGNORE, _A.IGNORE, _A.NOT_FOUND
)
_TO_RESOURCE_ONLY: Final = _row(_A.DELIVER, *[_A.IGNORE] * 7)
_REQUEST: Final = _row(
    _A.DELIVER, _A.REFUSE, _A.REFUSE, _A.ANSWER, _A.ANSWER, _A.ANSWER, _A.REFUSE, _A.NOT_FOUND
)

MESSAGES: Final[Mapping[str, Mapping[Situation, Action]]] = {
    "normal": _SPOKEN,
    "chat": _SPOKEN,
    "groupchat": _row(_A.DELIVER, *[_A.REFUSE] * 6, _A.NOT_FOUND),
    "headline": _row(
        _A.DELIVER, _A.IGNORE, _A.IGNORE, _A.ALL, _A.IGNORE, _A.IGNORE, _A.IGNORE, _A.NOT_FOUND
    ),
    "error": _TO_RESOURCE_ONLY,
}
PRESENCES: Final[Mapping[str, Mapping[Situation, Action]]] = {
    "": _PRESENCE,
    "unavailable": {**_PRESENCE, Situation.FOREIGN: _A.IGNORE},
    "subscribe": _SUBSCRIBE,
    "subscribed": _CANCEL,
    "unsubscribe": _CANCEL,
    "unsubscribed": _CANCEL,
    "probe": _PROBE,
    "error": _TO_RESOURCE_ONLY,
}
IQS: Final[Mapping[str, Mapping[Situation, Action]]] = {
    "get": _REQUEST,
    "set": _REQUEST,
    "result": _TO_RESOURCE_ONLY,
    "error": _TO_RESOURCE_ONLY,
}
"""``ANSWER`` is by the domain's handlers, for the domain or for the account."""


class Resources:
    """The bound resources of one account."""

    __slots__ = ("best", "clients")

    def __init__(self) -> None:
        self.clients: dict[str, Client] = {}
        """By full JID, in the order of binding."""
        self.best: tuple[Client, ...] = ()
        """Those of the highest priority, none when that is negative."""

    def available(self) -> list[Client]:
        """Return those that sent available presence."""
        return [client for client in self.clients.values() if client.priority is not None]


class Router:
    """Knows who is bound and available, and where each stanza goes."""

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.full: dict[str, Client] = {}
        """By prepared full JID; what is found here as written needs no parsing."""
        self.accounts: dict[str, Resources] = {}
        """By bare JID; only accounts with a bound resource."""
        self.unbound: set[Client] = set()
        """Who has signed in and bound nothing yet."""
        self.services: dict[str, Service] = {}
        """By host name."""

    def add(self, client: Client) -> None:
        """Note a newly bound resource."""
        self.unbound.discard(client)
        self.full[client.jid] = client
        self.accounts.setdefault(client.account, Resources()).clients[client.jid] = client

    def remove(self, client: Client, now: float) -> None:
        """Forget a resource, unless another session has taken its place already."""
        if self.full.get(client.jid) is not client:
            return
        del self.full[client.jid]
        resources = self.accounts[client.account]
        del resources.clients[client.jid]
        if resources.clients:
            self.update(client.account, now)
        else:
            del self.accounts[client.account]

    def update(self, account: str, now: float) -> None:
        """Take note that the priority of one of the account's resources changed."""
        resources = self.accounts[account]
        ranked = [
            (client.priority, client) for client in resources.clients.values() if client.reachable
        ]
        top = max((priority for priority, _ in ranked if priority is not None), default=0)
        best = tuple(client for priority, client in ranked if priority == top)
        for client in best:
            if client not in resources.best:
                client.best_since = now
        resources.best = best

    def available(self, account: str) -> list[Client]:
        """Return the account's available resources."""
        resources = self.accounts.get(account)
        return resources.available() if resources else []

    def best(self, account: str) -> tuple[Client, ...]:
        """Return the account's resources of the highest priority, none when that is negative."""
        resources = self.accounts.get(account)
        return resources.best if resources else ()

    def situation(self, jid: JID) -> Situation:
        """Tell what an address means at the moment."""
        if jid.domain != self.domain:
            return Situation.FOREIGN
        if not jid.node:
            return Situation.SERVICE if jid.resource else Situation.DOMAIN
        reachable = bool(self.best(jid.bare))
        if not jid.resource:
            return Situation.ACCOUNT if reachable else Situation.OFFLINE
        if jid.full in self.full:
            return Situation.RESOURCE
        return Situation.OTHERS if reachable else Situation.ABSENT


def message_row(element: Element) -> Mapping[Situation, Action]:
    """Return the table's row for a message; unknown types are normal (RFC 6121 section 5.2.2)."""
    return MESSAGES.get(element.get("type"), MESSAGES["normal"])


def refuse(action: Action) -> None:
    """Raise the error that ``action`` stands for, if any."""
    if action is Action.REFUSE:
        raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
    if action is Action.NOT_FOUND:
        raise StanzaError(StanzaCondition.REMOTE_SERVER_NOT_FOUND)


def worth_keeping(element: Element) -> bool:
    """Tell whether a message may be stored: not one of chat states only (XEP-0160 section 3).

    Nor one whose sender is against it (XEP-0334 section 4.2).
    """
    is_chat = element.get("type") == "chat"
    if not may_name(element.text, ns.HINTS) and (not is_chat or shows_body(element.text)):
        return True
    found = tags(element)
    if _NO_STORE in found:
        return False
    return not is_chat or any(not tag.startswith(TRIFLES) for tag in found)
