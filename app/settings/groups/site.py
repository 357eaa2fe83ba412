"""What the site around it says of its people, and is told."""

from pydantic import Field
from pydantic_settings import BaseSettings

from andiron.settings.types import AtLeastOne, PositiveSeconds, Seconds, Secret

__all__ = ["Site"]


class Site(BaseSettings):
    """Directories, hooks and the API."""

    provision: bool = Field(
        True,
        description="Make an account for whom `authenticate=`, `identify=` or a token lets in"
        " and who has none.",
    )
    site_timeout: PositiveSeconds = Field(
        10.0, description="How long these may take, and the site's other code, to answer."
    )
    ldap_url: str = Field(
        "",
        description="An LDAP directory that is asked whether a password is right, as"
        " `ldaps://ldap.example.org`; empty: none is.",
    )
    ldap_start_tls: bool = Field(False, description="With `ldap://`: go on in TLS (StartTLS).")
    ldap_ca_file: str = Field(
        "",
        description="A file with the certificates that are trusted for that, in PEM; empty: those"
        " that the system trusts.",
    )
    ldap_user_dn: str = Field(
        "",
        description="The name of a person's entry, with `{}` for the name of who signs in, as"
        " `uid={},ou=people,dc=example,dc=org`; empty: it is searched.",
    )
    ldap_base: str = Field("", description="Or the entry below which people are searched.")
    ldap_filter: str = Field(
        "(uid={})", description="By which filter; `{}` is the name of who signs in."
    )
    ldap_bind_dn: str = Field(
        "", description="The entry as which people are searched; empty: as nobody."
    )
    ldap_bind_password: Secret = Field("", repr=False, description="And the password of it.")
    ldap_name_attribute: str = Field(
        "displayName", description="The attribute with what people call somebody; empty: none."
    )
    ldap_photo_attribute: str = Field(
        "jpegPhoto", description="The attribute with a picture; empty: none."
    )
    contact_cache: Seconds = Field(
        60.0,
        description="How long an answer of `may_contact=` or `groups=` holds; 0 asks about each"
        " stanza, and at each sign-in.",
    )
    api_token: Secret = Field(
        "",
        repr=False,
        description="The token by which other processes use the API at `api/v1`, of 32 characters"
        " or more, or several with spaces between; empty: none can, unless there is a file.",
    )
    api_token_file: str = Field(
        "", description="A file with such tokens, one a line; read at the start."
    )
    hook_timeout: PositiveSeconds = Field(
        5.0,
        description="How long a hook of the site's own code may take. A message that one has not"
        " decided about by then is refused, unless the hook says otherwise.",
    )
    hook_queue: AtLeastOne = Field(
        1_000,
        description="How many events may wait for each hook that is told of them; more are lost"
        " to it.",
    )
