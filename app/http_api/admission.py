"""Who is let in to the API over HTTP: who has a token, and whom the site says to be an operator."""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from andiron.api.errors import UnauthorizedError
from andiron.domain.patience import TimeLimit, within
from andiron.http_api.problems import problem
from andiron.http_api.tokens import Doorkeeper
from andiron.sm.notices import Complaints
from andiron.sm.origin import origin_allowed, read_origin
from andiron.web.told import OPERATOR, told

__all__ = ["HEADER", "Admission", "Admits", "AskOperators", "Caller", "Operators"]

logger = logging.getLogger("andiron")

Operators = Callable[[HTTPConnection], Awaitable[str | None]]
"""Tells the name of an operator from a request; None, or an empty name, for anybody else."""

HEADER: Final = "Andiron-Operator"
"""What a request by the site's own sign-in must have besides: no form or picture can send it."""
_OWN: Final = frozenset({"same-origin", "none"})
"""Words of ``Sec-Fetch-Site`` for requests that no other site's page has made."""


class AskOperators:
    """Asks the site which of its operators makes a request; it may take ``timeout`` seconds."""

    def __init__(self, operators: Operators, timeout: float) -> None:
        self._operators = operators
        self._timeout = timeout
        self._complain = Complaints(logger)

    async def __call__(self, scope: MutableMapping[str, Any]) -> str:
        """Return the operator's name; empty for anybody else."""
        try:
            # What the site makes of it must not read the body, which is still to come.
            asked = self._operators(HTTPConnection(scope))
            found: object = await within(self._timeout, "operators", asked)
        except TimeLimit:
            self._complain("operators= took longer than %g s (site_timeout)", self._timeout)
            return ""
        except Exception:  # noqa: BLE001 - whatever went wrong in the site's own code
            self._complain("operators= failed", exc_info=True)
            return ""
        if found is None or isinstance(found, str):
            return found or ""
        self._complain("operators= returned %s, and not a name or None", type(found).__name__)
        return ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who was let in."""

    name: str
    """For the log: the operator, or which token."""
    address: str
    audited: bool = True
    """Whether the log is to have what it changes."""


class Admits(Protocol):
    """Says who is let in."""

    async def admit(self, request: Request) -> Caller | Response:
        """Return who asks, or the answer to who may not."""


class Admission:
    """Lets callers in, by a token or as operators that the site knows by its own sign-in.

    A browser sends the site's cookies along whoever's page makes it ask, so those are worth
    nothing where another site's page asks, or may: the request must have :data:`HEADER`, which
    a browser asks for leave before another site's page may send, and ``Origin`` and
    ``Sec-Fetch-Site`` must say, where there are any, that it is this site's own page.
    """

    def __init__(self, doorkeeper: Doorkeeper, operators: Operators | None, timeout: float) -> None:
        """Take who knows the tokens, whom the site knows, and the seconds that it may take."""
        self._doorkeeper = doorkeeper
        self._operators = None if operators is None else AskOperators(operators, timeout)

    async def admit(self, request: Request) -> Caller | Response:
        """Return who asks, or the answer to who may not."""
        operators, doorkeeper = self._operators, self._doorkeeper
        scheme = request.headers.get("authorization", "").partition(" ")[0]
        if operators is None or scheme.lower() == "bearer":
            refusal = doorkeeper.refusal(request)
            if refusal is not None:
                return refusal
            return Caller(doorkeeper.named(request), doorkeeper.address_of(request))
        if not _is_own(request):
            return problem(
                403,
                "From another site's page",
                f"By the site's sign-in its own pages may ask, with the header {HEADER}.",
                "cross_site",
            )
        known = told(request.scope, OPERATOR)
        name = known if isinstance(known, str) else await operators(request.scope)
        if name:
            return Caller(f"operator {name[:100]!r}", doorkeeper.address_of(request))
        kind = UnauthorizedError
        return problem(
            kind.status,
            kind.title,
            "Sign in to the site as one of its operators"
            + (", or send a token." if doorkeeper.has_tokens else "."),
            "unauthorized",
            {"WWW-Authenticate": doorkeeper.challenge},
        )


def _is_own(request: Request) -> bool:
    """Tell whether a page of this site's, and of no other, makes a request."""
    if len(request.headers.getlist(HEADER)) != 1:
        return False
    if any(site not in _OWN for site in request.headers.getlist("sec-fetch-site")):
        return False
    told = read_origin(request.scope["headers"])
    return told is None or origin_allowed(*told, ())
