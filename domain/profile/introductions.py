"""What the site says of one who signs in, taken into what the account tells of itself.

The name goes into the vCard (XEP-0054) and is published as the nickname (XEP-0172), the
picture into the vCard (XEP-0153), and it is published as the avatar (XEP-0084). What the
site said last is kept: as long as an account shows just that, it follows the site; what its
owner has changed stays as it is.
"""

import asyncio
import hashlib
import logging
import time
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from sqlalchemy import Text, column, delete, insert, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.client import Owner
from andiron.domain.database.database import Database, DatabaseError
from andiron.domain.person import Person, shown_name
from andiron.domain.profile.avatars import Avatars
from andiron.domain.profile.photo import Photo, photo_from, photo_of, with_photo
from andiron.domain.profile.vcards import VCards
from andiron.domain.pubsub.eventing import PersonalEventing
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaError
from andiron.xmpp.escape import escape_text
from andiron.xmpp.tree import Tree, parse_text, serialise

__all__ = ["Introductions"]

logger = logging.getLogger("andiron.domain")

_SAID: Final = table(
    "introductions", column("username", Text), column("name", Text), column("photo", Text)
)
_NAMES: Final = tuple(f"{{{ns.VCARD}}}{name}" for name in ("FN", "NICKNAME"))
_EMPTY: Final = f"<vCard xmlns='{ns.VCARD}'/>"
_ITEM: Final = "current"
_NO_AVATAR: Final = f"<metadata xmlns='{ns.AVATAR_METADATA}'/>"


@dataclass(frozen=True, slots=True)
class _Word:
    """What the site says, or said."""

    name: str = ""
    photo: str = ""
    """The picture's id."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What an introduction changed."""

    before: _Word
    photo_changed: bool


class Introductions:
    """Takes what the site says of people into their vCards and what they publish."""

    def __init__(
        self,
        database: Database,
        vcards: VCards,
        avatars: Avatars,
        pubsub: PersonalEventing,
        max_photo: int,
    ) -> None:
        """Take how many bytes a picture may have."""
        self._database = database
        self._vcards = vcards
        self._avatars = avatars
        self._pubsub = pubsub
        self._max_photo = max_photo
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def take(self, owner: Owner, person: Person) -> str:
        """Let an account show what the site says of its owner, but for what he changed himself.

        Returns what the site calls him now. What cannot be kept is logged, and left out.
        """
        turn = self._turns.setdefault(owner.jid, asyncio.Lock())
        async with turn:
            try:
                return await self._take(owner, person)
            except (StanzaError, DatabaseError) as error:
                logger.warning("what the site says of %s could not be kept: %s", owner.jid, error)
                return ""

    async def _take(self, owner: Owner, person: Person) -> str:
        said = await self._database.read(lambda connection: _read(connection, owner.username))
        image = person.avatar
        if image is not None and len(image) > self._max_photo:
            logger.info("the picture of %s is too large: %d bytes", owner.jid, len(image))
            image = None
        word = _Word(
            shown_name(person.display_name) or said.name,
            said.photo if image is None else _id_of(image),
        )
        photo = None
        if image and word.photo != said.photo:
            photo = photo_from(image)
            if photo is None:
                logger.info("the picture of %s is none that is known here", owner.jid)
                word = _Word(word.name, said.photo)
        if word == said:
            return word.name
        outcome = await self._keep(owner, word, photo)
        stamp = time.time()
        if word.name != outcome.before.name:
            await self._publish_name(owner, word.name, outcome.before.name, stamp)
        if outcome.photo_changed and photo is not None:
            await self._avatars.to_pubsub(owner.jid, photo, stamp)
        elif outcome.photo_changed:
            await self._pubsub.publish(owner.jid, ns.AVATAR_METADATA, "", _NO_AVATAR, {}, stamp)
        return word.name

    async def _keep(self, owner: Owner, word: _Word, photo: Photo | None) -> _Outcome:
        """Change the vCard where it shows what the site said before, and keep what it says now."""

        async def operation(connection: AsyncConnection) -> tuple[_Outcome, str]:
            before = await _read(connection, owner.username)
            await _write(connection, owner.username, word)
            text = await self._vcards.text_of(connection, owner.username)
            vcard = parse_text(text or _EMPTY)
            shown = photo_of(vcard)
            id_ = shown.id if shown else ""
            changes_photo = word.photo != before.photo and id_ == before.photo
            renamed = word.name != before.name and _rename(vcard, before.name, word.name)
            if renamed or changes_photo:
                new = with_photo(vcard, photo) if changes_photo else serialise(vcard)
                id_ = word.photo if changes_photo else id_
                await self._vcards.put(connection, owner.username, new, id_)
            return _Outcome(before, changes_photo), id_

        outcome, id_ = await self._database.write(operation, owner.username)
        self._vcards.name_photo(owner.jid, id_)
        return outcome

    async def _publish_name(self, owner: Owner, name: str, before: str, stamp: float) -> None:
        item = await self._pubsub.last_item(owner.jid, ns.NICK)
        shown = (parse_text(item.payload).text or "") if item and item.payload else ""
        if shown == before:
            payload = f"<nick xmlns='{ns.NICK}'>{escape_text(name)}</nick>"
            await self._avatars.publish(owner.jid, ns.NICK, _ITEM, payload, stamp)


def _rename(vcard: Tree, before: str, name: str) -> bool:
    """Put a name into a vCard where it has the one before; tell whether it did."""
    renamed = False
    for tag in _NAMES:
        found = vcard.find(tag)
        if (found.text or "" if found is not None else "") != before:
            continue
        if found is None:
            found = vcard.makeelement(tag, {})
            vcard.insert(0, found)
        found.text = name
        renamed = True
    return renamed


def _id_of(image: bytes) -> str:
    return hashlib.sha1(image, usedforsecurity=False).hexdigest() if image else ""


async def _read(connection: AsyncConnection, username: str) -> _Word:
    query = select(_SAID.c.name, _SAID.c.photo).where(_SAID.c.username == username)
    found = (await connection.execute(query)).first()
    return _Word() if found is None else _Word(*found)


async def _write(connection: AsyncConnection, username: str, word: _Word) -> None:
    await connection.execute(delete(_SAID).where(_SAID.c.username == username))
    row = {"username": username, "name": word.name, "photo": word.photo}
    await connection.execute(insert(_SAID), [row])
