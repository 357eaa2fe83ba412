"""What client and server agree on when a BOSH session begins (XEP-0124 section 7)."""

import re
from math import inf
from typing import Final, NamedTuple

from andiron.bosh.body import Body
from andiron.bosh.config import BoshConfig
from andiron.sm.link import StreamHeader
from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape

TEXT_XML: Final = "text/xml; charset=utf-8"
_OURS: Final = (1, 11)
_LEGACY_BELOW: Final = (1, 6)
_VERSION: Final = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})", re.ASCII)
_WISH: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_WORD: Final = r"[\w!#$%&'*+.^`|~-]{1,60}"
_CONTENT_TYPE: Final = re.compile(
    rf"{_WORD}/{_WORD}(?:\s?;\s?{_WORD}=(?:{_WORD}|\"{_WORD}\"))*", re.ASCII
)


class Terms(NamedTuple):
    """The numbers of one session; times in seconds."""

    wait: int
    hold: int
    requests: int
    inactivity: int
    polling: int
    maxpause: int
    acks: bool
    """Whether the client acknowledges answers (section 9.2)."""
    version: tuple[int, int] | None
    """The lower of both sides' versions; None where the client named none."""
    content_type: str = TEXT_XML

    @property
    def polls(self) -> bool:
        """Whether this is a polling session (section 12): nothing is held."""
        return not (self.wait and self.hold)

    @property
    def legacy(self) -> bool:
        """Whether the client expects HTTP codes for errors (section 17.1)."""
        return self.version is None or self.version < _LEGACY_BELOW

    def overactive_within(self) -> float:
        """Return how soon after the last an empty request comes too soon."""
        return self.polling or -inf


def negotiate(body: Body, config: BoshConfig) -> Terms:
    """Return the terms for a session creation request: its wishes, capped."""
    attributes = body.attributes
    wait = _wish(attributes.get("wait"), config.wait, config.wait)
    hold = _wish(attributes.get("hold"), 1, config.hold)
    # A client that polls is seen seldom, and less often than it may poll (section 12).
    extra = 2 * config.polling if not (wait and hold) else 0
    content = attributes.get("content", "")
    return Terms(
        wait=wait,
        hold=hold,
        requests=hold + 1,
        inactivity=config.inactivity + extra,
        polling=config.polling,
        maxpause=config.maxpause,
        acks=body.ack == 1,
        version=_version(attributes.get("ver")),
        content_type=content if _CONTENT_TYPE.fullmatch(content) else TEXT_XML,
    )


def creation_attributes(terms: Terms, sid: str, rid: int, header: StreamHeader) -> str:
    """Return the attributes of a session creation response (sections 7.2 and XEP-0206 4)."""
    maxpause = f" maxpause='{terms.maxpause}'" if terms.maxpause else ""
    version = "" if terms.version is None else " ver='{}.{}'".format(*terms.version)
    ack = f" ack='{rid}'" if terms.acks else ""
    return (
        f" sid='{sid}' wait='{terms.wait}' requests='{terms.requests}' hold='{terms.hold}'"
        f" inactivity='{terms.inactivity}' polling='{terms.polling}'"
        f" from='{escape(header.sender)}' authid='{escape(header.id)}' charsets='UTF-8'"
        f"{maxpause}{version}{ack}"
        f" xmlns:xmpp='{ns.XBOSH}' xmpp:version='{header.version}' xmpp:restartlogic='true'"
    )


def _wish(text: str | None, default: int, most: int) -> int:
    """Return a wished number up to ``most``; one that cannot be read is no wish."""
    if text is None or _WISH.fullmatch(text) is None:
        return min(default, most)
    return min(int(text), most)


def _version(text: str | None) -> tuple[int, int] | None:
    match = _VERSION.fullmatch(text) if text is not None else None
    return None if match is None else min((int(match[1]), int(match[2])), _OURS)
