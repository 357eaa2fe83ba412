"""Strings made ready by a profile of PRECIS (RFC 8264), or the reason why one cannot be.

precis-i18n has the tables and the rules. Its own ``enforce`` asks for each character in
turn, and of some of them looks at the whole string each time: a kilobyte of those takes it
40 ms. Here every different character is asked for once.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from precis_i18n.baseclass import FreeFormClass
from precis_i18n.context import context_rule_error
from precis_i18n.derived import CONTEXTJ, CONTEXTO, FREE_PVAL, PVALID, derived_property
from precis_i18n.profile import Profile
from precis_i18n.unicode import UnicodeData

UNICODE: Final = UnicodeData()
"""The Unicode of the running Python."""

_ROUNDS: Final = 4
_BY_PLACE: Final = "\u00b7\u0375\u05f3\u05f4\u200c\u200d"
"""What has to be looked at wherever it stands (RFC 5892 appendix A.1 to A.6); the other
rules ask what else is in the string."""

_KINDS: Final = {
    "controls": "a control character",
    "has_compat": "a form of other characters",
    "old_hangul_jamo": "a part of a Hangul syllable",
    "other_letter_digits": "a letter or digit of a special kind",
    "precis_ignorable_properties": "an invisible character",
    "punctuation": "a punctuation mark",
    "spaces": "a space",
    "symbols": "a symbol",
    "unassigned": f"which Unicode {unicodedata.unidata_version} does not have",
}
"""What a character is that a profile does not take, by the library's name for the rule."""


class PrecisError(ValueError):
    """A string that a profile does not take; the text goes on from "it"."""


def enforce(profile: Profile, text: str) -> str:
    """Return what ``text`` is after a profile's rules (RFC 8264 section 7).

    The time it takes grows with the length of the text, which the caller must have bounded.
    Raises :class:`PrecisError`.
    """
    prepared = _map(profile, text)
    if not prepared:
        raise PrecisError("is empty")
    allowed = (PVALID, FREE_PVAL) if isinstance(profile.base, FreeFormClass) else (PVALID,)
    for character in dict.fromkeys(prepared):
        value, kind = _derived(character)
        if value in allowed:
            continue
        if value not in (CONTEXTJ, CONTEXTO):
            raise PrecisError(_has(character, _KINDS.get(kind, "")))
        if _out_of_place(prepared, character):
            raise PrecisError(_has(character, "out of place"))
    return prepared


def _map(profile: Profile, text: str) -> str:
    try:
        mapped = profile.apply_five_rules(text)
        for _ in range(_ROUNDS - 1):
            text, mapped = mapped, profile.apply_five_rules(mapped)
            if text == mapped:
                return mapped
    except UnicodeEncodeError:
        raise PrecisError(
            "mixes directions of writing so that it would be misread (RFC 5893)"
        ) from None
    raise PrecisError("changes each time that it is prepared")


@lru_cache(maxsize=4096)
def _derived(character: str) -> tuple[str, str]:
    return derived_property(ord(character), UNICODE)


def _out_of_place(text: str, character: str) -> bool:
    if character in _BY_PLACE:
        places = [found.start() for found in re.finditer(character, text)]
    else:
        places = [text.index(character)]
    return any(context_rule_error(text, place, UNICODE) for place in places)


def _has(character: str, what: str) -> str:
    return f"has {describe(character)}{what and ', '}{what}"


def describe(character: str) -> str:
    """Return the code point and the name of a character."""
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()
