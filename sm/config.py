"""What a session manager may be told: every bound of a session's life."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SmConfig:
    """Stream management and the limits of sessions; times in seconds, sizes in bytes."""

    active: bool = True
    """Offer stream management (Openfire's ``stream.management.active``)."""
    unsolicited_ack_frequency: int = 0
    """Send ``<a/>`` unasked after every so many handled stanzas; 0 turns that off."""
    max: int = 600
    """How long a detached session waits to be resumed."""
    location: str = ""
    """Where clients should reconnect, as ``host:port``; empty: not told."""
    request_every: int = 25
    """Ask ``<r/>`` after so many stanzas that were sent since the last answer."""
    request_quiet: float = 1.0
    """Ask ``<r/>`` when something unacknowledged has waited so long."""
    request_timeout: float = 60.0
    """How long ``<r/>`` may stay unanswered before the connection counts as lost."""
    queue_stanzas: int = 10_000
    """The most stanzas that may wait for a client's acknowledgement."""
    queue_bytes: int = 16_777_216
    """The most bytes of memory that may wait for a client's acknowledgement."""
    account_bytes: int = 33_554_432
    """The most bytes of memory that may wait for all clients of one account."""
    rate: int = 1_048_576
    """Bytes a second that one account may send for long; 0: any number."""
    burst: int = 67_108_864
    """Bytes that it may send at once."""
    patience: float = 600.0
    """Seconds for which it may try to send more than that, before its stream ends."""
    stanza_bytes: int = 262_144
    """How large a stanza may be, as clients are told (XEP-0478)."""
    negotiation_bytes: int = 16_384
    """How large an element may be before sign-in, as they are told."""
    turn: float = 0.0005
    """Seconds of the event loop that one account has at a time while others wait."""
    courtesy: float = 0.002
    """Seconds between two such turns while there are others who use little of the loop."""
    share: float = 0.2
    """The part of the event loop's time that an account may use without waiting for turns."""
    negotiation_timeout: float = 30.0
    """How long a stream may take to sign in and bind."""
    idle_probe: float = 60.0
    """Probe a client that has been silent for so long; 0 turns that off."""
    idle_timeout: float = 30.0
    """How long a probed client may stay silent before the connection counts as lost."""
    pending: int = 100
    """How many stanzas of one session may wait for the backend before reading pauses."""
    backlog: int = 1_048_576
    """How many bytes one account may have waiting to be written before reading pauses."""
    remember_expired: int = 10_000
    """For how many expired sessions the last ``h`` is remembered."""
