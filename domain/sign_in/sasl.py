"""Sign-in by SASL (RFC 6120 section 6).

SCRAM, PLAIN (RFC 4616), OAUTHBEARER (RFC 7628), EXTERNAL and ANONYMOUS (RFC 4505).

Whether an account exists shows in nothing: for a name that has none, the same
work is done on a decoy and the same answer given. A password, or its proof, is
looked at when the attempt's turn has come (:mod:`.turns`), and not before. A
signed token, which proves itself, needs no turn where it is right.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from andiron.domain.accounts.accounts import Accounts, InvalidName
from andiron.domain.accounts.credentials import MECHANISMS, Credentials, verify_password
from andiron.domain.database.database import DatabaseError
from andiron.domain.person import Person
from andiron.domain.sign_in import oauthbearer
from andiron.domain.sign_in.scram import ScramServer
from andiron.domain.sign_in.site import SITE_SCRAM, Site
from andiron.domain.sign_in.steps import Step, challenge, element_of, malformed, message_of, success
from andiron.domain.sign_in.tokens import Grant, account_of, has_form_of_jwt
from andiron.domain.sign_in.turns import Attempt, Crowded, Turns
from andiron.domain.sign_in.verified import VerifiedPasswords
from andiron.sm.driver import TimerDriver
from andiron.sm.link import Channel
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import SaslCondition, SaslError, StreamCondition, StreamError
from andiron.xmpp.jid import JID, InvalidJID, account_jid
from andiron.xmpp.xml import Element

__all__ = ["Authenticator", "Exchange", "SaslConfig", "Step"]

_PLAIN: Final = "PLAIN"
_ANONYMOUS: Final = "ANONYMOUS"
_EXTERNAL: Final = "EXTERNAL"
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


class Authenticator:
    """Signs clients in to one domain; :meth:`close` it when the domain ends."""

    def __init__(
        self,
        accounts: Accounts,
        turns: Turns,
        config: SaslConfig,
        *,
        clock: Callable[[], float],
        site: Site = Site(),  # noqa: B008 - it is frozen
    ) -> None:
        """Take the parts; ``clock`` gives the present of ``now``, the loop's time.

        A ``site`` that checks passwords knows none in advance, so SCRAM is not offered then;
        where it tells their keys, that is the one of these.
        """
        self.site = site
        self.accounts = accounts
        self.turns = turns
        self.config = config
        self.clock = clock
        self._driver = TimerDriver(turns.timers)
        # Passwords hash in threads of their own, one for each core, so that a flood of
        # sign-ins takes neither the event loop nor the threads that others wait for.
        self._verified = VerifiedPasswords(config.remembered)
        self.executor = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="andiron-sasl")

    def start(self) -> None:
        """Let turns come with time, on the running loop."""
        self._driver.start()

    def mechanisms(self, channel: Channel) -> tuple[str, ...]:
        """Return the mechanisms to offer on ``channel``, strongest first.

        A visitor whom the site knows is offered nothing else: many clients take what asks
        for a password before EXTERNAL, and have none. Nor is SCRAM offered where a token may
        stand for a password: clients would take it, and prove that they know another than the
        account's. They may ask for what is not offered.
        """
        if channel.visitor:
            return (_EXTERNAL,)
        bearer = (oauthbearer.MECHANISM,) if self.site.takes_tokens and channel.secure else ()
        plain = (_PLAIN,) if self.config.plain and channel.secure else ()
        scram = () if bearer and plain else self._scram(self.config.scram)
        anonymous = (_ANONYMOUS,) if self.config.anonymous else ()
        return (*scram, *bearer, *plain, *anonymous)

    def takes_scram(self, mechanism: str) -> bool:
        """Tell whether a mechanism is one of SCRAM's that may be used, offered or not."""
        return mechanism in self._scram(tuple(MECHANISMS))

    def _scram(self, otherwise: tuple[str, ...]) -> tuple[str, ...]:
        if self.site.authenticate is not None:
            return ()
        return (SITE_SCRAM,) if self.site.scram_keys is not None else otherwise

    async def is_right(self, username: str, credentials: Credentials, password: str) -> bool:
        """Tell whether a password in the clear fits, by hashing it unless it was right before."""
        if self._verified.knows(username, credentials, password):
            return True
        right = await asyncio.get_running_loop().run_in_executor(
            self.executor, verify_password, credentials, password
        )
        if right:
            self._verified.remember(username, credentials, password)
        return right

    async def check(self, username: str, password: str) -> Grant | None:
        """Return who has a password in the clear, by the site's word or the account's own.

        None where it is wrong. It may be a token of theirs. Who is let in has an account, if
        need be a new one. Raises :class:`SaslError`.
        """
        owner = await self.site.owner(password)
        if owner is None:
            said = await self.site.is_right(username, password)
            if isinstance(said, Person):
                owner = Grant(said.name, person=said)
            elif said:
                owner = Grant(username)
        if owner is not None and account_of(owner.name, self.config.domain) == username:
            await self.admit(username)
            return owner
        credentials, of_site = await self.credentials(username)
        if not await self.is_right(username, credentials, password):
            return None
        if of_site:
            await self.admit(username)
        return Grant(username)

    async def credentials(self, username: str) -> tuple[Credentials, bool]:
        """Return the site's keys of somebody, else an account's or a decoy's; and whether it knows.

        Raises :class:`SaslError` where the site fails.
        """
        known = await self.site.credentials(username)
        if known is not None:
            return known, True
        return await self.accounts.credentials(username), False

    async def admit(self, username: str) -> None:
        """See to it that one whom the site knows has an account.

        Raises :class:`SaslError` ``not-authorized`` where none may be made.
        """
        if await self.accounts.exists(username):
            return
        if not self.site.provision:
            _log.info("%s has no account, and none is made (ANDIRON_PROVISION)", username)
            raise SaslError(SaslCondition.NOT_AUTHORIZED)
        try:
            await self.accounts.provide(username)
        except InvalidName as error:
            _log.warning("no account for one of the site's users: %s", error)
            raise SaslError(SaslCondition.NOT_AUTHORIZED) from None

    @property
    def disabled(self) -> int:
        """How often an account was disabled here."""
        return self.accounts.disabled.count

    async def refuse_disabled(self, username: str) -> str:
        """Let in nobody whose account is disabled, and tell him, who has proved who he is.

        Returns what tells the account from others of its name. Raises :class:`SaslError`
        ``account-disabled`` (RFC 6120 section 6.5.2), or ``not-authorized`` where it is gone.
        """
        born, disabled = await self.accounts.standing(username)
        if disabled:
            raise SaslError(SaslCondition.ACCOUNT_DISABLED)
        if born is None:
            raise SaslError(SaslCondition.NOT_AUTHORIZED)
        return born

    async def refuse_former(self, step: Step) -> None:
        """Let in nobody by keys that are not the account's any more, as it is by now.

        Its password may have been changed, or another have its name, since an exchange began.
        Raises :class:`SaslError`.
        """
        if step.keys is None or step.username is None:
            return
        if await self.accounts.credentials(step.username) != step.keys:
            raise SaslError(SaslCondition.NOT_AUTHORIZED)

    def exchange(self, channel: Channel) -> "Exchange":
        """Return the SASL negotiation of a new stream."""
        return Exchange(self, channel)

    def close(self) -> None:
        """Let no more turns come, and go of the hashing threads."""
        self._driver.stop()
        self.executor.shutdown(wait=False, cancel_futures=True)


