"""SASL elements (RFC 6120 section 6.4): what a client's says, and the answers to it."""

import base64
import re
from math import inf
from typing import Final, NamedTuple

from andiron.domain.accounts.credentials import Credentials
from andiron.domain.person import Person
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import SaslCondition, SaslError
from andiron.xmpp.tree import parse_tree
from andiron.xmpp.xml import Element

__all__ = ["Step", "challenge", "element_of", "malformed", "message_of", "success"]


_SIMPLE: Final = re.compile(
    r"""<[^<>"']*+(?:(?:"[^"]*+"|'[^']*+')[^<>"']*+)*+(?:>([A-Za-z0-9+/=]*+)</[^<]*|(?<=/)>)"""
)
"""A well-formed element with nothing in it but base64, which needs no tree to be read."""


class Step(NamedTuple):
    """The answer to one SASL element."""

    xml: str
    username: str | None = None
    """The prepared localpart signed in as, once ``done``."""
    done: bool = False
    anonymous: bool = False
    """Whether the username was made up, for somebody who has no account."""
    until: float = inf
    """The Unix time until which who signed in is let in; infinite unless a token said."""
    person: Person | None = None
    """Who that is, where the site says more than a name."""
    born: str | None = None
    """What tells the account signed in to from others of its name, once ``done``."""
    keys: Credentials | None = None
    """The account's own keys that were proven to be known, where they are to be looked at again."""


def success(
    username: str,
    confirmation: str = "",
    until: float = inf,
    person: Person | None = None,
    keys: Credentials | None = None,
) -> Step:
    """Return the end of a negotiation: the client is in."""
    xml = element_of("success", confirmation)
    return Step(xml, username, done=True, until=until, person=person, keys=keys)


def challenge(message: str = "") -> Step:
    """Return a step that the client must answer."""
    return Step(element_of("challenge", message))


def element_of(name: str, message: str = "") -> str:
    """Return a SASL element with a message, encoded, or none."""
    if not message:
        return f"<{name} xmlns='{ns.SASL}'/>"
    return f"<{name} xmlns='{ns.SASL}'>{base64.b64encode(message.encode()).decode()}</{name}>"


def malformed(reason: str) -> SaslError:
    """Return the error for what no client sends that knows the protocol."""
    return SaslError(SaslCondition.MALFORMED_REQUEST, reason)


def _content_of(element: Element) -> str | None:
    simple = _SIMPLE.fullmatch(element.text)
    if simple is not None:
        return simple[1]
    tree = parse_tree(element)
    if len(tree):
        raise malformed("a SASL element holds text alone")
    return tree.text


def message_of(element: Element, longest: int) -> str | None:
    """Decode an element's content; None where it has none (RFC 6120 section 6.4.2).

    One of more characters than ``longest`` is not decoded. Raises :class:`SaslError`.
    """
    if len(element.text) > longest:
        raise malformed(f"longer than {longest} characters")
    content = _content_of(element)
    if not content:
        return None
    if content == "=":
        return ""
    try:
        data = base64.b64decode(content, validate=True)
    except ValueError:
        data = b""
    # The decoder forgives stray bits and padding; RFC 6120 section 13.9.1 does not.
    if base64.b64encode(data).decode() != content:
        raise SaslError(SaslCondition.INCORRECT_ENCODING)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise malformed("not UTF-8") from None
