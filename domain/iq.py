"""Iq requests: forwarded, or answered by the domain's handlers, each exactly once.

RFC 6120 section 8.2.3 and RFC 6121 section 8.5; blocking by XEP-0191 section 3.3.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from andiron.domain.client import Client, Owner
from andiron.domain.contacts.blocking import blocks, refuse_to_blocked
from andiron.domain.contacts.roster import sees
from andiron.domain.owners import NoSuchAccount, Owners
from andiron.domain.questions import Questions
from andiron.domain.registry import IqHandler, IqRequest, Registry, Target
from andiron.domain.router import IQS, Action, Router, Situation, refuse
from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import may_name
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.jid import JID, parse_jid, prepared
from andiron.xmpp.stanza import iq_result, with_addresses, with_sender
from andiron.xmpp.tree import Tree, children, parse_tree
from andiron.xmpp.xml import Element

_REQUESTS: Final = frozenset({"get", "set"})
_ADDRESSED: Final = frozenset({"jid", "value"})
"""Elements that may have an address for their text."""
_HASTE: Final = 4096
"""How long a request may be, in characters, that is answered without a wait between addresses."""
_LAST: Final = f"{{{ns.LAST}}}query"

logger = logging.getLogger("andiron.domain")


class Iqs:
    """Takes iqs, and has requests answered."""

    def __init__(
        self,
        router: Router,
        registry: Registry,
        owners: Owners,
        questions: Questions,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """``spawn`` runs a coroutine beside the sessions."""
        self._router = router
        self._registry = registry
        self._owners = owners
        self._questions = questions
        self._spawn = spawn

    def receive(self, client: Client, element: Element, ticket: int, now: float) -> bool:
        """Take an iq from a bound client; the result is that of :meth:`Link.receive`.

        Raises :class:`StanzaError` for it.
        """
        row = IQS.get(element.get("type"))
        if row is None or "id" not in element.attributes:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "an iq needs an id and a type")
        router = self._router
        to = element.attributes.get("to")
        bound = router.full.get(to or "")
        if bound is not None:
            if _may_reach(client, element, bound):
                bound.forward(with_sender(element, client.from_attribute), now)
            return True
        jid = JID(client.account) if to is None else parse_jid(to)
        if client.owner.blocked:
            refuse_to_blocked(client.owner, jid.full)
        service = router.services.get(jid.domain)
        if service is not None:
            return service.iq(client, element, jid, ticket, now)
        situation = router.situation(jid)
        action = row[situation]
        if action is Action.ANSWER:
            payload = only_payload(element)
            target = _target(client, jid, situation)
            call = self.asking(client, element, payload, target, jid.bare, now)
            return self.answer(client, element, call, ticket, now)
        if action is Action.DELIVER:
            bound = router.full[jid.full]
            if _may_reach(client, element, bound):
                bound.forward(with_addresses(element, client.jid, bound.jid), now)
        elif situation is Situation.DOMAIN and action is Action.IGNORE:
            self._questions.answered(client, element, now)
        refuse(action)
        return True

    def asking(
        self, client: Client, element: Element, payload: Tree, target: Target, to: str, now: float
    ) -> Callable[[], str | Awaitable[str]]:
        """Return what asks the handler of ``payload`` at ``target``, a bare JID ``to``.

        That is for :meth:`answer`. Raises :class:`StanzaError` where there is no handler.
        """
        kind = element.get("type")
        handler = self._registry.find(target, kind, payload.tag)
        if handler is None:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
        request = IqRequest(
            type=kind,
            payload=payload,
            sender=client.jid,
            account=client.account,
            target=target,
            wall=client.session.wall(now),
            to=to,
            client=client,
        )
        return lambda: self._ask(handler, request)

    def answer(
        self,
        client: Client,
        element: Element,
        call: Callable[[], str | Awaitable[str]],
        ticket: int,
        now: float,
        by: str = "",
    ) -> bool:
        """Answer a request with what ``call`` returns, as of :data:`IqHandler`, or raises.

        The result is that of :meth:`Link.receive`; the answer comes from the request's ``to``.
        ``by`` is who says so where that takes time and ends in an error; one that is
        raised here is the caller's to sign.
        """
        if len(element.text) > _HASTE and not element.text.isascii():
            payload: str | Awaitable[str] = _unhurried(element, call)
        else:
            payload = _called(client, call)
        if isinstance(payload, str):
            _deliver_result(client, element, payload, now)
            return True
        work = _answer_later(client, element, payload, ticket, by)
        self._spawn(client.session.errand(work))
        return False

    def _ask(self, handler: IqHandler, request: IqRequest) -> str | Awaitable[str]:
        """Call a handler, unless somebody else's account is asked that has blocked the asker."""
        if request.target is not Target.CONTACT:
            return handler(request)
        owner = self._owners.get(request.to)
        if owner is None:
            return self._ask_absent(handler, request)
        self._refuse_from_blocked(owner, request)
        return handler(request)

    async def _ask_absent(self, handler: IqHandler, request: IqRequest) -> str:
        """Ask for an account that may have blocked the asker, if it exists."""
        try:
            owner = await self._owners.load(request.to)
        except NoSuchAccount:
            raise self._refusal(request) from None
        self._refuse_from_blocked(owner, request)
        answer = handler(request)
        return answer if isinstance(answer, str) else await answer

    def _refuse_from_blocked(self, owner: Owner, request: IqRequest) -> None:
        if owner.blocked and blocks(owner, request.sender):
            raise self._refusal(request)

    def _refusal(self, request: IqRequest) -> StanzaError:
        refusals = self._registry.refusals
        return StanzaError(refusals.get(request.payload.tag, StanzaCondition.SERVICE_UNAVAILABLE))


