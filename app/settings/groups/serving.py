"""Where the application is served, and as what."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from andiron.settings.types import (
    AnyCase,
    Bytes,
    DatabaseUrl,
    DomainName,
    FileMode,
    HostNames,
    Networks,
    PublicUrl,
    Seconds,
    Secret,
    Unit,
)

__all__ = ["Serving"]


class Serving(BaseSettings):
    """What is served, where, and behind which proxies."""

    domain: DomainName = Field(
        "localhost", description="The XMPP domain that is served: what stands behind the @."
    )
    database: DatabaseUrl = Field(
        "sqlite:///andiron.db", repr=False, description="Where accounts and messages are stored."
    )
    host: str = Field(
        "127.0.0.1", min_length=1, description="The address that `andiron serve` listens on."
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8000, description="The port that `andiron serve` listens on; 0 takes a free one."
    )
    socket: str = Field(
        "",
        description="The socket file that `andiron serve` listens on, in place of `host` and"
        " `port`; empty: none.",
    )
    socket_mode: FileMode = Field(
        "660", description="The permissions of that file, in octal: who may write, may connect."
    )
    demo: bool = Field(
        False,
        description="Serve the demonstration page at `/`; never on a public site.",
    )
    widget: bool = Field(
        True,
        description="Serve `<andiron-chat>`, a chat for the site's pages, at `/widget.js`.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], AnyCase] = Field(
        "info", description="The least severe messages that are logged."
    )
    log_format: Annotated[Literal["plain", "json"], AnyCase] = Field(
        "plain",
        description="How `andiron serve` writes its log: lines for people, or JSON objects, one a"
        " line.",
    )
    trusted_proxies: Networks = Field(
        ("127.0.0.1", "::1"),
        description="Proxies whose `X-Forwarded-*` and `Forwarded` headers are believed:"
        " addresses, networks, or `unix` for a socket file.",
    )
    public_url: PublicUrl = Field(
        "",
        description="Where clients find this application, for those that look it up (XEP-0156);"
        " empty: where their request was sent to.",
    )
    allowed_hosts: HostNames = Field(
        (),
        description="Names of hosts for which requests are taken besides `localhost`, addresses,"
        " `domain` and what is below it, and the host of `public_url`: `name`, `*.name`, or `*` for"
        " any.",
    )
    metrics_token: Secret = Field(
        "",
        repr=False,
        description="The token by which Prometheus reads `metrics`, of 32 characters or more, or"
        " several with spaces between; empty: nobody does.",
    )
    http_max_head: Annotated[Bytes, Field(ge=4096, le=65_536)] = Field(
        16_384,
        description="The largest head of a request, with its URL, that `andiron serve` takes.",
    )
    http_keep_alive: Annotated[int, Unit("seconds"), Field(ge=1, le=3600)] = Field(
        75,
        description="How long `andiron serve` keeps a connection open on which nothing is asked"
        " after an answer. Some BOSH clients keep one idle as long as `bosh_wait`.",
    )
    shutdown_timeout: Seconds = Field(
        5.0, description="How long a stopping server waits for connections to end by themselves."
    )
