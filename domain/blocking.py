"""Blocking Command, XEP-0191: whom an account does not want to hear of."""

from andiron.domain.owner import Owner
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError


def blocks(owner: Owner, jid: str) -> bool:
    """Tell whether an account has blocked a prepared address, or what it is part of (section 2)."""
    blocked = owner.blocked
    if not blocked:
        return False
    bare, _, resource = jid.partition("/")
    host = bare.rpartition("@")[2]
    return not blocked.isdisjoint((jid, bare, host, f"{host}/{resource}"))


def refuse_to_blocked(owner: Owner, jid: str) -> None:
    """Raise the error for a stanza of an account to whom it has blocked (section 3.3)."""
    if blocks(owner, jid):
        raise StanzaError(
            StanzaCondition.NOT_ACCEPTABLE,
            "you have blocked this address",
            extra=f"<blocked xmlns='{ns.BLOCKING_ERRORS}'/>",
        )
