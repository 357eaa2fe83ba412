"""XMPP Ping, XEP-0199: the domain answers; pings between clients are routed as any iq.

The session pings silent clients by itself; their answers need no handler.
"""

from andiron.domain.registry import IqRequest, Registry, Target
from andiron.xmpp import namespaces as ns


def register(registry: Registry) -> None:
    """Answer pings to the domain and to one's own account (sections 4.2 and 4.1)."""
    for target in (Target.DOMAIN, Target.ACCOUNT):
        registry.add(target, "get", ns.PING, "ping", _pong)
        registry.add_feature(target, ns.PING)


def _pong(_request: IqRequest) -> str:
    return ""
