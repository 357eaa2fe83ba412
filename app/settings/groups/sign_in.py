"""Who may sign in, and how often somebody may try."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

from andiron.settings.types import (
    AccountAddresses,
    Algorithms,
    AtLeastOne,
    PositiveSeconds,
    Seconds,
    Secret,
    Texts,
)

__all__ = ["SignIn"]


class SignIn(BaseSettings):
    """Mechanisms, passwords, tokens, and who rules the others."""

    auth_plain: bool = Field(
        True,
        description="Offer SASL PLAIN, where the way to the client is secure.",
    )
    auth_anonymous: bool = Field(
        False,
        description="Let anyone in under a random address (SASL ANONYMOUS).",
    )
    auth_iterations: Annotated[int, Field(ge=4096, le=10_000_000)] = Field(
        10_000, description="The cost of a new password's SCRAM keys, in PBKDF2 iterations."
    )
    auth_attempts: AtLeastOne = Field(
        5, description="How often a stream may fail to sign in before it is closed."
    )
    auth_remembered: Annotated[int, Field(ge=0)] = Field(
        10_000,
        description="For how many accounts a right password sent by PLAIN need not be hashed"
        " again; 0: always hash.",
    )
    auth_queue: AtLeastOne = Field(
        4, description="How many sign-in steps of one stream may wait while one is worked on."
    )
    auth_delay_first: PositiveSeconds = Field(
        0.25,
        description="How long one failure makes the next sign-in wait; each further one doubles"
        " it.",
    )
    auth_delay_account: PositiveSeconds = Field(
        3.0,
        description="The longest wait between two guesses at one account, from wherever they come.",
    )
    auth_delay_address: PositiveSeconds = Field(
        10.0,
        description="The longest wait between two guesses from one address, at whichever account.",
    )
    auth_delay_half_life: PositiveSeconds = Field(
        60.0, description="The time in which the number of failures remembered halves."
    )
    auth_delay_capacity: AtLeastOne = Field(
        10_000,
        description="For how many accounts, and addresses, failures are remembered, and for how"
        " many accounts where their owners were.",
    )
    auth_waiting: AtLeastOne = Field(
        200,
        description="How many sign-ins may wait for their turn with one account, and from one"
        " address, and ten times as many in all; others are told to try later.",
    )
    auth_at_once: AtLeastOne = Field(
        8,
        description="How many sign-ins from one address are worked on at a time as long as none"
        " has failed.",
    )
    registration: bool = Field(
        False,
        description="Let anybody make an account from a chat client (XEP-0077). Who fills in the"
        " form must be done within `session_negotiation_timeout`.",
    )
    registration_per_address: AtLeastOne = Field(
        3,
        description="How many accounts one address may make in an hour, trying ten times as many"
        " names.",
    )
    registration_limit: AtLeastOne = Field(
        100, description="How many accounts may be made in an hour, by all together."
    )
    registration_changes: bool = Field(
        True, description="Let accounts change their password and remove themselves (XEP-0077)."
    )
    admins: AccountAddresses = Field(
        (),
        description="The accounts that may administer the domain from their chat clients"
        " (XEP-0133), by name or address; none: nobody does.",
    )
    token_secret: Secret = Field(
        "",
        repr=False,
        description="The secret by which JSON Web Tokens are signed (HS256, HS384, HS512), of 32"
        " bytes or more; empty: none is.",
    )
    token_key_file: str = Field(
        "",
        description="Or a file with the public key that they are checked by, in PEM; read again"
        " when it changes.",
    )
    token_jwks_file: str = Field(
        "",
        description="Or a file with several such keys, as a JWK Set; read again when it changes.",
    )
    token_algorithms: Algorithms = Field(
        (),
        description="The algorithms that tokens may be signed by; none: all that the key is fit"
        " for.",
    )
    token_issuer: str = Field(
        "", description="Who must have issued a token (`iss`); empty: anybody with the key."
    )
    token_audience: Texts = Field(
        (),
        description="For whom a token must be (`aud`), for one of these; none: a token that says"
        " for whom it is is refused.",
    )
    token_claim: str = Field(
        "sub",
        min_length=1,
        description="The claim of a token that names the account, with or without the domain.",
    )
    token_name_claim: str = Field(
        "name",
        description="The claim of a token that says what people call its user, taken into the"
        " vCard; empty: none does.",
    )
    token_groups_claim: str = Field(
        "",
        description="The claim of a token that lists the shared groups its user is in; empty: none"
        " does.",
    )
    token_skew: Seconds = Field(
        10.0, description="How far the clock of who issues tokens may be from this one's."
    )
    token_outlives: bool = Field(
        False, description="Let a session go on when the token that it signed in with has expired."
    )
