"""What is kept of a message: its places in the archives, and when it has them.

XEP-0313 and XEP-0359. What is refused is in no archive, and what is in one is not refused.
"""

from typing import Final, NamedTuple, Protocol, Self

from andiron.domain.client import Owner
from andiron.domain.contacts.blocking import blocks
from andiron.domain.owners import NoSuchAccount, Owners
from andiron.domain.router import TRIFLES
from andiron.sm.payers import Payer
from andiron.sm.session import Session
from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import may_name, shows_body, tags
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.stanza import with_child
from andiron.xmpp.xml import Element

__all__ = [
    "NO_ARCHIVE",
    "UNSPOKEN",
    "Archive",
    "Held",
    "Posting",
    "Revocable",
    "Spoken",
    "admitting",
    "archivable",
    "archived",
    "stanza_id",
]

UNSPOKEN: Final = frozenset({"groupchat", "headline", "error"})
"""The types of messages that people do not say to each other."""
NO_ARCHIVE: Final = frozenset({f"{{{ns.HINTS}}}no-store", f"{{{ns.HINTS}}}no-permanent-store"})
"""Hints that keep a message out of every archive (XEP-0334 sections 4.1 and 4.2)."""


class Held(Protocol):
    """A message's place in an archive, of which it is not known yet whether it stays empty."""

    @property
    def id(self) -> str:
        """Its id there."""

    def keep(self) -> None:
        """Keep the message."""

    def drop(self) -> None:
        """Let it go; nothing remains of it."""


class Archive(Protocol):
    """Where accounts keep what they said and heard (XEP-0313)."""

    def add(self, owner: Owner, peer: str, text: str, stamp: float, cause: Payer) -> str:
        """Keep a message of Unix time ``stamp`` with the full JID ``peer``; return its id.

        ``cause`` is who sent it, on whose account it waits to be written. The id is
        empty where the account's preferences are against it. It does not wait for the database.
        """

    def add_both(
        self, sender: Owner, address: str, recipient: Owner, to: str, text: str, stamp: float
    ) -> tuple[str, str]:
        """Keep a message in the archives of both; return its ids, the recipient's first.

        It is from ``address`` of the sender, who causes it, and ``to`` one of the
        recipient, who is another. An id is empty as that of :meth:`add`.
        """

    def written(self, session: Session, ticket: int) -> bool:
        """Tell whether all that was added is in the database.

        If not, the session's stanza is handled when it is.
        """

    def hold(self, owner: Owner, peer: str, text: str, stamp: float, cause: Payer) -> Held | None:
        """Give a message its place; None where :meth:`add` would return no id.

        It must soon be kept or dropped.
        """

    async def caught_up(self) -> None:
        """Wait until all that was added is in the database.

        While that is out of reach nobody waits.
        """

    def withdraw(self, username: str, identity: str) -> None:
        """Take a message out of an account's archive again, by the id that :meth:`add` gave.

        Whoever asks for the archive from now on does not find it.
        """


class Revocable(str):
    """A message on its way to who keeps none: should it come back, its sender's is taken out.

    It goes as the very object from queue to queue, and where its text is changed, it must
    be said that this is the same message: :meth:`again`.
    """

    __slots__ = ("identity",)

    identity: str
    """Its id in the archive of its sender, which the recipient must not learn."""

    def __new__(cls, text: str, identity: str) -> Self:
        """Make one of a text."""
        made = super().__new__(cls, text)
        made.identity = identity
        return made

    @staticmethod
    def again(former: str, text: str) -> str:
        """Return ``text``, which the message ``former`` has become."""
        return Revocable(text, former.identity) if isinstance(former, Revocable) else text


def archivable(element: Element) -> bool:
    """Tell whether a message is worth an archive (XEP-0313 section 5.1.1, XEP-0334)."""
    if element.attributes.get("type", "") in UNSPOKEN:
        return False
    text = element.text
    if shows_body(text) and not may_name(text, ns.HINTS):
        return True
    found = tags(element)
    return found.isdisjoint(NO_ARCHIVE) and any(not tag.startswith(TRIFLES) for tag in found)


