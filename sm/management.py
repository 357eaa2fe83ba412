"""Stream management of one session, from ``<enable/>`` on (XEP-0198 sections 3 to 5)."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import Final, Protocol, Self

from andiron.sm import nonzas
from andiron.sm.acks import Acks
from andiron.sm.config import SmConfig
from andiron.sm.counters import Inbound, parse_count
from andiron.sm.link import Transport, Undelivered
from andiron.sm.liveness import Liveness
from andiron.sm.queue import CountTooHighError, UnackedQueue
from andiron.xmpp.errors import StreamCondition, StreamError
from andiron.xmpp.stanza import with_delay
from andiron.xmpp.xml import Element

_TRUE: Final = frozenset({"true", "1"})


class Writer(Protocol):
    """Where stanzas go that the client is sent: its connection, or what stands before that."""

    def send(self, text: str) -> None:
        """Send one stanza."""


_SELECTOR: Final = 12
"""Characters of a session's id that find it; the rest is the secret."""


def selector(sm_id: str) -> str:
    """Return the part of an id that tells its session from all others and grants nothing."""
    return sm_id[:_SELECTOR]


class QueueFullError(Exception):
    """More is unacknowledged than may be; the session must end."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asked of stream management, and was granted (section 3)."""

    namespace: str
    max: int
    """For how many seconds the session waits to be resumed."""
    resumable: bool

    @classmethod
    def by(cls, element: Element, most: int) -> Self:
        """Read ``<enable/>``; ``most`` is the longest ``max`` that is granted."""
        wished = parse_count(element.attributes.get("max"))
        granted = most if wished is None else min(wished, most)
        resumable = element.get("resume") in _TRUE and granted > 0
        return cls(element.namespace, granted, resumable)


class Management:
    """What is recorded for a client and sent to it, what it confirmed, and what it is told.

    ``writer`` is the session's connection while stanzas may go straight to it:
    not while detached, and not while a resumption is being answered or
    replayed. ``id`` is empty where the session cannot be resumed.
    """

    __slots__ = (
        "_config",
        "_life",
        "_unrequested",
        "_unsent",
        "acks",
        "confirmed",
        "id",
        "max",
        "namespace",
        "queue",
        "resumable",
        "writer",
    )

    def __init__(
        self,
        asked: Asked,
        inbound: Inbound,
        life: Liveness,
        config: SmConfig,
        queue: UnackedQueue,
        writer: Writer | None,
    ) -> None:
        """Begin as ``asked``; the caller gives it an ``id`` if it is ``resumable``.

        The counters are where ``inbound`` and ``queue`` have begun.
        """
        self._config = config
        self._life = life
        self.namespace = asked.namespace
        self.queue = queue
        self.acks = Acks(inbound, config.unsolicited_ack_frequency)
        self.acks.begin()
        self.max = asked.max
        self.resumable = asked.resumable
        self.id = ""
        self.writer = writer
        self._unrequested = 0
        self._unsent = 0
        self.confirmed = 0
        """How many stanzas were confirmed since it began."""

    def enabled(self) -> str:
        """Return the answer to ``<enable/>``."""
        if not self.resumable:
            return nonzas.enabled(self.namespace)
        return nonzas.enabled_to_resume(self.namespace, self.id, self.max, self._config.location)

    # What the client sent

    def ack(self) -> str:
        """Return ``<a/>``, and note that the client is told."""
        return nonzas.ack(self.namespace, self.acks.tell())

    # What is sent to the client

    def deliver(self, text: str, now: float) -> float:
        """Record a stanza, and send it where that is possible.

        Returns when the session must be woken at the latest. Raises
        :class:`QueueFullError` for one that is recorded and is one too many.
        """
        queue, config = self.queue, self._config
        queue.push(text, now)
        if len(queue) > config.queue_stanzas or queue.bytes > config.queue_bytes:
            raise QueueFullError(f"{len(queue)} stanzas, {queue.bytes} bytes unacknowledged")
        writer = self.writer
        if writer is None:
            self._unsent += 1
            queue.unsent += 1
            return inf
        writer.send(text)
        self._unrequested += 1
        life = self._life
        if life.request_by != inf:
            return inf
        if self._unrequested >= config.request_every:
            writer.send(self.request(now))
            return life.request_by
        if life.quiet_at == inf:
            life.sent(now)
        return life.quiet_at

    def request(self, now: float) -> str:
        """Return ``<r/>``, whose answer is waited for from now on."""
        self._life.asked(now)
        return nonzas.request(self.namespace)

    def confirm(self, element: Element, now: float) -> None:
        """Take ``<a/>``: let go what the client has (section 4).

        Raises :class:`StreamError` for a count that cannot be, after which the
        session cannot be resumed (section 6).
        """
        h = parse_count(element.attributes.get("h"))
        if h is None:
            self.resumable = False
            raise StreamError(StreamCondition.UNDEFINED_CONDITION, "<a/> needs h, a 32-bit count")
        queue = self.queue
        try:
            self.confirmed += queue.ack(h)
        except CountTooHighError:
            self.resumable = False
            raise nonzas.count_too_high(h, queue.sent, self.namespace) from None
        self._life.answered()
        self._unrequested = 0
        if queue:
            self._life.sent(now)
        self._unsent = min(self._unsent, len(queue))

    def drain(self) -> list[Undelivered]:
        """Take out all that the client never confirmed: the session ends."""
        return [Undelivered(text, since) for text, since, _ in self.queue.drain()]

    # Connections lost and found

    def lost(self) -> None:
        """Record only, until a connection is there again."""
        self.writer = None
        self._unsent = 0
        self._unrequested = 0

    def resume(self, h: int) -> None:
        """Let go what ``h``, which was checked, confirms; :meth:`replay` sends the rest."""
        self.confirmed += self.queue.ack(h)
        self._unsent = len(self.queue)
        self.acks.begin()

    def resumed(self) -> str:
        """Return the answer to ``<resume/>``, and note that the client is told its count."""
        return nonzas.resumed(self.namespace, self.id, self.acks.tell())

    def replay(
        self,
        transport: Transport,
        writer: Writer,
        domain: str,
        wall: Callable[[float], float],
    ) -> None:
        """Send what this connection has not been sent, in order, as fast as it takes it.

        ``domain`` says when, by ``wall``, a message had come that is sent so late. What
        comes when all is sent goes to ``writer``.
        """
        queue = self.queue
        for text, since, _ in islice(queue, len(queue) - self._unsent, None):
            if transport.congested:
                return
            self._unsent -= 1
            queue.unsent = min(queue.unsent, self._unsent)
            transport.send(
                with_delay(text, domain, wall(since)) if text.startswith("<message") else text
            )
        self.writer = writer
