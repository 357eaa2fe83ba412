"""Messages and notifications of the site's code."""

import secrets
from collections.abc import Callable

from andiron.api.checks import text_of
from andiron.api.errors import InvalidError
from andiron.api.people import People
from andiron.api.values import MessageKind, Sent
from andiron.domain.domain import Domain
from andiron.domain.messages.dispatch import Dispatch
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StreamError
from andiron.xmpp.escape import escape, escape_text
from andiron.xmpp.stanza import from_attribute
from andiron.xmpp.xml import Element, utf8_length

__all__ = ["MessagesApi", "message_text", "new_id"]

_KINDS = frozenset({"chat", "normal"})
_MAX_SUBJECT = 1000
_MAX_ID = 255


class MessagesApi:
    """Sends to accounts."""

    def __init__(
        self, domain: Domain, people: People, clock: Callable[[], float], most: int
    ) -> None:
        """``most`` is the bytes that a message may have."""
        self._people = people
        self._most = most
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
        body = text_of(body, "The body", self._most, least=1)
        subject = text_of(subject, "The subject", _MAX_SUBJECT)
        self._people.jid(to)
        owner, address = await self._people.speaking(sender)
        jid = await self._people.addressed(to)
        element = self._element(address, jid.bare, kind, identity, subject, body)
        return Sent(id=identity, archive_id=await self._dispatch.send(element, owner, jid))

    async def notify(self, to: str, body: str, *, sender: str, subject: str) -> int:
        """Send a notification."""
        body = text_of(body, "The body", self._most, least=1)
        subject = text_of(subject, "The subject", _MAX_SUBJECT)
        self._people.jid(to)
        owner, address = await self._people.speaking(sender)
        jid = await self._people.addressed(to)
        element = self._element(address, jid.bare, "headline", new_id(), subject, body)
        return await self._dispatch.inform(element, owner, jid)

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


def message_text(sender: str, to: str, kind: str, identity: str, subject: str, body: str) -> str:
    """Return a message; ``sender`` is its attribute, with a leading space, or empty."""
    addressed = f" to='{escape(to)}'" if to else ""
    told = f"<subject>{escape_text(subject)}</subject>" if subject else ""
    return (
        f"<message{sender} xmlns='{ns.CLIENT}'{addressed} type='{kind}' id='{escape(identity)}'>"
        f"{told}<body>{escape_text(body)}</body></message>"
    )


def new_id() -> str:
    """Return an id for a message of the site's."""
    return f"site-{secrets.token_urlsafe(12)}"
