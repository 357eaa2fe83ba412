"""The numbers that the parts of an application keep, as metrics.

Nobody's address or name is in a label, and what may be in one is bounded.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from andiron.bosh.registry import BoshRegistry
from andiron.domain.domain import Domain
from andiron.processes import Process, Processes
from andiron.sm.manager import SessionManager
from andiron.sm.session import State
from andiron.sm.strangers import Strangers
from andiron.sm.tally import Distribution
from andiron.version import __version__
from andiron.vitals import Vitals

__all__ = ["Collected", "Source"]

_KINDS: Final = {"m": "message", "p": "presence", "i": "iq"}
_OF_PROCESSES: Final[tuple[tuple[str, str, Callable[[Process], float | None]], ...]] = (
    (
        "andiron_relayed",
        "Requests and WebSockets that a door relays.",
        lambda one: None if one.home else one.relayed,
    ),
    ("andiron_process_memory_bytes", "The memory that a process has.", lambda one: one.memory),
    (
        "andiron_process_lag_seconds",
        "How late the event loop of a process was at worst in the last ten seconds.",
        lambda one: one.lag,
    ),
    (
        "andiron_process_silent_seconds",
        "For how long, about, a process has given no sign of life.",
        lambda one: one.silent,
    ),
)
"""What is told of each process; None where it is not."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose numbers they are."""

    manager: SessionManager
    domain: Domain
    bosh: BoshRegistry
    strangers: Strangers
    processes: Processes
    vitals: Vitals
    """How this process does."""