def _called(client: Client, call: Callable[[], str | Awaitable[str]]) -> str | Awaitable[str]:
    """Call a handler: a request is answered whatever happens in it, and its stream goes on."""
    try:
        return call()
    except StanzaError:
        raise
    except Exception:
        logger.exception("%s: a handler failed", client.jid, extra=client.session.logged)
        raise StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR) from None


def only_payload(element: Element) -> Tree:
    """Return what a request asks. Raises :class:`StanzaError` unless that is one element."""
    payloads = children(element)
    if len(payloads) != 1:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "an iq request has one payload")
    return payloads[0]


def _may_reach(client: Client, element: Element, bound: Client) -> bool:
    """Tell whether blocking lets an iq through; raises the error for its sender."""
    if client.owner.blocked:
        refuse_to_blocked(client.owner, bound.jid)
    if may_name(element.text, ns.LAST) and not sees(bound.owner, client.account):
        _refuse_last_activity(element)
    if not bound.owner.blocked or not blocks(bound.owner, client.jid):
        return True
    if element.get("type") in _REQUESTS:
        raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
    return False


def _refuse_last_activity(element: Element) -> None:
    """Refuse to ask how long a person was idle, of whom one may not see (XEP-0012 section 4)."""
    if element.get("type") == "get" and any(child.tag == _LAST for child in children(element)):
        raise StanzaError(StanzaCondition.FORBIDDEN)


def _target(client: Client, jid: JID, situation: Situation) -> Target:
    if situation is Situation.DOMAIN:
        return Target.DOMAIN
    return Target.ACCOUNT if jid.bare == client.account else Target.CONTACT


async def _unhurried(element: Element, call: Callable[[], str | Awaitable[str]]) -> str:
    """Prepare the addresses in a request beforehand, with a wait after each that is slow.

    One takes some milliseconds where its domain is not ASCII, and there may be hundreds;
    ``call`` finds them remembered.
    """
    for each in parse_tree(element).iter():
        told = each.text if each.tag.rpartition("}")[2] in _ADDRESSED else None
        for address in (each.get("jid"), told):
            if address and not address.isascii():
                prepared(address)
                await asyncio.sleep(0)
    answer = call()
    return answer if isinstance(answer, str) else await answer


async def _answer_later(
    client: Client, element: Element, answer: Awaitable[str], ticket: int, by: str
) -> None:
    payload, error = "", None
    try:
        payload = await answer
    except StanzaError as refusal:
        error = refusal
    except Exception:
        # As above: there is no one else to answer.
        logger.exception("%s: a handler failed", client.jid, extra=client.session.logged)
        error = StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR)
    if error is None:
        _deliver_result(client, element, payload, client.session.clock())
    else:
        error.by = by
        client.refuse(element, error, client.session.clock())
    client.session.handled(ticket, client.session.clock())


def _deliver_result(client: Client, element: Element, payload: str, now: float) -> None:
    sender = element.get("to") or client.account
    client.forward(iq_result(element, payload, sender=sender), now)
