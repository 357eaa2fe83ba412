"""What the caller of the API is told of what went wrong below it."""

import logging

from andiron.api.errors import (
    ApiError,
    BusyError,
    InvalidError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from andiron.domain.accounts.accounts import InvalidName
from andiron.domain.database.database import DatabaseError
from andiron.domain.owners import NoSuchAccount
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.jid import InvalidJID

__all__ = ["told"]

logger = logging.getLogger("andiron")

_C = StanzaCondition
_MEANINGS = {
    _C.BAD_REQUEST: InvalidError,
    _C.JID_MALFORMED: InvalidError,
    _C.NOT_ACCEPTABLE: InvalidError,
    _C.ITEM_NOT_FOUND: NotFoundError,
    _C.INTERNAL_SERVER_ERROR: UnavailableError,
    _C.RESOURCE_CONSTRAINT: BusyError,
}


def told(error: Exception) -> ApiError | None:
    """Return an error of the API for one of the domain's; None for one that is a bug."""
    if isinstance(error, StanzaError):
        sentence = error.text or str(error.condition).replace("-", " ")
        meaning = _MEANINGS.get(StanzaCondition(error.condition), RefusedError)
        return meaning(sentence[:1].upper() + sentence[1:] + ".")
    if isinstance(error, NoSuchAccount):
        return NotFoundError(str(error))
    if isinstance(error, InvalidName | InvalidJID):
        return InvalidError(str(error))
    if isinstance(error, DatabaseError):
        # What it says of the database is for the operator.
        logger.error("The API could not use the database: %s", error)
        return UnavailableError("The database cannot be used now; the server's log says why.")
    return None
