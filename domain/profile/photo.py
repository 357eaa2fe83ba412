"""The picture of an account: in its vCard, as an avatar, and announced in presence.

XEP-0153 and XEP-0084 show the same picture in two ways; this is what both have
in common, without a database.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from andiron.domain.client import Owner
from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import may_name
from andiron.xmpp.escape import escape
from andiron.xmpp.stanza import with_child, without
from andiron.xmpp.tree import Tree, children, serialise
from andiron.xmpp.xml import Element

__all__ = [
    "Photo",
    "announced",
    "photo_from",
    "photo_of",
    "read_data",
    "read_metadata",
    "with_photo",
]

_VCARD: Final = f"{{{ns.VCARD}}}"
_PHOTO: Final = f"{_VCARD}PHOTO"
_UPDATE: Final = f"{{{ns.VCARD_UPDATE}}}"
_METADATA: Final = f"{{{ns.AVATAR_METADATA}}}"
_TYPE: Final = re.compile(r"image/[a-z0-9.+-]{1,60}")
_MAGIC: Final = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture as it is sent about."""

    data: str
    """In Base64, without white space."""
    size: int
    """In bytes."""
    id: str
    """The SHA-1 of its bytes in hexadecimal, which is how both specifications name it."""
    type: str
    """Its media type."""

    def to_data(self) -> str:
        """Return the payload of the node of avatars (XEP-0084 section 4.1)."""
        return f"<data xmlns='{ns.AVATAR_DATA}'>{self.data}</data>"

    def to_metadata(self) -> str:
        """Return the payload that says what avatar there is (XEP-0084 section 4.2)."""
        return (
            f"<metadata xmlns='{ns.AVATAR_METADATA}'>"
            f"<info bytes='{self.size}' id='{self.id}' type='{self.type}'/></metadata>"
        )


def photo_of(vcard: Tree) -> Photo | None:
    """Return the picture within a vCard; None where there is none that could be shown."""
    photo = vcard.find(_PHOTO)
    if photo is None:
        return None
    return _photo(photo.findtext(f"{_VCARD}BINVAL") or "", photo.findtext(f"{_VCARD}TYPE") or "")


def photo_from(image: bytes) -> Photo | None:
    """Return a picture from its bytes; None for what does not look like one that can be shown."""
    kind = next((found for magic, found in _MAGIC if image.startswith(magic)), "")
    return _photo(base64.b64encode(image).decode(), kind) if kind else None


def read_data(data: Tree, kind: str) -> Photo | None:
    """Return the picture that was published as an avatar's data."""
    return _photo(data.text or "", kind)


def read_metadata(metadata: Tree) -> tuple[str, str] | None:
    """Return the id and the type of the avatar that is published here, not elsewhere.

    ``("", "")`` where there shall be none, None where all are elsewhere.
    """
    infos = metadata.findall(f"{_METADATA}info")
    if not infos:
        return "", ""
    for info in infos:
        if info.get("url") is None:
            return info.get("id", ""), info.get("type", "")
    return None


def with_photo(vcard: Tree, photo: Photo | None) -> str:
    """Return a vCard's text with another picture, or none."""
    for old in vcard.findall(_PHOTO):
        vcard.remove(old)
    text = serialise(vcard)
    if photo is None:
        return text
    inner = f"<TYPE>{photo.type}</TYPE><BINVAL>{photo.data}</BINVAL>"
    return with_child(text, f"<PHOTO>{inner}</PHOTO>")


def announced(owner: Owner, element: Element) -> Element:
    """Return available presence with the name of the account's picture (XEP-0398 section 4).

    What the client says of its picture itself stays. One that has none to tell
    of (XEP-0153 section 4.2) is spoken for.
    """
    photo: str = owner.parts.get(Photo, "")
    if not photo:
        return element
    if may_name(element.text, ns.VCARD_UPDATE):
        if any(child.find(f"{_UPDATE}photo") is not None for child in children(element)):
            return element
        element = without(element, lambda child: child.tag == f"{_UPDATE}x")
    update = f"<x xmlns='{ns.VCARD_UPDATE}'><photo>{escape(photo)}</photo></x>"
    text = with_child(element.text, update)
    return Element(text, element.namespace, element.name, element.attributes)


def _photo(text: str, kind: str) -> Photo | None:
    data = "".join(text.split())
    try:
        image = base64.b64decode(data, validate=True)
    except ValueError:
        return None
    if not _TYPE.fullmatch(kind):
        kind = next((found for magic, found in _MAGIC if image.startswith(magic)), "")
    if not image or not kind:
        return None
    digest = hashlib.sha1(image, usedforsecurity=False).hexdigest()
    return Photo(data, len(image), digest, kind)
