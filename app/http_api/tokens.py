"""Who may use the API over HTTP: whoever has one of the tokens (RFC 6750)."""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from andiron.api.errors import UnauthorizedError
from andiron.domain.config import ThrottleConfig
from andiron.domain.sign_in.failures import Failures
from andiron.http_api.problems import problem
from andiron.settings import Settings, SettingsError
from andiron.sm.strangers import network_of

__all__ = ["Doorkeeper", "api_tokens", "metrics_tokens"]

_LEAST: Final = 32
_FORM: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
_REALM: Final = 'Bearer realm="andiron"'
_NAMED: Final = 8
"""Digits of a token's hash by which the log knows it, which say nothing of it."""


def api_tokens(settings: Settings) -> tuple[str, ...]:
    """Return the tokens that the settings name, none where the API is off.

    Raises :class:`SettingsError` for one that is no token, or too short to be safe.
    """
    found = _checked("api_token", settings.api_token)
    if settings.api_token_file:
        try:
            text = Path(settings.api_token_file).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise SettingsError(
                f"api_token_file (ANDIRON_API_TOKEN_FILE) cannot be read: {reason}"
            ) from None
        if not text.strip():
            raise SettingsError(
                "api_token_file (ANDIRON_API_TOKEN_FILE) names a file without a token: write one"
                " into it, such as openssl rand -hex 32 gives"
            )
        found += _checked("api_token_file", text)
    return tuple(found)


def metrics_tokens(settings: Settings) -> tuple[str, ...]:
    """Return the tokens for the metrics, none where these are off; raises as :func:`api_tokens`."""
    tokens = _checked("metrics_token", settings.metrics_token)
    if tokens and find_spec("prometheus_client") is None:
        raise SettingsError(
            "metrics_token (ANDIRON_METRICS_TOKEN) needs prometheus-client; install it with:"
            " pip install 'andiron[metrics]'"
        )
    return tuple(tokens)


def _checked(name: str, text: str) -> list[str]:
    found = text.split()
    for token in found:
        if len(token) < _LEAST or _FORM.fullmatch(token) is None:
            raise SettingsError(
                f"{name} (ANDIRON_{name.upper()}) has a token that is none: it needs {_LEAST}"
                " characters or more, letters, digits and ._~+/-; openssl rand -hex 32 makes one"
            )
    return found


class Doorkeeper:
    """Lets requests in that bring a token, and puts off who guesses."""

    def __init__(
        self,
        tokens: Iterable[str],
        throttle: ThrottleConfig,
        address_of: Callable[[Request], str],
        clock: Callable[[], float],
        setting: str = "api_token",
    ) -> None:
        """``address_of`` tells where a request comes from, ``setting`` where the tokens are."""
        self._setting = setting
        self._known = tuple(map(_digest, tokens))
        self._failures = Failures(throttle, throttle.address_cap)
        self.address_of = address_of
        """Tells where a request comes from."""
        self._clock = clock

    challenge: Final = _REALM
    """What a refused request is told to bring (``WWW-Authenticate``)."""

    @property
    def has_tokens(self) -> bool:
        """Whether there is a token that lets anybody in."""
        return bool(self._known)

    def named(self, request: Request) -> str:
        """Return which token a request has brought, for the log."""
        token = request.headers.get("authorization", "").partition(" ")[2]
        return f"token {_digest(token.strip(' ')).hex()[:_NAMED]}"

    def refusal(self, request: Request) -> Response | None:
        """Return the answer to a request that may not pass; None for one that may."""
        given = request.headers.getlist("authorization")
        scheme, _, token = (given[0] if len(given) == 1 else "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return _refused(_REALM, f"Send a token of {self._setting} as Authorization: Bearer …")
        digest = _digest(token.strip(" "))
        # All are compared, so that the time it takes tells nothing. The right one passes whoever
        # guesses from the same address: it is too long to be guessed.
        if sum(hmac.compare_digest(digest, known) for known in self._known):
            return None
        key, now = network_of(self.address_of(request)).encode(), self._clock()
        wait = self._failures.until(key) - now
        if wait > 0:
            return problem(
                429,
                "Too many wrong tokens",
                "Wrong tokens came from this address, and this is another or the same.",
                "throttled",
                {"Retry-After": str(ceil(wait))},
            )
        self._failures.add(key, now)
        return _refused(f'{_REALM}, error="invalid_token"', "This token is not one of those.")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _refused(challenge: str, detail: str) -> Response:
    kind = UnauthorizedError
    return problem(kind.status, kind.title, detail, "unauthorized", {"WWW-Authenticate": challenge})
