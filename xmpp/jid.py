"""Addresses, or JIDs: RFC 7622 with the profiles of RFC 8265 and IDNA 2008.

Most are ASCII and prepared already, which one look tells; a few hundred characters of
anything else take less than a millisecond, and what was read lately is remembered.
"""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final, NoReturn, final

import idna
from precis_i18n import get_profile
from precis_i18n.profile import Profile

from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.precis import UNICODE, PrecisError, describe, enforce

_MAX_PART: Final = 1023
"""Bytes of each part (RFC 7622 section 3.1)."""
_MAX_NAME: Final = 253
"""Bytes of a domain name as DNS has it; shown, that is never more than a part may have."""
_MAX_LABEL: Final = 63
_REMEMBERED: Final = 255
"""Characters of an address that is remembered; a thousand of them are kept."""

_USERNAME: Final = get_profile("UsernameCaseMapped")
_OPAQUE: Final = get_profile("OpaqueString")

_FORBIDDEN: Final = "\"&'/:<>@"
"""What a localpart must not have beyond its profile (RFC 7622 section 3.3.1)."""
_plain_local = re.compile(r"[!#-%(-.0-9;=?\[-`a-z{-~]{1,1023}").fullmatch
_plain_label = re.compile(r"(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?").fullmatch


class InvalidJID(ValueError):  # noqa: N818
    """A string that is no address; ``reason`` goes on from "it" or from the part's name."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"the {part} {reason}")
        self.part = part
        self.reason = reason


@final
class JID:
    """A prepared address: two are the same if their texts are."""

    __slots__ = ("bare", "domain", "full")

    bare: str
    """What stands before the resource."""
    domain: str
    full: str
    """The whole."""

    def __new__(cls, text: str) -> "JID":
        """Prepare an address; raises :class:`InvalidJID`."""
        return _remembered(text) if len(text) <= _REMEMBERED else _read(text)

    @property
    def node(self) -> str:
        """The localpart; empty: it has none."""
        return self.bare[: -len(self.domain) - 1]

    @property
    def resource(self) -> str:
        """The resourcepart; empty: it has none."""
        return self.full[len(self.bare) + 1 :]

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name} of an address is fixed")

    def __eq__(self, other: object) -> bool:
        return self.full == other.full if isinstance(other, JID) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.full)

    def __str__(self) -> str:
        return self.full

    def __repr__(self) -> str:
        return f"JID({self.full!r})"


def parse_jid(text: str) -> JID:
    """Return the prepared address.

    Raises :class:`StanzaError` ``jid-malformed`` (RFC 6120 section 8.3.3.8) with the reason.
    """
    try:
        return _remembered(text) if len(text) <= _REMEMBERED else _read(text)
    except InvalidJID as error:
        raise StanzaError(StanzaCondition.JID_MALFORMED, f"not an address: {error}") from None


def prepared(address: str) -> str:
    """Return the text of a prepared address, empty for one that cannot be: to be compared."""
    try:
        return JID(address).full
    except InvalidJID:
        return ""


def account_jid(name: str, domain: str) -> JID:
    """Return the bare JID of the account ``name`` at ``domain``.

    Raises :class:`InvalidJID` for a name that no account can have. One that is
    too long is not prepared first, to see whether it is so after that, as other
    addresses are: it comes from strangers.
    """
    if len(name) > _MAX_PART or len(name.encode("utf-8", "surrogatepass")) > _MAX_PART:
        raise InvalidJID("localpart", f"is longer than {_MAX_PART} bytes")
    return JID(f"{localpart(name)}@{domain}")


def localpart(text: str) -> str:
    """Return the prepared localpart (RFC 7622 section 3.3); raises :class:`InvalidJID`."""
    if _plain_local(text):
        return text
    prepared = _enforce("localpart", _USERNAME, text)
    for character in _FORBIDDEN:
        if character in prepared:
            raise InvalidJID("localpart", f"has {describe(character)}")
    return prepared


def resourcepart(text: str) -> str:
    """Return the prepared resourcepart (RFC 7622 section 3.4); raises :class:`InvalidJID`."""
    if text.isascii() and text.isprintable() and 0 < len(text) <= _MAX_PART:
        return text
    return _enforce("resourcepart", _OPAQUE, text)


@lru_cache(maxsize=1024)
def domainpart(text: str) -> str:
    """Return the prepared domainpart (RFC 7622 section 3.2): a name of U-labels, or an IP address.

    Raises :class:`InvalidJID`.
    """
    if text.startswith("["):
        return _ip_literal(text)
    if not 0 < len(text) <= _MAX_NAME + 1:
        # An encoded label has no fewer characters than the label.
        raise InvalidJID("domainpart", f"is longer than {_MAX_NAME} bytes" if text else "is empty")
    # RFC 5895 section 2, as of erratum 4534.
    mapped = UNICODE.normalize("NFC", UNICODE.width_map(text.lower())).replace("\u3002", ".")
    labels = [_label(label) for label in mapped.removesuffix(".").split(".")]
    if sum(len(encoded) for _, encoded in labels) + len(labels) - 1 > _MAX_NAME:
        raise InvalidJID("domainpart", f"is longer than {_MAX_NAME} bytes")
    return ".".join(shown for shown, _ in labels)


def dns_name(domain: str) -> str:
    """Return a domain name as DNS, URLs and browsers spell it; raises :class:`InvalidJID`."""
    return ".".join(_label(label)[1] for label in domainpart(domain).split("."))


def _label(text: str) -> tuple[str, str]:
    """Return a label as it is shown, and as it is in DNS."""
    if _plain_label(text):
        return text, text
    if len(text) > _MAX_LABEL:
        # The library reads all of it first, and an encoded label has no fewer characters.
        raise InvalidJID("domainpart", "is not a domain name: Label too long")
    try:
        shown = idna.ulabel(text)
        return shown, idna.alabel(shown).decode()
    except idna.IDNAError as error:
        raise InvalidJID("domainpart", f"is not a domain name: {error}") from None


def _ip_literal(text: str) -> str:
    try:
        if text.endswith("]") and "%" not in text:
            IPv6Address(text[1:-1])
            return text.lower()
    except AddressValueError:
        pass
    raise InvalidJID("domainpart", "is not an IPv6 address in brackets")


def _enforce(part: str, profile: Profile, text: str) -> str:
    # What two characters are prepared to has a byte at least.
    if len(text) > 2 * _MAX_PART:
        raise InvalidJID(part, f"is longer than {_MAX_PART} bytes")
    try:
        prepared = enforce(profile, text)
    except PrecisError as error:
        raise InvalidJID(part, str(error)) from None
    if len(prepared.encode()) > _MAX_PART:
        raise InvalidJID(part, f"is longer than {_MAX_PART} bytes")
    return prepared


def _read(text: str) -> JID:
    # The separators are looked for before anything is mapped to them (section 3.1).
    bare, slash, resource = text.partition("/")
    node, at, domain = bare.partition("@")
    domain = domainpart(domain if at else node)
    bare = f"{localpart(node)}@{domain}" if at else domain
    jid = object.__new__(JID)
    _set_bare(jid, bare)
    _set_domain(jid, domain)
    _set_full(jid, f"{bare}/{resourcepart(resource)}" if slash else bare)
    return jid


_remembered = lru_cache(maxsize=1024)(_read)
_set_bare, _set_domain, _set_full = (getattr(JID, name).__set__ for name in JID.__slots__)
