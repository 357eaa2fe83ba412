"""One stream's sign-in by SASL (RFC 6120 section 6), a mechanism's messages after another.

SCRAM, PLAIN (RFC 4616), OAUTHBEARER (RFC 7628), EXTERNAL and ANONYMOUS (RFC 4505).

Whether an account exists shows in nothing: for a name that has none, the same
work is done on a decoy and the same answer given. A password, or its proof, is
looked at when the attempt's turn has come (:mod:`.turns`), and not before. A
signed token, which proves itself, needs no turn where it is right.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from andiron.domain.accounts.credentials import MECHANISMS, Credentials
from andiron.domain.database.database import DatabaseError
from andiron.domain.person import Person
from andiron.domain.sign_in import oauthbearer
from andiron.domain.sign_in.admission import Admission
from andiron.domain.sign_in.awaited_turn import AwaitedTurn
from andiron.domain.sign_in.scram import ScramServer
from andiron.domain.sign_in.site import Site
from andiron.domain.sign_in.steps import Step, challenge, element_of, malformed, message_of, success
from andiron.domain.sign_in.tokens import Grant, account_of, has_form_of_jwt
from andiron.domain.sign_in.turns import Turns
from andiron.sm.link import Channel
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import SaslCondition, SaslError, StreamCondition, StreamError
from andiron.xmpp.jid import JID, InvalidJID, account_jid
from andiron.xmpp.xml import Element

__all__ = ["ANONYMOUS", "EXTERNAL", "PLAIN", "Exchange", "SaslConfig"]

PLAIN: Final = "PLAIN"
ANONYMOUS: Final = "ANONYMOUS"
EXTERNAL: Final = "EXTERNAL"
_SOON: Final = 1.0
"""Seconds after which the keys of an exchange's beginning are looked at again at its end."""
_LONGEST_AUTHZID: Final = 1023
"""Characters of an authorization identity that is looked at; no turn was taken yet."""

_log = logging.getLogger("andiron.domain")


@dataclass(frozen=True, slots=True)
class SaslConfig:
    """What sign-in is offered, and its bounds."""

    domain: str
    scram: tuple[str, ...] = tuple(MECHANISMS)
    """The SCRAM mechanisms to offer, strongest first."""
    plain: bool = True
    """Offer PLAIN, though never where a password could be overheard."""
    anonymous: bool = False
    """Let anybody in, under a name of no account (XEP-0175)."""
    max_attempts: int = 5
    """Failures after which the stream is closed (RFC 6120 section 6.4.5)."""
    max_message: int = 8192
    """Characters of one SASL element; longer ones are not decoded."""
    remembered: int = 10_000
    """Accounts whose right password in the clear is known again; see :mod:`.verified`."""


_Next = Callable[[str, float], Awaitable[Step]]
"""What takes the client's next message, decoded, and ``now``."""


