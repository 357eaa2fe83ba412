"""The command: run a pattern some times, print its figures and what failed."""

import dataclasses
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import uvloop

from load import contacts, patterns, rooms
from load.figures import Figures, medians
from load.link import LoadError
from load.options import Options, parse
from load.process import ServerProcess
from load.run import Load

PATTERNS: dict[str, Callable[[Load], Awaitable[Figures]]] = {
    "connect": patterns.connect,
    "idle": patterns.idle,
    "pingpong": patterns.pingpong,
    "latency": patterns.latency,
    "fanout": patterns.fanout,
    "presence": contacts.presence,
    "resume": patterns.resume,
    "storm": patterns.storm,
    "join": rooms.join,
    "room": rooms.room,
}


async def one_run(opts: Options, server: ServerProcess | None) -> tuple[Figures, dict[str, int]]:
    load = Load(opts, server)
    figures: Figures = {}
    try:
        figures = await PATTERNS[opts.pattern](load)
    except (LoadError, TimeoutError) as exc:
        load.errors(f"{type(exc).__name__}: {exc}")
    finally:
        if all(session.link is not None for session in load.sessions):
            await load.sign_out()
    return figures, dict(load.errors.counts)


def main(description: str | None = None, arguments: Sequence[str] | None = None) -> int:
    opts = parse(description, PATTERNS, arguments)
    server = ServerProcess(opts.server_pid) if opts.server_pid else None
    runs, errors = [], []
    for _ in range(opts.runs):
        figures, failed = uvloop.run(one_run(opts, server))
        runs.append(figures)
        if failed:
            errors.append(failed)
    median = medians(runs)
    show(opts, median, runs)
    print("  check: " + ("FAILED " + json.dumps(errors) if errors else "ok"))
    if opts.json:
        result = {
            "options": dataclasses.asdict(opts),
            "medians": median,
            "runs": runs,
            "errors": errors,
        }
        with Path(opts.json).open("a") as file:
            file.write(json.dumps(result) + "\n")
    return 1 if errors else 0


def show(opts: Options, median: dict[str, float], runs: list[Figures]) -> None:
    managed = " sm" if opts.sm else ""
    print(
        f"{opts.label} {opts.transport} {opts.pattern}{managed} users={opts.users} runs={opts.runs}"
    )
    for name, value in median.items():
        each = " ".join(f"{v:.4g}" for run in runs if (v := run.get(name)) is not None)
        print(f"  {name:24} {value:12.4g}   [{each}]")
    sys.stdout.flush()
