"""Resource binding, RFC 6120 section 7."""

import logging
import re
from collections.abc import Callable
from math import inf
from typing import Final

from andiron.domain.client import Client
from andiron.domain.config import ConflictPolicy, DomainConfig
from andiron.domain.registry import IqRequest, Registry, Target
from andiron.domain.router import Resources, Router
from andiron.sm.link import CloseReason
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError, StreamCondition, StreamError
from andiron.xmpp.escape import escape
from andiron.xmpp.jid import InvalidJID, resourcepart
from andiron.xmpp.tree import Tree, children
from andiron.xmpp.xml import Element

FEATURE: Final = f"<bind xmlns='{ns.BIND}'/>"
_TAG: Final = f"{{{ns.BIND}}}bind"
_RESOURCE: Final = f"{{{ns.BIND}}}resource"

_PLAIN: Final = re.compile(
    rf"""<iq[^<]*<bind xmlns=(?:'{ns.BIND}'|"{ns.BIND}")(?:/>|>"""
    r"(?:<resource>([^<&\r]*)</resource>)?</bind>)</iq>"
)
"""A request as nearly all are, which needs no tree to be read; the group is the resource."""

_RANDOM: Final = 9
"""Bytes of a resource that is made up."""

logger = logging.getLogger("andiron.domain")


def register(registry: Registry) -> None:
    """Refuse to bind a second resource on a stream (section 7.3.1 allows one)."""
    for target in (Target.DOMAIN, Target.ACCOUNT):
        registry.add(target, "set", ns.BIND, "bind", _refuse_second)


def _refuse_second(_request: IqRequest) -> str:
    raise StanzaError(StanzaCondition.NOT_ALLOWED, "one resource a stream")


def read_request(element: Element) -> str | None:
    """Return the resource a bind request asks for, ``""`` for any; None for any other iq.

    Raises :class:`StanzaError` ``bad-request`` for a bind that is not well put.
    """
    plain = _PLAIN.fullmatch(element.text)
    if plain is not None and element.get("type") == "set" and "id" in element.attributes:
        return (plain[1] or "").strip()
    payloads = children(element)
    if not any(payload.tag == _TAG for payload in payloads):
        return None
    if len(payloads) != 1 or element.get("type") != "set" or "id" not in element.attributes:
        raise StanzaError(StanzaCondition.BAD_REQUEST)
    return _requested(payloads[0])


def _requested(payload: Tree) -> str:
    resources = payload.findall(_RESOURCE)
    if len(resources) > 1 or any(len(resource) for resource in resources):
        raise StanzaError(StanzaCondition.BAD_REQUEST)
    return (resources[0].text or "").strip() if resources else ""


def bind(
    client: Client,
    wish: str,
    router: Router,
    config: DomainConfig,
    generated: Callable[[int], str],
    now: float,
) -> str:
    """Make a resource of the account the session's own and return the full JID.

    ``generated`` makes a text of so many random bytes.

    Raises :class:`StanzaError`: ``bad-request`` for a resource that cannot be,
    ``conflict`` where the policy refuses, ``resource-constraint`` where all that the account
    may have are in use: of those that hibernate, the oldest ends first.
    """
    account = client.account
    jid = _full_jid(account, wish or generated(_RANDOM))
    older = router.full.get(jid)
    if older is not None:
        if config.conflict is ConflictPolicy.REFUSE:
            raise StanzaError(StanzaCondition.CONFLICT)
        if config.conflict is ConflictPolicy.REPLACE:
            older.session.close(
                CloseReason.REPLACED,
                now,
                StreamError(StreamCondition.CONFLICT, "replaced by a newer session"),
            )
        else:
            jid = _full_jid(account, f"{wish[:200]}-{generated(_RANDOM)}")
    resources = router.accounts.get(account)
    if resources is not None and len(resources.clients) >= config.max_resources:
        _make_room(resources, now)
    return jid


def _make_room(resources: Resources, now: float) -> None:
    """End the session that has waited longest to be resumed: its client may never come back."""
    sessions = [client.session for client in resources.clients.values()]
    oldest = min(sessions, key=lambda session: session.hibernates_until)
    if oldest.hibernates_until == inf:
        raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too many resources")
    logger.info(
        "%s hibernates and makes room for another session", oldest.link.jid, extra=oldest.logged
    )
    oldest.close(CloseReason.EXPIRED, now)


def result(element: Element, jid: str) -> str:
    """Return the answer to a bind request (section 7.6.1)."""
    return (
        f"<iq xmlns='{ns.CLIENT}' type='result' id='{escape(element.get('id'))}'>"
        f"<bind xmlns='{ns.BIND}'><jid>{escape(jid)}</jid></bind></iq>"
    )


def _full_jid(account: str, resource: str) -> str:
    try:
        return f"{account}/{resourcepart(resource)}"
    except InvalidJID as error:
        raise StanzaError(StanzaCondition.BAD_REQUEST, f"not a resource: {error}") from None
