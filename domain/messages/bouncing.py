"""The last that can be done for a stanza that nobody takes: to tell its sender."""

from typing import Final

from andiron.domain.messages import carbons
from andiron.domain.messages.keeping import Archive, Revocable
from andiron.domain.router import Router, Situation, message_row, refuse
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaError
from andiron.xmpp.jid import prepared
from andiron.xmpp.stanza import error_reply
from andiron.xmpp.tree import children
from andiron.xmpp.xml import Element

__all__ = ["Bouncer"]

_STANZA_ID: Final = f"{{{ns.STANZA_ID}}}stanza-id"


class Bouncer:
    """Refuses what was taken over before, and could not be delivered."""

    def __init__(self, router: Router, archive: Archive | None) -> None:
        self._router = router
        self._archive = archive

    def bounce(self, element: Element, error: StanzaError) -> None:
        """Answer a stanza with an error, if its sender is still there to hear it.

        A message that is in its recipient's archive is not refused: there it is found.
        One that is only in its sender's is taken out of it when it is refused.
        """
        if element.get("type") == "error" or _is_archived(element):
            return
        address = element.get("from")
        resources = self._router.accounts.get(address.partition("/")[0])
        if resources is None:
            return
        sender = resources.clients.get(address)
        reply = error_reply(element, error, to=address)
        client = next(iter(resources.clients.values()))
        owner, now = client.owner, client.session.clock()
        if sender is not None:
            sender.forward(reply, now)
        told = element.name == "message" and carbons.copy_error(
            owner, sender, element.get("id"), reply, now
        )
        text = element.text
        if isinstance(text, Revocable) and self._archive is not None and (told or sender):
            self._archive.withdraw(owner.username, text.identity)

    def bounce_if_refused(self, element: Element) -> None:
        """Answer a message that the table refuses where nobody is there; others are let go."""
        try:
            refuse(message_row(element)[Situation.OFFLINE])
        except StanzaError as error:
            self.bounce(element, error)


def _is_archived(element: Element) -> bool:
    """Tell whether a message has its recipient's id, which none but we give it (XEP-0359)."""
    if ns.STANZA_ID not in element.text:
        return False
    bare = prepared(element.get("to")).partition("/")[0]
    return any(child.tag == _STANZA_ID and child.get("by") == bare for child in children(element))
