"""All rooms there are: made, set up, brought to an end, and kept in the database.

What a method returns that changes something is the answer to an iq, as of
:data:`andiron.domain.registry.IqHandler`: what must be stored was then stored.
"""

import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from andiron.domain.archive.mam import FEATURES
from andiron.domain.client import Client
from andiron.domain.config import RoomCreators, RoomsConfig
from andiron.domain.database.key_sizes import MAX_USERNAME, fits
from andiron.domain.database.lines import OWN
from andiron.domain.events import Events
from andiron.domain.registry import Registry
from andiron.domain.rooms.archiving import RoomArchives
from andiron.domain.rooms.config import RoomConfig
from andiron.domain.rooms.freezing import FrozenRoom, resume, seat
from andiron.domain.rooms.occupant import Occupant
from andiron.domain.rooms.outbox import Outbox
from andiron.domain.rooms.owning import Destruction, NewConfig, close, configure, destroy
from andiron.domain.rooms.picture import give_vcard
from andiron.domain.rooms.privileges import Affiliation, Role
from andiron.domain.rooms.room import Room, RoomEvents
from andiron.domain.rooms.ruling import Change, change_affiliations
from andiron.domain.rooms.speaking import Keep
from andiron.domain.rooms.store import RoomStore, StoredRoom
from andiron.sm.payers import Payer
from andiron.sm.session import Session
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.jid import JID
from andiron.xmpp.nickname import look_alikes

__all__ = ["Post", "Rooms"]

Post = Callable[[str, str, JID, float, float], None]
"""Sends a whole message, of a sender, to an account, at a Unix time, now."""

_SECRET_BYTES: Final = 32

logger = logging.getLogger("andiron.domain")


