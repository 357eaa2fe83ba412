"""Escaping for XML text and for attributes in either kind of quotes."""

from typing import Final

_TABLE: Final = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        "'": "&apos;",
        '"': "&quot;",
        "\t": "&#9;",
        "\n": "&#10;",
        "\r": "&#13;",
    }
)


def escape(text: str) -> str:
    """Return ``text`` fit for character data and for any attribute value.

    White space is written as references, so that a parser's attribute
    normalisation (XML 1.0 section 3.3.3) gives it back unchanged.
    """
    return text.translate(_TABLE)
