"""Addresses: RFC 7622 JIDs, prepared by slixmpp's native implementation."""

from slixmpp.jid import JID, InvalidJID

from andiron.xmpp.errors import StanzaCondition, StanzaError

__all__ = ["JID", "InvalidJID", "account_jid", "parse_jid"]


def parse_jid(text: str) -> JID:
    """Return the prepared address.

    Raises :class:`StanzaError` ``jid-malformed`` (RFC 6120 section 8.3.3.8),
    also for an empty one.
    """
    if text:
        try:
            return JID(text)
        except (InvalidJID, UnicodeEncodeError):
            pass
    raise StanzaError(StanzaCondition.JID_MALFORMED, "not an address")


def account_jid(name: str, domain: str) -> JID:
    """Return the bare JID of the account ``name`` at ``domain``, both prepared.

    Raises :class:`InvalidJID` for a name that no account can have: empty,
    too long, or with characters that a localpart forbids (RFC 7622 section 3.3).
    """
    if not name or "@" in name or "/" in name:
        raise InvalidJID("not a localpart")
    try:
        jid = JID(f"{name}@{domain}")
    except UnicodeEncodeError:
        raise InvalidJID("not Unicode") from None
    if not jid.node:
        raise InvalidJID("not a localpart")
    return jid
