"""The client's side of SASL: PLAIN, ANONYMOUS and SCRAM (RFC 5802).

A key derived from a password is kept for as long as the process lives, so
that a second sign-in of the same account costs the generator no PBKDF2: the
server is what is measured.
"""

import base64
import functools
import hashlib
import hmac
import secrets

from load.link import LoadError

MECHANISMS = ("PLAIN", "ANONYMOUS", "SCRAM-SHA-1", "SCRAM-SHA-256")


@functools.cache
def keys(digest: str, password: str, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    """Return ClientKey and ServerKey (RFC 5802, section 3)."""
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, iterations)
    client, server = (
        hmac.digest(salted, label, digest) for label in (b"Client Key", b"Server Key")
    )
    return client, server


class Client:
    """One sign-in. Send ``first``, answer a challenge, and check what came with success."""

    def __init__(self, mechanism: str, user: str, password: str) -> None:
        self.mechanism, self.password = mechanism, password
        self.digest = mechanism.removeprefix("SCRAM-").replace("-", "").lower()
        self.bare = f"n={user},r={secrets.token_urlsafe(12)}"
        self.user = user
        self.signature: bytes | None = None

    @property
    def scram(self) -> bool:
        return self.mechanism.startswith("SCRAM-")

    def first(self) -> bytes:
        """Return the initial response, in base64."""
        if self.mechanism == "ANONYMOUS":
            return b""
        if self.scram:
            return base64.b64encode(b"n,," + self.bare.encode())
        return base64.b64encode(f"\0{self.user}\0{self.password}".encode())

    def answer(self, challenge: str | None) -> bytes:
        """Return the answer to a challenge of SCRAM, both in base64."""
        server_first = base64.b64decode(challenge or "").decode()
        parts = dict(part.split("=", 1) for part in server_first.split(","))
        nonce = parts.get("r", "")
        if not nonce.startswith(self.bare.partition(",r=")[2]) or not {"s", "i"} <= parts.keys():
            raise LoadError(f"SCRAM: a bad challenge: {server_first[:100]!r}")
        salt, iterations = base64.b64decode(parts["s"]), int(parts["i"])
        client_key, server_key = keys(self.digest, self.password, salt, iterations)
        without_proof = f"c=biws,r={nonce}"
        signed = f"{self.bare},{server_first},{without_proof}".encode()
        stored = hashlib.new(self.digest, client_key).digest()
        signature = hmac.digest(stored, signed, self.digest)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self.signature = hmac.digest(server_key, signed, self.digest)
        return base64.b64encode(f"{without_proof},p={base64.b64encode(proof).decode()}".encode())

    def verify(self, success: str | None) -> None:
        """Check that the server knows the password, too; raise where it does not."""
        if not self.scram:
            return
        final = base64.b64decode(success or "").decode()
        expected = "v=" + base64.b64encode(self.signature or b"").decode()
        if self.signature is None or not hmac.compare_digest(final, expected):
            raise LoadError("SCRAM: the server's signature is wrong")
