"""What only servers say of a stanza: when it was accepted, and its id in an archive.

XEP-0203, and XEP-0091 before it, and XEP-0359. A mark is a child of the stanza, and what
counts is in whose name it stands: an address, prepared like any other.

They are taken out of messages and of presence, whatever it is for. An iq has no room for
one beside its payload (RFC 6120 section 8.2.3), and what is deeper within a stanza, such as
an item that is published or a message that is passed on, is said by who wrote that.
"""

from typing import Final

from andiron.domain.router import Router
from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import may_name
from andiron.xmpp.errors import StanzaError
from andiron.xmpp.jid import parse_jid
from andiron.xmpp.stanza import without
from andiron.xmpp.tree import Tree
from andiron.xmpp.xml import Element

__all__ = ["is_forged", "without_marks"]

_DELAYS: Final = frozenset({f"{{{ns.DELAY}}}delay", f"{{{ns.OLD_DELAY}}}x"})
_STANZA_ID: Final = f"{{{ns.STANZA_ID}}}stanza-id"


def is_forged(router: Router, child: Tree) -> bool:
    """Tell whether a child of a client's stanza says something in the name of our servers.

    A delay is theirs when it names the domain or a service (XEP-0203 section 5), an id
    when it names anybody there (XEP-0359 section 3). What names an address that cannot
    be one is nobody's, and a client that compares less exactly might take it for ours.
    """
    if child.tag in _DELAYS:
        address = child.get("from")
    elif child.tag == _STANZA_ID:
        address = child.get("by")
    else:
        return False
    if not address:
        return False
    try:
        jid = parse_jid(address)
    except StanzaError:
        return True
    if jid.domain in router.services:
        return True
    return jid.domain == router.domain and (child.tag == _STANZA_ID or not jid.node)


def without_marks(router: Router, element: Element) -> Element:
    """Return a client's presence without what it says in the name of our servers.

    Raises :class:`StreamError` as :func:`andiron.xmpp.stanza.without` does.
    """
    text = element.text
    if not (may_name(text, "delay") or "stanza-id" in text):
        return element
    return without(element, lambda child: is_forged(router, child))
