"""A room's vCard and the picture in it (XEP-0486)."""

import binascii
import hashlib
from base64 import b64decode
from typing import Final

from andiron.domain.rooms.outbox import Way
from andiron.domain.rooms.room import Room
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.tree import Tree, parse_tree, serialise
from andiron.xmpp.xml import Element

__all__ = ["give_vcard", "set_vcard"]

_PHOTO: Final = f"{{{ns.VCARD}}}PHOTO"
_BINARY: Final = f"{{{ns.VCARD}}}BINVAL"


def set_vcard(room: Room, tree: Tree) -> None:
    """Give a room a vCard, an empty one for none, and tell that it changed."""
    text = serialise(tree) if len(tree) else ""
    if len(text) > room.limits.max_vcard:
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "too large a vCard")
    room.photos = _photos(tree)
    room.vcard = text
    room.announce_codes((104,))
    update = "".join(f"<photo>{each}</photo>" for each in room.photos[:1]) or "<photo/>"
    room.outbox.broadcast(
        Way.PRESENCE,
        tuple(room.seats.values()),
        f"<presence xmlns='{ns.CLIENT}'{room.from_attribute}",
        f"><x xmlns='{ns.VCARD_UPDATE}'>{update}</x></presence>",
    )


def give_vcard(room: Room, text: str) -> None:
    """Give a room the vCard that was kept of it."""
    room.vcard = text
    if text:
        room.photos = _photos(parse_tree(Element(text, ns.VCARD, "vCard", {})))


def _photos(tree: Tree) -> tuple[str, ...]:
    """Return the SHA-1 hashes of a vCard's pictures, as XEP-0153 computes them."""
    hashes = []
    for photo in tree.findall(_PHOTO):
        encoded = "".join((photo.findtext(_BINARY) or "").split())
        try:
            data = b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise StanzaError(StanzaCondition.BAD_REQUEST, "not a picture in base64") from None
        if data:
            hashes.append(hashlib.sha1(data, usedforsecurity=False).hexdigest())
    return tuple(hashes)