class Exchange:
    """One stream's negotiation: any number of failed attempts, up to the limit, and a success."""

    def __init__(
        self,
        config: SaslConfig,
        site: Site,
        admission: Admission,
        turns: Turns,
        channel: Channel,
        clock: Callable[[], float],
    ) -> None:
        """Begin on ``channel``; ``clock`` gives the present of ``now``."""
        self._config = config
        self._site = site
        self._admission = admission
        self._turns = turns
        self._channel = channel
        self._clock = clock
        self.mechanism = ""
        """The one that was begun last; empty where it is not offered here."""
        self._failures = 0
        self._busy = False
        self._finished = False
        self._next: _Next | None = None
        self._turn: AwaitedTurn | None = None
        """The last that was asked for."""

    def leave(self, now: float) -> None:
        """Wait no longer for a turn: the client is gone. What has its turn goes on and counts."""
        if self._turn is not None:
            self._turn.leave(now)

    async def step(self, element: Element, now: float) -> Step:
        """Take ``<auth/>``, ``<response/>`` or ``<abort/>``; return what to answer.

        May take seconds; call it again only when it has returned. Raises
        :class:`SaslError` when this attempt has failed: answer it, and the
        client may send another ``<auth/>``. Raises :class:`StreamError` when
        it has failed too often or breaks the order of the protocol.
        """
        if self._busy or self._finished:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "no SASL message was due")
        if self._failures >= self._config.max_attempts:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "too many failed sign-ins")
        self._busy = True
        try:
            step = await self._advance(element, now)
            if step.username is not None and not step.anonymous:
                born = await self._admission.refuse_disabled(step.username)
                await self._admission.refuse_former(step)
                step = step._replace(born=born, keys=None)
        except SaslError as error:
            raise self._fail(error) from None
        except DatabaseError:
            _log.exception("a sign-in could not be checked")
            raise self._fail(SaslError(SaslCondition.TEMPORARY_AUTH_FAILURE)) from None
        finally:
            self._busy = False
        self._finished = step.done
        return step

    def _fail(self, error: SaslError) -> SaslError:
        self._failures += 1
        self._next = None
        return error

    async def _advance(self, element: Element, now: float) -> Step:
        if element.namespace != ns.SASL:
            raise malformed("not a SASL element")
        if element.name == "abort":
            raise SaslError(SaslCondition.ABORTED)
        if element.name == "response":
            if self._next is None:
                raise malformed("no response was asked for")
            return await self._next(message_of(element, self._config.max_message) or "", now)
        if element.name != "auth" or self._next is not None:
            raise malformed(f"<{element.name}/> was not expected")
        mechanism = element.get("mechanism")
        self.mechanism = ""
        self._next = self._begin(mechanism)
        self.mechanism = mechanism
        message = message_of(element, self._config.max_message)
        if message is None and mechanism != ANONYMOUS:
            return challenge()
        return await self._next(message or "", now)

    def _begin(self, mechanism: str) -> _Next:
        if mechanism in self._site.scram(tuple(MECHANISMS)):
            return partial(self._scram_first, mechanism)
        if mechanism == PLAIN and self._config.plain:
            if not self._channel.secure:
                raise SaslError(
                    SaslCondition.ENCRYPTION_REQUIRED, "PLAIN needs an encrypted connection"
                )
            return self._plain
        if mechanism == oauthbearer.MECHANISM and self._site.takes_tokens:
            if not self._channel.secure:
                raise SaslError(
                    SaslCondition.ENCRYPTION_REQUIRED, "a token needs an encrypted connection"
                )
            return self._bearer
        if mechanism == EXTERNAL and self._channel.visitor:
            return self._external
        if mechanism == ANONYMOUS and self._config.anonymous:
            return self._anonymous
        raise SaslError(SaslCondition.INVALID_MECHANISM)

    async def _scram_first(self, mechanism: str, message: str, now: float) -> Step:
        server = ScramServer(mechanism, message)
        username = self._username(server.name, server.authzid)
        credentials, of_site = await self._admission.credentials(username)
        self._next = partial(self._scram_final, server, username, credentials, of_site, now)
        return challenge(server.challenge(credentials))

    async def _scram_final(
        self,
        server: ScramServer,
        username: str,
        credentials: Credentials,
        of_site: bool,
        began: float,
        message: str,
        now: float,
    ) -> Step:
        async with self._await_turn(username, now) as attempt:
            confirmation = server.verify(message)
            attempt.right = confirmation is not None
        if confirmation is None:
            raise SaslError(SaslCondition.NOT_AUTHORIZED)
        if of_site:
            await self._admission.admit(username)
        again = not of_site and now - began > _SOON
        return success(username, confirmation, keys=credentials if again else None)

    async def _plain(self, message: str, now: float) -> Step:
        parts = message.split("\0")
        if len(parts) != 3 or not parts[1] or not parts[2]:
            raise malformed("not a PLAIN message")
        authzid, name, password = parts
        username = self._username(name, authzid)
        if self._site.signed is not None and has_form_of_jwt(password):
            return await self._by_grant(username, await self._owner_of(password, now))
        async with self._await_turn(username, now) as attempt:
            owner = await self._admission.check(username, password)
            attempt.right = owner is not None
        if owner is None:
            raise SaslError(SaslCondition.NOT_AUTHORIZED)
        return success(username, person=owner.person)

    async def _bearer(self, message: str, now: float) -> Step:
        """Take a bearer token (RFC 7628 section 3.1)."""
        authzid, token = oauthbearer.read_message(message)
        try:
            owner = await self._owner_of(token, now)
            return await self._by_grant(self._username(owner.name, authzid), owner)
        except SaslError as error:
            if error.condition != SaslCondition.NOT_AUTHORIZED:
                raise
        self._next = self._bearer_refused
        return challenge(oauthbearer.INVALID)

    async def _bearer_refused(self, _message: str, _now: float) -> Step:
        """End what failed, now that the client has read why (RFC 7628 section 3.2.3)."""
        raise SaslError(SaslCondition.NOT_AUTHORIZED)

    async def _owner_of(self, token: str, now: float) -> Grant:
        """Return who owns a token, by the prepared localpart. Raises :class:`SaslError`."""
        site = self._site
        grant = site.proven(token) if token else None
        if grant is None and token:
            # What is not verified names nobody, so no account pays for a wrong token: only
            # the address does, and those who try this very token again.
            async with self._await_turn(f"token\0{token}", now) as attempt:
                grant = await site.owner(token)
                attempt.right = grant is not None
        name = None if grant is None else account_of(grant.name, self._config.domain)
        if grant is None or name is None:
            raise SaslError(SaslCondition.NOT_AUTHORIZED)
        return replace(grant, name=name)

    async def _by_grant(self, username: str, owner: Grant) -> Step:
        if owner.name != username:
            raise SaslError(SaslCondition.NOT_AUTHORIZED)
        await self._admission.admit(username)
        return success(username, until=owner.until, person=owner.person)

    async def _external(self, authzid: str, now: float) -> Step:  # noqa: ARG002
        """Take the site's word (RFC 4422 appendix A); there is nothing to guess, so no turn."""
        username = self._username(self._channel.visitor, authzid)
        await self._admission.admit(username)
        told = self._channel.told
        return success(username, person=told if isinstance(told, Person) else None)

    async def _anonymous(self, message: str, now: float) -> Step:  # noqa: ARG002
        # The message is trace information (RFC 4505 section 2), which nobody here looks at.
        return Step(element_of("success"), secrets.token_hex(16), done=True, anonymous=True)

    def _username(self, name: str, authzid: str) -> str:
        """Prepare the name, and refuse to let its bearer in as somebody else."""
        try:
            own = account_jid(name, self._config.domain)
        except InvalidJID:
            raise SaslError(SaslCondition.NOT_AUTHORIZED) from None
        if authzid and not self._is_own(authzid, own):
            raise SaslError(SaslCondition.INVALID_AUTHZID, "one can sign in as nobody but oneself")
        return own.node

    def _is_own(self, authzid: str, own: JID) -> bool:
        if len(authzid) > _LONGEST_AUTHZID:
            return False
        try:
            claimed = JID(authzid) if "@" in authzid else account_jid(authzid, own.domain)
        except InvalidJID:
            return False
        return claimed.full == own.full

    def _await_turn(self, username: str, now: float) -> AwaitedTurn:
        """Return what waits for the turn to have a password looked at, and holds it."""
        address = self._channel.address
        self._turn = turn = AwaitedTurn(self._turns, username, address, now, self._clock)
        return turn
