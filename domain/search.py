"""User search, XEP-0055: people are looked up by names, among those whom one may find."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Final

from andiron.domain.about.disco import info, items
from andiron.domain.client import Client
from andiron.domain.config import SearchScope
from andiron.domain.contacts.blocking import blocks
from andiron.domain.contacts.permissions import Permissions
from andiron.domain.contacts.roster import roster_of
from andiron.domain.database.database import DatabaseError
from andiron.domain.iq import Iqs, only_payload
from andiron.domain.profile.directory import Directory, Found, folded
from andiron.domain.registry import Identity
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape, escape_text
from andiron.xmpp.forms import Field, find_form, write_form
from andiron.xmpp.jid import JID
from andiron.xmpp.tree import Tree
from andiron.xmpp.xml import Element

__all__ = ["SearchService"]

logger = logging.getLogger("andiron.domain")

_QUERY: Final = f"{{{ns.SEARCH}}}query"
_NICK: Final = f"{{{ns.SEARCH}}}nick"
_INSTRUCTIONS: Final = "Enter how the name of a person, or of an account, begins."
_LEAST: Final = 2
"""Characters that must be given, so that nobody lists all."""
_PAGES: Final = 5
"""Pages of candidates that are looked through for those whom one may find."""
_PER_MINUTE: Final = 30
_KNOWN: Final = 10_000
"""Accounts whose searches are counted."""


class SearchService:
    """Answers at an address of its own; a :class:`andiron.domain.events.Service`."""

    def __init__(
        self,
        host: str,
        scope: SearchScope,
        most: int,
        directory: Directory,
        iqs: Iqs,
        permissions: Permissions | None,
    ) -> None:
        """``most`` is how many people one answer has."""
        self.domain = host
        self._scope = scope
        self._most = most
        self._directory = directory
        self._iqs = iqs
        self._permissions = permissions
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    # The Service protocol

    def message(self, client: Client, element: Element, jid: JID, ticket: int, now: float) -> bool:  # noqa: ARG002
        """Refuse it: nobody is here."""
        if element.get("type") == "error":
            return True
        raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)

    def sharers(self, client: Client, jid: JID) -> Collection[Client] | None:  # noqa: ARG002
        """Return None: nothing is private."""
        return None

    def reached(self, client: Client, element: Element, jid: JID) -> Collection[str]:  # noqa: ARG002
        """Return nobody: whom one may find is looked at in the answer."""
        return ()

    def presence(self, client: Client, element: Element, jid: JID, ticket: int, now: float) -> bool:  # noqa: ARG002
        """Let it go: the service has none."""
        return True

    def left(self, client: Client, now: float) -> None:
        """Know nothing of it."""

    def places(self, client: Client) -> Mapping[str, list[str]]:  # noqa: ARG002
        """Return nothing: nobody is here."""
        return {}

    def seat(self, client: Client, places: object) -> None:
        """Seat nobody."""

    def hide(self, client: Client, jid: str, now: float) -> None:
        """Show nothing."""

    def show(self, client: Client, jid: str, now: float) -> None:
        """Show nothing."""

    def iq(self, client: Client, element: Element, jid: JID, ticket: int, now: float) -> bool:
        """Answer a request to the service."""
        kind = element.get("type")
        if kind not in {"get", "set"}:
            return True
        payload = only_payload(element)
        if not jid.node and not jid.resource and payload.tag == _QUERY:
            if kind == "get":
                return self._iqs.answer(client, element, _form, ticket, now, self.domain)
            text, by_form = _asked(payload)
            self._count(client, now)
            return self._iqs.answer(
                client, element, lambda: self._answer(client, text, by_form), ticket, now
            )
        call = _DISCO.get((kind, payload.tag))
        if call is None or jid.node or jid.resource or payload.get("node"):
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
        return self._iqs.answer(client, element, call, ticket, now, self.domain)

    # The search

    async def _answer(self, client: Client, text: str, by_form: bool) -> str:
        try:
            return _written(await self._found(client, text), client, by_form)
        except DatabaseError:
            logger.exception("%s: a search failed", client.jid, extra=client.session.logged)
            raise StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR) from None

    async def _found(self, client: Client, text: str) -> list[Found]:
        found: list[Found] = []
        after = ""
        for _ in range(_PAGES):
            page = await self._directory.find(text, after)
            for each in page:
                if await self._may_find(client, each.username):
                    found.append(each)
                    if len(found) == self._most:
                        return found
            if not page:
                break
            after = page[-1].username
        return found

    async def _may_find(self, client: Client, username: str) -> bool:
        own, domain = client.owner, client.session.domain
        account = f"{username}@{domain}"
        if account == own.jid or blocks(own, account):
            return False
        if self._scope is SearchScope.GROUPS and not roster_of(own).shares(account):
            return False
        return self._permissions is None or await self._permissions.ask(own.username, username)

    def _count(self, client: Client, now: float) -> None:
        """Refuse a search of one who has made too many, and of who has no account."""
        if not client.owner.registered:
            raise StanzaError(StanzaCondition.NOT_ALLOWED, "for people with an account")
        began, count = self._counts.get(client.account, (now, 0))
        if now - began >= 60.0:
            began, count = now, 0
        if count >= _PER_MINUTE:
            raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too many searches; wait")
        self._counts[client.account] = began, count + 1
        self._counts.move_to_end(client.account)
        if len(self._counts) > _KNOWN:
            self._counts.popitem(last=False)


def _asked(query: Tree) -> tuple[str, bool]:
    """Return what is looked for, folded, and whether by a form. Raises :class:`StanzaError`."""
    form = find_form(query)
    if form is not None and (form.type != "submit" or form.form_type != ns.SEARCH):
        raise StanzaError(StanzaCondition.BAD_REQUEST, "submit the form")
    given = (query.findtext(_NICK) or "") if form is None else form.text("nick")
    text = folded(given.rstrip("*"))
    if len(text) < _LEAST:
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, f"give {_LEAST} characters or more")
    return text, form is not None


def _form() -> str:
    """Return what may be asked for (sections 2.1 and 3)."""
    field = Field("nick", (), "text-single", "Name", required=True)
    form = write_form("form", ns.SEARCH, [field], title="Find people", instructions=_INSTRUCTIONS)
    told = f"<instructions>{_INSTRUCTIONS}</instructions><nick/>"
    return f"<query xmlns='{ns.SEARCH}'>{told}{form}</query>"


def _written(found: list[Found], client: Client, by_form: bool) -> str:
    people = [(escape(f"{one.username}@{client.session.domain}"), one.shown) for one in found]
    if not by_form:
        inner = "".join(
            f"<item jid='{jid}'><first/><last/><nick>{escape_text(shown)}</nick><email/></item>"
            for jid, shown in people
        )
        return f"<query xmlns='{ns.SEARCH}'>{inner}</query>"
    reported = (
        "<reported><field var='jid' type='jid-single' label='Address'/>"
        "<field var='nick' type='text-single' label='Name'/></reported>"
    )
    rows = "".join(
        f"<item><field var='jid'><value>{jid}</value></field>"
        f"<field var='nick'><value>{escape_text(shown)}</value></field></item>"
        for jid, shown in people
    )
    kind = f"<field var='FORM_TYPE' type='hidden'><value>{ns.SEARCH}</value></field>"
    form = f"<x xmlns='{ns.DATA}' type='result'>{kind}{reported}{rows}</x>"
    return f"<query xmlns='{ns.SEARCH}'>{form}</query>"


def _info() -> str:
    return info([Identity("directory", "user", "User search")], [ns.DISCO_INFO, ns.SEARCH])


_DISCO: Final[dict[tuple[str, str], Callable[[], str]]] = {
    ("get", f"{{{ns.DISCO_INFO}}}query"): _info,
    ("get", f"{{{ns.DISCO_ITEMS}}}query"): lambda: items(()),
}
