"""The site that the domain is a part of: whom it knows, and what it says of a password or token."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from andiron.domain.accounts.credentials import Credentials, ScramKeys
from andiron.domain.contacts.groups import AskGroups
from andiron.domain.contacts.permissions import MayContact
from andiron.domain.patience import TimeLimit, within
from andiron.domain.person import Person
from andiron.domain.sign_in.tokens import Grant, SignedTokens, UnfitToken, VerifyToken
from andiron.xmpp.errors import SaslCondition, SaslError

__all__ = ["SITE_SCRAM", "AskKeys", "Authenticate", "Site"]

logger = logging.getLogger("andiron.domain")

T = TypeVar("T")

Authenticate = Callable[[str, str], Awaitable[bool | Person]]
"""Tells whether a password in the clear is that of a username, the prepared localpart.

Where it is, it may say who that is."""
AskKeys = Callable[[str], Awaitable[ScramKeys | None]]
"""Returns the keys of a username, the prepared localpart; None for whom the site does not know."""
SITE_SCRAM: Final = "SCRAM-SHA-256"
"""Of which mechanism they are."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the domain may ask of its site; without one, accounts are the database's alone."""

    authenticate: Authenticate | None = None
    provision: bool = True
    """Make an account for whom the site lets in and who has none."""
    timeout: float = 10.0
    """Seconds that the site may take to answer."""

    signed: SignedTokens | None = None
    """Tells of JSON Web Tokens; None where none are taken."""
    verify_token: VerifyToken | None = None
    """Tells of tokens that say nothing by themselves."""
    may_contact: MayContact | None = None
    """Tells who may talk to whom; None: everybody to everybody."""
    groups: AskGroups | None = None
    """Tells who is in a group with whom; None: nobody but by the table."""
    scram_keys: AskKeys | None = None
    """Tells the keys of a username's password, where there is no ``authenticate``."""

    @property
    def takes_tokens(self) -> bool:
        """Whether one may sign in by a token."""
        return self.signed is not None or self.verify_token is not None

    def scram(self, own: tuple[str, ...]) -> tuple[str, ...]:
        """Return which of SCRAM's mechanisms may be used, ``own`` being those of accounts."""
        if self.authenticate is not None:
            return ()
        return (SITE_SCRAM,) if self.scram_keys is not None else own

    async def is_right(self, username: str, password: str) -> bool | Person:
        """Ask the site, if it can be asked; it may say who that is.

        Raises :class:`SaslError` ``temporary-auth-failure`` where it fails or takes too long.
        """
        if self.authenticate is None:
            return False
        said = await self._ask("authenticate=", self.authenticate(username, password))
        return said if isinstance(said, Person) else said is True

    async def credentials(self, username: str) -> Credentials | None:
        """Ask the site for somebody's keys; None where it has none, or cannot be asked.

        Raises :class:`SaslError` ``temporary-auth-failure`` as :meth:`is_right` does.
        """
        if self.scram_keys is None:
            return None
        keys = await self._ask("scram_keys=", self.scram_keys(username))
        if keys is None:
            return None
        if not isinstance(keys, ScramKeys) or not keys.sound:
            logger.error("scram_keys= returned no keys of SCRAM-SHA-256 for %s", username)
            raise SaslError(SaslCondition.TEMPORARY_AUTH_FAILURE)
        return Credentials({SITE_SCRAM: keys}, SITE_SCRAM)

    def proven(self, token: str) -> Grant | None:
        """Return what a token says that proves itself; None for any other.

        Raises :class:`SaslError` ``not-authorized`` for one that is too old or not for here.
        """
        try:
            return None if self.signed is None else self.signed.read(token)
        except UnfitToken:
            raise SaslError(SaslCondition.NOT_AUTHORIZED) from None

    async def owner(self, token: str) -> Grant | None:
        """Ask the site whose token it is, if it can be asked.

        Raises :class:`SaslError` ``temporary-auth-failure`` where it fails or takes too long.
        """
        if self.verify_token is None:
            return None
        said = await self._ask("verify_token=", self.verify_token(token))
        if isinstance(said, Person):
            return Grant(said.name, person=said) if said.name else None
        return Grant(said) if isinstance(said, str) and said else None

    async def _ask(self, what: str, work: Awaitable[T]) -> T:
        try:
            return await within(self.timeout, what.rstrip("="), work)
        except TimeLimit:
            logger.warning("%s took longer than %g s (site_timeout)", what, self.timeout)
        except Exception:
            # Whatever went wrong in the site's own code, the stream must hear.
            logger.exception("%s failed", what)
        raise SaslError(SaslCondition.TEMPORARY_AUTH_FAILURE)
