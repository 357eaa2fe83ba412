"""The embedded domain, put together: the backend behind the sessions."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

from andiron.domain import specifications
from andiron.domain.account_rows import read_births
from andiron.domain.accounts.accounts import Accounts
from andiron.domain.accounts.registration import Registration
from andiron.domain.accounts.removal import Removal
from andiron.domain.administration.adhoc import AdHoc
from andiron.domain.archive.archive import Archive
from andiron.domain.client import Owner
from andiron.domain.config import DomainConfig, RoomsConfig, SearchScope
from andiron.domain.contacts.contacts import Contacts
from andiron.domain.contacts.fanout import Fanouts
from andiron.domain.contacts.group_changes import GroupChanges
from andiron.domain.contacts.group_store import GroupStore
from andiron.domain.contacts.groups import GroupConfig, SharedGroups
from andiron.domain.contacts.permissions import Permissions
from andiron.domain.contacts.presence import Presences
from andiron.domain.contacts.roster import roster_of
from andiron.domain.contacts.roster_store import RosterStore
from andiron.domain.database.claims import claim_database
from andiron.domain.database.database import Database, DatabaseError
from andiron.domain.database.failure_log import FAILURE_LOG
from andiron.domain.database.holders import Tenure
from andiron.domain.events import Events
from andiron.domain.freezing import Freezer, FrozenClient
from andiron.domain.guarded import GuardedLink
from andiron.domain.iq import Iqs
from andiron.domain.link import DomainLink, Intake
from andiron.domain.messages.messages import Messages
from andiron.domain.messages.offline import Offline
from andiron.domain.messages.offline_store import OfflineStore
from andiron.domain.messages.screening import Screen, Screening
from andiron.domain.owners import Owners
from andiron.domain.person import Person
from andiron.domain.profile.directory import Directory
from andiron.domain.profile.introductions import Introductions
from andiron.domain.profile.photo import announced
from andiron.domain.pubsub.eventing import PersonalEventing
from andiron.domain.pubsub.interest import Interests
from andiron.domain.questions import Questions
from andiron.domain.registry import Registry
from andiron.domain.rooms.archiving import RoomArchives
from andiron.domain.rooms.rooms import Rooms
from andiron.domain.rooms.service import RoomService
from andiron.domain.rooms.store import RoomStore
from andiron.domain.router import Router
from andiron.domain.search import SearchService
from andiron.domain.sign_in.exchange import SaslConfig
from andiron.domain.sign_in.sasl import Authenticator
from andiron.domain.sign_in.site import Site
from andiron.domain.sign_in.turns import Turns
from andiron.domain.tasks import Tasks
from andiron.domain.uploads.service import Uploads, open_uploads
from andiron.sm.frozen import Head
from andiron.sm.link import Channel, Link
from andiron.sm.notices import Notices
from andiron.sm.session import Session
from andiron.xmpp.jid import JID, InvalidJID, domainpart
from andiron.xmpp.tokens import Tokens
from andiron.xmpp.xml import Guard

logger = logging.getLogger("andiron.domain")

_SERVED: Final = "domain"
"""What the database says it was last served as."""


class Domain:
    """The embedded XMPP domain (a :class:`andiron.sm.manager.Backend`).

    Call :meth:`start` before the first session and :meth:`stop` after the last.
    Raises ValueError for a domain that cannot be one.
    """

    freezer: Freezer
    """Writes resources down, and takes them up again; there once started."""

    def __init__(self, config: DomainConfig, guard: Guard, site: Site = Site()) -> None:  # noqa: B008
        self.config = config
        self.site = site
        self.name = _domain_name(config.domain)
        self.router = Router(self.name)
        self.events = Events()
        self.registry = Registry()
        self.questions = Questions(self.name)
        self.interests = Interests(self.questions)
        self.permissions = _permissions(site, config.permission_lifetime)
        """Who may talk to whom; None where everybody may."""
        self.tokens = Tokens()
        """Makes the ids of streams, and resources."""
        self.caps = ""
        """The stream feature of XEP-0115; there once started."""
        self._guard = guard
        self.database: Database | None = None
        """None while the domain is stopped."""
        self._held = AsyncExitStack()
        logger.addFilter(FAILURE_LOG)
        self._notices = Notices()
        self.tasks = Tasks()
        """Runs what goes on beside the sessions."""
        self.accounts: Accounts
        """The accounts, for the site's own code to create; there once started."""
        self.removal: Removal
        self.registration: Registration
        self.commands: AdHoc
        """What admins do from their clients."""
        self.authenticator: Authenticator
        self.offline: Offline
        self.owners: Owners
        self.messages: Messages
        self.intake: Intake
        """Takes the messages of clients."""
        self.contacts: Contacts
        self.presences: Presences
        self.iqs: Iqs
        self.archive: Archive | None = None
        """What was said; None where nothing is kept."""
        self.pubsub: PersonalEventing
        """What accounts publish."""
        self.groups: SharedGroups
        """Those whose members are in each other's contact lists."""
        self.introductions: Introductions
        self.rooms: Rooms | None = None
        """The rooms; None where there are none."""
        self.uploads: Uploads | None = None
        """The uploaded files; None where there are none."""
        self.reader: Guard
        """Reads texts of our own sessions again, which grew by addresses and the like."""

    async def start(
        self,
        lost: Callable[[str], object] = lambda _sentence: None,
        tenure: Tenure | None = None,
    ) -> None:
        """Open the database, for this domain alone, or while its ``tenure`` lasts.

        ``lost`` is called with a sentence should that not be so any more
        (:func:`claim_database`): the domain must be stopped then.
        Raises :class:`DatabaseError` with a sentence for the operator.
        """
        async with AsyncExitStack() as unless_started:
            config = self.config
            claim = await claim_database(
                config.database,
                config.claim_patience,
                lost,
                fellows=config.claim_fellows,
                tenure=tenure,
            )
            unless_started.push_async_callback(claim.release)
            database = await Database.open(self.config.database, tenure=tenure)
            unless_started.push_async_callback(database.close)
            await self._start(database)
            self._held = unless_started.pop_all()

    async def _start(self, database: Database) -> None:
        config = self.config
        former = await database.get_meta(_SERVED)
        if former not in {None, self.name}:
            logger.warning(
                "The database was last served as %s, and now it is as %s (ANDIRON_DOMAIN): its"
                " accounts' contacts and rooms know them by the former name",
                former,
                self.name,
            )
        if former != self.name:
            await database.set_meta(_SERVED, self.name)
        accounts = Accounts(database, self.name, config.scram_iterations)
        await accounts.load_secret()
        sasl = SaslConfig(
            domain=self.name,
            scram=await accounts.mechanisms(),
            plain=config.plain,
            anonymous=config.anonymous,
            max_attempts=config.sasl_attempts,
            remembered=config.sasl_remembered,
        )
        clock = asyncio.get_running_loop().time
        authenticator = Authenticator(
            accounts, Turns(config.throttle), sasl, clock=clock, site=self.site
        )
        authenticator.start()
        await self.run(
            database,
            accounts,
            authenticator,
            OfflineStore(database, config.max_offline, config.max_offline_bytes),
        )

    async def run(
        self,
        database: Database,
        accounts: Accounts,
        authenticator: Authenticator,
        store: OfflineStore,
    ) -> None:
        """Begin to serve from parts that are ready; :meth:`start` makes the usual ones."""
        self.database = database
        self.accounts = accounts
        self.authenticator = authenticator
        self.reader = _reader(self._guard)
        self.owners = Owners(database, read_births)
        self.events = Events()
        self.registry = Registry()
        self.iqs = Iqs(self.router, self.registry, self.owners, self.questions, self.tasks.spawn)
        self._make_messages(database, store)
        self._make_contacts(database)
        await self._make_services(database)
        self.freezer = Freezer(self.router, self.presences, self.interests, self.offline)
        self.removal = Removal(accounts, self.owners, self.router, self.events)
        self.registration = Registration(
            accounts, self.removal, self.name, self.config.registration, self.tasks.spawn
        )
        self.caps = specifications.register(self, database)
        self.tasks.spawn(self.removal.run())
        self.tasks.spawn(self.contacts.sweep())
        self.tasks.spawn(self.groups.run())
        if self.archive is not None:
            self.tasks.spawn(self.archive.run())
        if self.uploads is not None:
            self.tasks.spawn(self.uploads.run())

    def _make_messages(self, database: Database, store: OfflineStore) -> None:
        config = self.config
        if config.archive is not None:
            self.archive = Archive(database, config.archive, _in_roster)
        self.offline = Offline(
            self.router, store, self.reader, self.tasks.spawn_store, config.max_held, self.archive
        )
        self.events.reachable.append(self.offline.load)
        self.events.unreachable.append(self.offline.left)
        self.messages = Messages(self.router, self.owners, self.offline, self.archive)
        self.intake = self.messages

    def _make_contacts(self, database: Database) -> None:
        config, site, spawn = self.config, self.site, self.tasks.spawn
        rosters = RosterStore(database, self.name, config.roster)
        self.contacts = Contacts(
            rosters, self.router, self.owners, self.events, config.roster, spawn
        )
        self.groups = SharedGroups(
            GroupStore(database),
            self.owners,
            GroupChanges(rosters, self.router, self.owners, self.events, spawn),
            self.name,
            spawn,
            GroupConfig(
                site.groups, site.timeout, config.permission_lifetime, config.roster.max_contacts
            ),
        )
        self.events.removed.append(self.groups.forget_account)
        self.presences = Presences(
            self.router,
            self.events,
            self.contacts,
            Fanouts(spawn),
            announced,
            config.max_directed,
            config.max_presence,
        )

    async def _make_services(self, database: Database) -> None:
        config, services = self.config, self.router.services
        if config.rooms is not None:
            self.rooms = rooms = self._make_rooms(config.rooms, database)
            await rooms.load()
            services[rooms.host] = RoomService(rooms, self.iqs, self.tasks.spawn_store)
        if config.search is not SearchScope.NOBODY:
            self._add_search(Directory(database))
        if config.upload is not None:
            self.uploads = await open_uploads(config.upload, database)

    def _make_rooms(self, config: RoomsConfig, database: Database) -> Rooms:
        messages, read = self.messages, self.reader.read

        def post(text: str, sender: str, jid: JID, stamp: float, now: float) -> None:
            messages.send(read(text), sender, jid, stamp, now)

        host = _domain_name(config.host or f"conference.{self.name}")
        archives: RoomArchives | None = None
        if self.archive is not None and self.config.archive is not None:
            archives = RoomArchives(self.archive, self.config.archive.page, self.tasks.spawn_store)
        return Rooms(host, config, RoomStore(database, self.name), archives, post)

    def _add_search(self, directory: Directory) -> None:
        host, config = f"search.{self.name}", self.config
        if self.rooms is not None and self.rooms.host == host:
            raise DatabaseError(f"The rooms are at {host} (rooms_host), where search shall be.")
        self.router.services[host] = SearchService(
            host, config.search, config.max_found, directory, self.iqs, self.permissions
        )
        self.registry.items.append((host, "User search"))
        self.tasks.spawn(directory.complete())

    def screen(self, screen: Screen) -> None:
        """Have every message of clients looked at from now on, before it goes its way."""
        self.intake = Screening(self.messages, screen, self.tasks.spawn_store)

    def close(self, now: float) -> None:
        """Let the services end, and say so; the sessions are about to."""
        if self.rooms is not None:
            self.rooms.close(now)

    async def stop(self) -> None:
        """Finish what is being stored, then close the database. The sessions have ended."""
        await self.tasks.stored()
        if self.archive is not None:
            await self.archive.close()
        await self.tasks.cancel()
        if self.database is not None:
            self.authenticator.close()
            await self.database.close()
            self.database = None
        await self._held.aclose()

    async def remove_account(self, name: str) -> None:
        """Remove an account, what is stored for it, and its sessions.

        Raises :class:`NoSuchAccount` or :class:`InvalidName`, and
        :class:`DatabaseError` when the database fails.
        """
        await self.removal.remove(name)

    async def welcome(self, owner: Owner, person: Person | None) -> None:
        """Take in what the site says of an account whose owner signs in."""
        try:
            if person is not None:
                called = await self.introductions.take(owner, person)
                if person.groups is not None:
                    await self.groups.set_said(owner, tuple(person.groups))
                if called:
                    await self.groups.renamed(owner, called)
            await self.groups.ask(owner)
        except DatabaseError as error:
            logger.warning("the groups of %s could not be read or kept: %s", owner.jid, error)

    def connect(self, session: Session, channel: Channel) -> Link:  # noqa: ARG002
        """Return the link for a new session."""
        if self.database is None:
            raise RuntimeError("the domain is not started")
        return (DomainLink if self.permissions is None else GuardedLink)(self, session)

    def thaw(self, session: Session, head: Head, now: float) -> Link:
        """Return the link of a session that was frozen; its owner is in memory.

        :func:`andiron.domain.outliving.take_up` sees to that, and to what comes after.
        """
        owner = self.owners.get(head.account)
        if owner is None:
            raise ValueError(f"{head.account} is not in memory")
        link = DomainLink(self, session) if self.permissions is None else GuardedLink(self, session)
        link.take_up(owner, head.jid, FrozenClient.of(head.backend), now)
        return link

    async def settle(self) -> None:
        """Wait until what is being stored is stored, unless the database is out of reach."""
        await self.tasks.stored()
        if self.archive is not None:
            await self.archive.caught_up()
            await self.archive.caught_up_for_rooms()

    def tell_of_unknown_host(self, name: str) -> None:
        """Log which domain a client asked for: the setting or the page may be wrong."""
        level = logging.INFO
        if self._notices.first(name, time.monotonic()):
            level = logging.WARNING
        logger.log(
            level,
            "A client asked for the domain %r and was refused: this one is %s (ANDIRON_DOMAIN)",
            name[:100],
            self.name,
        )


def _permissions(site: Site, lifetime: float) -> Permissions | None:
    if site.may_contact is None:
        return None
    return Permissions(site.may_contact, site.timeout, lifetime)


def _in_roster(owner: Owner, jid: str) -> bool:
    contact = roster_of(owner).contact(jid)
    return contact is not None and contact.listed


def _domain_name(name: str) -> str:
    try:
        return domainpart(name)
    except InvalidJID as error:
        raise ValueError(f"not a domain: {name!r} {error.reason}") from None


def _reader(guard: Guard) -> Guard:
    """Return a guard for stanzas that passed ``guard`` and grew by addresses and a delay.

    A copy of a message (XEP-0280) nests it three levels deeper.
    """
    # Long namespace names are refused in long elements alone, and a short one may have grown.
    return Guard(
        max_size=guard.max_size * 2 + 65_536,
        max_depth=guard.max_depth + 4,
        max_namespace=guard.max_size,
        max_nodes=guard.max_size,
    )
