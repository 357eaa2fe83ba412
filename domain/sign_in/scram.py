"""The server's side of one SCRAM exchange (RFC 5802; RFC 7677), without channel binding.

Pure: text in, text out; the caller looks up the credentials in between.
scramp, which derives the keys, is not used for this because it refuses every
authorization identity, also the user's own (RFC 5802 section 5.1, ``a``).
"""

import base64
import hashlib
import hmac
import re
import secrets
from typing import Final

from andiron.domain.accounts.credentials import MECHANISMS, Credentials
from andiron.xmpp.errors import SaslCondition, SaslError

__all__ = ["ScramServer", "saslname"]

_VALUE = r"[^,\x00]+"
_NONCE = r"[!-+\--~]+"
_EXTENSION = rf"(?![anmrcsipve])[A-Za-z]={_VALUE}"

_CLIENT_FIRST: Final = re.compile(
    rf"(?P<header>(?P<binding>[ny]|p=[A-Za-z0-9.\-]+),(?:a=(?P<authzid>{_VALUE}))?,)"
    rf"(?P<bare>n=(?P<name>{_VALUE}),r=(?P<nonce>{_NONCE})(?:,{_EXTENSION})*)"
)
_CLIENT_FINAL: Final = re.compile(
    rf"(?P<without_proof>c=(?P<binding>[A-Za-z0-9+/]+=*),r=(?P<nonce>{_NONCE})"
    rf"(?:,{_EXTENSION})*),p=(?P<proof>[A-Za-z0-9+/]+=*)"
)
_SASLNAME: Final = re.compile(r"(?:[^=]|=2C|=3D)*")


class ScramServer:
    """One exchange: make it from the client's first message, challenge, verify, confirm.

    ``name`` and ``authzid`` are what the client claims, not yet prepared.
    """

    def __init__(self, mechanism: str, client_first: str, server_nonce: str = "") -> None:
        """Read the client-first-message. Raises :class:`SaslError`."""
        match = _CLIENT_FIRST.fullmatch(client_first)
        if match is None:
            raise _malformed("not a SCRAM client-first-message")
        if match["binding"].startswith("p"):
            raise _malformed("channel binding is not offered here")
        self.name = saslname(match["name"])
        self.authzid = saslname(match["authzid"] or "")
        self._hash = MECHANISMS[mechanism]
        self._mechanism = mechanism
        self._header = match["header"]
        self._client_first_bare = match["bare"]
        self._nonce = match["nonce"] + (server_nonce or secrets.token_urlsafe(24))
        self._server_first = ""

    def challenge(self, credentials: Credentials) -> str:
        """Return the server-first-message."""
        keys = self._keys = credentials.keys[self._mechanism]
        salt = base64.b64encode(keys.salt).decode()
        self._server_first = f"r={self._nonce},s={salt},i={keys.iterations}"
        return self._server_first

    def verify(self, client_final: str) -> str | None:
        """Check the client-final-message against what :meth:`challenge` was given.

        Returns the server-final-message, or None when the proof is wrong.
        Raises :class:`SaslError` ``malformed-request`` for what no client that
        knows the protocol would send, whoever it may be.
        """
        match = _CLIENT_FINAL.fullmatch(client_final)
        if match is None:
            raise _malformed("not a SCRAM client-final-message")
        if match["binding"] != base64.b64encode(self._header.encode()).decode():
            raise _malformed("the channel binding is not that of the first message")
        if not hmac.compare_digest(match["nonce"], self._nonce):
            raise _malformed("the nonce is not that of the challenge")
        message = f"{self._client_first_bare},{self._server_first},{match['without_proof']}"
        signature = hmac.digest(self._keys.stored_key, message.encode(), self._hash)
        if not self._proves(_decode(match["proof"]), signature):
            return None
        confirmation = hmac.digest(self._keys.server_key, message.encode(), self._hash)
        return f"v={base64.b64encode(confirmation).decode()}"

    def _proves(self, proof: bytes, signature: bytes) -> bool:
        if len(proof) != len(signature):
            return False
        client_key = (int.from_bytes(proof) ^ int.from_bytes(signature)).to_bytes(len(proof))
        stored_key = hashlib.new(self._hash, client_key).digest()
        return hmac.compare_digest(stored_key, self._keys.stored_key)


def saslname(text: str) -> str:
    """Return what a saslname stands for (RFC 5801 section 4). Raises :class:`SaslError`."""
    if _SASLNAME.fullmatch(text) is None:
        raise _malformed("an equals sign in a name stands for itself only as =3D")
    return text.replace("=2C", ",").replace("=3D", "=")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise _malformed("the proof is not base64") from None


def _malformed(reason: str) -> SaslError:
    return SaslError(SaslCondition.MALFORMED_REQUEST, reason)
