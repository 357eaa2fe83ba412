"""Settings: keyword arguments, then ``ANDIRON_…``, then files, then the defaults.

A setting that nobody knows, or with a value that cannot be used, stops the
start with one sentence (:class:`SettingsError`).
"""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from andiron.bosh.config import BoshConfig
from andiron.domain.config import (
    ArchiveConfig,
    ConflictPolicy,
    ContactAddresses,
    DomainConfig,
    PubSubConfig,
    RegistrationConfig,
    RoomCreators,
    RoomsConfig,
    RosterConfig,
    SearchScope,
    ThrottleConfig,
    UploadConfig,
)
from andiron.domain.database.urls import beside
from andiron.inprocess.config import InprocessConfig
from andiron.settings.sources import SOURCES, SettingsError, Source, unknown
from andiron.settings.types import (
    AccountAddresses,
    Algorithms,
    AnyCase,
    AtLeastOne,
    Bytes,
    Count,
    DatabaseUrl,
    DomainName,
    FileMode,
    HostNames,
    MediaRanges,
    Networks,
    Origins,
    Place,
    PositiveSeconds,
    PublicUrl,
    RoomsHost,
    Seconds,
    Secret,
    Texts,
    Unit,
    Uri,
    Uris,
    WholeSeconds,
)
from andiron.settings.words import default_text, expected
from andiron.sm.config import SmConfig
from andiron.sm.journal.config import Durability, JournalConfig
from andiron.version import __version__
from andiron.websocket.config import WebSocketConfig

_LEAVE: Final = 5.0
"""Seconds that a server may need to end once its connections have."""


def _contact(purpose: str) -> str:
    return f"Where to turn {purpose}, as URIs that clients are told (XEP-0157)."


