"""What the WebSocket endpoint may be told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WebSocketConfig:
    """Limits of RFC 7395 connections; times in seconds, sizes in bytes."""

    origins: tuple[str, ...] = ()
    """Origins allowed besides the site's own, as ``https://host[:port]``; ``*`` allows all."""
    max_stanza_size: int = 262_144
    """The largest frame after sign-in."""
    max_negotiation_size: int = 16_384
    """The largest frame before sign-in."""
    max_negotiating: int = 2_000
    """How many connections may be signing in at one time."""
    max_negotiating_per_address: int = 200
    """How many connections of one address may be signing in at one time."""
    buffer_bytes: int = 1_048_576
    """How much may wait for a slow reader before its connection is dropped."""
    close_timeout: float = 5.0
    """How long the other side may take to finish a close."""
    see_other_uri: str = ""
    """Send clients elsewhere: every stream is answered with this URI (RFC 7395 section 3.6.1)."""