class Collected(Collector):
    """All metrics of one application, made anew each time they are asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def collect(self) -> Iterator[Metric]:
        """Return the metrics as they are now."""
        version = InfoMetricFamily("andiron", "What runs here.")
        version.add_metric([], {"version": __version__})
        yield version
        yield from self._sessions()
        yield from self._traffic()
        yield from self._loop()
        yield from self._database()
        if self._source.processes.several:
            yield from self._processes(self._source.processes.all())

    def _processes(self, processes: Sequence[Process]) -> Iterator[Metric]:
        roles = GaugeMetricFamily(
            "andiron_process",
            "The processes of this chat: the one that is home, and the doors that relay to it.",
            labels=("process", "role", "version"),
        )
        for each in processes:
            roles.add_metric([each.name, "home" if each.home else "door", each.version], 1)
        yield roles
        there = Counter(
            self._source.processes.of(session.via)
            for session in self._source.manager.sessions
            if session.transport is not None
        )
        sessions = GaugeMetricFamily(
            "andiron_process_sessions",
            "Sessions that have their connection by a process.",
            labels=("process",),
        )
        yield _filled(sessions, {(each.name,): there[each.name] for each in processes})
        for name, what, read in _OF_PROCESSES:
            family = GaugeMetricFamily(name, what, labels=("process",))
            for each in processes:
                value = read(each)
                if value is not None:
                    family.add_metric([each.name], value)
            yield family

    def _sessions(self) -> Iterator[Metric]:
        manager, tally = self._source.manager, self._source.manager.tally
        there: Counter[tuple[str, ...]] = Counter()
        unacknowledged = held = slowed = 0
        for session in manager.sessions:
            there[session.channel.kind, session.state.value] += 1
            slowed += session.slowed
            if session.management is not None:
                unacknowledged += len(session.management.queue)
                held += session.management.queue.bytes
        for kind in ("websocket", "bosh", "in-process"):
            for state in (State.NEGOTIATING, State.BOUND, State.DETACHED):
                there.setdefault((kind, state.value), 0)
        states = GaugeMetricFamily(
            "andiron_sessions",
            "Sessions that are there, by transport and state; detached ones hibernate.",
            labels=("transport", "state"),
        )
        yield _filled(states, there)
        yield GaugeMetricFamily(
            "andiron_unacknowledged_stanzas",
            "Stanzas that clients have not acknowledged, in all sessions.",
            unacknowledged,
        )
        yield GaugeMetricFamily("andiron_unacknowledged_bytes", "The memory that these take.", held)
        yield GaugeMetricFamily(
            "andiron_slowed_sessions", "Sessions that send more than account_rate.", slowed
        )
        yield _counters(
            "andiron_sign_ins",
            "Attempts to sign in, by mechanism and result; none: a mechanism not offered here.",
            ("mechanism", "result"),
            {(mechanism or "none", result): n for (mechanism, result), n in tally.sign_ins.items()},
        )
        yield _counters(
            "andiron_resumptions",
            "Attempts to resume a session (XEP-0198), by result.",
            ("result",),
            _single(tally.resumptions, ("resumed", "expired", "refused", "count-too-high")),
        )
        yield _histogram(
            "andiron_resumed_after_seconds",
            "How long sessions that were resumed had been without a connection.",
            tally.resumed_after,
        )
        yield _counters(
            "andiron_sessions_closed",
            "Sessions that ended, by reason.",
            ("reason",),
            _single(manager.closed),
        )
        yield _counters(
            "andiron_sessions_detached",
            "Sessions that lost their connection and hibernate, by reason.",
            ("reason",),
            _single(manager.detached),
        )

    def _traffic(self) -> Iterator[Metric]:
        tally = self._source.manager.tally
        stanzas: dict[tuple[str, ...], int] = {
            ("in", name): count for name, count in tally.received.items()
        }
        for letter, name in _KINDS.items():
            stanzas["out", name] = tally.sent[letter]
        yield _counters(
            "andiron_stanzas",
            "Stanzas from clients (in) and for clients (out), by kind.",
            ("direction", "kind"),
            stanzas,
        )
        yield _counters(
            "andiron_stanza_characters",
            "Characters of these stanzas, as many bytes where all are ASCII.",
            ("direction",),
            {("in",): tally.received_size, ("out",): tally.sent_size},
        )
        yield _counters(
            "andiron_stanzas_refused",
            "Stanzas answered with an error, by condition (RFC 6120 section 8.3.3).",
            ("condition",),
            _single(tally.refused, ("policy-violation", "resource-constraint")),
        )
        yield _counters(
            "andiron_bosh_errors",
            "BOSH requests that were refused or ended their session (XEP-0124 section 17.2).",
            ("condition",),
            _single(self._source.bosh.broken),
        )
        yield GaugeMetricFamily(
            "andiron_strangers", "Connections that are signing in.", self._source.strangers.count
        )
        yield CounterMetricFamily(
            "andiron_strangers_refused",
            "Connections refused since too many were signing in, in all or of one address.",
            self._source.strangers.refused,
        )

    def _loop(self) -> Iterator[Metric]:
        yield _histogram(
            "andiron_event_loop_lag_seconds",
            "How late the event loop ran a timer, twice a second.",
            self._source.vitals.lags,
        )
        yield GaugeMetricFamily(
            "andiron_waiting_for_turns",
            "Accounts and networks that wait for their turn of the event loop.",
            len(self._source.manager.rounds),
        )

    def _database(self) -> Iterator[Metric]:
        database, archive = self._source.domain.database, self._source.domain.archive
        if database is not None:
            yield _histogram(
                "andiron_database_write_seconds",
                "How long writes took, their waiting for one another included.",
                database.writes,
            )
            yield _histogram(
                "andiron_database_read_seconds", "How long reads took.", database.reads
            )
            yield GaugeMetricFamily(
                "andiron_database_waiting_writes", "Writes that wait.", database.waiting
            )
        recording = self._source.manager.recording
        if recording is not None:
            yield GaugeMetricFamily(
                "andiron_journal_bytes",
                "How large the file is in which sessions are written down.",
                recording.size,
            )
            yield GaugeMetricFamily(
                "andiron_journal_failing",
                "Whether sessions cannot be written down: 1 while nothing new is promised.",
                int(recording.failing != ""),
            )
        if archive is not None:
            yield GaugeMetricFamily(
                "andiron_archive_waiting_bytes",
                "What waits to be written to the archive.",
                archive.waiting,
            )


def _single(counts: Mapping[Any, int], always: Iterable[str] = ()) -> dict[tuple[str, ...], int]:
    """Return counts by one label, with those that are there from the start."""
    return {(str(name),): counts.get(name, 0) for name in sorted({*counts, *always})}


def _counters(
    name: str, what: str, labels: tuple[str, ...], counts: Mapping[tuple[str, ...], int]
) -> Metric:
    return _filled(CounterMetricFamily(name, what, labels=labels), counts)


def _filled(
    family: CounterMetricFamily | GaugeMetricFamily, counts: Mapping[tuple[str, ...], int]
) -> Metric:
    for values, count in counts.items():
        family.add_metric(list(values), count)
    return family


def _histogram(name: str, what: str, distribution: Distribution) -> Metric:
    bounds = [*map(str, distribution.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(distribution.counts), strict=True))
    return HistogramMetricFamily(name, what, buckets=buckets, sum_value=distribution.sum)
