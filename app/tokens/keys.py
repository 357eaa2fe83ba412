"""The keys that tokens are checked by, each with the algorithms of its kind and no others.

What a token says of its algorithm chooses among those, so a public key never passes for a
secret, and nothing goes unsigned (RFC 8725 sections 2.1 and 3.1).
"""

import json
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

__all__ = ["Key", "KeyFile", "of_jwks", "of_pem", "of_private_pem", "of_secret"]

logger = logging.getLogger("andiron")

_SECRET: Final = (("HS256", 32), ("HS384", 48), ("HS512", 64))
"""Each with the least bytes of a secret for it (RFC 7518 section 3.2)."""
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_LEAST_RSA: Final = 2048
"""Bits (RFC 7518 section 3.3)."""
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_SUPPORTED: Final = "RSA of 2048 bits or more, EC on P-256, P-384 or P-521, or Ed25519"


@dataclass(frozen=True, slots=True)
class Key:
    """What signatures are checked by, or made."""

    material: Any
    algorithms: tuple[str, ...]
    """Those that may be used with it; never none."""
    name: str = ""
    """Its ``kid`` (RFC 7517 section 4.5); empty: it has none."""


def of_secret(secret: str, wanted: Collection[str]) -> Key:
    """Return the key that a secret is.

    As from the others only the ``wanted`` algorithms are taken of those that it is fit for,
    all of them where none are named. Raises ValueError with the rest of a sentence.
    """
    data = secret.encode("utf-8", "surrogatepass")
    if len(data) < _SECRET[0][1]:
        raise ValueError(f"must have {_SECRET[0][1]} bytes or more, such as openssl rand -hex 32")
    return _key(data, tuple(name for name, least in _SECRET if len(data) >= least), wanted)


def of_pem(data: bytes, wanted: Collection[str]) -> tuple[Key, ...]:
    """Return the public key that a PEM file holds. Raises ValueError."""
    try:
        public = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(
            f"must hold a public key in PEM (-----BEGIN PUBLIC KEY-----), {_SUPPORTED}"
        ) from None
    return (_key(public, _kind(public), wanted),)


def of_private_pem(data: bytes, wanted: Collection[str]) -> Key:
    """Return the key to sign with that a PEM file holds. Raises ValueError."""
    try:
        private = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(
            "must hold a private key in PEM (-----BEGIN PRIVATE KEY-----), without a password,"
            f" {_SUPPORTED}"
        ) from None
    return _key(private, _kind(private.public_key()), wanted)


def of_jwks(data: bytes, wanted: Collection[str]) -> tuple[Key, ...]:
    """Return the public keys of a JWK Set (RFC 7517 section 5) that are to sign with.

    Others that are in it are left out. Raises ValueError where none is left.
    """
    try:
        entries = json.loads(data)["keys"]
        found = [key for entry in entries for key in _of_jwk(entry, wanted)]
    except (ValueError, LookupError, TypeError, RecursionError):
        found = []
    if not found:
        raise ValueError(
            'must hold a JWK Set ({"keys": […]}) with a public key that tokens are signed with,'
            f" {_SUPPORTED}"
        )
    return tuple(found)


def _of_jwk(entry: Any, wanted: Collection[str]) -> list[Key]:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return []
    try:
        read = jwt.PyJWK(entry)
        algorithms = _kind(read.key)
        if "alg" in entry:
            algorithms = tuple(name for name in algorithms if name == entry["alg"])
        return [_key(read.key, algorithms, wanted, str(entry.get("kid", "")))]
    except (jwt.PyJWTError, ValueError):
        return []


def _kind(public: object) -> tuple[str, ...]:
    """Return the algorithms of a public key; none for what is none, or too weak."""
    if isinstance(public, rsa.RSAPublicKey) and public.key_size >= _LEAST_RSA:
        return _RSA
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _CURVES:
        return (_CURVES[public.curve.name],)
    if isinstance(public, ed25519.Ed25519PublicKey):
        return ("EdDSA",)
    return ()


def _key(material: Any, fit: tuple[str, ...], wanted: Collection[str], name: str = "") -> Key:
    if not fit:
        raise ValueError(f"must hold another kind of key: {_SUPPORTED}")
    algorithms = tuple(each for each in fit if not wanted or each in wanted)
    if not algorithms:
        raise ValueError(
            f"is fit for {', '.join(fit)} alone, and token_algorithms wants {', '.join(wanted)}"
        )
    return Key(material, algorithms, name)


class KeyFile:
    """The keys in a file, which is read again when it has changed: so keys are replaced."""

    __slots__ = ("_keys", "_path", "_read", "_state")

    def __init__(self, path: str, read: Callable[[bytes], tuple[Key, ...]]) -> None:
        """Read it. Raises OSError, and ValueError where it holds no keys."""
        self._path = Path(path)
        self._read = read
        self._state = self._look()
        self._keys = read(self._path.read_bytes())

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys that are in it now; those of before while it cannot be used."""
        state = self._look()
        if state != self._state:
            self._state = state
            try:
                self._keys = self._read(self._path.read_bytes())
                logger.info("The keys for tokens were read anew from %s", self._path)
            except OSError as error:
                self._complain(f"cannot be read: {error.strerror or error}")
            except ValueError as error:
                self._complain(str(error))
        return self._keys

    def _look(self) -> tuple[int, int, int] | None:
        """Return what is another when the file is; None where there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _complain(self, why: str) -> None:
        logger.warning("%s %s; tokens are checked by the keys of before", self._path, why)
