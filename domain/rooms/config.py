"""How a room is set up: the fields of ``muc#roomconfig`` (XEP-0045 section 15.5.3)."""

import json
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final

from andiron.domain.rooms.privileges import Role

__all__ = ["PrivateMessages", "RoomConfig"]


class PrivateMessages(StrEnum):
    """Who may send private messages, by the names of ``muc#roomconfig_allowpm``."""

    ANYONE = "anyone"
    PARTICIPANTS = "participants"
    MODERATORS = "moderators"
    NONE = "none"


_ALL_ROLES: Final = frozenset({Role.MODERATOR, Role.PARTICIPANT, Role.VISITOR})


@dataclass(frozen=True, slots=True)
class RoomConfig:
    """What an owner decides about a room."""

    name: str = ""
    description: str = ""
    lang: str = ""
    persistent: bool = False
    public: bool = True
    moderated: bool = False
    members_only: bool = False
    password: str = ""
    """What one must know to enter; empty: nothing."""
    jids_shown: bool = False
    """Whether everybody sees everybody's JID: the room is non-anonymous, else semi-anonymous."""
    max_occupants: int = 0
    """0: as many as the service allows."""
    change_subject: bool = False
    """Whether participants may, not moderators only."""
    allow_invites: bool = True
    """Whether those who are no admins may; in members-only rooms whom they invite are members."""
    private_messages: PrivateMessages = PrivateMessages.ANYONE
    archived: bool = True
    broadcast: frozenset[Role] = _ALL_ROLES
    """Whose presence is told to the others."""
    member_list: frozenset[Role] = _ALL_ROLES
    """Who may get the lists of members, admins and owners where JIDs are shown anyway."""
    voice_requests: bool = True
    history: int = -1
    """How many messages one who enters gets at most; negative: as the service has it."""

    def to_json(self) -> str:
        """Return this for the database."""
        kept = asdict(self)
        for name in ("broadcast", "member_list"):
            kept[name] = sorted(kept[name])
        return json.dumps(kept)

    @classmethod
    def from_json(cls, text: str) -> "RoomConfig":
        """Read what :meth:`to_json` returned, of an older version, too."""
        known = {field.name for field in fields(cls)}
        kept: dict[str, Any] = {k: v for k, v in json.loads(text).items() if k in known}
        for name in {"broadcast", "member_list"} & kept.keys():
            kept[name] = frozenset(map(Role, kept[name]))
        if "private_messages" in kept:
            kept["private_messages"] = PrivateMessages(kept["private_messages"])
        return replace(cls(), **kept)
