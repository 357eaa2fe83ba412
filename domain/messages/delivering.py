"""Messages are delivered to who is there: by the table, with copies for who wants them.

RFC 6121 section 8.5, XEP-0280.
"""

from collections.abc import Iterable, Sequence

from andiron.domain.client import Client
from andiron.domain.messages import carbons, sharing
from andiron.domain.router import Action, Router, message_row, refuse, worth_keeping
from andiron.xmpp.errors import StanzaError
from andiron.xmpp.jid import JID
from andiron.xmpp.xml import Element

__all__ = ["deliver", "give"]


def deliver(
    router: Router, element: Element, text: str, jid: JID, now: float, but: Client | None = None
) -> str:
    """Deliver a message to ``jid``; ``text`` is what is delivered of ``element``.

    ``but`` is who needs no copy: it sent the message. Returns the bare JID of the account for
    which the caller must have it stored, else ``""``. Raises :class:`StanzaError` for its sender.
    """
    action = message_row(element)[router.situation(jid)]
    got: Sequence[Client]
    match action:
        case Action.DELIVER:
            got = (router.full[jid.full],)
        case Action.BEST:
            got = router.best(jid.bare)
        case Action.ALL:
            there = router.available(jid.bare)
            _spread([client for client in there if client.reachable], text, now)
            return ""
        case Action.STORE:
            account: str = jid.bare
            return account if worth_keeping(element) else ""
        case _:
            refuse(action)
            return ""
    if give(got, element, text, now, but):
        return ""
    return deliver(router, element, text, jid, now, but)  # Who had it has ended.


def give(
    got: Sequence[Client], element: Element, text: str, now: float, but: Client | None = None
) -> bool:
    """Give a message to resources of an account, and copies to those that want them.

    ``but`` is who needs none. False: it has ended the sessions of all, and is with nobody.
    Raises :class:`StanzaError` where none takes it.
    """
    owner = got[0].owner
    copied = carbons.lacking(owner, got, but, element) if owner.carbons else ()
    if len(got) == 1 and not copied:
        got[0].deliver(text, now)
        return True
    share = sharing.begin(owner, text)
    _spread(got, share, now)
    carbons.copy_received(copied, share, now, element.get("type"))
    return share.shared.given()


def _spread(clients: Iterable[Client], text: str, now: float) -> None:
    """Deliver to several resources; the sender hears of an error when none took it."""
    taken = False
    error: StanzaError | None = None
    for client in clients:
        if not client.bound:
            continue  # It has ended by what another was given.
        try:
            if isinstance(text, sharing.Share):
                text.shared.give(client, text, now)
            else:
                client.deliver(text, now)
            taken = True
        except StanzaError as refused:
            error = refused
    if error is not None and not taken:
        raise error
