"""What the clients say, and how they read what is said to them."""

import re

DOMAIN = "localhost"
ROOMS = "conference.localhost"
PASSWORD = "pw"
RESOURCE = "soak"
OPEN = f"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{DOMAIN}' version='1.0'/>"
CLOSE = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
AUTH = f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{{}}</auth>"
RESPONSE = f"<response xmlns='{SASL}'>{{}}</response>"
BIND = (
    "<iq xmlns='jabber:client' type='set' id='bind'>"
    f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{RESOURCE}</resource></bind></iq>"
)
ENABLE = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
RESUME = "<resume xmlns='urn:xmpp:sm:3' previd='{}' h='{}'/>"
ACK = "<a xmlns='urn:xmpp:sm:3' h='{}'/>"
REQUEST = "<r xmlns='urn:xmpp:sm:3'/>"
MESSAGE = (
    "<message xmlns='jabber:client' to='{to}' type='{kind}'>"
    "<body>{sender} {number} {padding}</body></message>"
)
AVAILABLE = "<presence xmlns='jabber:client'/>"
STATUS = "<presence xmlns='jabber:client'{to}><status>{sender} {number}</status></presence>"
ROSTER = "<iq xmlns='jabber:client' type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>"
RESULT = "<iq xmlns='jabber:client' type='result' id='{}'/>"
SUBSCRIPTION = "<presence xmlns='jabber:client' type='{kind}' to='{to}'/>"
ENTER = (
    "<presence xmlns='jabber:client' to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'>"
    "<history maxstanzas='0'/></x></presence>"
)
UNLOCK = (
    "<iq xmlns='jabber:client' type='set' id='unlock' to='{room}'>"
    "<query xmlns='http://jabber.org/protocol/muc#owner'>"
    "<x xmlns='jabber:x:data' type='submit'/></query></iq>"
)

MARK = re.compile(r"<(?:body|status)\b[^>]*>(\d+) (\d+)[ <]")
"""Who sent a message or a presence, and which of his it is."""
H = re.compile(r" h=['\"](\d+)['\"]")
ID = re.compile(r" id=['\"]([^'\"]+)['\"]")
SENDER = re.compile(r"^<\w+ [^>]*?from=['\"]([^'\"]+)['\"]")
TYPE = re.compile(r"^<\w+ [^>]*?type=['\"](\w+)['\"]")
TEXT = re.compile(r">([^<]+)<")
TAG = re.compile(r"<(/?)[^<>]*?(/?)>")


def name(number: int) -> str:
    """Return an account's name."""
    return f"user{number}"


def bare(number: int) -> str:
    """Return an account's address."""
    return f"{name(number)}@{DOMAIN}"


def full(number: int) -> str:
    """Return a session's address."""
    return f"{bare(number)}/{RESOURCE}"


def room(number: int) -> str:
    """Return a room's address."""
    return f"room{number}@{ROOMS}"


def split(text: str) -> list[str]:
    """Return the elements that stand one after the other in a text."""
    elements, depth, start = [], 0, 0
    for tag in TAG.finditer(text):
        if not depth:
            start = tag.start()
        depth += (not tag[1]) - bool(tag[1]) - bool(tag[2])
        if not depth:
            elements.append(text[start : tag.end()])
    return elements
