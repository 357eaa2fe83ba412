"""What sessions do. Each pattern takes a Load, leaves it signed in and returns figures."""

import asyncio
import random
import time
from typing import Any

from load.figures import Figures, percentile, scaled
from load.link import LoadError
from load.run import FAILURES, Load
from load.session import Session

now = time.perf_counter


async def connect(load: Load) -> Figures:
    """Sign N sessions in, C at a time; of several rounds the last is measured.

    A server that was just started has code to load and, often, to compile: with
    ``--warm`` others do that.
    """
    if load.opts.warm:
        await load.sign_in(load.opts.warm, first=load.opts.users)
        await load.sign_out()
    for _ in range(load.opts.rounds - 1):
        await load.sign_in(load.opts.users)
        await load.sign_out()
    return await load.sign_in(load.opts.users)


async def idle(load: Load) -> Figures:
    """Memory per signed-in session, and the CPU that idling costs.

    The first half fills what starting the server left free, and is not
    counted. Run it once against a freshly started server: memory that an
    earlier run freed inside it would hide what this one takes.
    """
    if not load.server:
        raise LoadError("idle needs --server-pid")
    opts = load.opts
    first = opts.users // 2
    await load.sign_in(first)
    await asyncio.sleep(opts.settle)
    before = load.server.rss()
    signed_in = await load.sign_in(opts.users - first)
    await asyncio.sleep(opts.settle)
    rss = load.server.rss()
    start = load.snapshot()
    await asyncio.sleep(opts.duration)
    shares = load.since(start).shares
    return {
        "sessions": opts.users,
        "rss_before_mib": before / 2**20,
        "rss_after_mib": rss / 2**20,
        "kib_per_session": (rss - before) / (opts.users - first) / 1024,
        "idle_cpu_pct": shares["server_cpu_pct"],
        "sessions_per_s": signed_in["sessions_per_s"],
        "other_cpu_pct": shares["other_cpu_pct"],
    }


async def pingpong(load: Load) -> Figures:
    """N/2 pairs, W messages in flight in each: an arrival sends one back."""
    opts = load.opts
    await load.sign_in(opts.users // 2 * 2)
    sessions = list(load.sessions)
    if opts.bystanders:
        await load.sign_in(opts.bystanders)
    load.on_arrival = lambda session, source, _: session.send_load(sessions[source])
    for a, b in zip(sessions[::2], sessions[1::2], strict=True):
        for _ in range(opts.window):
            a.send_load(b)
    figures = await load.measure()
    await load.drain()
    return figures


async def latency(load: Load) -> Figures:
    """One-way messages between N/2 pairs at a fixed mean rate, Poisson arrivals."""
    opts = load.opts
    await load.sign_in(opts.users // 2 * 2)
    pairs = list(zip(load.sessions[::2], load.sessions[1::2], strict=True))
    rng = random.Random(11)
    lags = []
    end = now() + opts.warmup + opts.duration + 0.1

    async def send_on_schedule() -> None:
        due, turn = now(), 0
        while due < end:
            if (wait := due - now()) > 0:
                await asyncio.sleep(wait)
            lags.append(now() - due)
            a, b = pairs[turn % len(pairs)]
            a.send_load(b)
            turn += 1
            due += rng.expovariate(opts.rate)

    sending = asyncio.ensure_future(send_on_schedule())
    figures = await load.measure()
    await sending
    await load.drain()
    figures["send_lag_ms_p99"] = percentile(lags, 99) * 1e3
    return figures


async def fanout(load: Load) -> Figures:
    """One sender to N-1 receivers in turn, W messages in flight in all."""
    opts = load.opts
    await load.sign_in(opts.users)
    sender, *receivers = load.sessions
    turn = 0

    def send_next(*_: Any) -> None:
        nonlocal turn
        sender.send_load(receivers[turn % len(receivers)])
        turn += 1

    load.on_arrival = send_next
    for _ in range(opts.window):
        send_next()
    figures = await load.measure()
    await load.drain()
    return figures


def _lose(session: Session, sender: Session, gap_messages: int) -> None:
    """Cut a session's connection, and let so many messages fall into the gap."""
    session.cut()
    for _ in range(gap_messages):
        sender.send_load(session)


async def resume(load: Load) -> Figures:
    """Drop TCP, let a message fall into the gap, reconnect, <resume/>; C at a time."""
    opts = load.opts
    await load.sign_in(opts.users + 1)
    *sessions, sender = load.sessions
    end = now() + opts.duration
    resumed = []

    async def cycle(mine: list[Session]) -> None:
        while now() < end:
            for session in mine:
                _lose(session, sender, opts.gap_messages)
                start = now()
                await session.connect(resume=True)
                resumed.append(now() - start)
                if now() >= end:
                    break

    before = load.snapshot()
    width = min(opts.concurrency, len(sessions))
    await load.in_parallel((cycle(sessions[i::width]) for i in range(width)), width)
    since = load.since(before)
    await load.drain()
    return {
        "resumptions_per_s": len(resumed) / since.seconds,
        "resume_ms_p50": percentile(resumed, 50) * 1e3,
        "resume_ms_p99": percentile(resumed, 99) * 1e3,
        "cpu_ms_per_resumption": scaled(since.server_cpu_s, 1e3 / max(1, len(resumed))),
        **since.shares,
    }


async def storm(load: Load) -> Figures:
    """Drop all connections in one moment, as a proxy that restarts does; all resume at once.

    Who fails tries again after up to a second, until all are back.
    """
    opts = load.opts
    await load.sign_in(opts.users + 1)
    *sessions, sender = load.sessions
    await asyncio.sleep(opts.settle)
    for session in sessions:
        _lose(session, sender, opts.gap_messages)
    await asyncio.sleep(opts.settle)
    rng, tries = random.Random(11), 0

    async def come_back(session: Session) -> None:
        nonlocal tries
        while not session.live:
            tries += 1
            try:
                await session.connect(resume=True)
            except FAILURES:
                await asyncio.sleep(rng.random())

    peak = rss = load.server.rss() if load.server else None

    async def watch() -> None:
        nonlocal peak
        while load.server and peak is not None:
            peak = max(peak, load.server.rss())
            await asyncio.sleep(0.05)

    watching = asyncio.ensure_future(watch())
    before = load.snapshot()
    seconds = await load.in_parallel((come_back(each) for each in sessions), len(sessions))
    since = load.since(before)
    watching.cancel()
    await load.drain()
    return {
        "back_s": since.seconds,
        "resume_ms_p50": percentile(seconds, 50) * 1e3,
        "resume_ms_p99": percentile(seconds, 99) * 1e3,
        "cpu_ms_per_resumption": scaled(since.server_cpu_s, 1e3 / len(sessions)),
        "tries": tries,
        "rss_before_mib": scaled(rss, 2**-20),
        "rss_peak_mib": scaled(peak, 2**-20),
        **since.shares,
    }
