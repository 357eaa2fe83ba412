"""The chat for the site's own code: values, errors, and who takes what is asked."""

from andiron.api.errors import (
    ApiError,
    BusyError,
    InvalidError,
    NotFoundError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
)
from andiron.api.values import (
    Affiliation,
    ArchivedMessage,
    ArchivePage,
    Member,
    MessageKind,
    Presence,
    Resource,
    RoomInfo,
    RoomPage,
    RoomPerson,
    Sent,
    Session,
)

__all__ = [
    "Affiliation",
    "ApiError",
    "ArchivePage",
    "ArchivedMessage",
    "BusyError",
    "InvalidError",
    "Member",
    "MessageKind",
    "NotFoundError",
    "Presence",
    "RefusedError",
    "Resource",
    "RoomInfo",
    "RoomPage",
    "RoomPerson",
    "Sent",
    "Session",
    "UnauthorizedError",
    "UnavailableError",
]
