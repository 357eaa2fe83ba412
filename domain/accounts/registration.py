"""In-Band Registration, XEP-0077: an account's own affairs, and new accounts before sign-in.

Passwords come in the clear, so all of it needs a secure channel. New accounts
are made only where the operator wants that, and only so many in a time.
"""

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from andiron.domain.accounts.accounts import AccountExists, Accounts, InvalidName, InvalidPassword
from andiron.domain.accounts.credentials import check_password
from andiron.domain.accounts.quota import Quota
from andiron.domain.accounts.removal import Removal
from andiron.domain.config import RegistrationConfig
from andiron.domain.database.engines import DatabaseError
from andiron.domain.registry import IqRequest, Registry, Target
from andiron.sm.link import Channel
from andiron.sm.strangers import network_of
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError, StreamCondition, StreamError
from andiron.xmpp.escape import escape
from andiron.xmpp.forms import Field, find_form, write_form
from andiron.xmpp.jid import JID, InvalidJID
from andiron.xmpp.stanza import error_reply, iq_result, unprefixed
from andiron.xmpp.tree import Tree, children
from andiron.xmpp.xml import Element

__all__ = ["FEATURE", "Registration", "SignUp"]

logger = logging.getLogger("andiron.domain")

FEATURE: Final = f"<register xmlns='{ns.REGISTER_FEATURE}'/>"
"""The stream feature (section 6)."""

_TAG: Final = f"{{{ns.REGISTER}}}"
_INTERVAL: Final = 3600.0
_TRIES: Final = 10
"""How many names may be tried for each account that may be made."""
_CHANGES: Final = 10
"""How often an account may change its password in an hour: hashing costs a core's time."""
_MOST_CHANGES: Final = 10_000
_FORM: Final = write_form(
    "form",
    ns.REGISTER,
    (
        Field("username", type="text-single", label="User name", required=True),
        Field("password", type="text-private", label="Password", required=True),
    ),
    title="Registration",
)
_INSTRUCTIONS: Final = "Choose a user name and a password."


@dataclass(frozen=True, slots=True)
class _Wish:
    """What was asked for, by the form or by the legacy fields; None where it was not given."""

    username: str | None
    password: str | None


class Registration:
    """Makes accounts and changes them on behalf of clients."""

    def __init__(
        self,
        accounts: Accounts,
        removal: Removal,
        domain: str,
        config: RegistrationConfig,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """``spawn`` runs a coroutine beside the sessions."""
        self.config = config
        self.domain = domain
        self._accounts = accounts
        self._removal = removal
        self._spawn = spawn
        self._made = Quota(config.per_address, config.total, _INTERVAL)
        self._tried = Quota(config.per_address * _TRIES, config.total * _TRIES, _INTERVAL)
        self._changes = Quota(_CHANGES, _MOST_CHANGES, _INTERVAL)

    def register(self, registry: Registry) -> None:
        """Answer who has signed in."""
        for target in (Target.DOMAIN, Target.ACCOUNT):
            registry.add(target, "get", ns.REGISTER, "query", self._tell)
            registry.add(target, "set", ns.REGISTER, "query", self._change)
        registry.add_feature(Target.DOMAIN, ns.REGISTER)

    def features(self, channel: Channel) -> tuple[str, ...]:
        """Return what to announce before sign-in."""
        return (FEATURE,) if self.config.enabled and channel.secure else ()

    def sign_up(self, channel: Channel) -> "SignUp":
        """Return the registration of a new stream."""
        return SignUp(self, channel)

    async def make(self, wish: _Wish, address: str, now: float) -> None:
        """Make an account for somebody at ``address``; raises :class:`StanzaError`."""
        if not wish.username or not wish.password:
            raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "a user name and a password")
        network = network_of(address)
        try:
            username = self._accounts.new_username(wish.username)
            check_password(wish.password)
        except (InvalidName, ValueError) as error:
            raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, str(error)) from None
        if not self._tried.take(network, now):
            raise _too_many()
        if await self._accounts.exists(username):
            raise _taken()
        # Counted before the work, so that nobody has more done than he may have made.
        if not self._made.take(network, now):
            raise _too_many()
        made = False
        try:
            await self._accounts.create(username, wish.password)
            made = True
        except AccountExists:
            raise _taken() from None
        finally:
            if not made:
                self._made.give_back(network)
        logger.info("%s@%s was registered from %s", username, self.domain, address)

    def _tell(self, request: IqRequest) -> str:
        """Tell who has signed in that he has (section 3.1)."""
        username = request.username()
        return (
            f"<query xmlns='{ns.REGISTER}'><registered/>"
            f"<username>{escape(username)}</username><password/></query>"
        )

    async def _change(self, request: IqRequest) -> str:
        """Change the asker's password or remove his account (sections 3.2 and 3.3)."""
        if request.payload.find(_TAG + "remove") is not None:
            return await self._cancel(request)
        client = request.client
        username, wish = request.username(), _read(request.payload)
        if not self.config.changes:
            raise StanzaError(StanzaCondition.NOT_ALLOWED, "passwords are not changed here")
        if not client.session.channel.secure:
            raise _insecure()
        if not wish.username or not wish.password:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "a user name and a password")
        if not self._is_own(wish.username, request.account):
            raise StanzaError(StanzaCondition.NOT_ALLOWED, "another's password")
        if not self._changes.take(username, client.session.clock()):
            raise _too_many()
        try:
            await self._accounts.set_password(username, wish.password)
        except InvalidPassword as error:
            raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, str(error)) from None
        return ""

    async def _cancel(self, request: IqRequest) -> str:
        if not request.client.owner.registered:
            raise StanzaError(StanzaCondition.REGISTRATION_REQUIRED)
        if not self.config.changes:
            raise StanzaError(StanzaCondition.NOT_ALLOWED, "accounts are not removed here")
        if len(request.payload) != 1:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "<remove/> alone")
        username = await self._accounts.remove(request.username())
        # The answer goes out first: a task begins when this one has done its part.
        self._spawn(self._removal.finish(username, request.client.owner))
        return ""

    def _is_own(self, name: str, account: str) -> bool:
        try:
            bare: str = JID(name if "@" in name else f"{name}@{self.domain}").bare
        except (InvalidJID, UnicodeEncodeError):
            return False
        return bare == account


