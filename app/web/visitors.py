"""Who a visitor is, as the site says that Andiron is a part of."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final, cast

from starlette.requests import HTTPConnection

from andiron.domain.patience import TimeLimit, within
from andiron.domain.person import Person
from andiron.sm.link import STRANGER, Visitor
from andiron.sm.notices import Complaints
from andiron.sm.origin import origin_allowed, read_origin
from andiron.web.told import VISITOR, told
from andiron.xmpp.jid import InvalidJID, localpart

__all__ = ["Identify", "Visitors"]

logger = logging.getLogger("andiron")

Identify = Callable[[HTTPConnection], Awaitable[str | Person | None]]
"""Tells the name of a visitor from a request, or who that is; None, or an empty name, for a
stranger."""

_ELSEWHERE: Final = frozenset({b"cross-site", b"same-site"})
"""Words of ``Sec-Fetch-Site`` for requests that another site's page makes."""


class Visitors:
    """Asks the site, for requests of its own pages and of those that are listed.

    A browser sends the site's cookies along whoever's page makes it ask, so nobody is known
    to a page that may only connect because ``*`` is listed (cross-site WebSocket hijacking).
    """

    def __init__(self, identify: Identify, origins: Iterable[str], timeout: float) -> None:
        """Take the origins that are listed, and the seconds that the site may take."""
        self._identify = identify
        self._origins = tuple(origin for origin in origins if origin != "*")
        self._timeout = timeout
        self._complain = Complaints(logger)

    async def find(self, scope: Mapping[str, Any]) -> Visitor:
        """Return who makes a request, as far as the site knows."""
        known = told(scope, VISITOR)
        return known if isinstance(known, Visitor) else await self._ask(scope)

    async def _ask(self, scope: Mapping[str, Any]) -> Visitor:
        if not self.trusted(scope):
            return STRANGER
        try:
            connection = HTTPConnection(cast(MutableMapping[str, Any], scope))
            found: object = await within(self._timeout, "identify", self._identify(connection))
        except TimeLimit:
            self._complain("identify= took longer than %g s (site_timeout)", self._timeout)
            return STRANGER
        except Exception:  # noqa: BLE001 - whatever went wrong in the site's own code
            self._complain("identify= failed", exc_info=True)
            return STRANGER
        if isinstance(found, Person):
            return self._known(Visitor(found.name, found))
        if found is None or isinstance(found, str):
            return self._known(Visitor(found or ""))
        self._complain("identify= returned %s, and not a name or None", type(found).__name__)
        return STRANGER

    def _known(self, visitor: Visitor) -> Visitor:
        """Return the visitor, and say so when signing in will refuse the name."""
        try:
            if visitor.name:
                localpart(visitor.name)
        except InvalidJID as error:
            self._complain(
                "identify= returned a name that no account can have: it %s; return another"
                ' one that is theirs for good, such as f"user{user.id}"',
                error.reason,
            )
        return visitor

    def trusted(self, scope: Mapping[str, Any]) -> bool:
        """Tell whether a request comes of a page that may use the visitor's cookies, or of none."""
        told = read_origin(scope["headers"])
        if told is not None:
            return origin_allowed(*told, self._origins)
        if scope["type"] == "http" and scope["method"] != "POST":
            return False  # Any page makes a browser get things, and it names no origin then.
        headers = scope["headers"]
        return not any(
            name.lower() == b"sec-fetch-site" and value in _ELSEWHERE for name, value in headers
        )
