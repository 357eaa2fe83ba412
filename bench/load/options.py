"""What the generator can be told."""

import argparse
import dataclasses
import ipaddress
import urllib.parse
from collections.abc import Iterable, Sequence

from load.sasl import MECHANISMS

MAX_USERS = 20_200
MAX_SECONDS = 120.0
MAX_RUNS = 20
MAX_ADDRESSES = 1000
"""All of 127.0.0.0/8 are this machine's, where the system is Linux."""


@dataclasses.dataclass(slots=True)
class Options:
    """As in ``--help``; times in seconds."""

    transport: str
    url: str
    pattern: str
    domain: str = "localhost"
    users: int = 100
    auth: str = "PLAIN"
    user_prefix: str = "user"
    password: str = "pw"
    resource: str = "load"
    presence: bool = False
    size: int = 200
    window: int = 4
    rate: float = 500.0
    concurrency: int = 32
    rounds: int = 1
    warm: int = 0
    bystanders: int = 0
    room_size: int = 10
    group_size: int = 51
    muc: str = ""
    sm: bool = False
    sm_ask: int = 10
    gap_messages: int = 1
    addresses: int = 1
    bosh_wait: int = 60
    warmup: float = 2.0
    duration: float = 10.0
    settle: float = 3.0
    connect_timeout: float = 120.0
    runs: int = 1
    server_pid: int | None = None
    label: str = ""
    json: str | None = None

    def local_address(self, session: int) -> tuple[str, int] | None:
        """Return where a session connects from; None for wherever the system has it."""
        if self.addresses == 1:
            return None
        third, fourth = divmod(session % self.addresses, 250)
        return f"127.0.{third + 1}.{fourth + 1}", 0

    @property
    def rooms(self) -> str:
        """The domain of rooms."""
        return self.muc or f"conference.{self.domain}"


def parser(description: str | None, patterns: Iterable[str]) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    add = made.add_argument
    add("--transport", choices=("ws", "bosh"), required=True)
    add("--url", required=True, help="ws://127.0.0.1:PORT/PATH or http://127.0.0.1:PORT/PATH")
    add("--domain", help="(default localhost)")
    add("--pattern", choices=tuple(patterns), required=True)
    add("--users", type=int, help="sessions, user0 to userN-1 (default 100)")
    add("--auth", choices=MECHANISMS, help="(default PLAIN)")
    add("--user-prefix")
    add("--password", help="of every account (default pw)")
    add("--resource")
    add("--presence", action="store_true", help="send available presence after bind")
    add("--size", type=int, help="bytes in a message stanza (default 200)")
    add("--window", type=int, help="messages in flight: per pair (pingpong) or in all")
    add("--rate", type=float, help="messages/s for the pattern latency (default 500)")
    add("--concurrency", type=int, help="sign-ins, joins or resumptions at a time (default 32)")
    add("--rounds", type=int, help="connect: sign in so often, measure the last (default 1)")
    add("--warm", type=int, help="connect: sign so many others in and out before (default 0)")
    add("--bystanders", type=int, help="pingpong: more sessions that do nothing")
    add("--room-size", type=int, help="join: occupants of each room (default 10)")
    add("--group-size", type=int, help="presence: who see each other (default 51)")
    add("--muc", help="the domain of rooms (default conference.DOMAIN)")
    add("--sm", action="store_true", help="enable XEP-0198 and answer <r/>")
    add("--sm-ask", type=int, help="with --sm, send <r/> every so many stanzas; 0: never")
    add("--gap-messages", type=int, help="messages sent to each dropped session (resume)")
    add(
        "--addresses",
        type=int,
        help="loopback addresses from which sessions come, by turns (default 1, at most 1000)",
    )
    add("--bosh-wait", type=int)
    add("--warmup", type=float)
    add("--duration", type=float, help="measured seconds (at most 120)")
    add("--settle", type=float, help="seconds before memory is read (idle)")
    add("--connect-timeout", type=float, help="seconds for all sign-ins")
    add("--runs", type=int, help="repeat and give medians")
    add("--server-pid", type=int, help="its CPU and memory, children's too, are read from /proc")
    add("--label", help="a name for the server in the output")
    add("--json", metavar="FILE", help="append one JSON object per call")
    return made


def parse(
    description: str | None, patterns: Iterable[str], arguments: Sequence[str] | None = None
) -> Options:
    """Read a command line; end the process where it asks what must not be."""
    made = parser(description, patterns)
    options = Options(**vars(made.parse_args(arguments)))
    if not is_loopback(options.url):
        made.error("only a loopback address may be loaded")
    within = (
        0 < options.duration <= MAX_SECONDS
        and 0 < options.users + options.bystanders <= MAX_USERS
        and 0 < options.runs <= MAX_RUNS
        and 0 < options.rounds <= MAX_RUNS
        and 0 < options.addresses <= MAX_ADDRESSES
    )
    if not within:
        made.error(
            f"out of bounds: --duration {MAX_SECONDS:.0f}, --users {MAX_USERS}, --runs {MAX_RUNS}"
        )
    if options.pattern in ("join", "room") and options.room_size < 2:
        made.error("a room has two occupants or more")
    if options.pattern == "presence" and not 2 <= options.group_size <= options.users:
        made.error("a group has two sessions or more, and no more than there are")
    options.sm = options.sm or options.pattern in ("resume", "storm")
    return options


def is_loopback(url: str) -> bool:
    host = urllib.parse.urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
