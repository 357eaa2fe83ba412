"""What the embedded domain may be told."""

from dataclasses import dataclass, field
from enum import StrEnum


class ConflictPolicy(StrEnum):
    """What happens when a client asks for a resource that is taken (RFC 6120 section 7.7.2.2)."""

    REPLACE = "replace"
    """The older session ends with the stream error ``conflict``."""
    RENAME = "rename"
    """The newer session gets a resource with a generated end."""
    REFUSE = "refuse"
    """The newer session's request gets the error ``conflict``."""


@dataclass(frozen=True, slots=True)
class ThrottleConfig:
    """The bounds of guessing; all times in seconds."""

    first: float = 0.25
    """How long one failure makes the next attempt wait; each further one about doubles it."""
    account_cap: float = 3.0
    """The longest wait between two guesses at one account, from wherever they come."""
    address_cap: float = 10.0
    """The longest wait between two guesses from one address, at whomever."""
    half_life: float = 60.0
    """Time in which the count of failures halves."""
    capacity: int = 10_000
    """Accounts remembered, and addresses; the longest quiet are forgotten first."""
    waiting: int = 200
    """How many attempts may wait for their turn with one account, or from one address."""
    at_once: int = 8
    """How many of one address are worked on at a time as long as none has failed."""


@dataclass(frozen=True, slots=True)
class UploadConfig:
    """Where uploaded files are kept, and their bounds (XEP-0363)."""

    directory: str = "andiron-uploads"
    public_url: str = ""
    """Where clients find the application; empty: by the host that their stream was sent to."""
    max_size: int = 20 * 1024 * 1024
    """The largest file, in bytes."""
    quota: int = 200 * 1024 * 1024
    """The bytes that all files of one account may take; each counts 4,096 at least."""
    expiry: float = 30 * 86_400.0
    """Seconds until a file is removed; 0: never."""
    types: tuple[str, ...] = ()
    """The media types that are taken, such as ``image/*``; none: all."""
    max_slots: int = 50
    """How many slots one account may hold that it has not used."""
    max_concurrent: int = 10
    """How many files of one account may be coming in at a time."""
    timeout: float = 600.0
    """Seconds that one upload may take."""
    sweep_interval: float = 600.0
    """Seconds between two sweeps of what has expired."""


@dataclass(frozen=True, slots=True)
class RosterConfig:
    """The bounds of an account's roster (RFC 6121 sections 2 and 3)."""

    max_contacts: int = 10_000
    """How many contacts one roster may hold."""
    max_size: int = 4_194_304
    """The characters of all addresses, names and groups in it."""
    max_groups: int = 100
    """In how many groups one contact may be."""
    max_name: int = 1023
    """The characters of a contact's or a group's name."""
    max_requests: int = 1000
    """How many requests for a subscription may wait for one account; more are lost."""
    max_request: int = 8192
    """The characters of such a request, which is kept as it came."""


@dataclass(frozen=True, slots=True)
class PubSubConfig:
    """The bounds of what accounts publish (XEP-0163)."""

    max_nodes: int = 250
    """How many nodes one account may have."""
    max_items: int = 1000
    """How many items a node may keep, which is what ``max`` means."""
    max_item_size: int = 262_144
    """The largest payload, in bytes."""
    quota: int = 10 * 1024 * 1024
    """The bytes that all payloads of one account may take."""
    max_entities: int = 1000
    """How many addresses may be subscribed to a node, or affiliated with it."""


@dataclass(frozen=True, slots=True)
class ArchiveConfig:
    """What is kept of the messages of accounts and rooms, and for how long (XEP-0313)."""

    default: str = "always"
    """Whose messages are kept for an account that does not say: ``always``, ``never``, or
    ``roster``, those of its contacts."""
    days: int = 365
    """How long messages are kept; 0: for ever."""
    max_bytes: int = 0
    """The bytes that one archive may have, of which the oldest messages go first; 0: any number."""
    page: int = 100
    """How many messages one answer has at most."""
    max_preferences: int = 1000
    """How many addresses an account's preferences may name."""
    backlog: int = 67_108_864
    """Bytes of messages that may wait to be written, a sixteenth of it for one sender; further
    ones are not archived."""
    sweep_interval: float = 3600.0
    """Seconds between two sweeps of what is too old."""