class Exchange:
    """One stream's negotiation: any number of failed attempts, up to the limit, and a success."""

    def __init__(self, authenticator: Authenticator, channel: Channel) -> None:
        self._authenticator = authenticator
        self._config = authenticator.config
        self._channel = channel
        self.mechanism = ""
        """The one that was begun last; empty where it is not offered here."""
        self._failures = 0
        self._busy = False
        self._finished = False
        self._next: _Next | None = None
        self._attempt: Attempt | None = None
        """What has its turn or waits for it."""

    def leave(self, now: float) -> None:
        """Wait no longer for a turn: the client is gone. What has its turn goes on and counts."""
        if self._attempt is not None and self._attempt.waiting:
            self._attempt.end(now)
            self._attempt.call(False)

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
                born = await self._authenticator.refuse_disabled(step.username)
                await self._authenticator.refuse_former(step)
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
        if message is None and mechanism != _ANONYMOUS:
            return challenge()
        return await self._next(message or "", now)

    def _begin(self, mechanism: str) -> _Next:
        if self._authenticator.takes_scram(mechanism):
            return partial(self._scram_first, mechanism)
        if mechanism == _PLAIN and self._config.plain:
            if not self._channel.secure:
                raise SaslError(
                    SaslCondition.ENCRYPTION_REQUIRED, "PLAIN needs an encrypted connection"
                )
            return self._plain
        if mechanism == oauthbearer.MECHANISM and self._authenticator.site.takes_tokens:
            if not self._channel.secure:
                raise SaslError(
                    SaslCondition.ENCRYPTION_REQUIRED, "a token needs an encrypted connection"
                )
            return self._bearer
        if mechanism == _EXTERNAL and self._channel.visitor:
            return self._external
        if mechanism == _ANONYMOUS and self._config.anonymous:
            return self._anonymous
        raise SaslError(SaslCondition.INVALID_MECHANISM)

    async def _scram_first(self, mechanism: str, message: str, now: float) -> Step:
        server = ScramServer(mechanism, message)
        username = self._username(server.name, server.authzid)
        credentials, of_site = await self._authenticator.credentials(username)
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
        async with self._turn(username, now) as attempt:
            confirmation = server.verify(message)
            attempt.right = confirmation is not None
        if confirmation is None:
            raise SaslError(SaslCondition.NOT_AUTHORIZED)
        if of_site:
            await self._authenticator.admit(username)
        again = not of_site and now - began > _SOON
        return success(username, confirmation, keys=credentials if again else None)

    async def _plain(self, message: str, now: float) -> Step:
        parts = message.split("\0")
        if len(parts) != 3 or not parts[1] or not parts[2]:
            raise malformed("not a PLAIN message")
        authzid, name, password = parts
        username = self._username(name, authzid)
        if self._authenticator.site.signed is not None and has_form_of_jwt(password):
            return await self._by_grant(username, await self._owner_of(password, now))
        async with self._turn(username, now) as attempt:
            owner = await self._authenticator.check(username, password)
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
        site = self._authenticator.site
        grant = site.proven(token) if token else None
        if grant is None and token:
            # What is not verified names nobody, so no account pays for a wrong token: only
            # the address does, and those who try this very token again.
            async with self._turn(f"token\0{token}", now) as attempt:
                grant = await site.owner(token)
                attempt.right = grant is not None
        name = None if grant is None else account_of(grant.name, self._config.domain)
        if grant is None or name is None:
            raise SaslError(SaslCondition.NOT_AUTHORIZED)
        return replace(grant, name=name)

    async def _by_grant(self, username: str, owner: Grant) -> Step:
        if owner.name != username:
            raise SaslError(SaslCondition.NOT_AUTHORIZED)
        await self._authenticator.admit(username)
        return success(username, until=owner.until, person=owner.person)

    async def _external(self, authzid: str, now: float) -> Step:  # noqa: ARG002
        """Take the site's word (RFC 4422 appendix A); there is nothing to guess, so no turn."""
        username = self._username(self._channel.visitor, authzid)
        await self._authenticator.admit(username)
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

    def _turn(self, username: str, now: float) -> "_Turn":
        """Return what waits for the turn to have a password looked at, and holds it.

        Entered, it is the attempt; raises :class:`SaslError` where the turn does not come.
        """
        return _Turn(self, username, now)


