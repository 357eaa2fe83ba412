"""How a session is written down, and made of that again: then it hibernates (XEP-0198)."""

from collections.abc import Callable
from math import inf
from typing import Final, TypeAlias

from andiron.sm.frozen import Frozen, Head
from andiron.sm.link import Channel, Link
from andiron.sm.management import Asked, Management
from andiron.sm.queue import UnackedQueue
from andiron.sm.session import Keeper, Session, State

Connect: TypeAlias = Callable[[Session, Head, float], Link]
"""Makes the backend's end of a session that was frozen."""

_NEVER: Final = (inf, -inf)

__all__ = ["freeze", "head_of", "outlives", "thaw", "written_time"]


def outlives(session: Session) -> bool:
    """Tell whether a session can be resumed in another process."""
    management = session.management
    if management is None or not management.id or session.channel.kind == "in-process":
        return False
    return session.link.lasting


def written_time(session: Session, instant: float) -> float:
    """Return the Unix time of an instant as it is written down: 0 for one that never is.

    To the thousandth, for one thing is to have one time whenever that is done.
    """
    return 0.0 if instant in _NEVER else round(session.wall(instant), 3)


def head_of(session: Session) -> Head:
    """Return who a session that :func:`outlives` its process is now."""
    management = session.management
    assert management is not None
    channel = session.channel
    return Head(
        id=management.id,
        number=session.id,
        namespace=management.namespace,
        max=management.max,
        account=session.link.account,
        jid=session.link.jid,
        domain=session.domain,
        kind=channel.kind,
        address=channel.address,
        secure=channel.secure,
        began=written_time(session, session.since),
        lost_at=written_time(session, session.lost_at),
        ends_at=written_time(session, session.ends_at),
        backend=session.link.freeze(),
    )


def freeze(session: Session) -> Frozen:
    """Return such a session as plain data."""
    management = session.management
    assert management is not None
    queue = management.queue
    owed = [(text, session.wall(since)) for text, since, _ in queue]
    return Frozen(head_of(session), session.inbound.h, queue.acked, owed, session.inbound.beyond)


def thaw(keeper: Keeper, frozen: Frozen, connect: Connect, now: float) -> Session:
    """Return a session that hibernates as it was frozen, bound by ``connect`` in the backend.

    One that had a connection waits for its client from now on.
    """
    head = frozen.head
    channel = Channel(head.address, head.secure, head.kind, via=None)
    session = Session(keeper, None, channel, now)
    offset = now - keeper.wall(now)  # from Unix times to those of the clock
    session.domain = head.domain
    session.since = head.began + offset
    session.state = State.DETACHED
    life = session.life
    life.lost()
    # A clock that was set back makes nobody wait longer than it may.
    life.expires_at = (min(head.lost_at + offset, now) if head.lost_at else now) + head.max
    if head.ends_at:
        life.ends_at = head.ends_at + offset
    session.link = connect(session, head, now)
    session.flow.payer = payer = session.link.payer
    session.inbound.begin(frozen.handled)
    session.inbound.repeated = set(frozen.beyond) or None
    queue = UnackedQueue(frozen.acked, payer)
    for text, came_at in frozen.queue:
        queue.push(text, came_at + offset)
    asked = Asked(head.namespace, head.max, resumable=True)
    session.management = Management(asked, session.inbound, life, session.config, queue, None)
    session.management.id = head.id
    session.managed = True
    return session
