"""Whom an account does not want to hear of: how block lists match (XEP-0191 section 5)."""

from andiron.domain.client import Owner
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError

__all__ = ["blocks", "refuse_to_blocked"]


def blocks(owner: Owner, jid: str) -> bool:
    """Tell whether an account has blocked a prepared address, or what it is part of (section 5).

    An account's own resources and its server are never blocked: who blocks the
    domain means the others there (section 4.1, its first note).
    """
    blocked = owner.blocked
    if not blocked:
        return False
    bare = jid.partition("/")[0]
    host = bare.rpartition("@")[2]
    if bare == owner.jid or jid == owner.jid.rpartition("@")[2]:
        return False
    return not blocked.isdisjoint((jid, bare, host))


def refuse_to_blocked(owner: Owner, jid: str) -> None:
    """Raise the error for a stanza of an account to whom it has blocked (section 3.3)."""
    if blocks(owner, jid):
        raise StanzaError(
            StanzaCondition.NOT_ACCEPTABLE,
            "you have blocked this address",
            extra=f"<blocked xmlns='{ns.BLOCKING_ERRORS}'/>",
            type="cancel",
        )
