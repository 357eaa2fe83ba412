"""A session's end where the site says who may talk to whom: stanzas wait until it has.

What somebody sends to others in particular is asked about: messages, requests, and presence
that is directed or asks for a subscription; in rooms, invitations and what is for one
occupant alone. What is said to a whole room is not, nor is an answer to a request.
"""

from collections.abc import Collection
from typing import Final, Protocol

from andiron.domain.contacts.permissions import Permissions
from andiron.domain.link import DomainLink, Host, State
from andiron.domain.messages.messages import Messages
from andiron.sm.session import Session
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.jid import parse_jid
from andiron.xmpp.namespaces import CLIENT
from andiron.xmpp.xml import Element

__all__ = ["GuardedLink"]

_ASKING: Final = {
    "presence": frozenset({"", "subscribe", "probe"}),
    "iq": frozenset({"get", "set"}),
}
"""The types that are asked about; of messages all are."""


class GuardedHost(Host, Protocol):
    """What such a link needs of its domain."""

    permissions: Permissions | None
    messages: Messages


class GuardedLink(DomainLink):
    """One session's end in a domain whose site says who may talk to whom."""

    __slots__ = ("_permissions", "_refused", "_verdict")

    def __init__(self, domain: GuardedHost, session: Session) -> None:
        super().__init__(domain, session)
        assert domain.permissions is not None
        self._permissions = domain.permissions
        self._refused = domain.messages
        self._verdict: bool | None = None
        """What the site has said of the stanza that is taken up now."""

    def receive(self, element: Element, ticket: int, now: float) -> bool:
        """Take one element, at once where nobody need be asked.

        While the site is asked nothing further is read of the client, so that the order stays.
        """
        if self.state is not State.BOUND or element.namespace != CLIENT:
            return super().receive(element, ticket, now)
        verdict = self._verdict
        if verdict is None:
            names = self._reached(element)
            known = [self._permissions.known(self.owner.username, name) for name in names]
            verdict = all(known)
            if None in known and False not in known:
                self.session.hold()
                self._domain.tasks.spawn(self.session.errand(self._ask(element, ticket, names)))
                return False
        if verdict:
            return super().receive(element, ticket, now)
        self._forbid(element, now)
        return True

    async def _ask(self, element: Element, ticket: int, names: Collection[str]) -> None:
        session = self.session
        try:
            verdict = await self._permissions.ask_all(self.owner.username, names)
            self._verdict = verdict
            session.take_up(element, ticket)
        finally:
            self._verdict = None
            session.go_on()

    def _reached(self, element: Element) -> Collection[str]:
        """Return the usernames of the others whom a stanza reaches in particular."""
        to = element.attributes.get("to")
        kinds = _ASKING.get(element.name)
        if to is None or (kinds is not None and element.get("type") not in kinds):
            return ()
        router = self._domain.router
        bound = router.full.get(to)
        if bound is not None:
            return (bound.owner.username,) if bound.account != self.account else ()
        try:
            jid = parse_jid(to)
            service = router.services.get(jid.domain)
            if service is not None:
                accounts = service.reached(self, element, jid)
            elif jid.domain == router.domain and jid.node:
                accounts = {jid.bare}
            else:
                accounts = ()
        except StanzaError:
            return ()  # Who takes it finds so, too, and answers.
        at = f"@{router.domain}"
        others = {each for each in accounts if each != self.account and each.endswith(at)}
        return [each.removesuffix(at) for each in sorted(others)]

    def _forbid(self, element: Element, now: float) -> None:
        """Refuse a stanza; presence that the other would have seen is let go (XEP-0191 3.3)."""
        if element.name == "presence" and element.get("type") != "subscribe":
            return
        error = StanzaError(StanzaCondition.FORBIDDEN, "you may not contact this person")
        if element.name == "message":
            self._refused.copy_sent(self, element, now, error)
        self.refuse(element, error, now)
