"""Software Version, XEP-0092. The operating system is nobody's business and not told."""

from andiron.domain.registry import IqRequest, Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape


def register(registry: Registry, name: str, version: str) -> None:
    """Tell the domain's software; an empty ``version`` keeps that to ourselves."""
    payload = (
        f"<query xmlns='{ns.VERSION}'><name>{escape(name)}</name>"
        f"<version>{escape(version)}</version></query>"
    )

    def answer(_request: IqRequest) -> str:
        return payload

    registry.add(Target.DOMAIN, "get", ns.VERSION, "query", answer)
    registry.add_feature(Target.DOMAIN, ns.VERSION)
