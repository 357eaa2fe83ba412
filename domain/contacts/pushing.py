"""Roster pushes, RFC 6121 section 2.1.6: an account's clients are told of one contact."""

from collections.abc import Iterable

from andiron.domain.client import Client
from andiron.domain.contacts.roster import Item, write_query
from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape

__all__ = ["push"]


def push(clients: Iterable[Client], jid: str, item: Item | None, ver: str, now: float) -> None:
    """Tell clients, which asked for their roster, of a contact; None for one that is no more.

    ``ver`` tells what their roster has come to by it (section 2.6).
    """
    xml = item.to_xml() if item else f"<item jid='{escape(jid)}' subscription='remove'/>"
    query = write_query(ver, xml)
    for client in clients:
        client.forward(
            f"<iq xmlns='{ns.CLIENT}' type='set' id='roster-{ver}'"
            f" to='{escape(client.jid)}'>{query}</iq>",
            now,
        )
