"""HTTP File Upload, XEP-0363: slots for clients, and the files that came by them.

The HTTP half is in ``app/upload.py``; it asks :class:`Uploads` for everything.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from andiron.domain.config import UploadConfig
from andiron.domain.database.database import Database, DatabaseError
from andiron.domain.owners import NoSuchAccount
from andiron.domain.registry import DiscoForm, IqRequest, Registry, Target
from andiron.domain.uploads.slot import (
    NO_TYPE,
    Signer,
    Slot,
    folder_of,
    id_of,
    media_type,
    new_token,
    safe_name,
)
from andiron.domain.uploads.store import DiskStore, Incoming, UploadStore
from andiron.domain.uploads.table import QuotaExceeded, Upload, UploadTable, charge
from andiron.sm.link import Channel
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.forms import Field
from andiron.xmpp.stanza import timestamp

__all__ = ["SiteChannel", "SlotUsed", "TooManyUploads", "Uploads", "open_uploads"]

logger = logging.getLogger("andiron.domain")

SLOT_LIFETIME: Final = 300
"""Seconds; what the specification recommends (section 8)."""
_META_KEY: Final = "upload_secret"
_SIZE: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_STALE: Final = 3600
"""Seconds after which a file that belongs to no row is nobody's for good."""


@dataclass(frozen=True, slots=True)
class SiteChannel(Channel):
    """A channel that knows where its client finds this application's other paths."""

    base_url: str = ""
    """An http or https URL without a slash at its end; empty where the client named no host."""


class SlotUsed(Exception):  # noqa: N818
    """The slot's file has come already, or is coming."""


class TooManyUploads(Exception):  # noqa: N818
    """As many files of this account are coming in as may at a time."""


