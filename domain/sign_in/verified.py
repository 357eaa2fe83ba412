"""Passwords that were right before, so that a client that comes back need not be hashed anew."""

import hmac
import secrets
from collections import OrderedDict
from hashlib import blake2b

from andiron.domain.accounts.credentials import Credentials


class VerifiedPasswords:
    """Knows again what :func:`~andiron.domain.accounts.credentials.verify_password` found right.

    It keeps no password: one keyed hash an account, under a key that lives and
    dies with this object, of the password together with the account's keys.
    New keys, as a changed password makes, are not known. ``most`` bounds the
    accounts; 0 remembers none. What is not known costs the same as what is wrong.
    """

    __slots__ = ("_hashes", "_key", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._key = secrets.token_bytes(32)
        self._hashes: OrderedDict[str, bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._hashes)

    def knows(self, username: str, credentials: Credentials, password: str) -> bool:
        """Tell whether this very password was right for these very keys."""
        known = self._hashes.get(username)
        given = self._hash(credentials, password)
        return known is not None and hmac.compare_digest(known, given)

    def remember(self, username: str, credentials: Credentials, password: str) -> None:
        """Note that the password is right."""
        if not self._most:
            return
        self._hashes[username] = self._hash(credentials, password)
        self._hashes.move_to_end(username)
        if len(self._hashes) > self._most:
            self._hashes.popitem(last=False)

    def _hash(self, credentials: Credentials, password: str) -> bytes:
        stored = b"".join(keys.salt + keys.stored_key for keys in credentials.keys.values())
        data = stored + password.encode("utf-8", "surrogatepass")
        return blake2b(data, digest_size=32, key=self._key).digest()
