"""The site that the domain is a part of: whom it knows, and what it says of a password or token."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from andiron.domain.sign_in.tokens import Grant, SignedTokens, UnfitToken, VerifyToken
from andiron.xmpp.errors import SaslCondition, SaslError

__all__ = ["Authenticate", "GaveUp", "Site", "TimeLimit", "within"]

logger = logging.getLogger("andiron.domain")

T = TypeVar("T")

Authenticate = Callable[[str, str], Awaitable[bool]]
"""Tells whether a password in the clear is that of a username, the prepared localpart."""


class TimeLimit(Exception):  # noqa: N818
    """The site's own code has not answered in time."""


class GaveUp(Exception):  # noqa: N818
    """The site's own code has ended by what is no error, such as a cancellation of its own."""


async def within(seconds: float, work: Awaitable[T]) -> T:
    """Return what ``work`` returns. Raises :class:`TimeLimit` when that takes longer.

    It is cancelled then, and not waited for: code that goes on all the same holds nobody up.
    Whatever it raises is an :class:`Exception`, :class:`GaveUp` where it was none: a
    cancellation within it is not one of whoever waits for it.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=seconds)
        if task.done():
            return _result(task)
    finally:
        if not task.done():
            task.add_done_callback(_let_go)
            task.cancel()
    raise TimeLimit


def _result(task: "asyncio.Future[T]") -> T:
    try:
        return task.result()
    except Exception:
        raise
    except BaseException as error:
        raise GaveUp(type(error).__name__) from error


def _let_go(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.info("what the site's own code did too late failed", exc_info=task.exception())


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

    @property
    def takes_tokens(self) -> bool:
        """Whether one may sign in by a token."""
        return self.signed is not None or self.verify_token is not None

    async def is_right(self, username: str, password: str) -> bool:
        """Ask the site, if it can be asked.

        Raises :class:`SaslError` ``temporary-auth-failure`` where it fails or takes too long.
        """
        if self.authenticate is None:
            return False
        return await self._ask("authenticate=", self.authenticate(username, password)) is True

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
        name = await self._ask("verify_token=", self.verify_token(token))
        return Grant(name) if isinstance(name, str) and name else None

    async def _ask(self, what: str, work: Awaitable[T]) -> T:
        try:
            return await within(self.timeout, work)
        except TimeLimit:
            logger.warning("%s took longer than %g s (site_timeout)", what, self.timeout)
        except Exception:
            # Whatever went wrong in the site's own code, the stream must hear.
            logger.exception("%s failed", what)
        raise SaslError(SaslCondition.TEMPORARY_AUTH_FAILURE)
