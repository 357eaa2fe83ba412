"""What is kept of a password: SCRAM keys (RFC 5802 section 3), never the password itself."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Final, NamedTuple

from scramp import ScramException, ScramMechanism
from scramp.utils import saslprep

from andiron.xmpp.xml import utf8_length

__all__ = [
    "MAX_ITERATIONS",
    "MECHANISMS",
    "MIN_ITERATIONS",
    "Credentials",
    "ScramKeys",
    "check_password",
    "decoy",
    "derive",
    "verify_password",
]

MECHANISMS: Final[Mapping[str, str]] = {
    "SCRAM-SHA-512": "sha512",
    "SCRAM-SHA-256": "sha256",
    "SCRAM-SHA-1": "sha1",
}
"""Each SCRAM mechanism's hash function, strongest first (RFC 7677, RFC 5802)."""

MIN_ITERATIONS: Final = 4096
"""RFC 7677 section 4."""
MAX_ITERATIONS: Final = 10_000_000

_SALT_SIZE: Final = 16
_KEY_SIZES: Final = {name: hashlib.new(kind).digest_size for name, kind in MECHANISMS.items()}
_DECOY_SIZE: Final = sum(_SALT_SIZE + 2 * size for size in _KEY_SIZES.values())
_LONGEST_SALT: Final = 255
_MAX_PASSWORD: Final = 1024
"""Bytes of UTF-8. Longer than any password, and cheap to prepare."""
_PLAIN_MECHANISM: Final = "SCRAM-SHA-256"
"""Whose keys a password in the clear is checked against: of sound hashes the cheapest."""


class ScramKeys(NamedTuple):
    """What one mechanism needs to know of a password (RFC 5802 section 3)."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes

    @classmethod
    def of_salted(cls, salted_password: bytes, salt: bytes, iterations: int) -> "ScramKeys":
        """Return the keys of SCRAM-SHA-256 for a password that is kept as PBKDF2 hashed it.

        That is with HMAC-SHA-256 to 32 bytes, as Django's ``pbkdf2_sha256`` does.
        """
        client_key = hmac.digest(salted_password, b"Client Key", "sha256")
        server_key = hmac.digest(salted_password, b"Server Key", "sha256")
        return cls(salt, iterations, hashlib.sha256(client_key).digest(), server_key)

    @property
    def sound(self) -> bool:
        """Whether they can be those of SCRAM-SHA-256."""
        return (
            0 < len(self.salt) <= _LONGEST_SALT
            and MIN_ITERATIONS <= self.iterations <= MAX_ITERATIONS
            and len(self.stored_key) == len(self.server_key) == hashlib.sha256().digest_size
        )


@dataclass(frozen=True, slots=True)
class Credentials:
    """The keys of every mechanism in :data:`MECHANISMS`, under its name."""

    keys: Mapping[str, ScramKeys]
    plain: str = _PLAIN_MECHANISM
    """The mechanism whose keys a password in the clear is checked against."""


def derive(password: str, iterations: int = 10_000) -> Credentials:
    """Return new credentials for ``password``; takes several milliseconds of a core.

    Raises :class:`ValueError` with a sentence for a password that nobody could
    sign in with: empty, too long, or with characters that SASLprep forbids
    (RFC 4013).
    """
    check_password(password)
    return Credentials(
        {
            name: _derive_keys(name, password, secrets.token_bytes(_SALT_SIZE), iterations)
            for name in MECHANISMS
        }
    )


def verify_password(credentials: Credentials, password: str) -> bool:
    """Tell whether ``password`` is the one; takes milliseconds, so call it in a thread.

    How long it takes depends on nothing that is kept of the account but the
    iterations.
    """
    expected = credentials.keys[credentials.plain]
    try:
        check_password(password)
    except ValueError:
        return False
    given = _derive_keys(credentials.plain, password, expected.salt, expected.iterations)
    return hmac.compare_digest(given.stored_key, expected.stored_key)


def decoy(secret: bytes, username: str, iterations: int) -> Credentials:
    """Return credentials for an account that does not exist.

    No password fits them, and without ``secret`` nobody can tell them from
    real ones. The same arguments always give the same, as a real account would.
    """
    seed = hmac.digest(secret, f"{iterations} {username}".encode(), "sha512")
    # One stream for all: a digest for each would take longer than all the rest.
    take = BytesIO(hashlib.shake_256(seed).digest(_DECOY_SIZE)).read
    return Credentials(
        {
            name: ScramKeys(take(_SALT_SIZE), iterations, take(size), take(size))
            for name, size in _KEY_SIZES.items()
        }
    )


def check_password(password: str) -> None:
    """Raise :class:`ValueError` with a sentence for a password that :func:`derive` refuses."""
    if not password:
        raise ValueError("A password cannot be empty.")
    if utf8_length(password) > _MAX_PASSWORD:
        raise ValueError(f"A password cannot be longer than {_MAX_PASSWORD} bytes.")
    try:
        prepared = saslprep(password)
    except ScramException:
        raise ValueError(
            "A password cannot contain control characters, characters newer than Unicode 3.2"
            " such as emoji, or a mix of right-to-left and left-to-right letters (RFC 4013)."
        ) from None
    if not prepared:
        raise ValueError("A password cannot consist of invisible characters alone.")


def _derive_keys(mechanism: str, password: str, salt: bytes, iterations: int) -> ScramKeys:
    _, stored_key, server_key, _ = ScramMechanism(mechanism).make_auth_info(
        password, iterations, salt
    )
    return ScramKeys(salt, iterations, stored_key, server_key)
