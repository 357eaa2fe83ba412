"""The session iq of RFC 3921 section 3: older clients ask for what binding gives already."""

from typing import Final

from andiron.domain.registry import IqRequest, Registry, Target
from andiron.xmpp import namespaces as ns

FEATURE: Final = f"<session xmlns='{ns.SESSION}'><optional/></session>"
"""The stream feature; ``<optional/>`` tells newer clients not to bother."""


def register(registry: Registry) -> None:
    """Grant the session, whoever is asked."""
    for target in (Target.DOMAIN, Target.ACCOUNT):
        registry.add(target, "set", ns.SESSION, "session", _grant)


def _grant(_request: IqRequest) -> str:
    return ""
