"""Iq requests: forwarded, or answered by the domain's handlers, each exactly once.

RFC 6120 section 8.2.3 and RFC 6121 section 8.5; blocking by XEP-0191 section 3.3.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from andiron.domain.accounts.accounts import NoSuchAccount
from andiron.domain.contacts.blocking import blocks, refuse_to_blocked
from andiron.domain.contacts.roster import sees
from andiron.domain.owner import Owner
from andiron.domain.registry import IqHandler, IqRequest, Target
from andiron.domain.router import IQS, Action, Situation, refuse
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.jid import JID, parse_jid
from andiron.xmpp.stanza import iq_result, with_addresses, with_sender
from andiron.xmpp.tree import children
from andiron.xmpp.xml import Element

if TYPE_CHECKING:
    from andiron.domain.link import DomainLink

_REQUESTS: Final = frozenset({"get", "set"})
_LAST: Final = f"{{{ns.LAST}}}query"

logger = logging.getLogger("andiron.domain")


def receive_iq(link: "DomainLink", element: Element, ticket: int, now: float) -> bool:
    """Take an iq from a bound client; the result is that of :meth:`Link.receive`.

    Raises :class:`StanzaError` for it.
    """
    row = IQS.get(element.get("type"))
    if row is None or "id" not in element.attributes:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "an iq needs an id and a type")
    to = element.attributes.get("to")
    bound = link.router.full.get(to or "")
    if bound is not None:
        if _may_reach(link, element, bound):
            bound.forward(with_sender(element, link.from_attribute), now)
        return True
    jid = JID(link.account) if to is None else parse_jid(to)
    if link.owner.blocked:
        refuse_to_blocked(link.owner, jid.full)
    service = link.router.services.get(jid.domain)
    if service is not None:
        return service.iq(link, element, jid, ticket, now)
    situation = link.router.situation(jid)
    action = row[situation]
    if action is Action.ANSWER:
        return _answer(link, element, _target(link, jid, situation), jid, ticket, now)
    if action is Action.DELIVER:
        bound = link.router.full[jid.full]
        if _may_reach(link, element, bound):
            bound.forward(with_addresses(element, link.jid, bound.jid), now)
    elif situation is Situation.DOMAIN and action is Action.IGNORE:
        link.questions.answered(link, element, now)
    refuse(action)
    return True


def _may_reach(link: "DomainLink", element: Element, bound: "DomainLink") -> bool:
    """Tell whether blocking lets an iq through; raises the error for its sender."""
    if link.owner.blocked:
        refuse_to_blocked(link.owner, bound.jid)
    if ns.LAST in element.text and not sees(bound.owner, link.account):
        _refuse_last_activity(element)
    if not bound.owner.blocked or not blocks(bound.owner, link.jid):
        return True
    if element.get("type") in _REQUESTS:
        raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
    return False


def _refuse_last_activity(element: Element) -> None:
    """Refuse to ask how long a person was idle, of whom one may not see (XEP-0012 section 4)."""
    if element.get("type") == "get" and any(child.tag == _LAST for child in children(element)):
        raise StanzaError(StanzaCondition.FORBIDDEN)


def _target(link: "DomainLink", jid: JID, situation: Situation) -> Target:
    if situation is Situation.DOMAIN:
        return Target.DOMAIN
    return Target.ACCOUNT if jid.bare == link.account else Target.CONTACT


def _answer(
    link: "DomainLink", element: Element, target: Target, jid: JID, ticket: int, now: float
) -> bool:
    payloads = children(element)
    if len(payloads) != 1:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "an iq request has one payload")
    kind = element.get("type")
    handler = link.registry.find(target, kind, payloads[0].tag)
    if handler is None:
        raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
    request = IqRequest(
        type=kind,
        payload=payloads[0],
        sender=link.jid,
        account=link.account,
        target=target,
        wall=link.session.wall(now),
        to=jid.bare,
        link=link,
    )
    return answer(link, element, lambda: ask(handler, request), ticket, now)


def answer(
    link: "DomainLink",
    element: Element,
    call: Callable[[], str | Awaitable[str]],
    ticket: int,
    now: float,
) -> bool:
    """Answer a request with what ``call`` returns, as of :data:`IqHandler`, or raises.

    The result is that of :meth:`Link.receive`; the answer comes from the request's ``to``.
    """
    try:
        payload = call()
    except StanzaError:
        raise
    except Exception:
        # A request is answered whatever happens in a handler, and its stream goes on.
        logger.exception("%s: a handler failed", link.jid)
        raise StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR) from None
    if isinstance(payload, str):
        _deliver_result(link, element, payload, now)
        return True
    link.spawn(_answer_later(link, element, payload, ticket))
    return False


def ask(handler: IqHandler, request: IqRequest) -> str | Awaitable[str]:
    """Call a handler, unless somebody else's account is asked that has blocked the asker."""
    if request.target is not Target.CONTACT:
        return handler(request)
    owner = request.link.owners.get(request.to)
    if owner is None:
        return _ask_absent(handler, request)
    _refuse_from_blocked(owner, request)
    return handler(request)


async def _ask_absent(handler: IqHandler, request: IqRequest) -> str:
    """Ask for an account that may have blocked the asker, if it exists."""
    try:
        owner = await request.link.owners.load(request.to)
    except NoSuchAccount:
        raise _refusal(request) from None
    _refuse_from_blocked(owner, request)
    answer = handler(request)
    return answer if isinstance(answer, str) else await answer


def _refuse_from_blocked(owner: Owner, request: IqRequest) -> None:
    if owner.blocked and blocks(owner, request.sender):
        raise _refusal(request)


def _refusal(request: IqRequest) -> StanzaError:
    refusals = request.link.registry.refusals
    return StanzaError(refusals.get(request.payload.tag, StanzaCondition.SERVICE_UNAVAILABLE))


async def _answer_later(
    link: "DomainLink", element: Element, answer: Awaitable[str], ticket: int
) -> None:
    try:
        payload = await answer
    except StanzaError as error:
        link.refuse(element, error, link.session.clock())
    except Exception:
        # As above: there is no one else to answer.
        logger.exception("%s: a handler failed", link.jid)
        link.refuse(
            element,
            StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR),
            link.session.clock(),
        )
    else:
        _deliver_result(link, element, payload, link.session.clock())
    link.session.handled(ticket, link.session.clock())


def _deliver_result(link: "DomainLink", element: Element, payload: str, now: float) -> None:
    sender = element.get("to") or link.account
    link.forward(iq_result(element, payload, sender=sender), now)
