"""Tokens in place of passwords: what one that is right says, and who can tell."""

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import Final, Protocol

from andiron.domain.person import Person
from andiron.xmpp.jid import InvalidJID, account_jid, domainpart

__all__ = ["Grant", "SignedTokens", "UnfitToken", "VerifyToken", "account_of", "has_form_of_jwt"]

logger = logging.getLogger("andiron.domain")

VerifyToken = Callable[[str], Awaitable[str | Person | None]]
"""Returns the name of whose token it is, or who that is, None where it is nobody's."""

_JWT: Final = re.compile(r"e[wy][\w-]+\.e[wy][\w-]+\.[\w-]*", re.ASCII)
"""Two JSON objects and a signature, in base64url (RFC 7519 section 3.1)."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token that is right says, or who had the password."""

    name: str
    """The name of an account, or its address, as the token has it."""
    until: float = inf
    """The Unix time until which it lets somebody in."""
    person: Person | None = None
    """Who that is, where more is said than a name."""


class UnfitToken(Exception):  # noqa: N818
    """A token is signed as it should be and lets nobody in, as one that has expired."""


class SignedTokens(Protocol):
    """Tells of tokens that prove themselves, at once and without asking anybody."""

    def read(self, token: str) -> Grant | None:
        """Return what a token says, None where no key here signed it.

        Raises :class:`UnfitToken`: nobody guesses such a one.
        """


def has_form_of_jwt(text: str) -> bool:
    """Tell whether ``text`` could be a JSON Web Token, which no password looks like."""
    return _JWT.fullmatch(text) is not None


def account_of(name: str, domain: str) -> str | None:
    """Return the prepared localpart of whom a token names, alone or with ``domain``.

    None for somebody of another domain, and for a name that no account can have.
    """
    local, at, host = name.rpartition("@")
    try:
        if at and domainpart(host) != domain:
            logger.info("a token was refused: it is for somebody of another domain")
            return None
        account: str = account_jid(local if at else name, domain).node
    except InvalidJID as error:
        logger.warning("a token was refused: no account can have the name in it: %s", error)
        return None
    return account
