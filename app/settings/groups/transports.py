"""WebSocket and BOSH."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

from andiron.settings.types import AtLeastOne, Bytes, Origins, PositiveSeconds, Seconds, Unit, Uri

__all__ = ["Transports"]


class Transports(BaseSettings):
    """How clients reach their sessions."""

    websocket_origins: Origins = Field(
        (),
        description="Origins whose pages may connect besides the site's own,"
        " as `https://host[:port]`; `*` lets all.",
    )
    websocket_buffer_bytes: Annotated[Bytes, Field(ge=10_000)] = Field(
        1_048_576, description="How much may wait for a slow reader before it is dropped."
    )
    websocket_close_timeout: PositiveSeconds = Field(
        5.0, description="How long the other side may take to finish a close."
    )
    websocket_see_other_uri: Uri = Field(
        "", description="Send every client to this URI instead; empty: serve them here."
    )
    websocket_compression: bool = Field(
        False,
        description="Let `andiron serve` offer permessage-deflate: less traffic, more work.",
    )
    websocket_ping_interval: Seconds = Field(
        30.0, description="How often `andiron serve` pings each WebSocket; 0 turns that off."
    )
    websocket_ping_timeout: PositiveSeconds = Field(
        30.0, description="How long a WebSocket may leave a ping unanswered."
    )
    bosh_origins: Origins = Field(
        (),
        description="Origins whose pages may use BOSH besides the site's own,"
        " as `https://host[:port]`; `*` lets all.",
    )
    bosh_wait: Annotated[int, Unit("seconds"), Field(ge=0, le=3600)] = Field(
        60, description="The longest that a BOSH request is held before it is answered."
    )
    bosh_hold: Annotated[int, Field(ge=0, le=16)] = Field(
        1,
        description="The most BOSH requests of one session that are held at a time;"
        " with more than one some clients cannot speak until the server does.",
    )
    bosh_inactivity: Annotated[int, Unit("seconds"), Field(ge=1, le=3600)] = Field(
        30, description="How long a BOSH client may leave the server without a request to hold."
    )
    bosh_polling: Annotated[int, Unit("seconds"), Field(ge=0, le=3600)] = Field(
        5, description="The shortest time between two empty requests of a BOSH client that polls."
    )
    bosh_maxpause: Annotated[int, Unit("seconds"), Field(ge=0, le=3600)] = Field(
        120, description="The longest pause that a BOSH client may ask for; 0 offers none."
    )
    bosh_max_body_size: Annotated[Bytes, Field(ge=10_000, le=2**30)] = Field(
        1_048_576, description="The largest BOSH body a client may send after sign-in."
    )
    bosh_max_stanzas: AtLeastOne = Field(
        256, description="The most stanzas in one BOSH body of a client."
    )
    bosh_buffer_bytes: Annotated[Bytes, Field(ge=10_000)] = Field(
        1_048_576,
        description="How much may wait for a BOSH client's next request before it counts as lost.",
    )
    bosh_compress_from: Annotated[Bytes, Field(ge=0)] = Field(
        2_048, description="The smallest BOSH answer that is compressed on demand; 0 turns it off."
    )
    bosh_script_syntax: bool = Field(
        False, description="Answer GET requests of script elements, for pages of old browsers."
    )