class Settings(BaseSettings):
    """All that can be set; frozen. Raises :class:`SettingsError` when made of something unusable.

    Each setting is a keyword argument here, a variable ``ANDIRON_`` and its
    name in capitals, and a key in ``andiron.toml``, where parts of a name may
    also be tables (``[websocket] origins = […]``).
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    domain: DomainName = Field(
        "localhost", description="The XMPP domain that is served: what stands behind the @."
    )
    database: DatabaseUrl = Field(
        "sqlite:///andiron.db", repr=False, description="Where accounts and messages are stored."
    )
    host: str = Field(
        "127.0.0.1", min_length=1, description="The address that `andiron serve` listens on."
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8000, description="The port that `andiron serve` listens on; 0 takes a free one."
    )
    socket: str = Field(
        "",
        description="The socket file that `andiron serve` listens on, in place of `host` and"
        " `port`; empty: none.",
    )
    socket_mode: FileMode = Field(
        "660", description="The permissions of that file, in octal: who may write, may connect."
    )
    demo: bool = Field(
        False,
        description="Serve the demonstration page at `/`; never on a public site.",
    )
    widget: bool = Field(
        True,
        description="Serve `<andiron-chat>`, a chat for the site's pages, at `/widget.js`.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], AnyCase] = Field(
        "info", description="The least severe messages that are logged."
    )
    log_format: Annotated[Literal["plain", "json"], AnyCase] = Field(
        "plain",
        description="How `andiron serve` writes its log: lines for people, or JSON objects, one a"
        " line.",
    )
    trusted_proxies: Networks = Field(
        ("127.0.0.1", "::1"),
        description="Proxies whose `X-Forwarded-*` and `Forwarded` headers are believed:"
        " addresses, networks, or `unix` for a socket file.",
    )
    public_url: PublicUrl = Field(
        "",
        description="Where clients find this application, for those that look it up (XEP-0156);"
        " empty: where their request was sent to.",
    )
    allowed_hosts: HostNames = Field(
        (),
        description="Names of hosts for which requests are taken besides `localhost`, addresses,"
        " `domain` and what is below it, and the host of `public_url`: `name`, `*.name`, or `*` for"
        " any.",
    )

    auth_plain: bool = Field(
        True,
        description="Offer SASL PLAIN, where the way to the client is secure.",
    )
    auth_anonymous: bool = Field(
        False,
        description="Let anyone in under a random address (SASL ANONYMOUS).",
    )
    auth_iterations: Annotated[int, Field(ge=4096, le=10_000_000)] = Field(
        10_000, description="The cost of a new password's SCRAM keys, in PBKDF2 iterations."
    )
    auth_attempts: AtLeastOne = Field(
        5, description="How often a stream may fail to sign in before it is closed."
    )
    auth_remembered: Annotated[int, Field(ge=0)] = Field(
        10_000,
        description="For how many accounts a right password sent by PLAIN need not be hashed"
        " again; 0: always hash.",
    )

    auth_queue: AtLeastOne = Field(
        4, description="How many sign-in steps of one stream may wait while one is worked on."
    )
    auth_delay_first: PositiveSeconds = Field(
        0.25,
        description="How long one failure makes the next sign-in wait; each further one doubles"
        " it.",
    )
    auth_delay_account: PositiveSeconds = Field(
        3.0,
        description="The longest wait between two guesses at one account, from wherever they come.",
    )
    auth_delay_address: PositiveSeconds = Field(
        10.0,
        description="The longest wait between two guesses from one address, at whichever account.",
    )
    auth_delay_half_life: PositiveSeconds = Field(
        60.0, description="The time in which the number of failures remembered halves."
    )
    auth_delay_capacity: AtLeastOne = Field(
        10_000,
        description="For how many accounts, and addresses, failures are remembered, and for how"
        " many accounts where their owners were.",
    )
    auth_waiting: AtLeastOne = Field(
        200,
        description="How many sign-ins may wait for their turn with one account, and from one"
        " address, and ten times as many in all; others are told to try later.",
    )
    auth_at_once: AtLeastOne = Field(
        8,
        description="How many sign-ins from one address are worked on at a time as long as none"
        " has failed.",
    )

    registration: bool = Field(
        False,
        description="Let anybody make an account from a chat client (XEP-0077). Who fills in the"
        " form must be done within `session_negotiation_timeout`.",
    )
    registration_per_address: AtLeastOne = Field(
        3,
        description="How many accounts one address may make in an hour, trying ten times as many"
        " names.",
    )
    registration_limit: AtLeastOne = Field(
        100, description="How many accounts may be made in an hour, by all together."
    )
    registration_changes: bool = Field(
        True, description="Let accounts change their password and remove themselves (XEP-0077)."
    )

    admins: AccountAddresses = Field(
        (),
        description="The accounts that may administer the domain from their chat clients"
        " (XEP-0133), by name or address; none: nobody does.",
    )

    offline_limit: Count = Field(
        1_000,
        description="The most messages kept for an account that is away; 0 keeps none. One sender"
        " may take half of it, a second one half of the rest.",
    )
    offline_bytes: Annotated[Bytes, Field(ge=10_000)] = Field(
        16_777_216,
        description="The most bytes they may take, shared out in the same way.",
    )
    offline_held: AtLeastOne = Field(
        1_000,
        description="How many messages a session may hold back while stored ones are fetched.",
    )

    roster_contacts: Count = Field(
        10_000, description="The most contacts an account may have (RFC 6121)."
    )
    roster_size: Annotated[int, Unit("characters"), Field(ge=10_000)] = Field(
        4_194_304,
        description="How long the addresses, names and groups of an account's contacts may be, all"
        " told.",
    )
    roster_groups: Count = Field(
        100, description="The most groups that an account may put one contact in."
    )
    roster_name: Annotated[int, Unit("characters"), Field(ge=1, le=65_536)] = Field(
        1023, description="The longest name of a contact or a group."
    )
    roster_requests: Count = Field(
        1_000,
        description="The most requests to see an account's presence that wait for its answer;"
        " more are lost.",
    )
    roster_request: Annotated[int, Unit("characters"), Field(ge=1024, le=1_048_576)] = Field(
        8192, description="The longest such request, which is kept as it came."
    )

    archive: bool = Field(
        True, description="Keep what was said, for clients that were away (XEP-0313)."
    )
    archive_default: Annotated[Literal["always", "never", "roster"], AnyCase] = Field(
        "always",
        description="Whose messages are kept for an account that does not say;"
        " with `roster`, those of its contacts.",
    )
    archive_days: Annotated[int, Unit("days"), Field(ge=0, le=36_500)] = Field(
        365, description="How long messages are kept; 0 keeps them for good."
    )
    archive_max_bytes: Annotated[Bytes, Field(ge=0)] = Field(
        0,
        description="How much one account's archive, or one room's, may hold; beyond, its oldest "
        "messages go, within an hour. 0 bounds nothing.",
    )
    archive_page: AtLeastOne = Field(
        100, description="The most messages that one question for the archive is answered with."
    )
    archive_preferences: Count = Field(
        1_000, description="The most addresses that an account's archiving preferences may name."
    )
    archive_backlog: Annotated[Bytes, Field(ge=1_048_576)] = Field(
        67_108_864,
        description="How much may wait to be written, a sixteenth of it for one sender;"
        " what comes then is not archived.",
    )

    provision: bool = Field(
        True,
        description="Make an account for whom `authenticate=`, `identify=` or a token lets in"
        " and who has none.",
    )
    site_timeout: PositiveSeconds = Field(
        10.0, description="How long these may take, and the site's other code, to answer."
    )

    ldap_url: str = Field(
        "",
        description="An LDAP directory that is asked whether a password is right, as"
        " `ldaps://ldap.example.org`; empty: none is.",
    )
    ldap_start_tls: bool = Field(False, description="With `ldap://`: go on in TLS (StartTLS).")
    ldap_ca_file: str = Field(
        "",
        description="A file with the certificates that are trusted for that, in PEM; empty: those"
        " that the system trusts.",
    )
    ldap_user_dn: str = Field(
        "",
        description="The name of a person's entry, with `{}` for the name of who signs in, as"
        " `uid={},ou=people,dc=example,dc=org`; empty: it is searched.",
    )
    ldap_base: str = Field("", description="Or the entry below which people are searched.")
    ldap_filter: str = Field(
        "(uid={})", description="By which filter; `{}` is the name of who signs in."
    )
    ldap_bind_dn: str = Field(
        "", description="The entry as which people are searched; empty: as nobody."
    )
    ldap_bind_password: Secret = Field("", repr=False, description="And the password of it.")
    ldap_name_attribute: str = Field(
        "displayName", description="The attribute with what people call somebody; empty: none."
    )
    ldap_photo_attribute: str = Field(
        "jpegPhoto", description="The attribute with a picture; empty: none."
    )
    contact_cache: Seconds = Field(
        60.0,
        description="How long an answer of `may_contact=` or `groups=` holds; 0 asks about each"
        " stanza, and at each sign-in.",
    )
    api_token: Secret = Field(
        "",
        repr=False,
        description="The token by which other processes use the API at `api/v1`, of 32 characters"
        " or more, or several with spaces between; empty: none can, unless there is a file.",
    )
    api_token_file: str = Field(
        "", description="A file with such tokens, one a line; read at the start."
    )

    metrics_token: Secret = Field(
        "",
        repr=False,
        description="The token by which Prometheus reads `metrics`, of 32 characters or more, or"
        " several with spaces between; empty: nobody does.",
    )

    hook_timeout: PositiveSeconds = Field(
        5.0,
        description="How long a hook of the site's own code may take. A message that one has not"
        " decided about by then is refused, unless the hook says otherwise.",
    )
    hook_queue: AtLeastOne = Field(
        1_000,
        description="How many events may wait for each hook that is told of them; more are lost"
        " to it.",
    )

    token_secret: Secret = Field(
        "",
        repr=False,
        description="The secret by which JSON Web Tokens are signed (HS256, HS384, HS512), of 32"
        " bytes or more; empty: none is.",
    )
    token_key_file: str = Field(
        "",
        description="Or a file with the public key that they are checked by, in PEM; read again"
        " when it changes.",
    )
    token_jwks_file: str = Field(
        "",
        description="Or a file with several such keys, as a JWK Set; read again when it changes.",
    )
    token_algorithms: Algorithms = Field(
        (),
        description="The algorithms that tokens may be signed by; none: all that the key is fit"
        " for.",
    )
    token_issuer: str = Field(
        "", description="Who must have issued a token (`iss`); empty: anybody with the key."
    )
    token_audience: Texts = Field(
        (),
        description="For whom a token must be (`aud`), for one of these; none: a token that says"
        " for whom it is is refused.",
    )
    token_claim: str = Field(
        "sub",
        min_length=1,
        description="The claim of a token that names the account, with or without the domain.",
    )
    token_name_claim: str = Field(
        "name",
        description="The claim of a token that says what people call its user, taken into the"
        " vCard; empty: none does.",
    )
    token_groups_claim: str = Field(
        "",
        description="The claim of a token that lists the shared groups its user is in; empty: none"
        " does.",
    )
    token_skew: Seconds = Field(
        10.0, description="How far the clock of who issues tokens may be from this one's."
    )
    token_outlives: bool = Field(
        False, description="Let a session go on when the token that it signed in with has expired."
    )

    rooms: bool = Field(True, description="Let people meet in rooms (XEP-0045).")
    rooms_host: RoomsHost = Field(
        "", description="The host name of the rooms; empty: `conference.` and the domain."
    )
    rooms_create: Annotated[Literal["accounts", "anyone", "nobody"], AnyCase] = Field(
        "accounts",
        description="Who may make rooms; with `anyone`, those who signed in anonymously, too.",
    )
    rooms_max: AtLeastOne = Field(10_000, description="How many rooms there may be.")
    rooms_max_per_account: AtLeastOne = Field(
        50, description="How many rooms may be there that one account made."
    )
    rooms_max_per_session: AtLeastOne = Field(
        200, description="In how many rooms one session may be at a time."
    )
    rooms_max_occupants: AtLeastOne = Field(
        1_000, description="How many may be in one room; its owner may want fewer."
    )
    rooms_max_affiliations: AtLeastOne = Field(
        1_000, description="How many members, admins, owners and outcasts one room may have."
    )
    rooms_max_nick: Annotated[int, Unit("characters"), Field(ge=1, le=1023)] = Field(
        100, description="The longest nickname in a room."
    )
    rooms_max_message: Annotated[int, Unit("characters"), Field(ge=1_000)] = Field(
        65_536, description="The longest message to a room; each who is in it gets a copy."
    )
    rooms_max_subject: Annotated[int, Unit("characters"), Field(ge=0)] = Field(
        2_000, description="The longest subject of a room."
    )
    rooms_max_presence: Annotated[int, Unit("characters"), Field(ge=1_000)] = Field(
        10_000, description="The longest presence of one in a room, which all others get."
    )
    rooms_max_vcard: Annotated[int, Unit("characters"), Field(ge=0)] = Field(
        65_536, description="The largest vCard of a room, with its picture."
    )
    rooms_history: Count = Field(
        20, description="How many past messages one gets on entering, unless the owner says."
    )
    rooms_history_max: Count = Field(
        100, description="How many past messages of each room are held ready for that."
    )
    rooms_history_size: Annotated[int, Unit("characters"), Field(ge=0)] = Field(
        262_144, description="How long those may be together."
    )
    rooms_lock_timeout: Seconds = Field(
        300.0, description="How long a new room waits for its first configuration before it opens."
    )

    upload: bool = Field(True, description="Let accounts upload files for others (XEP-0363).")
    upload_dir: str = Field(
        "andiron-uploads",
        min_length=1,
        description="The folder of uploaded files, made when the first one comes.",
    )
    upload_max_size: Annotated[Bytes, Field(ge=1, le=2**40)] = Field(
        20_971_520, description="The largest file."
    )
    upload_quota: Annotated[Bytes, Field(ge=4096, le=2**50)] = Field(
        209_715_200,
        description="What all files of one account may take, each counted as 4,096 at least.",
    )
    upload_expiry: WholeSeconds = Field(
        2_592_000, description="How long a file is kept; 0 keeps it for good."
    )
    upload_types: MediaRanges = Field(
        (),
        description="The media types that are taken, as `image/png` or `image/*`; none: all.",
    )
    upload_timeout: PositiveSeconds = Field(600.0, description="How long one upload may take.")
    upload_concurrent: AtLeastOne = Field(
        10, description="How many files of one account may be coming in at a time."
    )
    upload_slots: AtLeastOne = Field(
        50, description="How many uploads an account may announce before it makes them."
    )

    search: Annotated[Literal["nobody", "groups", "everybody"], AnyCase] = Field(
        "nobody",
        description="Whom people find by name (XEP-0055), at `search.` and the domain: those in a"
        " shared group with them, or everybody; of these whom `may_contact=` allows. `nobody`:"
        " there is no search.",
    )
    search_results: Annotated[int, Field(ge=1, le=1000)] = Field(
        50, description="How many people one search finds."
    )
    blocked_limit: Count = Field(
        1_000, description="The most addresses an account may block (XEP-0191)."
    )
    pep_nodes: AtLeastOne = Field(
        250, description="How many nodes an account may publish at (XEP-0163)."
    )
    pep_items: AtLeastOne = Field(
        1_000, description="The most items a node may keep; what its owner calls `max`."
    )
    pep_item_size: Annotated[Bytes, Field(ge=1024)] = Field(
        262_144, description="The largest payload of an item; `max_stanza_size` holds, too."
    )
    pep_quota: Annotated[Bytes, Field(ge=1024)] = Field(
        10_485_760, description="What all items of one account may take."
    )
    pep_subscribers: AtLeastOne = Field(
        1_000,
        description="How many addresses may be subscribed to a node or listed for its access.",
    )

    private_limit: Count = Field(
        100, description="The most elements an account may keep in private storage (XEP-0049)."
    )
    private_size: Annotated[Bytes, Field(ge=1024)] = Field(
        65_536, description="The largest element in private storage."
    )
    vcard_size: Annotated[Bytes, Field(ge=1024)] = Field(
        196_608, description="The largest vCard, its picture included (XEP-0054)."
    )

    resource_conflict: Annotated[Literal["replace", "rename", "refuse"], AnyCase] = Field(
        "replace",
        description="When a resource is taken already: end the older session, give the newer one"
        " another name, or refuse it.",
    )
    contact_abuse: Uris = Field((), description=_contact("to report abuse"))
    contact_admin: Uris = Field((), description=_contact("to reach the administrators"))
    contact_feedback: Uris = Field((), description=_contact("for feedback"))
    contact_sales: Uris = Field((), description=_contact("about sales"))
    contact_security: Uris = Field((), description=_contact("about security"))
    contact_status: Uris = Field((), description=_contact("about the state of the service"))
    contact_support: Uris = Field((), description=_contact("for help"))
    announce_version: bool = Field(
        True, description="Tell clients that ask which version this is (XEP-0092)."
    )

    max_resources: AtLeastOne = Field(
        32, description="How many sessions one account may have at a time."
    )
    max_directed: AtLeastOne = Field(
        1_000, description="To how many others one session may send directed presence."
    )
    max_presence: Annotated[int, Unit("characters"), Field(ge=1_000)] = Field(
        10_000, description="The longest presence that a client may send to its contacts."
    )

    max_stanza_size: Annotated[Bytes, Field(ge=10_000, le=2**30)] = Field(
        262_144, description="The largest stanza a client may send."
    )
    max_depth: Annotated[int, Unit("levels"), Field(ge=8, le=10_000)] = Field(
        64, description="How deep elements may be nested in a stanza."
    )
    max_nodes: Annotated[int, Unit("nodes"), Field(ge=256)] = Field(
        4_000,
        description="How many elements, attributes and namespace declarations, all told, a stanza"
        " may have.",
    )
    max_negotiation_size: Annotated[Bytes, Field(ge=4096)] = Field(
        16_384, description="The largest element a client may send before it has signed in."
    )
    max_negotiating: AtLeastOne = Field(
        2_000,
        description="How many connections may be signing in, or have not ended what they ask, at"
        " one time.",
    )
    max_negotiating_per_address: AtLeastOne = Field(
        200, description="How many of those may be of one address; a trusted proxy may have more."
    )

    http_max_head: Annotated[Bytes, Field(ge=4096, le=65_536)] = Field(
        16_384,
        description="The largest head of a request, with its URL, that `andiron serve` takes.",
    )
    http_keep_alive: Annotated[int, Unit("seconds"), Field(ge=1, le=3600)] = Field(
        75,
        description="How long `andiron serve` keeps a connection open on which nothing is asked"
        " after an answer. Some BOSH clients keep one idle as long as `bosh_wait`.",
    )

    session_negotiation_timeout: PositiveSeconds = Field(
        30.0, description="How long a stream may take to sign in and bind a resource."
    )
    session_idle_probe: Seconds = Field(
        60.0, description="Probe a client that has been silent for so long; 0 turns that off."
    )
    session_idle_timeout: PositiveSeconds = Field(
        30.0, description="How long a probed client may stay silent before it counts as lost."
    )
    session_pending: AtLeastOne = Field(
        100, description="How many stanzas of one session may be in work before reading pauses."
    )

    account_memory: Annotated[Bytes, Field(ge=1_000_000)] = Field(
        33_554_432,
        description="The most bytes of memory in which messages wait for the clients of one "
        "account; beyond, its longest hibernating session ends.",
    )
    account_backlog: Annotated[Bytes, Field(ge=65_536)] = Field(
        1_048_576,
        description="How much of what one account sends may wait for the archive before nothing "
        "more is read from it.",
    )
    account_rate: Annotated[int, Unit("bytes a second"), Field(ge=0, le=2**40)] = Field(
        1_048_576,
        description="How much one account may send for long, each stanza counting 512 bytes more "
        "than it has; it is read from no faster. 0 bounds nothing.",
    )
    account_burst: Annotated[Bytes, Field(ge=1_048_576)] = Field(
        67_108_864, description="How much it may send beyond that at once."
    )
    account_patience: PositiveSeconds = Field(
        600.0,
        description="How long on end it may try to send more than that, before its stream ends.",
    )
    account_turn: PositiveSeconds = Field(
        0.0005,
        description="How long one account may keep all others waiting before it is their turn.",
    )
    account_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.2,
        description="The part of the server's time that one account may use without waiting for "
        "its turns.",
    )

    stream_management_active: bool = Field(
        True,
        description="Offer stream management (XEP-0198).",
    )
    stream_management_unsolicited_ack_frequency: Count = Field(
        0, description="Send `<a/>` unasked after every so many handled stanzas; 0 turns that off."
    )
    stream_management_max: WholeSeconds = Field(
        600, description="How long a session whose connection was lost waits to be resumed."
    )
    stream_management_location: Place = Field(
        "", description="Where clients should reconnect, as `host:port`; empty: not told."
    )
    stream_management_request_every: AtLeastOne = Field(
        25, description="Ask `<r/>` after so many stanzas sent since the last answer."
    )
    stream_management_request_quiet: PositiveSeconds = Field(
        1.0,
        description=(
            "Ask `<r/>` when something unacknowledged has waited so long; over BOSH, with the"
            " answer that carries it."
        ),
    )
    stream_management_request_timeout: PositiveSeconds = Field(
        60.0, description="How long `<r/>` may stay unanswered before the connection is dropped."
    )
    stream_management_queue_stanzas: AtLeastOne = Field(
        10_000, description="The most stanzas that may wait for a client's acknowledgement."
    )
    stream_management_queue_bytes: Annotated[Bytes, Field(ge=10_000)] = Field(
        16_777_216,
        description="The most bytes of memory in which stanzas wait for a client's "
        "acknowledgement.",
    )
    stream_management_remember_expired: Count = Field(
        10_000, description="For how many expired sessions the last count is remembered."
    )

    websocket_origins: Origins = Field(
        (),
        description="Origins whose pages may connect besides the site's own,"
        " as `https://host[:port]`; `*` lets all.",
    )
    websocket_buffer_bytes: Annotated[Bytes, Field(ge=10_000)] = Field(
        1_048_576, description="How much may wait for a slow reader before it is dropped."
    )
    websocket_close_timeout: PositiveSeconds = Field(
        5.0, description="How long the other side may take to finish a close."
    )
    websocket_see_other_uri: Uri = Field(
        "", description="Send every client to this URI instead; empty: serve them here."
    )
    websocket_compression: bool = Field(
        False,
        description="Let `andiron serve` offer permessage-deflate: less traffic, more work.",
    )
    websocket_ping_interval: Seconds = Field(
        30.0, description="How often `andiron serve` pings each WebSocket; 0 turns that off."
    )
    websocket_ping_timeout: PositiveSeconds = Field(
        30.0, description="How long a WebSocket may leave a ping unanswered."
    )

    bosh_origins: Origins = Field(
        (),
        description="Origins whose pages may use BOSH besides the site's own,"
        " as `https://host[:port]`; `*` lets all.",
    )
    bosh_wait: Annotated[int, Unit("seconds"), Field(ge=0, le=3600)] = Field(
        60, description="The longest that a BOSH request is held before it is answered."
    )
    bosh_hold: Annotated[int, Field(ge=0, le=16)] = Field(
        1,
        description="The most BOSH requests of one session that are held at a time;"
        " with more than one some clients cannot speak until the server does.",
    )
    bosh_inactivity: Annotated[int, Unit("seconds"), Field(ge=1, le=3600)] = Field(
        30, description="How long a BOSH client may leave the server without a request to hold."
    )
    bosh_polling: Annotated[int, Unit("seconds"), Field(ge=0, le=3600)] = Field(
        5, description="The shortest time between two empty requests of a BOSH client that polls."
    )
    bosh_maxpause: Annotated[int, Unit("seconds"), Field(ge=0, le=3600)] = Field(
        120, description="The longest pause that a BOSH client may ask for; 0 offers none."
    )
    bosh_max_body_size: Annotated[Bytes, Field(ge=10_000, le=2**30)] = Field(
        1_048_576, description="The largest BOSH body a client may send after sign-in."
    )
    bosh_max_stanzas: AtLeastOne = Field(
        256, description="The most stanzas in one BOSH body of a client."
    )
    bosh_buffer_bytes: Annotated[Bytes, Field(ge=10_000)] = Field(
        1_048_576,
        description="How much may wait for a BOSH client's next request before it counts as lost.",
    )
    bosh_compress_from: Annotated[Bytes, Field(ge=0)] = Field(
        2_048, description="The smallest BOSH answer that is compressed on demand; 0 turns it off."
    )
    bosh_script_syntax: bool = Field(
        False, description="Answer GET requests of script elements, for pages of old browsers."
    )

    durability: Annotated[Literal["process", "disk", "memory"], AnyCase] = Field(
        "process",
        description="What sessions that can be resumed outlive: the `process`, the machine"
        " (`disk`), or nothing (`memory`).",
    )
    durability_file: str = Field(
        "",
        description="Where they are written down; empty: beside the SQLite database, named like it"
        " with `-sessions`, or `andiron-sessions` in the working directory.",
    )
    durability_max_size: Annotated[Bytes, Field(ge=2**20, le=2**40)] = Field(
        1_073_741_824, description="How large that file may become."
    )
    shutdown_timeout: Seconds = Field(
        5.0, description="How long a stopping server waits for connections to end by themselves."
    )

    def __init__(self, **overrides: Any) -> None:
        try:
            super().__init__(**overrides)
        except ValidationError as error:
            sources = tuple(source(type(self)) for source in SOURCES)
            raise _settings_error(type(self), error.errors()[0], overrides, sources) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read keyword arguments, the environment and the files, the first that speaks wins."""
        return init_settings, *(source(settings_cls) for source in SOURCES)

    def replaced(self, **overrides: Any) -> Self:
        """Return these settings with some of them changed, checked like any others."""
        return type(self)(**(self.model_dump() | overrides)) if overrides else self

    def domain_config(self) -> DomainConfig:
        """Return what the embedded domain is told."""
        return DomainConfig(
            domain=self.domain,
            database=self.database,
            claim_patience=self.shutdown_timeout + _LEAVE,
            plain=self.auth_plain,
            anonymous=self.auth_anonymous,
            sasl_attempts=self.auth_attempts,
            sasl_remembered=self.auth_remembered,
            sasl_queue=self.auth_queue,
            scram_iterations=self.auth_iterations,
            permission_lifetime=self.contact_cache,
            admins=frozenset(self.admins),
            search=SearchScope(self.search),
            max_found=self.search_results,
            registration=RegistrationConfig(
                enabled=self.registration,
                per_address=self.registration_per_address,
                total=self.registration_limit,
                changes=self.registration_changes,
            ),
            throttle=ThrottleConfig(
                first=self.auth_delay_first,
                account_cap=self.auth_delay_account,
                address_cap=self.auth_delay_address,
                half_life=self.auth_delay_half_life,
                capacity=self.auth_delay_capacity,
                waiting=self.auth_waiting,
                at_once=self.auth_at_once,
            ),
            conflict=ConflictPolicy(self.resource_conflict),
            max_resources=self.max_resources,
            max_offline=self.offline_limit,
            max_offline_bytes=self.offline_bytes,
            max_held=self.offline_held,
            max_directed=self.max_directed,
            max_presence=self.max_presence,
            max_blocked=self.blocked_limit,
            max_private=self.private_limit,
            max_private_size=self.private_size,
            max_vcard=self.vcard_size,
            pubsub=PubSubConfig(
                max_nodes=self.pep_nodes,
                max_items=self.pep_items,
                max_item_size=self.pep_item_size,
                quota=self.pep_quota,
                max_entities=self.pep_subscribers,
            ),
            roster=RosterConfig(
                max_contacts=self.roster_contacts,
                max_size=self.roster_size,
                max_groups=self.roster_groups,
                max_name=self.roster_name,
                max_requests=self.roster_requests,
                max_request=self.roster_request,
            ),
            archive=self.archive_config() if self.archive else None,
            rooms=self.rooms_config() if self.rooms else None,
            upload=self.upload_config() if self.upload else None,
            contact_addresses=ContactAddresses(
                abuse=self.contact_abuse,
                admin=self.contact_admin,
                feedback=self.contact_feedback,
                sales=self.contact_sales,
                security=self.contact_security,
                status=self.contact_status,
                support=self.contact_support,
            ),
            software_version=__version__ if self.announce_version else "",
        )

    def archive_config(self) -> ArchiveConfig:
        """Return what the archives of the embedded domain are told."""
        return ArchiveConfig(
            default=self.archive_default,
            days=self.archive_days,
            max_bytes=self.archive_max_bytes,
            page=self.archive_page,
            max_preferences=self.archive_preferences,
            backlog=self.archive_backlog,
        )

    def rooms_config(self) -> RoomsConfig:
        """Return what the rooms of the embedded domain are told."""
        return RoomsConfig(
            host=self.rooms_host,
            create=RoomCreators(self.rooms_create),
            max_rooms=self.rooms_max,
            max_rooms_per_account=self.rooms_max_per_account,
            max_rooms_per_session=self.rooms_max_per_session,
            max_occupants=self.rooms_max_occupants,
            max_affiliations=self.rooms_max_affiliations,
            max_nick=self.rooms_max_nick,
            max_message=self.rooms_max_message,
            max_subject=self.rooms_max_subject,
            max_presence=self.rooms_max_presence,
            max_vcard=self.rooms_max_vcard,
            history=self.rooms_history,
            history_max=self.rooms_history_max,
            history_characters=self.rooms_history_size,
            lock_timeout=self.rooms_lock_timeout,
        )

    def upload_config(self) -> UploadConfig:
        """Return what the uploads of the embedded domain are told."""
        return UploadConfig(
            directory=self.upload_dir,
            public_url=self.public_url,
            max_size=self.upload_max_size,
            quota=self.upload_quota,
            expiry=self.upload_expiry,
            types=self.upload_types,
            max_slots=self.upload_slots,
            max_concurrent=self.upload_concurrent,
            timeout=self.upload_timeout,
        )

    def journal_path(self) -> str:
        """Return where sessions are written down; empty where they are not to be.

        Raises :class:`DatabaseError` for a database's URL that cannot be used.
        """
        return "" if self.durability == "memory" else self.journal_place()

    def journal_place(self) -> str:
        """Return where sessions would be written down if they were; raises as the above."""
        return self.durability_file or beside(self.database, "-sessions")

    def journal_config(self) -> JournalConfig:
        """Return what the journal is told, where there is one."""
        to_disk = self.durability == "disk"
        return JournalConfig(
            durability=Durability.DISK if to_disk else Durability.PROCESS,
            maximum=self.durability_max_size,
        )

    def sm_config(self) -> SmConfig:
        """Return what the session manager is told."""
        return SmConfig(
            active=self.stream_management_active,
            unsolicited_ack_frequency=self.stream_management_unsolicited_ack_frequency,
            max=self.stream_management_max,
            location=self.stream_management_location,
            request_every=self.stream_management_request_every,
            request_quiet=self.stream_management_request_quiet,
            request_timeout=self.stream_management_request_timeout,
            queue_stanzas=self.stream_management_queue_stanzas,
            queue_bytes=self.stream_management_queue_bytes,
            remember_expired=self.stream_management_remember_expired,
            negotiation_timeout=self.session_negotiation_timeout,
            idle_probe=self.session_idle_probe,
            idle_timeout=self.session_idle_timeout,
            pending=self.session_pending,
            account_bytes=self.account_memory,
            backlog=self.account_backlog,
            rate=self.account_rate,
            burst=self.account_burst,
            patience=self.account_patience,
            stanza_bytes=self.max_stanza_size,
            negotiation_bytes=self.max_negotiation_size,
            turn=self.account_turn,
            share=self.account_share,
        )

    def websocket_config(self) -> WebSocketConfig:
        """Return what the WebSocket endpoint is told."""
        return WebSocketConfig(
            origins=self.websocket_origins,
            max_stanza_size=self.max_stanza_size,
            max_negotiation_size=self.max_negotiation_size,
            max_negotiating=self.max_negotiating,
            max_negotiating_per_address=self.max_negotiating_per_address,
            buffer_bytes=self.websocket_buffer_bytes,
            close_timeout=self.websocket_close_timeout,
            see_other_uri=self.websocket_see_other_uri,
        )

    def inprocess_config(self) -> InprocessConfig:
        """Return what bounds clients in the process: as much as those outside."""
        return InprocessConfig(
            max_stanza_size=self.max_stanza_size,
            max_negotiation_size=self.max_negotiation_size,
            buffer_bytes=self.websocket_buffer_bytes,
            unsent_bytes=self.account_burst,
            close_timeout=self.websocket_close_timeout,
        )

    def bosh_config(self) -> BoshConfig:
        """Return what the BOSH endpoint is told."""
        return BoshConfig(
            origins=self.bosh_origins,
            wait=self.bosh_wait,
            hold=self.bosh_hold,
            inactivity=self.bosh_inactivity,
            polling=self.bosh_polling,
            maxpause=self.bosh_maxpause,
            max_body_size=self.bosh_max_body_size,
            max_negotiation_size=self.max_negotiation_size,
            max_stanzas=self.bosh_max_stanzas,
            buffer_bytes=self.bosh_buffer_bytes,
            request_timeout=self.session_negotiation_timeout,
            compress_from=self.bosh_compress_from,
            script_syntax=self.bosh_script_syntax,
        )


def _settings_error(
    settings_cls: type[Settings],
    problem: ErrorDetails,
    overrides: dict[str, Any],
    sources: tuple[Source, ...],
) -> SettingsError:
    """Say what pydantic found in the words of whoever wrote the setting."""
    name = str(problem["loc"][0])
    if name not in settings_cls.model_fields:
        return unknown(f"the keyword argument {name}", name, settings_cls)
    spelled = f"the keyword argument {name}"
    if name not in overrides:
        spelled = next(source.spelled[name] for source in sources if name in source.spelled)
    field = settings_cls.model_fields[name]
    given = "" if not field.repr else f" is {problem['input']!r:.60}, but"
    wanted = str(problem["ctx"]["error"]) if problem["type"] == "value_error" else expected(field)
    return SettingsError(
        f"{spelled}{given} must be {wanted} (the default is {default_text(field)})"
    )
