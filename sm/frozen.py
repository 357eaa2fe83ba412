"""A session written down: all that resuming it needs, as plain data (XEP-0198 section 5).

A clean stop, a crash and a move to another process are the same two verbs: a session
freezes to this, and thaws to one that hibernates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self, TypeAlias, TypeVar, cast

Plain: TypeAlias = "bool | int | float | str | Sequence[Plain] | Mapping[str, Plain] | None"
"""What JSON can say."""

T = TypeVar("T")

__all__ = ["VERSION", "Frozen", "Head", "Noted", "Plain", "made_of"]

VERSION: Final = 1
"""Of what is written. A later one reads all before it; of an earlier one this is not true."""


class Noted(str):
    """A stanza's text, of which its backend wants to know something again in another process."""

    __slots__ = ("note",)

    note: Plain
    """What that is. It may be filled until the turn ends in which the stanza is delivered."""

    @classmethod
    def of(cls, text: str, note: Plain) -> Self:
        """Return ``text`` with what is to be known of it."""
        noted = cls(text)
        noted.note = note
        return noted


class Head(NamedTuple):
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

    def plain(self) -> dict[str, Plain]:
        """Return it as JSON can say it."""
        return self._asdict()

    @classmethod
    def of(cls, plain: Plain) -> "Head":
        """Return what :meth:`plain` gave. Raises :class:`ValueError` for anything else."""
        if not isinstance(plain, dict) or plain.keys() != _SHAPE.keys():
            raise ValueError("this is no session's head")
        for name, kinds in _SHAPE.items():
            if type(plain[name]) not in kinds:
                raise ValueError(f"{name} of a session is no {kinds[0].__name__}")
        return cls(**cast(dict[str, Any], plain))


_TIME: Final = (float, int)
_SHAPE: Final[Mapping[str, tuple[type, ...]]] = {
    "id": (str,),
    "number": (str,),
    "namespace": (str,),
    "max": (int,),
    "account": (str,),
    "jid": (str,),
    "domain": (str,),
    "kind": (str,),
    "address": (str,),
    "secure": (bool,),
    "began": _TIME,
    "lost_at": _TIME,
    "ends_at": _TIME,
    "backend": (dict,),
}
"""The fields of a head, and what JSON has in place of each."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A whole session: who it is, both counters, and what its client has not acknowledged."""

    head: Head
    handled: int
    """How many of the client's stanzas are handled: ``h``, modulo 2**32."""
    acked: int
    """How many of its own the client has acknowledged, modulo 2**32."""
    queue: Sequence[tuple[str, float]] = ()
    """The stanzas after those, oldest first, each with the Unix time when it came; some are
    :class:`Noted`."""
    beyond: Sequence[int] = ()
    """Which of the client's stanzas after :attr:`handled` are handled, too: 2 is the second.
    It sends them again, as its count does not tell it, and they are let go."""


def made_of(kind: type[T], plain: Mapping[str, Any]) -> T:
    """Return a dataclass of its fields. Raises :class:`ValueError` where they are not its own."""
    try:
        return kind(**plain)
    except TypeError as error:
        raise ValueError(f"no {kind.__name__}: {error}") from None