class Rooms:
    """The rooms of one service; :attr:`by_name` has them by what stands before the ``@``."""

    def __init__(
        self,
        host: str,
        config: RoomsConfig,
        store: RoomStore,
        archives: RoomArchives | None,
        post: Post,
    ) -> None:
        """Take their host name, prepared; ``archives`` is None where nothing is kept."""
        self.host = host
        self.config = config
        self.outbox = Outbox()
        self.closed = False
        self.by_name: dict[str, Room] = {}
        self._store = store
        self._archives = archives
        self._post = post
        self._made: Counter[str] = Counter()
        self.events = RoomEvents()
        self.keep: Keep = self.archive
        """How what is said is put into the archive; who is to know of it stands before that."""

    async def load(self) -> None:
        """Bring back the rooms that are kept. Raises :class:`DatabaseError`."""
        look_alikes()  # They are read now, and not while somebody enters.
        for stored in await self._store.load():
            room = self._revive(stored)
            if not room.those(Affiliation.OWNER) and not await self._inherit(room):
                await self._store.remove(room)
                self._remove_archive(room)
                continue
            self.add(room)
            for fault in room.nicks.faults():
                logger.warning("%s: %s", room.jid, fault)
            if self._archives is not None:
                await self._archives.remember(room)

    def register(self, registry: Registry, events: Events, domain: str) -> None:
        """Be found at the domain, and forget its accounts that are removed."""
        registry.items.append((self.host, "Chat rooms"))

        async def removed(username: str) -> None:
            await self.remove_account(f"{username}@{domain}")

        events.removed.append(removed)

    def find(self, jid: JID) -> Room:
        """Return the room of an address; raises ``item-not-found`` where there is none."""
        room = self.by_name.get(jid.node)
        if room is None:
            raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "there is no such room")
        return room

    def create(self, client: Client, jid: JID, now: float) -> Room:
        """Return a new room, owned by who enters it first, and locked (section 10.1.1).

        It is there once it is :meth:`added <add>`. Raises :class:`StanzaError` for one
        who may make none.
        """
        config = self.config
        may = config.create is RoomCreators.ANYONE or (
            config.create is RoomCreators.ACCOUNTS and client.owner.registered
        )
        if not may:
            raise StanzaError(StanzaCondition.NOT_ALLOWED, "you may not make rooms")
        if self._made[client.account] >= config.max_rooms_per_account:
            raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too many rooms")
        room = self.make(jid, client.account)
        room.affiliations[client.account] = Affiliation.OWNER
        room.locked_until = now + config.lock_timeout
        return room

    def make(self, jid: JID, creator: str) -> Room:
        """Return a new room of nobody, one of ``creator``'s; else as :meth:`create`."""
        if len(self.by_name) >= self.config.max_rooms:
            raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too many rooms")
        if not fits(jid.node, MAX_USERNAME):
            raise StanzaError(
                StanzaCondition.NOT_ACCEPTABLE, f"a room's name has at most {MAX_USERNAME} bytes"
            )
        secret = secrets.token_bytes(_SECRET_BYTES)
        room = self._room(jid.bare, RoomConfig(), secret)
        room.created_by = creator
        return room

    def tidy(self, room: Room) -> None:
        """Let go of a temporary room that the last one has left (section 7.14)."""
        if not room.occupants and not room.config.persistent:
            self._remove(room)

    def close(self, now: float) -> None:
        """Take everybody out, and let nobody in: the service ends (section 11.2)."""
        self.closed = True
        for room in list(self.by_name.values()):
            close(room, 332)
            self.tidy(room)
        self.outbox.flush(now)

    # Outliving the process

    async def revive(self, frozen: Iterable[Mapping[str, Any]], offset: float) -> None:
        """Have rooms that were frozen, the temporary ones too; those who sat there come next.

        ``offset`` leads from Unix times to the clock. Raises :class:`DatabaseError`, and
        ValueError for what is no room.
        """
        for plain in frozen:
            each = FrozenRoom.of(plain)
            stored = each.stored()
            if stored is not None and stored.name not in self.by_name:
                room = self._revive(stored)
                self.add(room)
                if self._archives is not None:
                    await self._archives.remember(room)
            if each.name in self.by_name:
                resume(self.by_name[each.name], each, offset)

    def seat(self, client: Client, name: str, place: Sequence[str]) -> Room | None:
        """Let a session sit where it did, and return the room; None where that is no more."""
        room = self.by_name.get(name)
        if room is not None:
            seat(room, client, *place)
        return room

    def post(self, room: Room, client: Client, text: str, jid: JID, now: float) -> None:
        """Send a room's message to an account that need not be in it."""
        self.post_at(room, text, jid, client.session.wall(now), now)

    def post_at(self, room: Room, text: str, jid: JID, wall: float, now: float) -> None:
        """Send such a message on behalf of no session, at a Unix time."""
        self._post(text, room.jid, jid, wall, now)

    # What is asked of rooms, and must be kept

    # ``payer`` is who causes it, as of :meth:`Database.write`.

    def configure(
        self, room: Room, new: NewConfig, actor: str, payer: str = OWN
    ) -> str | Awaitable[str]:
        """Set a room up."""
        was_persistent = room.config.persistent
        configure(room, new, actor)
        self.tidy(room)
        if room.config.persistent:
            return _stored(self._store.save(room, payer))
        return _stored(self._store.remove(room, payer)) if was_persistent else ""

    def destroy(
        self, room: Room, destruction: Destruction, payer: str = OWN
    ) -> str | Awaitable[str]:
        """Bring a room to its end."""
        destroy(room, destruction)
        self._remove(room)
        return _stored(self._store.remove(room, payer)) if room.config.persistent else ""

    def affiliated(
        self, room: Room, bares: Iterable[str], payer: str = OWN
    ) -> str | Awaitable[str]:
        """Keep the affiliations of some, which have changed."""
        self.tidy(room)
        if room.config.persistent and bares:
            return _stored(self._store.affiliate(room, bares, payer))
        return ""

    def updated(self, room: Room, payer: str = OWN) -> str | Awaitable[str]:
        """Keep what has changed about a room."""
        return _stored(self._store.update(room, payer)) if room.config.persistent else ""

    async def remove_account(self, bare: str) -> None:
        """Forget an account that was removed, but for bans; or one before another of its name.

        Of rooms that only it owned, the admins are owners from now on; those
        without admins come to their end. Raises :class:`DatabaseError`.
        """
        for room in list(self.by_name.values()):
            if self.by_name.get(room.node) is not room:
                continue
            had_voice = room.voices.get(bare) is Role.PARTICIPANT
            if had_voice:
                del room.voices[bare]
            if room.affiliation(bare) in _NOTHING_TO_LOSE:
                if had_voice:
                    self._tell_changed(room)
                continue
            clients = list(room.seats)
            heirs = room.those(Affiliation.ADMIN)
            if room.those(Affiliation.OWNER) != [bare]:
                done = self._affiliate(room, {bare: Affiliation.NONE})
            elif heirs:
                heritage = dict.fromkeys(heirs, Affiliation.OWNER)
                done = self._affiliate(room, {bare: Affiliation.NONE, **heritage})
            else:
                done = self.destroy(room, Destruction("Its owner is gone."))
            if clients:
                self.outbox.flush(clients[0].session.clock())
            self._tell_changed(room)
            if not isinstance(done, str):
                await done
        await self._store.forget(bare)

    # Archives

    @property
    def features(self) -> tuple[str, ...]:
        """What rooms can besides being rooms."""
        return FEATURES if self._archives is not None else ()

    def features_of(self, room: Room) -> tuple[str, ...]:
        """Return what one room can."""
        return self.features if room.archived else ()

    @property
    def archives(self) -> RoomArchives:
        """The archives; raises ``service-unavailable`` where there are none."""
        if self._archives is None:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "no archive is kept")
        return self._archives

    def archive(self, room: Room, occupant: Occupant, text: str, wall: float, cause: Payer) -> str:
        """Keep what an occupant said; return its id in the archive, empty if it is not kept."""
        archives = self._archives
        return "" if archives is None else archives.add(room, occupant, text, wall, cause)

    def written(self, session: Session, ticket: int) -> bool:
        """Tell whether all that was said is kept; if not, the stanza is handled when it is."""
        return self._archives is None or self._archives.written(session, ticket)

    async def caught_up(self) -> None:
        """Wait until all that was said is kept, unless the database is out of reach."""
        if self._archives is not None:
            await self._archives.caught_up()

    def _remove_archive(self, room: Room) -> None:
        if self._archives is not None:
            self._archives.remove(room)

    # Rooms

    def add(self, room: Room) -> None:
        """Have a room from now on."""
        self.by_name[room.node] = room
        self._made[room.created_by] += 1
        for tell in self.events.created:
            tell(room)

    def discard(self, room: Room) -> None:
        """Have a room no more that nobody has entered, and that is not kept."""
        self._remove(room)

    def _remove(self, room: Room) -> None:
        if self.by_name.get(room.node) is not room:
            return
        del self.by_name[room.node]
        self._made[room.created_by] -= 1
        if not self._made[room.created_by]:
            del self._made[room.created_by]
        self._remove_archive(room)
        for tell in self.events.destroyed:
            tell(room)

    def _tell_changed(self, room: Room) -> None:
        if self.by_name.get(room.node) is room:
            for tell in self.events.changed:
                tell(room)

    def _room(self, jid: str, config: RoomConfig, secret: bytes) -> Room:
        archiving = self._archives is not None
        return Room(
            jid,
            config,
            self.config,
            self.outbox,
            secret,
            archiving=archiving,
            events=self.events,
        )

    def _revive(self, stored: StoredRoom) -> Room:
        jid = f"{stored.name}@{self.host}"
        room = self._room(jid, stored.config, stored.secret)
        room.created_by = stored.created_by
        room.subject = stored.subject
        for bare, place in stored.places.items():
            room.settle(bare, place)
        give_vcard(room, stored.vcard)
        return room

    async def _inherit(self, room: Room) -> bool:
        """Let the admins own a room whose owners were removed; False where there are none."""
        heirs = room.those(Affiliation.ADMIN)
        done = self._affiliate(room, dict.fromkeys(heirs, Affiliation.OWNER))
        if not isinstance(done, str):
            await done
        return bool(heirs)

    def _affiliate(self, room: Room, changes: Mapping[str, Affiliation]) -> str | Awaitable[str]:
        changed = change_affiliations(room, {bare: Change(new) for bare, new in changes.items()})
        return self.affiliated(room, changed)


_NOTHING_TO_LOSE: Final = frozenset({Affiliation.NONE, Affiliation.OUTCAST})


async def _stored(written: Awaitable[None]) -> str:
    await written
    return ""
