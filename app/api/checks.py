"""What is given to the API is looked at before anything is done."""

from datetime import UTC, datetime
from typing import Final

from andiron.api.errors import InvalidError
from andiron.xmpp.escape import ILLEGAL

__all__ = [
    "MAX_ADDRESS",
    "MAX_PAGE",
    "MAX_SUBJECT",
    "count_of",
    "moment_of",
    "text_of",
    "written",
]

MAX_ADDRESS: Final = 3071
"""The characters of the longest JID (RFC 7622 section 3.1)."""
MAX_PAGE: Final = 1000
MAX_SUBJECT: Final = 1000
"""Characters of what a message is about."""


def text_of(value: object, what: str, most: int, *, least: int = 0) -> str:
    """Return a text that XML can carry and that has no more than ``most`` characters.

    Raises :class:`InvalidError` that says ``what`` it is of.
    """
    if not isinstance(value, str):
        raise InvalidError(f"{what} must be a text, not {type(value).__name__}.")
    if len(value) > most:
        raise InvalidError(f"{what} has {len(value)} characters; {most} are the most.")
    if len(value) < least:
        raise InvalidError(f"{what} is empty.")
    found = ILLEGAL.search(value)
    if found is not None:
        raise InvalidError(
            f"{what} has the character U+{ord(found[0]):04X}, which XML cannot have."
        )
    return value


def count_of(value: object, what: str, least: int, most: int) -> int:
    """Return a whole number within bounds."""
    if not isinstance(value, int):
        raise InvalidError(f"{what} must be a whole number, not {type(value).__name__}.")
    if not least <= value <= most:
        raise InvalidError(f"{what} must be from {least} to {most}, not {value}.")
    return value


def moment_of(value: object, what: str) -> float:
    """Return the Unix time of a date and time, which must say its time zone."""
    if not isinstance(value, datetime):
        raise InvalidError(f"{what} must be a datetime, not {type(value).__name__}.")
    if value.tzinfo is None:
        raise InvalidError(f"{what} needs a time zone: datetime.now(UTC) has one.")
    try:
        return value.timestamp()
    except (OverflowError, ValueError):
        raise InvalidError(f"{what} is too far away.") from None


def written(moment: float) -> datetime:
    """Return a Unix time as the API tells it."""
    return datetime.fromtimestamp(moment, UTC)
