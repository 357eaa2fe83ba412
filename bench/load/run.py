"""The sessions of one run, its counts and its checks."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from xml.etree.ElementTree import ParseError

import picows

from load.checks import Errors, padding
from load.figures import Figures, Since, Snapshot, between, percentile, scaled
from load.link import LoadError
from load.options import Options
from load.process import ServerProcess, machine_cpu
from load.session import Session

now = time.perf_counter
FAILURES = (LoadError, OSError, TimeoutError, picows.WSError, ParseError)
Arrival = Callable[[Session, int, int], None]
"""Is told who got a message, from which session and with which number."""


class Load:
    """One run against one server."""

    def __init__(self, opts: Options, server: ServerProcess | None) -> None:
        self.opts, self.server = opts, server
        self.sessions: list[Session] = []
        self.errors = Errors()
        self.sent = self.delivered = 0
        self.latencies: list[float] = []
        self.on_arrival: Arrival | None = None
        self.closing = False
        self.tasks: set[asyncio.Task[None]] = set()
        self.pad = padding(opts.size)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def sending(self, copies: int) -> None:
        self.sent += copies

    def arrived(self, session: Session, source: int, number: int, sent_us: int) -> None:
        self.delivered += 1
        self.latencies.append(now() * 1e6 - sent_us)
        if self.on_arrival is not None:
            self.on_arrival(session, source, number)

    async def in_parallel(
        self, coroutines: Iterable[Coroutine[Any, Any, None]], width: int
    ) -> list[float]:
        """Await all, at most width at a time; return each one's seconds."""
        seconds = []
        pending = iter(coroutines)

        async def work() -> None:
            for coroutine in pending:
                start = now()
                try:
                    await coroutine
                except FAILURES as exc:
                    self.errors(f"{type(exc).__name__}: {exc}")
                seconds.append(now() - start)

        async with asyncio.timeout(self.opts.connect_timeout):
            await asyncio.gather(*(work() for _ in range(width)))
        return seconds

    async def sign_in(self, count: int, first: int | None = None) -> Figures:
        """Sign count more sessions in; return the figures of doing so.

        Their accounts follow those of the sessions before, or begin with ``first``.
        """
        start = len(self.sessions) if first is None else first
        added = [Session(self, start + i) for i in range(count)]
        self.sessions += added
        before = self.snapshot()
        seconds = await self.in_parallel(
            (session.connect() for session in added), self.opts.concurrency
        )
        since = self.since(before)
        if self.errors:
            raise LoadError("sign-in failed")
        return {
            "sessions_per_s": count / since.seconds,
            "session_ms_p50": percentile(seconds, 50) * 1e3,
            "session_ms_p99": percentile(seconds, 99) * 1e3,
            "cpu_ms_per_session": scaled(since.server_cpu_s, 1e3 / count),
            **since.shares,
        }

    async def sign_out(self) -> None:
        self.closing = True
        for session in self.sessions:
            session.live = False
        links = [session.link for session in self.sessions if session.link is not None]
        await self.in_parallel((link.close() for link in links), self.opts.concurrency)
        self.sessions.clear()
        self.closing = False

    def snapshot(self) -> Snapshot:
        return Snapshot(
            now(),
            self.delivered,
            len(self.latencies),
            self.server.cpu() if self.server else None,
            time.process_time(),
            machine_cpu(),
        )

    def since(self, before: Snapshot) -> Since:
        """What happened since a snapshot."""
        return between(before, self.snapshot(), self.latencies)

    async def measure(self) -> Figures:
        """Warm up, measure for --duration, and return the message figures."""
        await asyncio.sleep(self.opts.warmup)
        before = self.snapshot()
        await asyncio.sleep(self.opts.duration)
        since = self.since(before)
        if not since.delivered:
            self.errors("no message was delivered in the measured time")
            return {}
        return {
            "msgs_per_s": since.delivered / since.seconds,
            "latency_ms_p50": percentile(since.latencies, 50) / 1e3,
            "latency_ms_p99": percentile(since.latencies, 99) / 1e3,
            "cpu_s_per_1000": scaled(since.server_cpu_s, 1000 / since.delivered),
            "server_rss_mib": scaled(self.server.rss() if self.server else None, 2**-20),
            **since.shares,
        }

    async def drain(self) -> None:
        """Stop sending; every message sent must have arrived within 10 seconds."""
        self.on_arrival = None
        for _ in range(200):
            if self.delivered >= self.sent:
                break
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.1)  # a duplicate would come now
        if self.delivered != self.sent:
            self.errors(f"sent {self.sent} messages, {self.delivered} arrived")
        senders = [session for session in self.sessions if session.sm_on and session.sm_out]
        for session in senders:
            session.ask_ack()
        for _ in range(100):
            if all(session.sm_acked == session.sm_out for session in senders):
                return
            await asyncio.sleep(0.05)
        self.errors("the last acknowledgement does not cover every stanza sent")
