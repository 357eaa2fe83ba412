"""The tokens that the settings describe. PyJWT, which is an extra, is imported only for these."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from andiron.domain.sign_in.tokens import SignedTokens
from andiron.settings import Settings, SettingsError

if TYPE_CHECKING:
    from andiron.tokens.keys import Key
    from andiron.tokens.signed import Expected

__all__ = ["new_token", "signed_tokens"]

_SECRET: Final = frozenset({"HS256", "HS384", "HS512"})
_KEYS: Final = ("token_secret", "token_key_file", "token_jwks_file")
_CLAIMS: Final = ("token_algorithms", "token_issuer", "token_audience")


def signed_tokens(settings: Settings) -> SignedTokens | None:
    """Return what checks JSON Web Tokens, None where no key for them is set.

    Raises :class:`SettingsError` with a sentence for what cannot be.
    """
    given = [name for name in _KEYS if getattr(settings, name)]
    if len(given) > 1:
        raise SettingsError(f"{' and '.join(map(_spelled, given))} exclude each other: keep one")
    if not given:
        _refuse_claims(settings)
        return None
    for name in settings.token_algorithms:
        if (name in _SECRET) is not bool(settings.token_secret):
            raise SettingsError(
                f"{_spelled('token_algorithms')} names {name}, which is no algorithm for"
                f" {_spelled(given[0])}: leave it out"
            )
    with _said_of(_spelled(given[0])):
        from andiron.tokens.signed import JsonWebTokens  # noqa: PLC0415

        return JsonWebTokens(_keys(settings), _expected(settings))


def new_token(settings: Settings, name: str, key_file: str, lifetime: float) -> str:
    """Return a token for the prepared ``name`` that a server with these settings takes.

    It is signed by the secret, or the private key in ``key_file``. Raises :class:`SettingsError`.
    """
    if not key_file and not settings.token_secret:
        raise SettingsError(
            f"There is no secret to sign a token with: set {_spelled('token_secret')},"
            " or give --key with the private key that belongs to the public one"
        )
    with _said_of(key_file or _spelled("token_secret")):
        from andiron.tokens.keys import of_private_pem, of_secret  # noqa: PLC0415
        from andiron.tokens.signed import sign  # noqa: PLC0415

        if key_file:
            key = of_private_pem(Path(key_file).read_bytes(), settings.token_algorithms)
        else:
            key = of_secret(settings.token_secret, settings.token_algorithms)
        return sign(name, key, _expected(settings), lifetime)


def _refuse_claims(settings: Settings) -> None:
    for name in _CLAIMS:
        if getattr(settings, name):
            raise SettingsError(
                f"{_spelled(name)} says which tokens are taken, and there is no key to check them"
                f" by: set {_spelled('token_secret')}, token_key_file or token_jwks_file"
            )


@contextmanager
def _said_of(what: str) -> Iterator[None]:
    """Say what goes wrong with ``what`` in a sentence for the operator."""
    try:
        yield
    except ModuleNotFoundError:
        raise SettingsError(
            f"{what} needs PyJWT; install it with: pip install 'andiron[jwt]'"
        ) from None
    except OSError as error:
        raise SettingsError(
            f"{what} names a file that cannot be read: {error.strerror or error}"
        ) from None
    except ValueError as error:
        raise SettingsError(f"{what} {error}") from None


def _keys(settings: Settings) -> "Callable[[], tuple[Key, ...]]":
    from andiron.tokens.keys import KeyFile, of_jwks, of_pem, of_secret  # noqa: PLC0415

    wanted = settings.token_algorithms
    if settings.token_secret:
        secret = (of_secret(settings.token_secret, wanted),)
        return lambda: secret
    if settings.token_key_file:
        file = KeyFile(settings.token_key_file, partial(of_pem, wanted=wanted))
    else:
        file = KeyFile(settings.token_jwks_file, partial(of_jwks, wanted=wanted))
    return lambda: file.keys


def _expected(settings: Settings) -> "Expected":
    from andiron.tokens.signed import Expected  # noqa: PLC0415

    return Expected(
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        claim=settings.token_claim,
        name_claim=settings.token_name_claim,
        groups_claim=settings.token_groups_claim,
        skew=settings.token_skew,
        outlives=settings.token_outlives,
    )


def _spelled(name: str) -> str:
    return f"{name} (ANDIRON_{name.upper()})"
