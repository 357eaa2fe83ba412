"""The rows of the comparison: what is measured, and which goals each has."""

import dataclasses
import sys

ANDIRON, UVICORN, PROSODY, EJABBERD = "andiron", "uvicorn", "prosody", "ejabberd"
PEERS = (PROSODY, EJABBERD)
SERVERS = (ANDIRON, UVICORN, *PEERS)
BEST_PEER = "the better peer"
ITSELF = "its own"
TITLES = {
    ANDIRON: "`andiron serve`",
    UVICORN: "`uvicorn andiron:app`",
    PROSODY: "Prosody",
    EJABBERD: "ejabberd",
}

FIGURES = {
    "pingpong": "msgs_per_s",
    "fanout": "msgs_per_s",
    "room": "msgs_per_s",
    "presence": "msgs_per_s",
    "storm": "back_s",
    "latency": "latency_ms_p99",
    "connect": "sessions_per_s",
    "resume": "resumptions_per_s",
    "join": "joins_per_s",
    "idle": "kib_per_session",
}
"""The generator's figure that counts, by pattern."""
LESS_IS_BETTER = frozenset({"latency", "idle", "storm"})
GROUP = 51
QUICK_USERS = 60
QUICK = ("--warmup", "0.3", "--duration", "1", "--settle", "1")
TIMES = ("--warmup", "0.5", "--duration", "2.5")


@dataclasses.dataclass(frozen=True, slots=True)
class Goal:
    """At least so many times another figure, or, beside nobody, at most so much."""

    amount: float
    beside: str = ""
    """A server, BEST_PEER, or ITSELF."""
    row: str = ""
    """The row of that figure, where it is another."""

    def __str__(self) -> str:
        if not self.beside:
            return f"at most {self.amount:g}"
        beside = TITLES.get(self.beside, self.beside)
        return f"{self.amount:g} × {beside}" + (f", `{self.row}`" if self.row else "")


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One kind of load; the generator's options are those of ``xmppload.py --help``."""

    name: str
    title: str
    transport: str
    pattern: str
    goals: tuple[Goal, ...] = ()
    users: int = 100
    auth: str = "ANONYMOUS"
    options: tuple[str, ...] = TIMES
    store: str = "plain"
    """How the peers keep passwords: in the clear, or as ``scram`` keys."""
    groups: int = 0
    """Of how many each shared group is that Andiron's accounts are in."""
    only_for: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """More options for one server; ``note`` tells of them."""
    note: str = ""

    @property
    def accounts(self) -> int:
        """How many accounts the server must have: some warm it, one sends to who resumes."""
        return 0 if self.auth == "ANONYMOUS" else self.users + WARM

    @property
    def figure(self) -> str:
        return FIGURES[self.pattern]

    @property
    def less_is_better(self) -> bool:
        return self.pattern in LESS_IS_BETTER

    def arguments(self, server: str, *, quick: bool) -> list[str]:
        """Return the generator's options, but for where the server is."""
        few = quick and self.pattern != "idle"  # memory of few is lost among the rest
        users = min(self.users, QUICK_USERS) if few else self.users
        made = ["--transport", self.transport, "--pattern", self.pattern]
        made += ["--users", str(users), "--auth", self.auth, *self.options]
        for name, options in self.only_for:
            made += options if name == server else ()
        return [*made, *QUICK] if quick else made


NO_GAP = ((EJABBERD, ("--gap-messages", "0")),)
NO_GAP_NOTE = "ejabberd without a message in the gap, with which it stalls"
WARM = 30
ADDRESSES = ("--addresses", "250") if sys.platform == "linux" else ()
"""Who connects comes from an address of his own, as people do."""
SIGN_IN = ("--warm", str(WARM), *ADDRESSES)