class SignUp:
    """One stream's registration: before sign-in, and one account at most."""

    __slots__ = ("_channel", "_done", "_registration")

    def __init__(self, registration: Registration, channel: Channel) -> None:
        self._registration = registration
        self._channel = channel
        self._done = False

    async def answer(self, element: Element, now: float) -> str:
        """Return the answer to an iq that came before sign-in.

        It may take a while; call it again only when it has returned. Raises
        :class:`StreamError` for an iq that is no registration.
        """
        element = unprefixed(element)
        payloads = children(element)
        kind = element.get("type")
        if len(payloads) != 1 or payloads[0].tag != _TAG + "query" or kind not in ("get", "set"):
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "sign in first")
        try:
            payload = await self._answer(kind, payloads[0], now)
        except StanzaError as error:
            return error_reply(element, error)
        except DatabaseError:
            logger.exception("an account could not be made")
            return error_reply(element, StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR))
        return iq_result(element, payload, sender=self._registration.domain)

    async def _answer(self, kind: str, query: Tree, now: float) -> str:
        registration = self._registration
        if not registration.config.enabled:
            raise StanzaError(StanzaCondition.NOT_ALLOWED, "accounts are not made here")
        if not self._channel.secure:
            raise _insecure()
        if kind == "get":
            return (
                f"<query xmlns='{ns.REGISTER}'><instructions>{_INSTRUCTIONS}</instructions>"
                f"<username/><password/>{_FORM}</query>"
            )
        if query.find(_TAG + "remove") is not None:
            raise StanzaError(StanzaCondition.UNEXPECTED_REQUEST, "sign in first")
        if self._done:
            raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "one account a stream")
        await registration.make(_read(query), self._channel.address, now)
        self._done = True
        return ""


def _read(query: Tree) -> _Wish:
    """Read the form, which goes before the legacy fields (section 4)."""
    form = find_form(query)
    if form is not None:
        return _Wish(form.text("username"), form.text("password"))
    return _Wish(query.findtext(_TAG + "username"), query.findtext(_TAG + "password"))


def _insecure() -> StanzaError:
    return StanzaError(
        StanzaCondition.NOT_AUTHORIZED, "passwords need an encrypted connection", type="modify"
    )


def _taken() -> StanzaError:
    return StanzaError(StanzaCondition.CONFLICT, "the name is taken")


def _too_many() -> StanzaError:
    return StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too many; try again later")
