"""Message Carbons, XEP-0280: an account's other resources see what one of them says and hears."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Final

from andiron.domain.client import Client, Owner
from andiron.domain.messages.keeping import Revocable
from andiron.domain.messages.sharing import Share
from andiron.domain.registry import IqRequest, Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import BODY, may_name, shows_body, tags
from andiron.xmpp.errors import StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.stanza import with_child
from andiron.xmpp.xml import Element

COPIES: Final = frozenset({f"{{{ns.CARBONS}}}received", f"{{{ns.CARBONS}}}sent"})
"""The children of copies, which only an account's server may send (section 11)."""
_NOT_COPIED: Final = frozenset({f"{{{ns.CARBONS}}}private", f"{{{ns.HINTS}}}no-copy"})
_PAYLOADS: Final = tuple(
    f"{{{namespace}}}"
    for namespace in (ns.RECEIPTS, ns.MARKERS, ns.CHAT_STATES, ns.DIRECT_INVITE, ns.MUC_USER)
)
_MUC_X: Final = f"{{{ns.MUC_USER}}}x"
_NEVER: Final = frozenset({"groupchat", "headline", "error"})
_TYPES: Final = frozenset({"chat", "normal", "error"})
_REMEMBERED: Final = 100
"""Messages of one account whose errors are known for what they are."""
_MAX_ID: Final = 255
"""Characters of their ids; longer ones are not remembered."""


def register(registry: Registry) -> None:
    """Let a resource ask for copies, and for no more of them (sections 4 and 5)."""
    registry.add(Target.ACCOUNT, "set", ns.CARBONS, "enable", _enable)
    registry.add(Target.ACCOUNT, "set", ns.CARBONS, "disable", _disable)
    registry.add_feature(Target.DOMAIN, ns.CARBONS)
    registry.add_feature(Target.DOMAIN, "urn:xmpp:carbons:rules:0")
    registry.add_feature(Target.ACCOUNT, ns.CARBONS)


def _enable(request: IqRequest) -> str:
    client = request.client
    if client not in client.owner.carbons:
        client.owner.carbons = (*client.owner.carbons, client)
        client.session.changed()
    return ""


def _disable(request: IqRequest) -> str:
    leave(request.client)
    return ""


def leave(client: Client) -> None:
    """Send a resource no more copies."""
    if client in client.owner.carbons:
        client.owner.carbons = tuple(each for each in client.owner.carbons if each is not client)
        client.session.changed()


def eligible(element: Element) -> bool:
    """Tell whether a message is for all resources to see (section 6.1, XEP-0334 section 5)."""
    kind, text = element.attributes.get("type", ""), element.text
    if kind in _NEVER:
        return False
    marked = ns.CARBONS in text or may_name(text, ns.HINTS)
    if not marked and (kind == "chat" or shows_body(text)):
        return True
    found = tags(element)
    if not found.isdisjoint(_NOT_COPIED):
        return False
    return kind == "chat" or BODY in found or any(tag.startswith(_PAYLOADS) for tag in found)


def others(client: Client, among: Collection[Client] | None = None) -> list[Client]:
    """Return an account's resources that want to see what one of them says.

    ``among`` are those that may, None: all.
    """
    return [
        other
        for other in client.owner.carbons
        if other is not client and (among is None or other in among)
    ]


def lacking(
    owner: Owner, got: Collection[Client], but: Client | None, element: Element
) -> Sequence[Client]:
    """Return an account's resources that want to see what those that ``got`` it hear.

    ``but`` is who needs no copy.
    """
    if not eligible(element):
        return ()
    return [other for other in owner.carbons if other is not but and other not in got]


def copy_sent(clients: Sequence[Client], element: Element, text: str, now: float) -> None:
    """Let an account's other resources see what one of them said (section 8)."""
    if clients:
        _remember(clients[0].owner, element.get("id"))
    for client in clients:
        _send("sent", client, text, now, element.get("type"))


def copy_received(clients: Iterable[Client], text: str, now: float, kind: str) -> None:
    """Let resources see a message, of type ``kind``, that another one heard (section 7)."""
    for client in clients:
        if client.bound:
            _send("received", client, text, now, kind)


def copy_error(owner: Owner, got: Client | None, identity: str, text: str, now: float) -> bool:
    """Let an account's resources see that what they saw one of them say was refused.

    ``text`` is the error, ``identity`` its id, by which it is known for an answer to one
    of the messages that were sent lately (section 6.1). Returns whether any resource is
    told.
    """
    if identity not in owner.parts.get(_Sent, ()):
        return False
    clients = [other for other in owner.carbons if other is not got]
    copy_received(clients, text, now, "error")
    return bool(clients)


def marked_as_private(element: Element, text: str) -> str:
    """Return a private message in a room so that its copy can be known for one (section 6.1)."""
    return text if _MUC_X in tags(element) else with_child(text, f"<x xmlns='{ns.MUC_USER}'/>")


class _Sent(OrderedDict[str, None]):
    """The ids of messages that an account's resources saw one of them send."""


def _remember(owner: Owner, identity: str) -> None:
    if not 0 < len(identity) <= _MAX_ID:
        return
    sent: _Sent = owner.parts.setdefault(_Sent, _Sent())
    sent[identity] = None
    if len(sent) > _REMEMBERED:
        sent.popitem(last=False)


_HEAD: Final = f"<received xmlns='{ns.CARBONS}'><forwarded xmlns='{ns.FORWARD}'>"
_TAIL: Final = "</forwarded></received></message>"


def original(share: Share) -> str:
    """Return the message that a resource was given, or was given a copy of."""
    text = share.partition(_HEAD)[2].removesuffix(_TAIL) if share.is_copy else str(share)
    return Revocable.again(share.shared.former, text)


def _send(how: str, client: Client, text: str, now: float, kind: str) -> None:
    typed = f" type='{kind}'" if kind in _TYPES else ""
    copy = (
        f"<message xmlns='{ns.CLIENT}' from='{escape(client.account)}'"
        f" to='{escape(client.jid)}'{typed}><{how} xmlns='{ns.CARBONS}'>"
        f"<forwarded xmlns='{ns.FORWARD}'>{text}</forwarded></{how}></message>"
    )
    with suppress(StanzaError):  # It is nobody's error.
        if isinstance(text, Share):
            share = Share.made(copy, text.shared, is_copy=True)
            share.shared.give(client, share, now)
        else:
            client.deliver(copy, now)
