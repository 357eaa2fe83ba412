"""The frames of RFC 7395 section 3.3: ``<open/>`` and ``<close/>``, read and written."""

import re
from typing import Final

from andiron.sm.link import StreamHeader, StreamOpen
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StreamCondition, StreamError
from andiron.xmpp.escape import escape
from andiron.xmpp.stanza import LANG, is_stanza
from andiron.xmpp.xml import Element

_S: Final = r"[\t\n\r ]"
_DECLARATION: Final = re.compile(
    rf"""<\?xml{_S}{{1,9}}version{_S}{{0,9}}={_S}{{0,9}}(?:'1\.[0-9]{{1,9}}'|"1\.[0-9]{{1,9}}")"""
    rf"""(?:{_S}{{1,9}}encoding{_S}{{0,9}}={_S}{{0,9}}(?:'([\w.-]{{1,40}})'|"([\w.-]{{1,40}})"))?"""
    rf"""(?:{_S}{{1,9}}standalone{_S}{{0,9}}={_S}{{0,9}}(?:'(?:yes|no)'|"(?:yes|no)"))?"""
    rf"""{_S}{{0,9}}\?>""",
    re.ASCII,
)

CLOSE: Final = f"<close xmlns='{ns.FRAMING}'/>"


def open_frame(header: StreamHeader) -> str:
    """Return the server's ``<open/>`` (RFC 7395 section 3.4)."""
    return (
        f"<open xmlns='{ns.FRAMING}' from='{escape(header.sender)}' id='{escape(header.id)}'"
        f" version='{header.version}' xml:lang='{escape(header.lang)}'/>"
    )


def redirect_frame(uri: str) -> str:
    """Return the ``<close/>`` that sends a client elsewhere (RFC 7395 section 3.6.1)."""
    return f"<close xmlns='{ns.FRAMING}' see-other-uri='{escape(uri)}'/>"


def undeclared(text: str) -> str:
    """Return a frame without the XML declaration at its head (XML 1.0 section 2.8).

    RFC 7395 section 3.3.3 advises against one, since a frame is UTF-8 in any
    case, and so one that says nothing else is harmless. Raises
    ``unsupported-encoding`` for another encoding; what is no declaration is
    left for the guard to refuse.
    """
    found = _DECLARATION.match(text)
    if found is None:
        return text
    encoding = found[1] or found[2] or "utf-8"
    if encoding.lower() != "utf-8":
        raise StreamError(StreamCondition.UNSUPPORTED_ENCODING, f"{encoding}: frames are UTF-8")
    return text[found.end() :]


def read_open(element: Element) -> StreamOpen:
    """Return the stream header that a client's ``<open/>`` stands for."""
    get = element.attributes.get
    return StreamOpen(get("to", ""), get("version", ""), get("from", ""), get(LANG, ""))


def not_opened(element: Element) -> StreamError:
    """Return the error for a frame that came where ``<open/>`` was due."""
    if is_stanza(element):
        return StreamError(StreamCondition.NOT_AUTHORIZED, "the stream is not open")
    if element.name in ("open", "stream"):
        return StreamError(
            StreamCondition.INVALID_NAMESPACE, f"<open/> stands in {ns.FRAMING} (RFC 7395)"
        )
    return StreamError(StreamCondition.BAD_FORMAT, "<open/> comes first (RFC 7395)")
