"""Where the domain's handlers of iq requests stand, by whom is asked, type and payload."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from andiron.domain.client import Client
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.forms import Field
from andiron.xmpp.tree import Tree


class Target(StrEnum):
    """Who is asked: the domain itself, or an account that it answers for."""

    DOMAIN = "domain"
    ACCOUNT = "account"
    """The asker's own account, which is also where a request without ``to`` goes."""
    CONTACT = "contact"
    """Somebody else's. It may not exist: then the answer must be that of one which refuses."""


@dataclass(frozen=True, slots=True)
class IqRequest:
    """A well-formed iq request that the domain shall answer (RFC 6120 section 8.2.3)."""

    type: str
    """``get`` or ``set``."""
    payload: Tree
    sender: str
    """The asker's full JID."""
    account: str
    """The asker's bare JID."""
    target: Target
    wall: float
    """When it came, in Unix seconds."""
    to: str
    """The bare JID of who is asked."""
    client: Client
    """The asker's end, for handlers that send more than the answer."""

    @property
    def payer(self) -> str:
        """Who causes what is read and written for it, as of :meth:`Database.write`."""
        return self.client.owner.username

    def username(self) -> str:
        """Return the asker's username, under which the database keeps things.

        Raises :class:`StanzaError` for an anonymous user, who has no account.
        """
        if not self.client.owner.registered:
            raise StanzaError(StanzaCondition.NOT_ALLOWED, "nothing is kept without an account")
        return self.client.owner.username


@dataclass(frozen=True, slots=True)
class Identity:
    """One identity in service discovery (XEP-0030 section 3.1)."""

    category: str
    type: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class DiscoForm:
    """One form in service discovery (XEP-0128)."""

    form_type: str
    fields: tuple[Field, ...]


IqHandler = Callable[[IqRequest], str | Awaitable[str]]
"""Returns the payload of the result, ``""`` for none; raises :class:`StanzaError`.

One that must wait returns an awaitable; the answer goes out when it is done.
"""


class Registry:
    """The handlers of a domain and the features they bring.

    A specification's module has a function ``register`` that fills it in;
    :mod:`andiron.domain.specifications` lists those modules.
    """

    def __init__(self) -> None:
        self._handlers: dict[tuple[Target, str, str], IqHandler] = {}
        self._features: dict[Target, set[str]] = {target: set() for target in Target}
        self.identities: dict[Target, list[Identity]] = {target: [] for target in Target}
        """Who each target says to be (XEP-0030)."""
        self.forms: dict[Target, list[DiscoForm]] = {target: [] for target in Target}
        """What else each target tells of itself (XEP-0128)."""
        self.refusals: dict[str, StanzaCondition] = {}
        """By payload's tag, what answers at an account that is not there, or blocks who asks.

        It must be what handlers at :attr:`Target.CONTACT` refuse with; by
        default ``service-unavailable``.
        """
        self.items: list[tuple[str, str]] = []
        """The services of the domain: address and name."""

    def add(self, target: Target, kind: str, namespace: str, name: str, handler: IqHandler) -> None:
        """Let ``handler`` answer ``<iq type='kind'><name xmlns='namespace'/></iq>``.

        Raises ValueError when another handler does so already.
        """
        key = (target, kind, f"{{{namespace}}}{name}")
        if key in self._handlers:
            raise ValueError(f"two handlers for {key}")
        self._handlers[key] = handler

    def add_feature(self, target: Target, feature: str) -> None:
        """Announce a feature in the service discovery of ``target`` (XEP-0030)."""
        self._features[target].add(feature)

    def find(self, target: Target, kind: str, tag: str) -> IqHandler | None:
        """Return the handler for a payload's tag, ``{namespace}name``."""
        return self._handlers.get((target, kind, tag))

    def features(self, target: Target) -> list[str]:
        """Return the features of ``target`` in the order of their bytes."""
        return sorted(self._features[target], key=str.encode)