def stanza_id(identity: str, by: str) -> str:
    """Return the element that tells a message's id in the archive of ``by`` (XEP-0359)."""
    return _mark(identity, escape(by)) if identity else ""


def _mark(identity: str, escaped: str) -> str:
    return f"<stanza-id xmlns='{ns.STANZA_ID}' id='{identity}' by='{escaped}'/>"


async def admitting(owners: Owners, account: str, sender: str) -> Owner:
    """Return the owner of an account that takes messages of ``sender``, also while it is away.

    Raises the :class:`StanzaError` for the sender: the same for one that does not exist
    as for one that has blocked it. Raises :class:`DatabaseError` when the database fails.
    """
    try:
        owner = await owners.load(account)
    except NoSuchAccount:
        raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE) from None
    if blocks(owner, sender):
        raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
    return owner


class Spoken(NamedTuple):
    """A message as it was accepted; made for each that is archived, so it must cost little."""

    sender: Owner
    address: str
    """What it is from: an address of the sender's."""
    text: str
    stamp: float
    """When it was accepted, in Unix seconds."""


def archived(archive: Archive, spoken: Spoken, recipient: Owner, to: str) -> tuple[str, str, str]:
    """Keep a message in both archives; return it with the recipient's id, and the sender's.

    Neither may see the other's (XEP-0313 section 3.4). Last comes the recipient's id, empty
    where that keeps nothing.
    """
    sender, address, text, stamp = spoken
    if sender is recipient:
        theirs = archive.add(recipient, address, text, stamp, sender.payer)
        received = _identified(text, theirs, recipient)
        return received, received, theirs
    theirs, identity = archive.add_both(sender, address, recipient, to, text, stamp)
    received = _identified(text, theirs, recipient)
    if identity and not theirs:
        received = Revocable(text, identity)
    sent = _identified(text, identity, sender) if sender.carbons else text
    return received, sent, theirs


def _identified(text: str, identity: str, owner: Owner) -> str:
    return with_child(text, _mark(identity, owner.escaped)) if identity else text


class Posting:
    """A message that is archived on both sides as soon as the store of an account has it.

    Its places in the archives are those of when it was accepted, so that nothing said
    later comes before it. :meth:`settle` must be called in the end.
    """

    __slots__ = ("_account", "_archive", "_mine", "_owners", "_spoken", "_theirs")

    def __init__(
        self, archive: Archive | None, owners: Owners, spoken: Spoken, to: str, account: str
    ) -> None:
        """Take a message ``to`` an address of ``account``; without an archive none keeps it."""
        self._archive = archive
        self._owners = owners
        self._spoken = spoken
        self._account = account
        self._theirs: Held | None = None
        self._mine = self._hold(spoken.sender, to) if account != spoken.sender.jid else None

    @property
    def received(self) -> str:
        """The id that the message has in the recipient's archive, if it is admitted and kept."""
        return self._theirs.id if self._theirs is not None else ""

    async def admit(self) -> str:
        """Return what is added to the text that is stored: the recipient's id, if it has one.

        Raises as :func:`admitting` does.
        """
        owner = await admitting(self._owners, self._account, self._spoken.address)
        self._theirs = self._hold(owner, self._spoken.address)
        return stanza_id(self._theirs.id, self._account) if self._theirs else ""

    def settle(self, *, stored: bool) -> str:
        """Keep the message in the archives or nowhere; return its id in the sender's."""
        for held in (self._mine, self._theirs):
            if held is not None and stored:
                held.keep()
            elif held is not None:
                held.drop()
        return self._mine.id if self._mine is not None and stored else ""

    def _hold(self, owner: Owner, peer: str) -> Held | None:
        if self._archive is None:
            return None
        spoken = self._spoken
        return self._archive.hold(owner, peer, spoken.text, spoken.stamp, spoken.sender.payer)
