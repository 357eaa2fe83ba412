"""Nicknames told apart as people tell them apart: RFC 8266, and look-alikes by UTS #39.

RFC 8266 makes one of what differs by case, spaces and forms of the same characters. Letters
of different alphabets that look the same stay different by it (RFC 8264 section 12.5), so
the skeleton of UTS #39 section 4 goes beside it, for what is beyond ASCII: there it makes
one of ``modern`` and ``modem``, ``user1`` and ``userl``, whom people who are honest may well
be called side by side. It is for comparing alone: nobody is to be shown one.

Nor does a nickname become another one by what cannot be seen in it: a sign without a shape
is a space there, one that only shapes its neighbours is nothing.
"""

import json
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

from precis_i18n import get_profile

from andiron.xmpp.precis import PrecisError, enforce

_SHOWN: Final = get_profile("NicknameCasePreserved")
_COMPARED: Final = get_profile("NicknameCaseMapped")
_MARK: Final = "\u200e"
_BLANKS: Final = dict.fromkeys(
    (
        0x2800,  # BRAILLE PATTERN BLANK
        0xFFFC,  # OBJECT REPLACEMENT CHARACTER
        0x13441,  # EGYPTIAN HIEROGLYPH FULL BLANK, by number: Python 3.11 has no such name
        0x13442,  # EGYPTIAN HIEROGLYPH HALF BLANK
        0x16FE4,  # KHITAN SMALL SCRIPT FILLER
        0x1D159,  # MUSICAL SYMBOL NULL NOTEHEAD
    ),
    " ",
)
"""What is drawn as nothing and is neither a space nor refused by RFC 8264 section 9.13:
Unicode has no property for it."""
_JOINERS: Final = dict.fromkeys(map(ord, "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"))
_MARKS: Final = frozenset({"Mn", "Me"})
_OF_EVERY_SCRIPT: Final = "COMBINING"


def shown_nickname(nick: str) -> str:
    """Return a nickname as it may be shown (RFC 8266 section 2.3).

    The caller must have bounded its length. Raises :class:`PrecisError`.
    """
    return enforce(_SHOWN, nick)


def nickname_keys(nick: str) -> frozenset[str]:
    """Return what a nickname is compared by: two that have a key in common are one to people.

    The first is by RFC 8266 section 2.4, the other its look; most have one alone. The caller
    must have bounded the length. Raises :class:`PrecisError` for what can be no nickname, or
    has nothing that people could see.
    """
    compared = enforce(_COMPARED, nick)
    if compared.isascii():
        return frozenset((compared,))
    seen = _seen(unicodedata.normalize("NFD", shown_nickname(nick)))
    if not seen:
        raise PrecisError("has nothing that can be seen")
    look = seen.translate(look_alikes()).lower()
    return frozenset((compared, unicodedata.normalize("NFC", look)))


def _seen(text: str) -> str:
    """Return what people see of a decomposed text.

    A mark of one script upon a letter of another is drawn by chance or not at all, and many
    only tell how the next sign of their own script is to be drawn.
    """
    found: list[str] = []
    script = ""
    for character in text.translate(_JOINERS).translate(_BLANKS):
        kind = _script(character)
        if unicodedata.category(character) not in _MARKS:
            script = kind
        elif kind not in (script, _OF_EVERY_SCRIPT):
            continue
        found.append(character)
    return " ".join("".join(found).split())


def _script(character: str) -> str:
    """Return the script of a letter or mark, which is the first word of its name."""
    return unicodedata.name(character, "").partition(" ")[0]


@cache
def look_alikes() -> Mapping[int, str]:
    """Return what stands for each character beyond ASCII among all that look like it.

    Reading them takes a server that has people to serve too long: it calls this when it starts.
    The library's table has every pair of UTS #39 both ways: one that stands for many has many,
    the many have that one, and of two alone either will do. What RFC 8266 leaves of no
    nickname is left out, and so is what looks like several letters.
    """
    path = resources.files("confusable_homoglyphs") / "confusables.json"
    pairs: dict[str, list[dict[str, str]]] = json.loads(path.read_text("utf-8"))
    table = {
        character.strip(_MARK): [pair["c"].strip(_MARK) for pair in found]
        for character, found in pairs.items()
    }
    prototypes: dict[int, str] = {}
    for character, (like, *more) in table.items():
        if len(character) > 1 or more or character.isascii() or not _remains(character):
            continue
        if len(table[like]) > 1 or len(like) > 1:
            prototypes[ord(character)] = _nearest(character, like, table[like])
        elif _remains(like):
            prototypes[ord(character)] = min(character, like)
    return {
        code: stands.translate(prototypes)
        for code, stands in prototypes.items()
        if sum(not unicodedata.combining(each) for each in stands) <= 1
    }


def _nearest(character: str, like: str, many: list[str]) -> str:
    """Return what stands for a character: of ``l``, ``I`` and ``1`` that of its own kind."""
    kind = unicodedata.category(character)
    plain = (each for each in (like, *many) if len(each) == 1 and each.isascii())
    return next((each for each in plain if unicodedata.category(each) == kind), like)


def _remains(character: str) -> bool:
    return unicodedata.is_normalized("NFKC", character)