ROWS = (
    Row("ws-pairs", "50 pairs, 4 in flight, messages/s", "ws", "pingpong", (Goal(3, EJABBERD),)),
    Row(
        "ws-managed",
        "the same with stream management",
        "ws",
        "pingpong",
        (Goal(4, EJABBERD),),
        options=(*TIMES, "--sm"),
    ),
    Row(
        "ws-archived",
        "the same, archived",
        "ws",
        "pingpong",
        (Goal(2, EJABBERD), Goal(0.75, ITSELF, "ws-pairs")),
        auth="PLAIN",
        options=(*TIMES, "--presence"),
        note="the peers without an archive; sessions that are present, which is what is archived",
    ),
    Row(
        "ws-fanout",
        "one to 100, 32 in flight, messages/s",
        "ws",
        "fanout",
        (Goal(2, EJABBERD),),
        users=101,
        options=(*TIMES, "--window", "32"),
    ),
    Row(
        "ws-anonymous",
        "sign-ins/s, ANONYMOUS",
        "ws",
        "connect",
        (Goal(1.5, EJABBERD),),
        users=500,
        options=SIGN_IN,
    ),
    Row(
        "ws-plain",
        "sign-ins/s, PLAIN, first time, all keep SCRAM keys",
        "ws",
        "connect",
        (Goal(1, BEST_PEER),),
        users=150,
        auth="PLAIN",
        options=SIGN_IN,
        store="scram",
    ),
    Row(
        "ws-plain-clear",
        "sign-ins/s, PLAIN, first time, theirs kept in the clear",
        "ws",
        "connect",
        users=150,
        auth="PLAIN",
        options=SIGN_IN,
        note="Andiron keeps SCRAM keys here, too",
    ),
    Row(
        "ws-plain-again",
        "sign-ins/s, PLAIN, second time, all keep SCRAM keys",
        "ws",
        "connect",
        (Goal(1, BEST_PEER, "ws-anonymous"),),
        users=150,
        auth="PLAIN",
        options=(*SIGN_IN, "--rounds", "2"),
        store="scram",
    ),
    Row(
        "ws-scram",
        "sign-ins/s, SCRAM-SHA-1",
        "ws",
        "connect",
        (Goal(1, BEST_PEER, "ws-anonymous"),),
        users=150,
        auth="SCRAM-SHA-1",
        options=(*SIGN_IN, "--rounds", "2"),
        store="scram",
        note="the second sign-in of each account, so that the generator has derived its key",
    ),
    Row(
        "ws-resume",
        "resumptions/s, SASL PLAIN each time",
        "ws",
        "resume",
        (Goal(4, PROSODY),),
        users=50,
        auth="PLAIN",
        options=(*TIMES, *ADDRESSES),
        only_for=NO_GAP,
        note=NO_GAP_NOTE,
    ),
    Row(
        "bosh-pairs", "50 pairs, 4 in flight, messages/s", "bosh", "pingpong", (Goal(4, EJABBERD),)
    ),
    Row(
        "bosh-fanout",
        "one to 100, 32 in flight, messages/s",
        "bosh",
        "fanout",
        (Goal(1.5, EJABBERD),),
        users=101,
        options=(*TIMES, "--window", "32"),
    ),
    Row(
        "bosh-anonymous",
        "sign-ins/s, ANONYMOUS",
        "bosh",
        "connect",
        (Goal(1.3, EJABBERD),),
        users=500,
        options=SIGN_IN,
    ),
    Row(
        "bosh-resume",
        "resumptions/s, SASL PLAIN each time",
        "bosh",
        "resume",
        users=50,
        auth="PLAIN",
        options=(*TIMES, *ADDRESSES),
        only_for=NO_GAP,
        note=NO_GAP_NOTE,
    ),
    Row("room-join", "joins/s, rooms of 10", "ws", "join", users=100, auth="PLAIN"),
    Row(
        "room-fanout",
        "one to a room of 100, 4 in flight, copies/s",
        "ws",
        "room",
        auth="PLAIN",
        note="the peers without an archive of the room",
    ),
    Row(
        "ws-presence",
        "a presence to 50 contacts, 4 on their way, copies/s",
        "ws",
        "presence",
        users=2 * GROUP,
        auth="PLAIN",
        options=(*TIMES, "--settle", "1"),
        groups=GROUP,
        note="Andiron's contacts are shared groups, the peers' have subscribed to each other",
    ),
    Row(
        "ws-storm",
        "2,000 cut off at once: seconds until all are back",
        "ws",
        "storm",
        users=2000,
        auth="PLAIN",
        options=("--settle", "1", *ADDRESSES),
        only_for=NO_GAP,
        note=NO_GAP_NOTE,
    ),
    Row("ws-latency", "p99 at 500 messages/s, ms", "ws", "latency"),
    Row("bosh-latency", "p99 at 500 messages/s, ms", "bosh", "latency"),
    Row(
        "ws-idle",
        "KiB per idle session",
        "ws",
        "idle",
        (Goal(8),),
        users=3000,
        options=("--duration", "1", "--settle", "1.5"),
    ),
    Row(
        "bosh-idle",
        "KiB per idle session",
        "bosh",
        "idle",
        (Goal(10),),
        users=3000,
        options=("--duration", "1", "--settle", "1.5"),
    ),
)
QUICK_ROWS = ("ws-pairs", "ws-archived", "ws-anonymous", "ws-scram", "ws-resume", "bosh-pairs")


def selected(names: list[str], *, quick: bool) -> list[Row]:
    """Return the rows of these names or beginnings of names; all, or the quick ones, for none.

    Raises ValueError for one that is no row's.
    """
    wanted = names or (list(QUICK_ROWS) if quick else [row.name for row in ROWS])
    for name in wanted:
        if not any(row.name.startswith(name) for row in ROWS):
            known = ", ".join(row.name for row in ROWS)
            raise ValueError(f"there is no row {name}; there are {known}")
    exact = {row.name for row in ROWS} & set(wanted)
    return [
        row
        for row in ROWS
        if row.name in exact
        or any(row.name.startswith(name) for name in wanted if name not in exact)
    ]
