"""Entity Time, XEP-0202: what the domain's clock says."""

from datetime import UTC, datetime, timedelta

from andiron.domain.registry import IqRequest, Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.stanza import timestamp


def register(registry: Registry) -> None:
    """Answer what time it is."""
    registry.add(Target.DOMAIN, "get", ns.TIME, "time", _tell)
    registry.add_feature(Target.DOMAIN, ns.TIME)


def _tell(request: IqRequest) -> str:
    local = datetime.fromtimestamp(request.wall, UTC).astimezone()
    offset = local.utcoffset() or timedelta(0)
    return (
        f"<time xmlns='{ns.TIME}'><tzo>{zone_offset(offset)}</tzo>"
        f"<utc>{timestamp(request.wall)}</utc></time>"
    )


def zone_offset(offset: timedelta) -> str:
    """Return an offset from UTC as XEP-0082 writes it: ``+00:00``, ``-03:30``."""
    minutes = round(offset.total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
