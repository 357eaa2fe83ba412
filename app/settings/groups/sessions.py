"""What sessions may take, and how long they live."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from andiron.settings.types import (
    AnyCase,
    AtLeastOne,
    Bytes,
    ClusterPlace,
    Count,
    ListenPlace,
    Place,
    PositiveSeconds,
    Seconds,
    Unit,
    WholeSeconds,
)

__all__ = ["Sessions"]


class Sessions(BaseSettings):
    """Stanzas, turns, stream management, durability."""

    max_stanza_size: Annotated[Bytes, Field(ge=10_000, le=2**30)] = Field(
        262_144, description="The largest stanza a client may send."
    )
    max_depth: Annotated[int, Unit("levels"), Field(ge=8, le=10_000)] = Field(
        64, description="How deep elements may be nested in a stanza."
    )
    max_nodes: Annotated[int, Unit("nodes"), Field(ge=256)] = Field(
        4_000,
        description="How many elements, attributes and namespace declarations, all told, a stanza"
        " may have.",
    )
    max_negotiation_size: Annotated[Bytes, Field(ge=4096)] = Field(
        16_384, description="The largest element a client may send before it has signed in."
    )
    max_negotiating: AtLeastOne = Field(
        2_000,
        description="How many connections may be signing in, or have not ended what they ask, at"
        " one time.",
    )
    max_negotiating_per_address: AtLeastOne = Field(
        200, description="How many of those may be of one address; a trusted proxy may have more."
    )
    session_negotiation_timeout: PositiveSeconds = Field(
        30.0, description="How long a stream may take to sign in and bind a resource."
    )
    session_idle_probe: Seconds = Field(
        60.0, description="Probe a client that has been silent for so long; 0 turns that off."
    )
    session_idle_timeout: PositiveSeconds = Field(
        30.0, description="How long a probed client may stay silent before it counts as lost."
    )
    session_pending: AtLeastOne = Field(
        100, description="How many stanzas of one session may be in work before reading pauses."
    )
    account_memory: Annotated[Bytes, Field(ge=1_000_000)] = Field(
        33_554_432,
        description="The most bytes of memory in which messages wait for the clients of one "
        "account; beyond, its longest hibernating session ends.",
    )
    account_backlog: Annotated[Bytes, Field(ge=65_536)] = Field(
        1_048_576,
        description="How much of what one account sends may wait for the archive before nothing "
        "more is read from it.",
    )
    account_rate: Annotated[int, Unit("bytes a second"), Field(ge=0, le=2**40)] = Field(
        1_048_576,
        description="How much one account may send for long, each stanza counting 512 bytes more "
        "than it has; it is read from no faster. 0 bounds nothing.",
    )
    account_burst: Annotated[Bytes, Field(ge=1_048_576)] = Field(
        67_108_864, description="How much it may send beyond that at once."
    )
    account_patience: PositiveSeconds = Field(
        600.0,
        description="How long on end it may try to send more than that, before its stream ends.",
    )
    account_turn: PositiveSeconds = Field(
        0.0005,
        description="How long one account may keep all others waiting before it is their turn.",
    )
    account_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.2,
        description="The part of the server's time that one account may use without waiting for "
        "its turns.",
    )
    stream_management_active: bool = Field(
        True,
        description="Offer stream management (XEP-0198).",
    )
    stream_management_unsolicited_ack_frequency: Count = Field(
        0, description="Send `<a/>` unasked after every so many handled stanzas; 0 turns that off."
    )
    stream_management_max: WholeSeconds = Field(
        600, description="How long a session whose connection was lost waits to be resumed."
    )
    stream_management_location: Place = Field(
        "", description="Where clients should reconnect, as `host:port`; empty: not told."
    )
    stream_management_request_every: AtLeastOne = Field(
        25, description="Ask `<r/>` after so many stanzas sent since the last answer."
    )
    stream_management_request_quiet: PositiveSeconds = Field(
        1.0,
        description=(
            "Ask `<r/>` when something unacknowledged has waited so long; over BOSH, with the"
            " answer that carries it."
        ),
    )
    stream_management_request_timeout: PositiveSeconds = Field(
        60.0, description="How long `<r/>` may stay unanswered before the connection is dropped."
    )
    stream_management_queue_stanzas: AtLeastOne = Field(
        10_000, description="The most stanzas that may wait for a client's acknowledgement."
    )
    stream_management_queue_bytes: Annotated[Bytes, Field(ge=10_000)] = Field(
        16_777_216,
        description="The most bytes of memory in which stanzas wait for a client's "
        "acknowledgement.",
    )
    stream_management_remember_expired: Count = Field(
        10_000, description="For how many expired sessions the last count is remembered."
    )
    durability: Annotated[Literal["process", "disk", "memory"], AnyCase] = Field(
        "process",
        description="What sessions that can be resumed outlive: the `process`, the machine"
        " (`disk`), or nothing (`memory`).",
    )
    durability_file: str = Field(
        "",
        description="Where they are written down; empty: beside the SQLite database, named like it"
        " with `-sessions`, or `andiron-sessions` in the working directory.",
    )
    durability_max_size: Annotated[Bytes, Field(ge=2**20, le=2**40)] = Field(
        1_073_741_824, description="How large that file may become."
    )
    cluster: ClusterPlace = Field(
        "",
        repr=False,
        description="Where several processes meet that serve one chat: `unix:` and the path of a"
        " socket file, which one of them makes, on one machine; the URL of a Redis or Valkey, on"
        " several; empty: one process serves it.",
    )
    cluster_listen: ListenPlace = Field(
        "",
        description="Host and port where the others reach the process that is home, with a Redis;"
        " empty: the address by which this machine reaches Redis, and any port.",
    )
