"""JSON Web Tokens (RFC 7519): whether one is right, and making one."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Final

import jwt

from andiron.domain.person import Person
from andiron.domain.sign_in.tokens import Grant, UnfitToken
from andiron.tokens.keys import Key

__all__ = ["Expected", "JsonWebTokens", "sign"]

logger = logging.getLogger("andiron")

_UNFIT: Final[Mapping[type[jwt.PyJWTError], str]] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidIssuerError: "it is of another issuer (token_issuer)",
    jwt.InvalidAudienceError: "it is for another audience (token_audience)",
}
"""What can be wrong with a token whose signature is right: that is looked at first.

The words are for the log, which is told nothing that stands in a token.
"""
_LATEST: Final = 2**40
"""A Unix time that no clock will show."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the claims of a token must be."""

    issuer: str = ""
    """Empty: anybody."""
    audience: tuple[str, ...] = ()
    """Of these one must be in it; none: no token is taken that names one (section 4.1.3)."""
    claim: str = "sub"
    """The one that names the user."""
    name_claim: str = "name"
    """The one that says what people call them; empty: none does."""
    groups_claim: str = ""
    """The one that lists the groups that they are in; empty: none does."""
    skew: float = 10.0
    """Seconds by which other clocks may differ from this one."""
    outlives: bool = False
    """Whether who signed in may stay when his token has expired."""


class JsonWebTokens:
    """Checks tokens by keys, which may change meanwhile."""

    __slots__ = ("_expected", "_keys", "_options")

    def __init__(self, keys: Callable[[], tuple[Key, ...]], expected: Expected) -> None:
        self._keys = keys
        self._expected = expected
        required = ["exp", expected.claim]
        required += ["iss"] if expected.issuer else []
        required += ["aud"] if expected.audience else []
        self._options: Any = {
            "require": required,
            "verify_sub": False,
            "verify_jti": False,
            "enforce_minimum_key_length": True,
        }

    def read(self, token: str) -> Grant | None:
        """Return what a token says, None where no key here signed it; the log has why.

        Raises :class:`UnfitToken`.
        """
        try:
            return self._grant(self._claims(token))
        except jwt.MissingRequiredClaimError as error:
            logger.info("a token was refused: it lacks the claim %s, or it is empty", error.claim)
            raise UnfitToken from None
        except tuple(_UNFIT) as error:
            words = next(words for kind, words in _UNFIT.items() if isinstance(error, kind))
            logger.info("a token was refused: %s", words)
            raise UnfitToken from None
        except jwt.InvalidAlgorithmError:
            why = "it is signed by an algorithm of no key here (token_algorithms)"
        except jwt.InvalidSignatureError:
            why = "its signature is of no key here"
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            why = "it is none"
        logger.info("a token was refused: %s", why)
        return None

    def _claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that is right. Raises whatever PyJWT does."""
        name = jwt.get_unverified_header(token).get("kid")
        failure: jwt.PyJWTError = jwt.InvalidSignatureError()
        for key in self._keys():
            if name and key.name and name != key.name:
                continue
            try:
                return self._verified(token, key)
            except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError) as error:
                failure = error
        raise failure

    def _verified(self, token: str, key: Key) -> dict[str, Any]:
        expected = self._expected
        return jwt.decode(
            token,
            key.material,
            algorithms=list(key.algorithms),
            options=self._options,
            audience=expected.audience or None,
            issuer=expected.issuer or None,
            leeway=expected.skew,
        )

    def _grant(self, claims: dict[str, Any]) -> Grant:
        expected = self._expected
        name = claims[expected.claim]
        if not isinstance(name, str) or not name:
            raise jwt.MissingRequiredClaimError(expected.claim)
        # One that came in by the skew stays as long as it would be let in.
        until = min(int(claims["exp"]), _LATEST) + expected.skew
        person = _person(name, claims, expected)
        return Grant(name, inf if expected.outlives else until, person)


def _person(name: str, claims: dict[str, Any], expected: Expected) -> Person | None:
    """Return what a token says of its user besides; what is of another type says nothing."""
    shown = claims.get(expected.name_claim) if expected.name_claim else None
    groups = claims.get(expected.groups_claim) if expected.groups_claim else None
    if not isinstance(shown, str):
        shown = ""
    if isinstance(groups, list):
        groups = [group for group in groups if isinstance(group, str)]
    else:
        groups = None
    return Person(name, shown, groups=groups) if shown or groups is not None else None


def sign(name: str, key: Key, expected: Expected, lifetime: float) -> str:
    """Return a token for ``name``, as ``expected`` and for ``lifetime`` seconds."""
    now = int(time.time())
    claims: dict[str, Any] = {expected.claim: name, "iat": now, "exp": now + int(lifetime)}
    if expected.issuer:
        claims["iss"] = expected.issuer
    if expected.audience:
        claims["aud"] = expected.audience[0]
    return jwt.encode(claims, key.material, key.algorithms[0])
