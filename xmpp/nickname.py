"""Nicknames told apart as people tell them apart: RFC 8266, and look-alikes by UTS #39.

RFC 8266 makes one of what differs by case, spaces and forms of the same characters. Letters
of different alphabets that look the same stay different by it (RFC 8264 section 12.5), so
the skeleton of UTS #39 section 4 goes beside it. That is for comparing alone: nobody is
to be shown one.
"""

import json
import unicodedata
from functools import cache
from importlib import resources
from typing import Final

from precis_i18n import get_profile

from andiron.xmpp.precis import enforce

_SHOWN: Final = get_profile("NicknameCasePreserved")
_COMPARED: Final = get_profile("NicknameCaseMapped")
_MARK: Final = "\u200e"


def shown_nickname(nick: str) -> str:
    """Return a nickname as it may be shown (RFC 8266 section 2.3).

    The caller must have bounded its length. Raises :class:`PrecisError`.
    """
    return enforce(_SHOWN, nick)


def nickname_keys(nick: str) -> frozenset[str]:
    """Return what a nickname is compared by: two that have a key in common are one to people.

    The first is by RFC 8266 section 2.4, the other its look; most have one alone. The caller
    must have bounded the length. Raises :class:`PrecisError` for what can be no nickname.
    """
    look = unicodedata.normalize("NFD", shown_nickname(nick)).translate(_prototypes())
    return frozenset((enforce(_COMPARED, nick), unicodedata.normalize("NFC", look.lower())))


@cache
def _prototypes() -> dict[int, str]:
    """Return what stands for each character among all that look like it.

    Reading them takes some 30 ms, once. The library's table has every pair of UTS #39 both
    ways: one that stands for many has many, the many have that one, and of two alone either
    will do. What RFC 8266 leaves of no nickname is left out.
    """
    path = resources.files("confusable_homoglyphs") / "confusables.json"
    pairs: dict[str, list[dict[str, str]]] = json.loads(path.read_text("utf-8"))
    table = {
        character.strip(_MARK): [pair["c"].strip(_MARK) for pair in found]
        for character, found in pairs.items()
    }
    prototypes: dict[int, str] = {}
    for character, (like, *more) in table.items():
        if len(character) > 1 or more or not _remains(character):
            continue
        if len(table[like]) > 1 or len(like) > 1:
            prototypes[ord(character)] = like
        elif _remains(like):
            prototypes[ord(character)] = min(character, like)
    return {code: like.translate(prototypes) for code, like in prototypes.items()}


def _remains(character: str) -> bool:
    return unicodedata.is_normalized("NFKC", character)
