"""Rooms and uploaded files."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from andiron.settings.types import (
    AnyCase,
    AtLeastOne,
    Bytes,
    Count,
    MediaRanges,
    PositiveSeconds,
    RoomsHost,
    Seconds,
    Unit,
    WholeSeconds,
)

__all__ = ["Places"]


class Places(BaseSettings):
    """What the services beside the domain offer."""

    rooms: bool = Field(True, description="Let people meet in rooms (XEP-0045).")
    rooms_host: RoomsHost = Field(
        "", description="The host name of the rooms; empty: `conference.` and the domain."
    )
    rooms_create: Annotated[Literal["accounts", "anyone", "nobody"], AnyCase] = Field(
        "accounts",
        description="Who may make rooms; with `anyone`, those who signed in anonymously, too.",
    )
    rooms_max: AtLeastOne = Field(10_000, description="How many rooms there may be.")
    rooms_max_per_account: AtLeastOne = Field(
        50, description="How many rooms may be there that one account made."
    )
    rooms_max_per_session: AtLeastOne = Field(
        200, description="In how many rooms one session may be at a time."
    )
    rooms_max_occupants: AtLeastOne = Field(
        1_000, description="How many may be in one room; its owner may want fewer."
    )
    rooms_max_affiliations: AtLeastOne = Field(
        1_000, description="How many members, admins, owners and outcasts one room may have."
    )
    rooms_max_nick: Annotated[int, Unit("characters"), Field(ge=1, le=1023)] = Field(
        100, description="The longest nickname in a room."
    )
    rooms_max_message: Annotated[int, Unit("characters"), Field(ge=1_000)] = Field(
        65_536, description="The longest message to a room; each who is in it gets a copy."
    )
    rooms_max_subject: Annotated[int, Unit("characters"), Field(ge=0)] = Field(
        2_000, description="The longest subject of a room."
    )
    rooms_max_presence: Annotated[int, Unit("characters"), Field(ge=1_000)] = Field(
        10_000, description="The longest presence of one in a room, which all others get."
    )
    rooms_max_vcard: Annotated[int, Unit("characters"), Field(ge=0)] = Field(
        65_536, description="The largest vCard of a room, with its picture."
    )
    rooms_history: Count = Field(
        20, description="How many past messages one gets on entering, unless the owner says."
    )
    rooms_history_max: Count = Field(
        100, description="How many past messages of each room are held ready for that."
    )
    rooms_history_size: Annotated[int, Unit("characters"), Field(ge=0)] = Field(
        262_144, description="How long those may be together."
    )
    rooms_lock_timeout: Seconds = Field(
        300.0, description="How long a new room waits for its first configuration before it opens."
    )
    upload: bool = Field(True, description="Let accounts upload files for others (XEP-0363).")
    upload_dir: str = Field(
        "andiron-uploads",
        min_length=1,
        description="The folder of uploaded files, made when the first one comes.",
    )
    upload_max_size: Annotated[Bytes, Field(ge=1, le=2**40)] = Field(
        20_971_520, description="The largest file."
    )
    upload_quota: Annotated[Bytes, Field(ge=4096, le=2**50)] = Field(
        209_715_200,
        description="What all files of one account may take, each counted as 4,096 at least.",
    )
    upload_expiry: WholeSeconds = Field(
        2_592_000, description="How long a file is kept; 0 keeps it for good."
    )
    upload_types: MediaRanges = Field(
        (),
        description="The media types that are taken, as `image/png` or `image/*`; none: all.",
    )
    upload_timeout: PositiveSeconds = Field(600.0, description="How long one upload may take.")
    upload_concurrent: AtLeastOne = Field(
        10, description="How many files of one account may be coming in at a time."
    )
    upload_slots: AtLeastOne = Field(
        50, description="How many uploads an account may announce before it makes them."
    )
