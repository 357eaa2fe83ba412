"""What the API takes and gives: plain values, the same in the process and over HTTP."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from andiron.processes import Process

__all__ = [
    "Affiliation",
    "ArchivePage",
    "ArchivedMessage",
    "Member",
    "MessageKind",
    "Presence",
    "Process",
    "Resource",
    "RoomInfo",
    "RoomPage",
    "RoomPerson",
    "Sent",
    "Session",
    "SessionColumn",
    "SessionPage",
    "Setting",
    "SettingValue",
    "Trace",
    "TraceLine",
]

MessageKind = Literal["chat", "normal"]
"""``chat`` is a line of a conversation, ``normal`` stands for itself."""
Affiliation = Literal["owner", "admin", "member", "none", "outcast"]
"""How a person stands to a room for good; ``outcast`` is banned."""
SessionColumn = Literal[
    "address",
    "transport",
    "ip",
    "state",
    "since",
    "handled",
    "acknowledged",
    "unacknowledged",
    "unacknowledged_bytes",
    "idle",
    "resumable_for",
    "process",
]
"""What sessions can be sorted by: attributes of :class:`Session`."""
SettingValue = bool | int | float | str | tuple[str, ...]
"""What a setting may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message that was taken over."""

    id: str
    """Its own id, by which receipts and markers speak of it."""
    archive_id: str
    """Its id in the archive of who got it; empty where that keeps nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomInfo:
    """A room, as it is now."""

    address: str
    name: str
    description: str
    subject: str
    public: bool
    """Whether clients find it in the list of rooms."""
    members_only: bool
    moderated: bool
    """Whether newcomers have no voice."""
    addresses_shown: bool
    """Whether all in it see each other's addresses, or moderators only."""
    archived: bool
    persistent: bool
    """Whether it stays when the last one leaves."""
    has_password: bool
    occupants: int
    """How many are in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomPage:
    """Some rooms, in the order of their addresses."""

    rooms: tuple[RoomInfo, ...]
    complete: bool
    """Whether none come after these; else ask for those ``after`` the last address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person's lasting place in a room."""

    account: str
    """The address; that of a whole domain where it is banned, or the site's own."""
    affiliation: Affiliation
    nick: str
    """The nickname that is reserved, if any."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomPerson:
    """Somebody who is in a room."""

    nick: str
    account: str
    affiliation: Affiliation
    role: Literal["none", "visitor", "participant", "moderator"]
    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedMessage:
    """A message of an archive."""

    id: str
    """Its id in this archive."""
    time: datetime
    """When it was archived, in UTC."""
    sender: str
    """The address that it is from: in a room, the room's with the nickname."""
    to: str
    """The address that it was sent to; empty in a room."""
    kind: str
    body: str
    subject: str
    message_id: str
    """Its own id, as :attr:`Sent.id`."""
    xml: str
    """All of it, as the archive has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePage:
    """A part of an archive, oldest first."""

    messages: tuple[ArchivedMessage, ...]
    complete: bool
    """Whether no more lie in the direction that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One stream of an account: a page, an app, a bot."""

    address: str
    """The account's address with the resource; the account's own while none is bound."""
    account: str
    resource: str
    transport: Literal["websocket", "bosh", "in-process"]
    ip: str
    """Where it comes from; ``in-process`` for a bot."""
    state: Literal["negotiating", "bound", "detached"]
    """``detached`` has lost its connection and may be resumed."""
    since: datetime
    """When it began, in UTC."""
    id: str
    """What the server's log knows it by; it grants nothing."""
    managed: bool
    """Whether stream management (XEP-0198) is on; without, nothing is ever acknowledged."""
    handled: int
    """The client's stanzas that were handled: the ``h`` it is told."""
    acknowledged: int
    """The ``h`` that the client told: of the stanzas sent to it, those that it has."""
    unacknowledged: int
    """How many stanzas it has not acknowledged, or has not been sent yet."""
    unacknowledged_bytes: int
    """The memory that those take."""
    idle: float
    """For how many seconds nothing has come of the client, or its connection has been lost."""
    resumable_for: float | None
    """For how many seconds more a ``detached`` one waits to be resumed; None for others."""
    process: str
    """By which process its client came last, by :attr:`Process.name`; empty where that is not
    known, as of one that was taken up from a process that ended."""
    home: str
    """Which process the session itself is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPage:
    """Some sessions, as they were asked for."""

    sessions: tuple[Session, ...]
    found: int
    """How many there are of which these are some."""
    total: int
    """How many are signed in."""
    transports: dict[str, int]
    """How many of all come by each transport."""
    detached: int
    """How many of all wait to be resumed."""
    unacknowledged: int
    """How many stanzas wait for all of them."""
    unacknowledged_bytes: int
    """The memory that those take."""
    processes: dict[str, int]
    """How many of all have their connection by each process, by :attr:`Process.name`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLine:
    """One element that passed, or something that happened to the session."""

    number: int
    """Counted from 1 for each trace."""
    time: datetime
    way: Literal["in", "out", "event"]
    """``in`` came from the client, ``out`` went to it."""
    text: str
    """The element's outline: no text, and few attributes, are in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What has passed lately between a session and its client."""

    session: str
    """The session's id."""
    running_for: float
    """For how many seconds more lines are added; 0: no more are."""
    lines: tuple[TraceLine, ...]
    lost: int
    """How many lines there were before these that were asked for and are kept no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting that can be changed while the application runs."""

    name: str
    value: SettingValue
    default: SettingValue
    expected: str
    """What it must be, in words."""
    meaning: str
    openfire: str
    """What Openfire calls it; empty where that has no such property."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One available client of an account."""

    resource: str
    show: Literal["", "away", "chat", "dnd", "xa"]
    status: str
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Whether a person is there."""

    account: str
    available: bool
    show: Literal["", "away", "chat", "dnd", "xa"]
    """Of the client that messages come to; empty for simply there, and for nobody."""
    status: str
    resources: tuple[Resource, ...]
    """The one that messages come to is the first."""
