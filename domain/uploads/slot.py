"""Slots of HTTP File Upload, XEP-0363: what one allows, signed so that nothing need be stored.

The signature travels in the ``Authorization`` header of the upload. It covers
the path, the size, the type, the owner and the expiry; a slot that is not used
leaves no trace.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
import unicodedata
from dataclasses import dataclass
from typing import Final

__all__ = [
    "NO_TYPE",
    "Signer",
    "Slot",
    "folder_of",
    "id_of",
    "media_type",
    "new_token",
    "safe_name",
]

NO_TYPE: Final = "application/octet-stream"

_MAX_NAME: Final = 200
"""Bytes of a file name in UTF-8; three times as many characters in a URL."""
_MAX_SUFFIX: Final = 20
_MAX_HEADER: Final = 8192
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)
_MEDIA_TYPE: Final = re.compile(
    r"([a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126})[ \t]*(?:;.*)?", re.ASCII
)
_JOINERS: Final = "\u200c\u200d"
"""Invisible, but without them Persian words and many emoji fall apart."""
_UNSAFE: Final = re.compile(r"""[/\\:*?"<>|]""")
_SCHEME: Final = "Bearer "


@dataclass(frozen=True, slots=True)
class Slot:
    """The permission to upload one file once."""

    token: str
    """The unguessable part of its URL: 192 bits."""
    name: str
    """The file's name, as of :func:`safe_name`."""
    type: str
    """Its media type as of :func:`media_type`, empty where the client told none."""
    size: int
    """In bytes."""
    owner: str
    """The username of whose file it is."""
    expires: int
    """In Unix seconds."""


class Signer:
    """Signs slots and knows them again."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def authorization(self, slot: Slot) -> str:
        """Return the header's value that the upload must bring."""
        facts = json.dumps([slot.type, slot.size, slot.owner, slot.expires], separators=(",", ":"))
        claim = _encode(facts.encode())
        return f"{_SCHEME}{claim}.{_encode(self._mac(slot.token, slot.name, claim))}"

    def read(self, token: str, name: str, authorization: str) -> Slot | None:
        """Return the slot of a path and a header's value; None when it was not signed here.

        Whether it has expired is for the caller to see.
        """
        if len(authorization) > _MAX_HEADER or not authorization.startswith(_SCHEME):
            return None
        claim, _, mac = authorization[len(_SCHEME) :].partition(".")
        if not hmac.compare_digest(self._mac(token, name, claim), _decode(mac)):
            return None
        kind, size, owner, expires = json.loads(_decode(claim))
        return Slot(token, name, kind, size, owner, expires)

    def _mac(self, token: str, name: str, claim: str) -> bytes:
        # A token and a claim have no line feed, so that none can run into the name.
        message = f"{token}\n{claim}\n{name}".encode(errors="surrogatepass")
        return hmac.digest(self._secret, message, "sha256")


def new_token() -> str:
    """Return the unguessable part of a new file's URL."""
    return secrets.token_urlsafe(24)


def id_of(token: str) -> str | None:
    """Return the name under which a file is stored; None for what cannot be a token.

    It is a hash: whoever reads the table or the folder finds no URL, and what a
    client writes is never part of a path.
    """
    if not _TOKEN.fullmatch(token):
        return None
    return hashlib.sha256(token.encode()).hexdigest()


def folder_of(username: str) -> str:
    """Return the folder in which an account's files are stored."""
    return hashlib.sha256(username.encode()).hexdigest()[:32]


def media_type(text: str) -> str | None:
    """Return a media type in lower case without its parameters; None for what is none."""
    found = _MEDIA_TYPE.fullmatch(text.strip().lower())
    return None if found is None else found[1]


def safe_name(name: str) -> str:
    """Return a file name fit for a URL, a header and every file system, its ending kept.

    Of a path it is the last part. Control characters and those that turn the
    writing around are left out, and those that some system forbids are replaced.
    """
    text = name[-4096:].replace("\\", "/").rpartition("/")[2]
    text = "".join(" " if char.isspace() else char for char in text)
    text = "".join(char for char in text if char in _JOINERS or not _invisible(char))
    text = _UNSAFE.sub("_", unicodedata.normalize("NFC", text)).strip(". ")
    stem, _, suffix = text.rpartition(".")
    ending = f".{suffix}" if stem and len(suffix.encode()) <= _MAX_SUFFIX else ""
    cut = text.removesuffix(ending).encode()[: _MAX_NAME - len(ending.encode())]
    return (cut.decode(errors="ignore").rstrip(". ") or "file") + ending


def _invisible(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs"}


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