class _Turn:
    """The turn of one exchange, while a block runs."""

    __slots__ = ("_attempt", "_called", "_come", "_exchange", "_now", "_username")

    def __init__(self, exchange: Exchange, username: str, now: float) -> None:
        self._exchange = exchange
        self._username = username
        self._now = now
        self._come: bool | None = None
        """Whether the turn has come, or will not; None: that is not known yet."""
        self._called: asyncio.Future[None] | None = None
        """Who waits to know; None: nobody."""
        self._attempt: Attempt

    def _call(self, come: bool) -> None:
        if self._come is None:
            self._come = come
            if self._called is not None and not self._called.done():
                self._called.set_result(None)

    async def __aenter__(self) -> Attempt:
        exchange = self._exchange
        authenticator, address = exchange._authenticator, exchange._channel.address
        try:
            self._attempt = attempt = authenticator.turns.ask(
                self._username, address, self._now, self._call
            )
        except Crowded:
            raise _later() from None
        exchange._attempt = attempt
        try:
            if self._come is None:
                self._called = asyncio.get_running_loop().create_future()
                await self._called
        except BaseException:
            self._end()
            raise
        if not self._come:
            self._end()
            raise _later()
        return attempt

    async def __aexit__(self, *_error: object) -> None:
        self._end()

    def _end(self) -> None:
        self._exchange._attempt = None
        self._attempt.end(self._exchange._authenticator.clock())


def _later() -> SaslError:
    return SaslError(SaslCondition.TEMPORARY_AUTH_FAILURE, "too many sign-ins wait; try later")
