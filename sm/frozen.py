"""A session written down: all that resuming it needs, as plain data (XEP-0198 section 5).

A clean stop, a crash and a move to another process are the same two verbs: a session
freezes to this, and thaws to one that hibernates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

Plain: TypeAlias = "bool | int | float | str | Sequence[Plain] | Mapping[str, Plain] | None"
"""What JSON can say."""

__all__ = ["VERSION", "Frozen", "Head", "Plain"]

VERSION: Final = 1
"""Of what is written. A later one reads all before it; of an earlier one this is not true."""


@dataclass(frozen=True, slots=True)
class Head:
    """Who a session is: what changes seldom. Times are Unix seconds, 0 for never."""

    id: str
    """Its stream management id, all of it: a secret."""
    number: str
    """What logs know it by."""
    namespace: str
    """The version of stream management that it speaks."""
    max: int
    """For how many seconds it waits to be resumed."""
    account: str
    """The bare JID."""
    jid: str
    """The full JID."""
    domain: str
    """What its client calls the server."""
    kind: str
    """How the last connection came, as of :class:`andiron.sm.link.Channel`, and the next two."""
    address: str
    secure: bool
    began: float
    lost_at: float
    """When it lost its connection; 0 while it had one."""
    ends_at: float
    """When it ends whatever its client does."""
    backend: Mapping[str, Plain]
    """What the backend knows of it, and alone understands."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A whole session: who it is, both counters, and what its client has not acknowledged."""

    head: Head
    handled: int
    """How many of the client's stanzas are handled: ``h``, modulo 2**32."""
    acked: int
    """How many of its own the client has acknowledged, modulo 2**32."""
    queue: Sequence[tuple[str, float]] = ()
    """The stanzas after those, oldest first, each with the Unix time when it came."""
