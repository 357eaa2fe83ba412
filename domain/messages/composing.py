"""Messages that the site writes, as text."""

import secrets

from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape, escape_text

__all__ = ["message_text", "new_id"]


def message_text(sender: str, to: str, kind: str, identity: str, subject: str, body: str) -> str:
    """Return a message; ``sender`` is its attribute, with a leading space, or empty."""
    addressed = f" to='{escape(to)}'" if to else ""
    told = f"<subject>{escape_text(subject)}</subject>" if subject else ""
    return (
        f"<message{sender} xmlns='{ns.CLIENT}'{addressed} type='{kind}' id='{escape(identity)}'>"
        f"{told}<body>{escape_text(body)}</body></message>"
    )


def new_id() -> str:
    """Return an id for a message of the site's."""
    return f"site-{secrets.token_urlsafe(12)}"