class Uploads:
    """The uploaded files of a domain.

    Register it, :meth:`start` it when the database is open, then let
    :meth:`run` go beside it.
    """

    def __init__(
        self,
        config: UploadConfig,
        store: UploadStore,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take where files are kept and a clock that tells Unix time."""
        self.config = config
        self.max_size = min(config.max_size, config.quota)
        self.clock = clock
        self._store = store
        self._reserved = Reservations(config.max_slots, clock)
        self._coming: dict[str, set[str]] = {}
        self._signer: Signer
        self._table: UploadTable

    def register(self, registry: Registry) -> None:
        """Give slots to who asks the domain for one (section 3)."""
        registry.add(Target.DOMAIN, "get", ns.UPLOAD, "request", self.request)
        registry.add_feature(Target.DOMAIN, ns.UPLOAD)
        limit = Field("max-file-size", (str(self.max_size),))
        registry.forms[Target.DOMAIN].append(DiscoForm(ns.UPLOAD, (limit,)))

    async def start(self, database: Database) -> None:
        """Begin to serve. Raises :class:`DatabaseError`."""
        secret = await database.get_or_set_meta(_META_KEY, secrets.token_hex(32))
        self._signer = Signer(bytes.fromhex(secret))
        self._table = UploadTable(database)

    async def run(self) -> None:
        """Sweep now and then, until cancelled."""
        while True:
            try:
                await self.sweep()
            except (DatabaseError, OSError) as error:
                logger.warning("uploads could not be swept: %s", error)
            await asyncio.sleep(self.config.sweep_interval)

    # Slots

    async def request(self, request: IqRequest) -> str:
        """Answer ``<request/>`` with a slot (section 4), or raise what section 6 says."""
        slot = self._slot(request)
        base = self._base_url(request)
        total = self._reserved.add(slot)
        try:
            await self._check_quota(slot, total)
        except BaseException:
            self._reserved.remove(slot)
            raise
        url = f"{base}/upload/{slot.token}/{quote(slot.name, safe='')}"
        authorization = self._signer.authorization(slot)
        return (
            f"<slot xmlns='{ns.UPLOAD}'><put url='{escape(url)}'>"
            f"<header name='Authorization'>{authorization}</header></put>"
            f"<get url='{escape(url)}'/></slot>"
        )

    def _slot(self, request: IqRequest) -> Slot:
        payload = request.payload
        name, size = payload.get("filename", ""), payload.get("size", "").strip()
        given = payload.get("content-type", "")
        kind = media_type(given) if given.strip() else ""
        if not name or not _SIZE.fullmatch(size) or int(size) == 0:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "a request has a filename and a size")
        if kind is None:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "that is no content-type")
        if not request.client.owner.registered:
            raise StanzaError(StanzaCondition.FORBIDDEN, "only accounts may upload files")
        if not self._allowed(kind or NO_TYPE):
            raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "files of this type are not taken")
        if int(size) > self.max_size:
            raise StanzaError(
                StanzaCondition.NOT_ACCEPTABLE,
                f"The file is too large; at most {self.max_size} bytes are taken.",
                extra=f"<file-too-large xmlns='{ns.UPLOAD}'>"
                f"<max-file-size>{self.max_size}</max-file-size></file-too-large>",
            )
        owner = request.client.owner.username
        expires = int(self.clock()) + SLOT_LIFETIME
        return Slot(new_token(), safe_name(name), kind, int(size), owner, expires)

    def _allowed(self, kind: str) -> bool:
        types = self.config.types
        return not types or kind in types or f"{kind.partition('/')[0]}/*" in types

    def _base_url(self, request: IqRequest) -> str:
        if self.config.public_url:
            return self.config.public_url
        transport = request.client.session.transport
        channel = None if transport is None else transport.channel
        if isinstance(channel, SiteChannel) and channel.base_url:
            return channel.base_url
        raise StanzaError(
            StanzaCondition.SERVICE_UNAVAILABLE, "where this site is found is not known here"
        )

    async def _check_quota(self, slot: Slot, reserved: int | None) -> None:
        """Refuse a slot that its owner's files and slots leave no room for.

        ``reserved`` was counted before the database is asked, so that a file
        that comes meanwhile counts twice rather than not at all.
        """
        now = self.clock()
        if reserved is None:
            raise _retry("Too many slots are open.", now + SLOT_LIFETIME)
        used = await self._table.used(slot.owner)
        if used + reserved <= self.config.quota:
            return
        text = f"Your files may take {self.config.quota} bytes in all."
        if used + charge(slot.size) <= self.config.quota:
            raise _retry(text, now + SLOT_LIFETIME)
        oldest = await self._table.oldest(slot.owner)
        if not self.config.expiry or oldest is None:
            # Waiting would not help: no "wait".
            raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, text, type="cancel")
        raise _retry(text, max(oldest + self.config.expiry, now) + self.config.sweep_interval)

    # Files that come

    def slot(self, token: str, name: str, authorization: str) -> Slot | None:
        """Return the slot that an upload was given, None when it was not or has expired."""
        slot = self._signer.read(token, name, authorization)
        return None if slot is None or slot.expires <= self.clock() else slot

    @asynccontextmanager
    async def receiving(self, slot: Slot) -> AsyncIterator[Incoming]:
        """Take a slot's file: write it, then :meth:`keep` it; else it is discarded.

        Raises :class:`SlotUsed`, :class:`TooManyUploads`, :class:`DatabaseError`
        or OSError.
        """
        identity = _id(slot)
        coming = self._coming.setdefault(slot.owner, set())
        if identity in coming:
            raise SlotUsed
        if len(coming) >= self.config.max_concurrent:
            raise TooManyUploads
        coming.add(identity)
        try:
            if await self._table.find(identity) is not None:
                raise SlotUsed
            incoming = await self._store.create(folder_of(slot.owner), identity)
            try:
                yield incoming
            finally:
                incoming.discard()
        finally:
            coming.discard(identity)
            if not coming:
                self._coming.pop(slot.owner, None)

    async def keep(self, slot: Slot, incoming: Incoming) -> None:
        """Make a file that came whole one that can be found.

        Raises :class:`QuotaExceeded` or :class:`NoSuchAccount`, which were in
        order when the slot was given, :class:`DatabaseError` or OSError.
        """
        identity = _id(slot)
        await incoming.commit()
        row = Upload(identity, slot.owner, slot.name, slot.type, slot.size, self.clock())
        try:
            await self._table.add(row, self.config.quota)
        except (QuotaExceeded, NoSuchAccount, DatabaseError):
            await self._store.remove(folder_of(slot.owner), identity)
            raise
        self._reserved.remove(slot)

    # Files that are here

    async def find(self, token: str, name: str) -> Upload | None:
        """Return the file of a URL's parts."""
        identity = id_of(token)
        upload = None if identity is None else await self._table.find(identity)
        if upload is None or upload.name != name or self.seconds_left(upload) <= 0:
            return None
        return upload

    def seconds_left(self, upload: Upload) -> float:
        """Return for how long a file will be here, infinity without an end."""
        if not self.config.expiry:
            return float("inf")
        return upload.stamp + max(self.config.expiry, SLOT_LIFETIME) - self.clock()

    def read(self, upload: Upload, start: int, stop: int) -> AsyncIterator[bytes]:
        """Return a file's bytes; raises FileNotFoundError or another OSError on the way."""
        return self._store.read(folder_of(upload.username), upload.id, start, stop)

    async def remove_account(self, username: str) -> None:
        """Remove all files of an account that was removed.

        Where there is another of its name by now, they are left to the sweep.
        """
        if not await self._table.is_nobodys(username):
            return
        try:
            await self._store.remove_folder(folder_of(username))
        except OSError as error:
            # Nobody can get them any more, and the next sweep tries again.
            logger.warning("the files of %s could not be removed: %s", username, error)

    async def sweep(self) -> None:
        """Remove files that have expired and those that no row knows of.

        A file without a row is one whose account is gone, or whose upload the
        end of the process cut short.
        """
        now = self.clock()
        self._reserved.forget_expired()
        if self.config.expiry:
            before = now - max(self.config.expiry, SLOT_LIFETIME)
            while expired := await self._table.take_older(before):
                for upload in expired:
                    await self._store.remove(folder_of(upload.username), upload.id)
        stale = now - max(_STALE, 2 * self.config.timeout)
        async for folder, names in self._store.older(stale):
            known = await self._table.known(names)
            for name in names:
                if name not in known:
                    await self._store.remove(folder, name)


async def open_uploads(config: UploadConfig, database: Database) -> Uploads | None:
    """Return the uploads of a domain, started; None, with a warning, where no file can be stored.

    Raises :class:`DatabaseError`.
    """
    store = DiskStore(config.directory)
    problem = store.problem()
    if problem:
        logger.warning("Files cannot be uploaded: %s (ANDIRON_UPLOAD_DIR)", problem)
        return None
    uploads = Uploads(config, store)
    await uploads.start(database)
    return uploads


class Reservations:
    """What open slots may yet take of their owners' quotas; they are bounded in number."""

    def __init__(self, max_slots: int, clock: Callable[[], float]) -> None:
        self._max = max_slots
        self._clock = clock
        self._slots: dict[str, dict[str, Slot]] = {}

    def add(self, slot: Slot) -> int | None:
        """Count a slot; return what all of its owner's may take, None when they are too many."""
        mine = self._slots.setdefault(slot.owner, {})
        self._drop_expired(mine)
        if len(mine) >= self._max:
            return None
        mine[slot.token] = slot
        return sum(charge(other.size) for other in mine.values())

    def remove(self, slot: Slot) -> None:
        """Count a slot no more."""
        mine = self._slots.get(slot.owner, {})
        mine.pop(slot.token, None)
        if not mine:
            self._slots.pop(slot.owner, None)

    def forget_expired(self) -> None:
        """Count no slot whose time is over."""
        for owner, mine in list(self._slots.items()):
            self._drop_expired(mine)
            if not mine:
                del self._slots[owner]

    def _drop_expired(self, mine: dict[str, Slot]) -> None:
        now = self._clock()
        for slot in [slot for slot in mine.values() if slot.expires <= now]:
            del mine[slot.token]


def _id(slot: Slot) -> str:
    identity = id_of(slot.token)
    assert identity is not None, "slots are signed with tokens of ours only"
    return identity


def _retry(text: str, when: float) -> StanzaError:
    stamp = timestamp(when)
    return StanzaError(
        StanzaCondition.RESOURCE_CONSTRAINT,
        text,
        extra=f"<retry xmlns='{ns.UPLOAD}' stamp='{stamp}'/>",
    )
