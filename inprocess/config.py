"""What bounds a client inside the process."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InprocessConfig:
    """Limits of connections in memory; times in seconds, sizes in bytes."""

    max_stanza_size: int = 262_144
    """The largest element after sign-in."""
    max_negotiation_size: int = 16_384
    """The largest element before sign-in."""
    buffer_bytes: int = 1_048_576
    """How much may wait for a client that does not read before it is dropped."""
    patience: float = 1.0
    """How long a client may read nothing while more than that waits."""
    unsent_bytes: int = 67_108_864
    """How much memory a client's own stanzas may take that are not read yet."""
    close_timeout: float = 5.0
    """How long a client may take to read the end of its stream."""
