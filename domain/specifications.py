"""The specifications that the domain answers for: each registers its handlers and features."""

from typing import Protocol

from andiron.domain.about import caps, contact_addresses, entity_time, ping, version
from andiron.domain.about.disco import Disco
from andiron.domain.accounts.accounts import Accounts
from andiron.domain.accounts.registration import Registration
from andiron.domain.accounts.removal import Removal
from andiron.domain.administration.adhoc import AdHoc
from andiron.domain.administration.service import FORM_TYPE, Administration
from andiron.domain.archive.archive import Archive
from andiron.domain.archive.mam import Mam
from andiron.domain.config import DomainConfig
from andiron.domain.contacts.block_lists import BlockLists
from andiron.domain.contacts.contacts import Contacts
from andiron.domain.database.database import Database
from andiron.domain.events import Events
from andiron.domain.messages import carbons
from andiron.domain.owners import Owners
from andiron.domain.profile.avatars import Avatars
from andiron.domain.profile.introductions import Introductions
from andiron.domain.profile.last_activity import LastActivity
from andiron.domain.profile.private_storage import PrivateStorage
from andiron.domain.profile.vcards import VCards
from andiron.domain.pubsub.eventing import PersonalEventing
from andiron.domain.pubsub.interest import Interests
from andiron.domain.registry import Registry, Target
from andiron.domain.rooms.rooms import Rooms
from andiron.domain.router import Router
from andiron.domain.sign_in import bind, legacy_session
from andiron.domain.tasks import Tasks
from andiron.domain.uploads.service import Uploads
from andiron.xmpp import namespaces as ns


class Parts(Protocol):
    """The parts of a domain that specifications need, and those that :func:`register` makes."""

    name: str
    config: DomainConfig
    registry: Registry
    router: Router
    owners: Owners
    events: Events
    tasks: Tasks
    interests: Interests
    accounts: Accounts
    removal: Removal
    registration: Registration
    contacts: Contacts
    archive: Archive | None
    rooms: Rooms | None
    uploads: Uploads | None
    pubsub: PersonalEventing
    introductions: Introductions
    commands: AdHoc


def register(domain: Parts, database: Database) -> str:
    """Register every specification; return the domain's capabilities (XEP-0115)."""
    registry, config = domain.registry, domain.config
    disco = Disco(registry, config.software_name)
    disco.register()
    bind.register(registry)
    legacy_session.register(registry)
    ping.register(registry)
    entity_time.register(registry)
    carbons.register(registry)
    version.register(registry, config.software_name, config.software_version)
    contact_addresses.register(registry, config.contact_addresses)
    registry.add_feature(Target.DOMAIN, ns.OFFLINE)
    domain.contacts.register(registry)
    PrivateStorage(database, config.max_private_size, config.max_private).register(registry)
    BlockLists(database, domain.owners, domain.router, config.max_blocked).register(registry)
    _register_profiles(domain, database, disco)
    domain.registration.register(registry)
    administration = Administration(domain.accounts, domain.removal, domain.owners, domain.router)
    domain.commands = AdHoc(domain.name, FORM_TYPE, config.admins, administration.commands())
    domain.commands.register(registry, disco)
    last_activity = LastActivity(database, domain.owners, domain.router, domain.tasks.spawn_store)
    last_activity.register(registry, domain.events)
    if domain.archive is not None and config.archive is not None:
        domain.owners.add_loader(domain.archive.load)
        domain.events.let_go.append(domain.archive.remove_account)
        Mam(domain.archive, domain.owners, database, config.archive).register(registry)
    if domain.rooms is not None:
        domain.rooms.register(registry, domain.events, domain.name)
    if domain.uploads is not None:
        domain.uploads.register(registry)
        domain.events.removed.append(domain.uploads.remove_account)
    return caps.register(registry, disco)


def _register_profiles(domain: Parts, database: Database, disco: Disco) -> None:
    """Register what accounts publish, and what they and the site say of themselves by it."""
    registry, config = domain.registry, domain.config
    domain.interests.register(domain.events)
    domain.pubsub = PersonalEventing(
        database,
        domain.owners,
        domain.router,
        domain.interests,
        config.pubsub,
        domain.tasks.spawn,
    )
    domain.pubsub.register(registry, disco, domain.events)
    vcards = VCards(database, domain.owners, config.max_vcard)
    vcards.register(registry)
    avatars = Avatars(vcards, domain.pubsub)
    avatars.register(registry)
    most = min(config.max_vcard, config.pubsub.max_item_size)
    max_photo = most * 2 // 3  # In Base64, with a name beside it.
    domain.introductions = Introductions(database, vcards, avatars, domain.pubsub, max_photo)
