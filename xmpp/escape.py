"""Escaping for XML text and for attributes in either kind of quotes."""

from typing import Final

# What XML 1.0 section 2.2 has no place for, not even as a reference.
_ILLEGAL: Final = [
    *range(0x09),
    0x0B,
    0x0C,
    *range(0x0E, 0x20),
    *range(0xD800, 0xE000),
    0xFFFE,
    0xFFFF,
]

_TEXT: Final[dict[int, int | str]] = {
    # What stays as it is, so that it is found: str.translate() takes far longer over what is not.
    **{code: code for code in range(0x80)},
    **dict.fromkeys(_ILLEGAL, "\ufffd"),
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord("\r"): "&#13;",
}

_ANYWHERE: Final[dict[int, int | str]] = {
    **_TEXT,
    ord("'"): "&apos;",
    ord('"'): "&quot;",
    ord("\t"): "&#9;",
    ord("\n"): "&#10;",
}


def escape(text: str) -> str:
    """Return ``text`` fit for character data and for any attribute value.

    White space is written as references, so that a parser's attribute
    normalisation (XML 1.0 section 3.3.3) gives it back unchanged. Characters
    that XML forbids become U+FFFD.
    """
    return text.translate(_ANYWHERE)


def escape_text(text: str) -> str:
    """Return ``text`` fit for character data alone, where it need grow less."""
    return text.translate(_TEXT)
