"""Addresses that were stored as RFC 6122 prepared them, looked at with the eyes of RFC 7622."""

from dataclasses import dataclass

from andiron.xmpp.jid import JID, InvalidJID

__all__ = ["Change", "change", "meant"]


@dataclass(frozen=True, slots=True)
class Change:
    """What has become of a stored address."""

    now: str
    """What it is prepared to, or what people write who mean it; empty: it is no address."""
    reason: str
    """For an operator; goes on from the address."""


def change(stored: str) -> Change | None:
    """Return what has become of an address, or nothing if it is as good as before.

    What stringprep took away is in no stored address, so it cannot be found here:
    it made ``ss`` of ``ß`` and left out joiners, and who still writes them means
    another address now.
    """
    try:
        jid = JID(stored)
    except InvalidJID as error:
        return Change("", f"is no address: {error}")
    if jid.full != stored:
        return Change(jid.full, "is prepared to another form")
    return None


def meant(stored: str) -> Change | None:
    """Return what people write who mean an address that is as good as before, if that is another.

    Stringprep had one small sigma; lower case, and people, write another at a word's end.
    """
    node, at, rest = stored.partition("@")
    written = node.replace("\u03c3", "\u03a3").lower()
    if not at or written == node:
        return None
    return Change(f"{written}@{rest}", "is written with a final sigma, which is another address")
