"""A stream's way to an account: SASL (RFC 6120 section 6) or registration (XEP-0077) first.

What comes is worked on in order, one element after the other, beside the
session, since hashing and the database take their time.
"""

import logging
from collections import deque
from math import inf
from typing import Final, Protocol

from andiron.domain.accounts.registration import Registration, SignUp
from andiron.domain.accounts.removal import Removal
from andiron.domain.client import Owner
from andiron.domain.config import DomainConfig
from andiron.domain.owners import NoSuchAccount, Owners
from andiron.domain.person import Person
from andiron.domain.sign_in.exchange import Exchange
from andiron.domain.sign_in.sasl import Authenticator
from andiron.domain.sign_in.steps import Step
from andiron.domain.tasks import Tasks
from andiron.sm.link import CloseReason
from andiron.sm.payers import size_of
from andiron.sm.session import Session
from andiron.tracing.traces import NOTHING, Span, begin
from andiron.xmpp.errors import SaslCondition, SaslError, StreamCondition, StreamError
from andiron.xmpp.namespaces import CLIENT
from andiron.xmpp.xml import Element

logger = logging.getLogger("andiron.domain")


_MOST_WAITING: Final = 8_192
"""Bytes of memory in which elements of a stranger wait."""
_OWN_FAULTS: Final = frozenset(
    {SaslCondition.TEMPORARY_AUTH_FAILURE, StreamCondition.INTERNAL_SERVER_ERROR}
)
"""Ends of an attempt that are the server's fault, or its site's."""


class Host(Protocol):
    """What signing in needs of the domain."""

    name: str
    config: DomainConfig
    authenticator: Authenticator
    registration: Registration
    removal: Removal
    owners: Owners
    tasks: Tasks

    async def welcome(self, owner: Owner, person: Person | None) -> None:
        """Take in what the site says of an account whose owner signs in."""


class Newcomer(Protocol):
    """The end of a stream that signs in."""

    session: Session

    @property
    def negotiating(self) -> bool:
        """Whether the client is there and has not signed in."""

    def signed_in(self, owner: Owner) -> None:
        """Take the client for the owner of an account from now on."""


class SignIn:
    """The negotiation of one stream that has not signed in."""

    __slots__ = ("_domain", "_exchange", "_newcomer", "_sign_up", "_span", "_waiting")

    def __init__(self, domain: Host, newcomer: Newcomer) -> None:
        self._domain = domain
        self._newcomer = newcomer
        self._exchange: Exchange | None = None
        self._sign_up: SignUp | None = None
        self._span: Span = NOTHING
        """What stands for the attempt that goes on, in a trace."""
        self._waiting: deque[Element] | None = None
        """What follows the element that is worked on, if one is."""

    def take(self, element: Element) -> None:
        """Work on an element; those that come meanwhile wait, a few of them.

        Raises :class:`StreamError` when too many do.
        """
        if self._waiting is None:
            self._waiting = deque()
            # Most have nothing to wait for.
            self._domain.tasks.begin(self._newcomer.session.errand(self._work(element)))
        elif (
            len(self._waiting) < self._domain.config.sasl_queue
            and sum(size_of(each.text) for each in (*self._waiting, element)) <= _MOST_WAITING
        ):
            self._waiting.append(element)
        else:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "too many elements at once")

    def leave(self, now: float) -> None:
        """Wait for nothing any more: the client is gone."""
        if self._exchange is not None:
            self._exchange.leave(now)
        self._over("left")

    async def _work(self, element: Element) -> None:
        # What is looked at already is not cancelled when the client goes away, or who
        # guesses passwords could escape the count of failures by leaving early.
        try:
            if self._newcomer.negotiating:
                await self._step(element)
            while self._waiting and self._newcomer.negotiating:
                await self._step(self._waiting.popleft())
        except StreamError as error:
            self._end(error)
        except Exception:
            # The client waits for an answer, whatever failed.
            logger.exception("a sign-in failed", extra=self._newcomer.session.logged)
            self._end(StreamError(StreamCondition.INTERNAL_SERVER_ERROR))
        self._waiting = None

    async def _step(self, element: Element) -> None:
        session = self._newcomer.session
        if element.namespace == CLIENT:
            if self._sign_up is None:
                self._sign_up = self._domain.registration.sign_up(session.channel)
            session.send(await self._sign_up.answer(element, session.clock()))
            return
        if self._span is NOTHING:
            values = {"andiron.session": session.id, "andiron.transport": session.channel.kind}
            self._span = begin("sign-in", values)
        with self._span.work():
            await self._authenticate(element, session)

    async def _authenticate(self, element: Element, session: Session) -> None:
        if self._exchange is None:
            self._exchange = self._domain.authenticator.exchange(session.channel)
        disabled = self._domain.authenticator.admission.disabled
        try:
            step = await self._exchange.step(element, session.clock())
            owner = await self._owner(step, disabled) if step.done else None
        except SaslError as error:
            self._over(error.condition)
            session.tally.sign_ins[self._exchange.mechanism, error.condition] += 1
            self._log("sign-in over %s from %s refused: %s", error.condition)
            session.send(error.to_xml())
            return
        if not self._newcomer.negotiating:
            return
        if owner is not None:
            self._over("success")
            session.tally.sign_ins[self._exchange.mechanism, "success"] += 1
            self._log("sign-in over %s from %s: %s by %s", owner.jid, self._exchange.mechanism)
            self._newcomer.signed_in(owner)
            if step.until != inf:
                session.end_by(step.until)
        session.send(step.xml)
        if owner is not None:
            session.authenticated(session.clock())

    def _over(self, result: str) -> None:
        """End the attempt in the trace, if one goes on: as a failure where it is the server's."""
        span, self._span = self._span, NOTHING
        if span is NOTHING:
            return
        if self._exchange is not None:
            span.note("andiron.mechanism", self._exchange.mechanism or "none")
        span.note("andiron.result", result)
        if result in _OWN_FAULTS:
            span.fail(result)
        span.end()

    def _log(self, message: str, *details: str) -> None:
        if not logger.isEnabledFor(logging.INFO):
            return
        session = self._newcomer.session
        channel = session.channel
        logger.info(message, channel.kind, channel.address, *details, extra=session.logged)

    async def _owner(self, step: Step, looked: int) -> Owner:
        """Return who signed in. Raises :class:`SaslError` where the account is gone again.

        So it does where the account was disabled since ``looked``, a count of those: the site
        may have taken its time, and nobody has ended a session that was not there.
        """
        owners, admission = self._domain.owners, self._domain.authenticator.admission
        assert step.username is not None
        account = f"{step.username}@{self._domain.name}"
        if step.anonymous:
            return owners.add(Owner(account, registered=False))
        try:
            owner = await owners.load(account)
            if step.born is not None and owner.born != step.born:
                # One that had its name before is in memory, unless this one is gone already.
                await self._domain.removal.check(owner)
                owner = await owners.load(account)
        except NoSuchAccount:
            raise SaslError(SaslCondition.NOT_AUTHORIZED) from None
        if step.born is not None and owner.born != step.born:
            raise SaslError(SaslCondition.NOT_AUTHORIZED)
        await self._domain.welcome(owner, step.person)
        while looked != admission.disabled:
            looked = admission.disabled
            await admission.refuse_disabled(step.username)
        if owners.get(account) is not owner:  # It was removed meanwhile.
            raise SaslError(SaslCondition.NOT_AUTHORIZED)
        return owner

    def _end(self, error: StreamError) -> None:
        self._over(error.condition)
        session = self._newcomer.session
        session.close(CloseReason.STREAM_ERROR, session.clock(), error)
