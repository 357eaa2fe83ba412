"""What each account has in the embedded domain."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from andiron.settings.types import AnyCase, AtLeastOne, Bytes, Count, Unit, Uris

__all__ = ["People"]


def _contact(purpose: str) -> str:
    return f"Where to turn {purpose}, as URIs that clients are told (XEP-0157)."


class People(BaseSettings):
    """Contacts, messages that wait, the archive, eventing, addresses to turn to."""

    offline_limit: Count = Field(
        1_000,
        description="The most messages kept for an account that is away; 0 keeps none. One sender"
        " may take half of it, a second one half of the rest.",
    )
    offline_bytes: Annotated[Bytes, Field(ge=10_000)] = Field(
        16_777_216,
        description="The most bytes they may take, shared out in the same way.",
    )
    offline_held: AtLeastOne = Field(
        1_000,
        description="How many messages a session may hold back while stored ones are fetched, and"
        " those of who has others on their way into the store.",
    )
    roster_contacts: Count = Field(
        10_000, description="The most contacts an account may have (RFC 6121)."
    )
    roster_size: Annotated[int, Unit("characters"), Field(ge=10_000)] = Field(
        4_194_304,
        description="How long the addresses, names and groups of an account's contacts may be, all"
        " told.",
    )
    roster_groups: Count = Field(
        100, description="The most groups that an account may put one contact in."
    )
    roster_name: Annotated[int, Unit("characters"), Field(ge=1, le=65_536)] = Field(
        1023, description="The longest name of a contact or a group."
    )
    roster_requests: Count = Field(
        1_000,
        description="The most requests to see an account's presence that wait for its answer;"
        " more are lost.",
    )
    roster_request: Annotated[int, Unit("characters"), Field(ge=1024, le=1_048_576)] = Field(
        8192, description="The longest such request, which is kept as it came."
    )
    archive: bool = Field(
        True, description="Keep what was said, for clients that were away (XEP-0313)."
    )
    archive_default: Annotated[Literal["always", "never", "roster"], AnyCase] = Field(
        "always",
        description="Whose messages are kept for an account that does not say;"
        " with `roster`, those of its contacts.",
    )
    archive_days: Annotated[int, Unit("days"), Field(ge=0, le=36_500)] = Field(
        365, description="How long messages are kept; 0 keeps them for good."
    )
    archive_max_bytes: Annotated[Bytes, Field(ge=0)] = Field(
        0,
        description="How much one account's archive, or one room's, may hold; beyond, its oldest "
        "messages go, within an hour. 0 bounds nothing.",
    )
    archive_page: AtLeastOne = Field(
        100, description="The most messages that one question for the archive is answered with."
    )
    archive_preferences: Count = Field(
        1_000, description="The most addresses that an account's archiving preferences may name."
    )
    archive_backlog: Annotated[Bytes, Field(ge=1_048_576)] = Field(
        67_108_864,
        description="How much may wait to be written, a sixteenth of it for one sender;"
        " what comes then is not archived.",
    )
    search: Annotated[Literal["nobody", "groups", "everybody"], AnyCase] = Field(
        "nobody",
        description="Whom people find by name (XEP-0055), at `search.` and the domain: those in a"
        " shared group with them, or everybody; of these whom `may_contact=` allows. `nobody`:"
        " there is no search.",
    )
    search_results: Annotated[int, Field(ge=1, le=1000)] = Field(
        50, description="How many people one search finds."
    )
    blocked_limit: Count = Field(
        1_000, description="The most addresses an account may block (XEP-0191)."
    )
    pep_nodes: AtLeastOne = Field(
        250, description="How many nodes an account may publish at (XEP-0163)."
    )
    pep_items: AtLeastOne = Field(
        1_000, description="The most items a node may keep; what its owner calls `max`."
    )
    pep_item_size: Annotated[Bytes, Field(ge=1024)] = Field(
        262_144, description="The largest payload of an item; `max_stanza_size` holds, too."
    )
    pep_quota: Annotated[Bytes, Field(ge=1024)] = Field(
        10_485_760, description="What all items of one account may take."
    )
    pep_subscribers: AtLeastOne = Field(
        1_000,
        description="How many addresses may be subscribed to a node or listed for its access.",
    )
    private_limit: Count = Field(
        100, description="The most elements an account may keep in private storage (XEP-0049)."
    )
    private_size: Annotated[Bytes, Field(ge=1024)] = Field(
        65_536, description="The largest element in private storage."
    )
    vcard_size: Annotated[Bytes, Field(ge=1024)] = Field(
        196_608, description="The largest vCard, its picture included (XEP-0054)."
    )
    resource_conflict: Annotated[Literal["replace", "rename", "refuse"], AnyCase] = Field(
        "replace",
        description="When a resource is taken already: end the older session, give the newer one"
        " another name, or refuse it.",
    )
    contact_abuse: Uris = Field((), description=_contact("to report abuse"))
    contact_admin: Uris = Field((), description=_contact("to reach the administrators"))
    contact_feedback: Uris = Field((), description=_contact("for feedback"))
    contact_sales: Uris = Field((), description=_contact("about sales"))
    contact_security: Uris = Field((), description=_contact("about security"))
    contact_status: Uris = Field((), description=_contact("about the state of the service"))
    contact_support: Uris = Field((), description=_contact("for help"))
    announce_version: bool = Field(
        True, description="Tell clients that ask which version this is (XEP-0092)."
    )
    max_resources: AtLeastOne = Field(
        32, description="How many sessions one account may have at a time."
    )
    max_directed: AtLeastOne = Field(
        1_000, description="To how many others one session may send directed presence."
    )
    max_presence: Annotated[int, Unit("characters"), Field(ge=1_000)] = Field(
        10_000, description="The longest presence that a client may send to its contacts."
    )
