"""What the BOSH endpoint may be told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BoshConfig:
    """Limits of BOSH sessions, named after the protocol's words; times in seconds, sizes in bytes.

    A client's wishes are capped by ``wait``, ``hold`` and ``maxpause``; the
    others are told to it (XEP-0124 section 7).
    """

    origins: tuple[str, ...] = ()
    """Origins allowed besides the site's own, as ``https://host[:port]``; ``*`` allows all."""
    wait: int = 60
    """The longest that a request is held."""
    hold: int = 1
    """The most requests of one session that are held at a time.

    stanza.io asks for two and has two channels, so that it can say nothing while both are held.
    """
    inactivity: int = 30
    """How long a client may leave the server without a request to hold."""
    polling: int = 5
    """The shortest time between two empty requests of a client that polls."""
    maxpause: int = 120
    """The longest pause that a client may ask for; 0 offers none."""
    max_body_size: int = 1_048_576
    """The largest ``<body/>`` after sign-in; each stanza has the guard's limit besides."""
    max_negotiation_size: int = 16_384
    """The largest ``<body/>`` before sign-in."""
    max_stanzas: int = 256
    """The most elements in one ``<body/>``."""
    max_repeats: int = 64
    """How often requests may be repeated without a new one between."""
    buffer_bytes: int = 1_048_576
    """How much may wait for a client's next request before its session counts as lost."""
    answer_bytes: int = 262_144
    """How much one answer carries before what is left waits for the next."""
    request_timeout: float = 30.0
    """How long a request's body may take to come in."""
    compress_from: int = 2_048
    """The smallest answer that is compressed for clients that ask for it; 0 compresses none."""
    script_syntax: bool = False
    """Answer ``GET`` requests of script elements (the alternative script syntax)."""
