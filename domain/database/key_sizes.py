"""How long clients may choose what stands in a key or an index."""

from typing import Final

__all__ = [
    "INDEXED_RESOURCE",
    "MAX_ADDRESS",
    "MAX_HOST",
    "MAX_NAME",
    "MAX_TAG",
    "MAX_USERNAME",
    "fits",
]

# PostgreSQL refuses a row of an index over 2,704 bytes (a third of a page), where SQLite takes
# any; of those, up to 30 are headers and padding. The longest rows are, in bytes:
#   archive_by_peer       username 255 + space + bare JID 2,047 + id 8 + resource 4 * 63 = 2,563
#   room_archive_by_peer  2 * (room 255 + @host 265) + 17 + space + / + nickname 1,023 + 8 = 2,090
#   contacts, blocked     username 255 + address 2,047                                   = 2,302
#   room_affiliations     room 255 + bare JID 2,047                                      = 2,302
#   pubsub_entities       id 8 + bare JID 2,047, or full JID of an account 255 + 1 + 253 + 1,024
#   pubsub_nodes, _items  username 255 + name 1,023                                      = 1,278
#   private_storage       username 255 + tag 1,024                                       = 1,279
# An RFC 7622 address has three parts of up to 1,023 bytes. A host name has up to 253 as DNS has
# it, but shown, where a letter of four bytes may take one there, under 1,000: a bare JID of
# another domain has fewer than the 2,047 that stand above. The names of the domain and of its
# rooms are held to 253 bytes as shown, or to 264 with "conference." before them.

MAX_USERNAME: Final = 255
"""Bytes of the name of a new account, and of a room."""
MAX_HOST: Final = 253
"""Bytes of the name of the domain, and of that of its rooms where one is set."""
MAX_ADDRESS: Final = 2047
"""Bytes of an address that an account keeps: every bare JID has at most so many."""
MAX_NAME: Final = 1023
"""Bytes of the name of a node, and of the id of an item in it."""
MAX_TAG: Final = 1024
"""Bytes of an element's name with its namespace, in private storage."""
INDEXED_RESOURCE: Final = 63
"""Characters of a resource by which an archive is searched before its messages are read."""


def fits(text: str, size: int) -> bool:
    """Tell whether a text has at most ``size`` bytes in UTF-8."""
    return len(text) <= size and len(text.encode()) <= size
