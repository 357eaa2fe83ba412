"""vcard-temp, XEP-0054: what an account tells of its person, the picture among it (XEP-0153)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sqlalchemy import Text, column, delete, insert, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.client import Owner
from andiron.domain.database.database import Database
from andiron.domain.owners import Effect, Owners
from andiron.domain.profile.directory import list_names
from andiron.domain.profile.photo import Photo, photo_of, with_photo
from andiron.domain.registry import IqRequest, Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.tree import parse_tree, serialise
from andiron.xmpp.xml import Element

__all__ = ["VCards"]

_VCARDS: Final = table(
    "vcards", column("username", Text), column("text", Text), column("photo", Text)
)
PhotoChanged = Callable[[str, Photo, float], Awaitable[None]]
"""Takes the bare JID, the picture and the Unix time; it raises nothing."""
_EMPTY: Final = f"<vCard xmlns='{ns.VCARD}'/>"


class VCards:
    """The vCards of all accounts. Everybody of the domain may read them (section 3.3)."""

    def __init__(self, database: Database, owners: Owners, max_size: int) -> None:
        """Take how many bytes one may have, as it is kept."""
        self._database = database
        self._owners = owners
        self._max_size = max_size
        self.photo_changed: PhotoChanged | None = None
        """Told when an account has put another picture into its vCard."""
        owners.add_loader(_load)

    def register(self, registry: Registry) -> None:
        """Answer for every account.

        An attempt to change somebody else's finds no handler: who gets
        ``forbidden``, as section 3.2 has it, would know that the account exists.
        """
        registry.add(Target.ACCOUNT, "get", ns.VCARD, "vCard", self._own)
        registry.add(Target.ACCOUNT, "set", ns.VCARD, "vCard", self._set)
        registry.add(Target.CONTACT, "get", ns.VCARD, "vCard", self._contacts)
        for target in Target:
            registry.add_feature(target, ns.VCARD)

    async def read(self, username: str) -> str:
        """Return an account's vCard, empty where there is none."""
        return await self._database.read(lambda connection: self.text_of(connection, username))

    async def text_of(self, connection: AsyncConnection, username: str) -> str:
        """Read an account's vCard within an operation of the database."""
        query = select(_VCARDS.c.text).where(_VCARDS.c.username == username)
        return await connection.scalar(query) or ""

    async def put(self, connection: AsyncConnection, username: str, text: str, photo: str) -> None:
        """Write an account's vCard within an operation; ``photo`` is its picture's id, or empty.

        Call :meth:`name_photo` when that is committed. Raises :class:`StanzaError` where it
        has no room.
        """
        if len(text.encode()) > self._max_size:
            raise StanzaError(StanzaCondition.POLICY_VIOLATION, f"at most {self._max_size} bytes")
        await connection.execute(delete(_VCARDS).where(_VCARDS.c.username == username))
        if text:
            row = {"username": username, "text": text, "photo": photo}
            await connection.execute(insert(_VCARDS), [row])
        await list_names(connection, username, text)

    def name_photo(self, account: str, photo: str) -> None:
        """Let an account's presence tell of its picture from now on."""
        self._owners.change(account, _named(photo))

    async def _own(self, request: IqRequest) -> str:
        """Answer with one's own; none is an empty one, which no client takes for a failure."""
        return await self.read(request.client.owner.username) or _EMPTY

    async def _contacts(self, request: IqRequest) -> str:
        """Answer with a contact's; an account without one looks like none (section 3.3)."""
        text = await self.read(request.to.partition("@")[0])
        if not text:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
        return text

    async def _set(self, request: IqRequest) -> str:
        request.username()
        text = serialise(request.payload) if len(request.payload) else ""
        photo = photo_of(request.payload)
        before = request.client.owner.parts.get(Photo, "")
        await self._store(request.client.owner, text, photo)
        if photo is not None and photo.id != before and self.photo_changed is not None:
            await self.photo_changed(request.account, photo, request.wall)
        return ""

    async def change_photo(self, owner: Owner, photo: Photo | None) -> None:
        """Put another picture into an account's vCard, or take it out.

        Raises :class:`StanzaError` where it has no room.
        """
        text = await self.read(owner.username) or _EMPTY
        vcard = parse_tree(Element(text, ns.VCARD, "vCard", {}))
        text = with_photo(vcard, photo)
        await self._store(owner, text if len(vcard) or photo else "", photo)

    async def _store(self, owner: Owner, text: str, photo: Photo | None) -> None:
        identity = photo.id if photo else ""
        await self._database.write(
            lambda c: self.put(c, owner.username, text, identity), owner.username
        )
        self.name_photo(owner.jid, identity)


async def _load(connection: AsyncConnection, usernames: Sequence[str]) -> Effect:
    columns = _VCARDS.c
    query = select(columns.username, columns.photo).where(columns.username.in_(usernames))
    photos = {row.username: row.photo for row in await connection.execute(query)}

    def effect(owner: Owner) -> None:
        owner.parts[Photo] = photos.get(owner.username, "")

    return effect


def _named(photo: str) -> Effect:
    """Remember the name of an account's picture for its presence."""

    def effect(owner: Owner) -> None:
        owner.parts[Photo] = photo

    return effect
