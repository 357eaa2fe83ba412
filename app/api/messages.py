"""Messages and notifications of the site's code."""

from collections.abc import Callable

from andiron.api.checks import MAX_SUBJECT, text_of
from andiron.api.errors import InvalidError
from andiron.api.people import People
from andiron.api.values import MessageKind, Sent
from andiron.domain.client import Owner
from andiron.domain.domain import Domain
from andiron.domain.messages.announcing import announce
from andiron.domain.messages.composing import message_text, new_id
from andiron.domain.messages.dispatch import Dispatch
from andiron.xmpp.errors import StreamError
from andiron.xmpp.jid import JID
from andiron.xmpp.stanza import from_attribute
from andiron.xmpp.xml import Element, utf8_length

__all__ = ["MessagesApi"]

_KINDS = frozenset({"chat", "normal"})
_MAX_ID = 255


class MessagesApi:
    """Sends to accounts."""

    def __init__(
        self, domain: Domain, people: People, clock: Callable[[], float], most: int
    ) -> None:
        """``most`` is the bytes that a message may have."""
        self._people = people
        self._most = most
        self._clock = clock
        self._router = domain.router
        self._read = domain.reader.read
        self._dispatch = Dispatch(
            domain.router, domain.owners, domain.offline, domain.archive, clock=clock
        )

    async def send(
        self,
        to: str,
        body: str,
        *,
        sender: str,
        subject: str,
        kind: MessageKind,
        message_id: str,
    ) -> Sent:
        """Send a message."""
        if kind not in _KINDS:
            raise InvalidError("The kind of a message is chat or normal.")
        identity = text_of(message_id, "The id", _MAX_ID) or new_id()
        self._check(body, subject)
        owner, address, jid = await self._between(sender, to)
        element = self._element(address, jid.bare, kind, identity, subject, body)
        return Sent(id=identity, archive_id=await self._dispatch.send(element, owner, jid))

    async def notify(self, to: str, body: str, *, sender: str, subject: str) -> int:
        """Send a notification."""
        self._check(body, subject)
        owner, address, jid = await self._between(sender, to)
        element = self._element(address, jid.bare, "headline", new_id(), subject, body)
        return await self._dispatch.inform(element, owner, jid)

    async def announce(self, body: str, subject: str) -> int:
        """Tell all who are online."""
        self._check(body, subject)
        domain = self._router.domain
        # To none it is longer than to this address.
        self._element(domain, f"{'x' * 1023}@{domain}", "headline", new_id(), subject, body)
        return await announce(self._router, self._clock, body, subject)

    def _check(self, body: str, subject: str) -> None:
        text_of(body, "The body", self._most, least=1)
        text_of(subject, "The subject", MAX_SUBJECT)

    async def _between(self, sender: str, to: str) -> tuple[Owner, str, JID]:
        """Return who speaks, from which address, and to whom; nobody is made for a wrong name."""
        self._people.jid(to)
        owner, address = await self._people.speaking(sender)
        return owner, address, await self._people.addressed(to)

    def _element(
        self, sender: str, to: str, kind: str, identity: str, subject: str, body: str
    ) -> Element:
        text = message_text(from_attribute(sender), to, kind, identity, subject, body)
        if utf8_length(text) > self._most:
            raise InvalidError(
                f"The message has more than {self._most} bytes (the setting max_stanza_size)."
            )
        try:
            return self._read(text)
        except StreamError as error:
            raise InvalidError(f"The message is not one: {error}.") from None
