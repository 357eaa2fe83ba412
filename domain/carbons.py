"""Message Carbons, XEP-0280: an account's other resources see what one of them says and hears."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from andiron.domain.owner import Owner
from andiron.domain.registry import IqRequest, Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.tree import children
from andiron.xmpp.xml import Element

if TYPE_CHECKING:
    from andiron.domain.link import DomainLink

_COPIES: Final = frozenset({f"{{{ns.CARBONS}}}received", f"{{{ns.CARBONS}}}sent"})
_NOT_COPIED: Final = frozenset({f"{{{ns.CARBONS}}}private", f"{{{ns.HINTS}}}no-copy"})
_PAYLOADS: Final = (ns.RECEIPTS, ns.MARKERS, ns.CHAT_STATES)


def register(registry: Registry) -> None:
    """Let a resource ask for copies, and for no more of them (sections 4 and 5)."""
    registry.add(Target.ACCOUNT, "set", ns.CARBONS, "enable", _enable)
    registry.add(Target.ACCOUNT, "set", ns.CARBONS, "disable", _disable)
    registry.add_feature(Target.DOMAIN, ns.CARBONS)
    registry.add_feature(Target.DOMAIN, "urn:xmpp:carbons:rules:0")
    registry.add_feature(Target.ACCOUNT, ns.CARBONS)


def _enable(request: IqRequest) -> str:
    link = request.link
    if link not in link.owner.carbons:
        link.owner.carbons = (*link.owner.carbons, link)
    return ""


def _disable(request: IqRequest) -> str:
    leave(request.link)
    return ""


def leave(link: "DomainLink") -> None:
    """Send a resource no more copies."""
    link.owner.carbons = tuple(other for other in link.owner.carbons if other is not link)


def is_carbon(element: Element) -> bool:
    """Tell whether a message is a copy, which only an account's server may send (section 11)."""
    return any(child.tag in _COPIES for child in children(element))


def eligible(element: Element) -> bool:
    """Tell whether a message is for all resources to see (sections 6.1 and 7)."""
    kind, text = element.attributes.get("type", ""), element.text
    if kind in {"groupchat", "headline", "error"}:
        return False
    if (ns.CARBONS in text or ns.HINTS in text) and any(
        child.tag in _NOT_COPIED for child in children(element)
    ):
        return False
    return kind == "chat" or "<body" in text or any(name in text for name in _PAYLOADS)


def copy(
    link: "DomainLink",
    recipient: Owner | None,
    got: Collection["DomainLink"],
    text: str,
    now: float,
) -> None:
    """Copy a message of ``link`` to those who want it and did not get it.

    ``recipient`` is None where nobody of the account is there.
    """
    sender = link.owner
    if sender is not recipient:
        for other in sender.carbons:
            if other is not link:
                _send("sent", other, text, now)
    if recipient is not None:
        for other in recipient.carbons:
            if other is not link and other not in got:
                _send("received", other, text, now)


def _send(how: str, link: "DomainLink", text: str, now: float) -> None:
    account = escape(link.account)
    try:
        link.deliver(
            f"<message xmlns='{ns.CLIENT}' from='{account}' to='{escape(link.jid)}' type='chat'>"
            f"<{how} xmlns='{ns.CARBONS}'><forwarded xmlns='{ns.FORWARD}'>{text}</forwarded>"
            f"</{how}></message>",
            now,
        )
    except StanzaError:
        return  # A copy that one resource has no room for is nobody's error.