class RoomCreators(StrEnum):
    """Who may make rooms (XEP-0045 section 10.1)."""

    ACCOUNTS = "accounts"
    """Everybody but anonymous users."""
    ANYONE = "anyone"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class RoomsConfig:
    """Where the rooms are, who may make them, and their bounds (XEP-0045)."""

    host: str = ""
    """Their host name; empty: ``conference.`` and the domain."""
    create: RoomCreators = RoomCreators.ACCOUNTS
    max_rooms: int = 10_000
    max_rooms_per_account: int = 50
    """How many rooms may be there that one account made."""
    max_rooms_per_session: int = 200
    """In how many rooms one session may be."""
    max_occupants: int = 1000
    """How many may be in a room, unless its owner wants fewer."""
    max_affiliations: int = 1000
    """How many members, admins, owners and outcasts one room may have."""
    max_nick: int = 100
    """In characters, as are the following."""
    max_message: int = 65_536
    """A message to all, of which each occupant gets a copy."""
    max_subject: int = 2000
    max_presence: int = 10_000
    """What an occupant's presence may hold."""
    max_vcard: int = 65_536
    """A room's vCard with its pictures."""
    history: int = 20
    """How many messages one who enters gets, unless the room's owner wants others."""
    history_max: int = 100
    """How many messages a room keeps in memory."""
    history_characters: int = 262_144
    lock_timeout: float = 300.0
    """Seconds after which a new room opens without having been set up."""


@dataclass(frozen=True, slots=True)
class ContactAddresses:
    """Whom to turn to about the service, URIs for each role (XEP-0157)."""

    abuse: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()
    feedback: tuple[str, ...] = ()
    sales: tuple[str, ...] = ()
    security: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    support: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RegistrationConfig:
    """What people may do to accounts by themselves (XEP-0077)."""

    enabled: bool = False
    """Let anybody make an account."""
    per_address: int = 3
    """How many accounts one address may make in an hour; ten times as many names may be tried."""
    total: int = 100
    """How many accounts all together may make in an hour."""
    changes: bool = True
    """Let accounts change their password and remove themselves."""


class SearchScope(StrEnum):
    """Among whom people are found (XEP-0055)."""

    NOBODY = "nobody"
    """There is no search."""
    GROUPS = "groups"
    """Those who are in a shared group with the asker."""
    EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True)
class DomainConfig:
    """The embedded domain's settings and bounds."""

    domain: str = "localhost"
    """The XMPP domain, as in ``alice@localhost``."""
    database: str = "sqlite:///andiron.db"
    """Where accounts and waiting messages are kept."""
    claim_patience: float = 10.0
    """Seconds in which another server that has the database may end."""
    claim_fellows: bool = False
    """Whether the workers of one server take turns at the database."""
    plain: bool = True
    """Offer SASL PLAIN where the channel is secure."""
    anonymous: bool = False
    """Let anybody in under a random name (SASL ANONYMOUS)."""
    sasl_attempts: int = 5
    """How often one stream may try to sign in."""
    sasl_remembered: int = 10_000
    """Accounts whose right password in the clear need not be hashed again; 0 for none."""
    sasl_queue: int = 4
    """How many SASL elements may wait while one is worked on."""
    registration: RegistrationConfig = field(default_factory=RegistrationConfig)
    """What people may do to accounts by themselves."""
    scram_iterations: int = 10_000
    """The iterations of new SCRAM keys."""
    throttle: ThrottleConfig = field(default_factory=ThrottleConfig)
    """How failed sign-ins slow later ones."""
    conflict: ConflictPolicy = ConflictPolicy.REPLACE
    max_resources: int = 32
    """How many resources one account may have bound at a time."""
    max_offline: int = 1000
    """How many messages may wait for one account to come online."""
    max_offline_bytes: int = 16_777_216
    """How many bytes they may take. One sender may take half of either, a second half of the
    rest, and so on."""
    max_held: int = 1000
    """How many messages may wait for one session while its stored ones are fetched."""
    max_directed: int = 1000
    """To how many others one session may send directed presence."""
    max_presence: int = 10_000
    """The characters of a presence that goes to others."""
    max_blocked: int = 1000
    """How many addresses one account may block (XEP-0191)."""
    max_private: int = 100
    """How many elements one account may keep in private storage (XEP-0049)."""
    max_private_size: int = 65_536
    """The bytes of one of them."""
    max_vcard: int = 196_608
    """The bytes of one account's vCard, its picture among them (XEP-0054)."""
    permission_lifetime: float = 60.0
    """Seconds for which the site's word holds on who may contact whom."""
    roster: RosterConfig = field(default_factory=RosterConfig)
    """The bounds of rosters."""
    pubsub: PubSubConfig = field(default_factory=PubSubConfig)
    """How much accounts may publish (XEP-0163)."""
    archive: ArchiveConfig | None = field(default_factory=ArchiveConfig)
    """Keep messages for clients that were away; None: not."""
    upload: UploadConfig | None = None
    """Let accounts upload files; None: not."""
    max_idle_held: int = 1000
    """How many stanzas may be held back from one client that is inactive."""
    rooms: RoomsConfig | None = None
    """Let people meet in rooms; None: not."""
    admins: frozenset[str] = frozenset()
    """The bare JIDs of who may administer the domain from their clients (XEP-0133)."""
    search: SearchScope = SearchScope.NOBODY
    max_found: int = 50
    """How many people one search finds."""
    contact_addresses: ContactAddresses = field(default_factory=ContactAddresses)
    """Told to who asks the domain."""
    software_name: str = "Andiron"
    software_version: str = ""
    """Told to who asks (XEP-0092); an empty version is not told."""
