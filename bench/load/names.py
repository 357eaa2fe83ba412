"""Namespaces and what is looked for in bytes that are not parsed."""

import re

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
SESSION = "urn:ietf:params:xml:ns:xmpp-session"
SM = "urn:xmpp:sm:3"
HTTPBIND = "http://jabber.org/protocol/httpbind"
STREAMS = "http://etherx.jabber.org/streams"
CLIENT = "jabber:client"
MUC = "http://jabber.org/protocol/muc"
MUC_USER = "http://jabber.org/protocol/muc#user"
MUC_OWNER = "http://jabber.org/protocol/muc#owner"
DATA = "jabber:x:data"

MARK = re.compile(rb">L(\d+)\.(\d+)\.(\d+)\.(\d+)\.(\w*)<")
"""The body of a load message: L<from>.<to>.<number>.<send time, µs>.<padding>"""
NAME = re.compile(rb"<(?:[\w.-]+:)?([\w.-]+)")
"""A document's root tag, without its prefix."""
ACK_H = re.compile(rb"""\sh=["'](\d+)["']""")
STANZAS = frozenset({"message", "presence", "iq"})


def local(tag: str) -> str:
    """Return a tag's name without its namespace."""
    return tag.rpartition("}")[2]
