"""The elements of ``urn:xmpp:sm:*`` that a server writes (XEP-0198)."""

from typing import Final

from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StreamCondition, StreamError
from andiron.xmpp.escape import escape

SM_NAMESPACES: Final = (ns.SM_3, ns.SM_2)
FEATURES: Final = "".join(f"<sm xmlns='{namespace}'/>" for namespace in SM_NAMESPACES)


def limits(size: int, idle: float) -> str:
    """Return the feature that tells how large elements may be, and who is idle (XEP-0478)."""
    seconds = f"<idle-seconds>{idle:.0f}</idle-seconds>" if idle else ""
    return f"<limits xmlns='{ns.LIMITS}'><max-bytes>{size}</max-bytes>{seconds}</limits>"


def enabled(namespace: str) -> str:
    """Return the answer to ``<enable/>`` for a session that cannot be resumed (section 3)."""
    return f"<enabled xmlns='{namespace}'/>"


def enabled_to_resume(namespace: str, sm_id: str, seconds: int, location: str) -> str:
    """Return the answer to ``<enable resume='true'/>`` (section 5); ``location`` may be empty."""
    where = f" location='{escape(location)}'" if location else ""
    return f"<enabled xmlns='{namespace}' id='{sm_id}' resume='true' max='{seconds}'{where}/>"


def resumed(namespace: str, sm_id: str, h: int) -> str:
    """Return the answer to ``<resume/>`` (section 5)."""
    return f"<resumed xmlns='{namespace}' previd='{sm_id}' h='{h}'/>"


def ack(namespace: str, h: int) -> str:
    """Return the word that ``h`` stanzas are handled (section 4)."""
    return f"<a xmlns='{namespace}' h='{h}'/>"


def request(namespace: str) -> str:
    """Return the question how many stanzas the client has handled (section 4)."""
    return f"<r xmlns='{namespace}'/>"


def count_too_high(h: int, sent: int, namespace: str) -> StreamError:
    """Return the error for an acknowledgement of what was never sent (section 6)."""
    return StreamError(
        StreamCondition.UNDEFINED_CONDITION,
        f"you acknowledged {h} stanzas, {sent} were sent",
        f"<handled-count-too-high xmlns='{namespace}' h='{h}' send-count='{sent}'/>",
    )
