"""Until when a client must have spoken, or have come back: one session's deadlines."""

from math import inf

from andiron.sm.config import SmConfig


class Liveness:
    """Times in the monotonic seconds of ``now``; what is not waited for is infinite.

    ``heard_at`` is when the client last spoke, ``negotiate_by`` when it must
    have signed in, or the backend have settled for a resumption, ``quiet_at``
    when to ask for an acknowledgement, ``request_by`` when that must have come,
    ``expires_at`` until when a lost client may come back, ``slow_until`` until when
    nothing is read from it, ``ends_at`` when all ends whatever the client does.
    """

    __slots__ = (
        "_config",
        "_probed_at",
        "ends_at",
        "expires_at",
        "heard_at",
        "negotiate_by",
        "quiet_at",
        "request_by",
        "slow_until",
    )

    def __init__(self, config: SmConfig, now: float) -> None:
        self._config = config
        self.ends_at = inf
        self.lost()
        self.found(now)
        self.negotiate(now)

    def found(self, now: float) -> None:
        """Wait for the client to speak: there is a connection."""
        self.heard_at = now
        self.expires_at = inf

    def lost(self) -> None:
        """Wait for nothing: the connection is gone."""
        self.heard_at = inf
        self._probed_at = inf
        self.negotiate_by = inf
        self.quiet_at = inf
        self.request_by = inf
        self.slow_until = inf

    def negotiate(self, now: float) -> None:
        """Wait for the negotiation to end."""
        self.negotiate_by = now + self._config.negotiation_timeout

    def sent(self, now: float) -> None:
        """Note that something waits for an acknowledgement that is not asked for yet."""
        self.quiet_at = now + self._config.request_quiet

    def asked(self, now: float) -> None:
        """Wait for an acknowledgement; not before the transport expects the client to listen."""
        self.quiet_at = inf
        self.request_by = max(now, self.heard_at) + self._config.request_timeout

    @property
    def asking(self) -> bool:
        """Whether an acknowledgement that was asked for is still to come."""
        return self.request_by != inf

    def answered(self) -> None:
        """Note the acknowledgement."""
        self.quiet_at = inf
        self.request_by = inf

    def vouch(self, until: float, *, away: bool) -> None:
        """Take silence until then as no sign of death; ``away`` clients need not answer either."""
        self.heard_at = max(self.heard_at, until)
        if away and self.request_by != inf:
            self.request_by = max(self.request_by, until + self._config.request_timeout)

    def probed(self, now: float) -> None:
        """Note that the client was asked for a sign of life."""
        self._probed_at = now

    def is_dead(self, now: float) -> bool:
        """Whether the client left a probe or a request unanswered for too long."""
        return now >= self.request_by or (
            self._unanswered() and now >= self._probed_at + self._config.idle_timeout
        )

    def next_deadline(self) -> float:
        """Return the nearest of all."""
        return min(
            self.ends_at,
            self.expires_at,
            self.negotiate_by,
            self.request_by,
            self.quiet_at,
            self.slow_until,
            self.idle_deadline(),
        )

    def idle_deadline(self) -> float:
        """Return when a silent client is to be probed, or given up: not while it negotiates."""
        if not self._config.idle_probe or self.negotiate_by != inf:
            return inf
        if self._unanswered():
            return self._probed_at + self._config.idle_timeout
        return self.heard_at + self._config.idle_probe

    def _unanswered(self) -> bool:
        # A clock of milliseconds gives a quick answer the very time of its probe.
        return self.heard_at < self._probed_at < inf
