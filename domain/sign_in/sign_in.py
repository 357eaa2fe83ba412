"""A stream's way to an account: SASL (RFC 6120 section 6) or registration (XEP-0077) first.

What comes is worked on in order, one element after the other, beside the
session, since hashing and the database take their time.
"""

import logging
from collections import deque
from typing import TYPE_CHECKING

from andiron.domain.accounts.accounts import NoSuchAccount
from andiron.domain.owner import Owner
from andiron.domain.sign_in.sasl import Exchange, Step
from andiron.sm.link import CloseReason
from andiron.xmpp.errors import SaslCondition, SaslError, StreamCondition, StreamError
from andiron.xmpp.jid import account_jid
from andiron.xmpp.namespaces import CLIENT
from andiron.xmpp.xml import Element

if TYPE_CHECKING:
    from andiron.domain.accounts.registration import SignUp
    from andiron.domain.link import DomainLink, Environment

logger = logging.getLogger("andiron.domain")


class SignIn:
    """The negotiation of one stream that has not signed in."""

    __slots__ = ("_domain", "_exchange", "_link", "_sign_up", "_waiting")

    def __init__(self, domain: "Environment", link: "DomainLink") -> None:
        self._domain = domain
        self._link = link
        self._exchange: Exchange | None = None
        self._sign_up: SignUp | None = None
        self._waiting: deque[Element] | None = None
        """What follows the element that is worked on, if one is."""

    def take(self, element: Element) -> None:
        """Work on an element; those that come meanwhile wait, a few of them.

        Raises :class:`StreamError` when too many do.
        """
        if self._waiting is None:
            self._waiting = deque()
            self._domain.spawn(self._work(element))
        elif len(self._waiting) < self._domain.config.sasl_queue:
            self._waiting.append(element)
        else:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "too many elements at once")

    async def _work(self, element: Element) -> None:
        # It is not cancelled when the client goes away, or who guesses passwords could
        # escape the count of failures by leaving early.
        try:
            await self._step(element)
            while self._waiting and self._link.negotiating:
                await self._step(self._waiting.popleft())
        except StreamError as error:
            self._end(error)
        except Exception:
            # The client waits for an answer, whatever failed.
            logger.exception("a sign-in failed")
            self._end(StreamError(StreamCondition.INTERNAL_SERVER_ERROR))
        self._waiting = None

    async def _step(self, element: Element) -> None:
        session = self._link.session
        if element.namespace == CLIENT:
            if self._sign_up is None:
                self._sign_up = self._domain.registration.sign_up(session.channel)
            session.send(await self._sign_up.answer(element, session.clock()))
            return
        if self._exchange is None:
            self._exchange = self._domain.authenticator.exchange(session.channel)
        try:
            step = await self._exchange.step(element, session.clock())
            owner = await self._owner(step) if step.done else None
        except SaslError as error:
            session.send(error.to_xml())
            return
        if not self._link.negotiating:
            return
        if owner is not None:
            self._link.signed_in(owner)
        session.send(step.xml)
        if owner is not None:
            session.authenticated(session.clock())

    async def _owner(self, step: Step) -> Owner:
        """Return who signed in. Raises :class:`SaslError` where the account is gone again."""
        owners = self._domain.owners
        assert step.username is not None
        account = account_jid(step.username, self._domain.name).bare
        if step.anonymous:
            return owners.add(Owner(account, registered=False))
        try:
            return await owners.load(account)
        except NoSuchAccount:
            raise SaslError(SaslCondition.NOT_AUTHORIZED) from None

    def _end(self, error: StreamError) -> None:
        session = self._link.session
        session.close(CloseReason.STREAM_ERROR, session.clock(), error)
