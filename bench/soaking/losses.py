"""A soak in which connections are killed; what the server holds must be given back at the end."""

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from soaking.crowd import Crowd, Traffic
from soaking.process import environment, make_accounts
from soaking.verdict import verdict

NEGOTIATION = 15
"""Seconds in which one must sign in: longer than a thousand take who come at once."""
VANISHING = 10
"""Each of so many leaves without a word."""
HELD = ("sessions", "tasks", "sockets", "objects", "memory")
BENCH = Path(__file__).parents[1]

Report: TypeAlias = dict[str, Any]


class ReportingServer:
    """The server, started with its accounts; :meth:`report` asks what it holds."""

    def __init__(self, directory: Path, users: int, expiry: int) -> None:
        self.log = directory / "log"
        told = environment(
            "sqlite:///soak.db",
            ANDIRON_STREAM_MANAGEMENT_MAX=str(expiry),
            ANDIRON_SESSION_NEGOTIATION_TIMEOUT=str(NEGOTIATION),
            ANDIRON_WEBSOCKET_CLOSE_TIMEOUT="1",
            PYTHONPATH=str(BENCH),
        )
        make_accounts(directory, told, users)
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.address: tuple[str, int] = listener.getsockname()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "soaking.reporting", str(listener.fileno())],
                cwd=directory,
                env=told,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=[listener.fileno()],
            )
        listener.close()

    async def report(self) -> Report:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        line = await asyncio.to_thread(self.process.stdout.readline)
        report: Report = json.loads(line)
        return report

    async def emptied(self, fresh: Report, patience: float) -> Report:
        """Return the report once there is no more than at first, or after so many seconds."""
        end = time.monotonic() + patience
        while True:
            report = await self.report()
            if time.monotonic() > end or all(
                report[held] <= fresh[held]
                for held in ("sessions", "strangers", "tasks", "sockets")
            ):
                return report
            await asyncio.sleep(0.5)

    def stop(self) -> str:
        self.process.terminate()
        self.process.wait(10)
        return self.log.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


async def _run(
    options: argparse.Namespace, server: ReportingServer, fresh: Report, seconds: float
) -> tuple[Crowd, Report, Report, Report]:
    """Let all come, rage and leave; return the run and the server's reports on the way."""
    # Of rooms and presence the crowd before has left some.
    crowd = Crowd([server.address], replace(Traffic.of(options), room=0))
    await crowd.come()
    full = await server.report()
    await crowd.rage(seconds)
    await crowd.all_there()
    await crowd.all_said()
    busy = await server.report()
    await crowd.leave(VANISHING)
    end = await server.emptied(fresh, max(options.expiry, NEGOTIATION) + 5)
    return crowd, full, busy, end


async def soak(options: argparse.Namespace, directory: Path) -> bool:
    """Run the soak; return whether all checks held."""
    server = ReportingServer(directory, options.sessions, options.expiry)
    try:
        fresh = await server.report()
        # What a first crowd leaves in caches and in the allocator's hands is no leak; what
        # a second one adds to it is.
        _, _, _, start = await _run(options, server, fresh, options.warm)
        crowd, full, busy, end = await _run(options, server, fresh, options.seconds)
        log = server.stop()
    finally:
        server.kill()

    print(f"{options.sessions} sessions, {options.seconds} s, seed {options.seed}")
    print(f"signed in after {crowd.signed_in_after:.1f} s")
    print(f"messages: {crowd.owed} sent, {crowd.arrived} came")
    print(f"killed: {dict(crowd.kills)}; resumed: {busy['resumed']}")
    print(f"detached: {end['detached']}; closed: {end['closed']}")
    for name in HELD:
        values = [f"{report[name]:.0f}" for report in (fresh, start, full, busy, end)]
        print(f"{name:9}", "fresh {}, start {}, signed in {}, raged {}, end {}".format(*values))
    crowd.faults.update(crowd.refusals)  # A server that stays refuses nobody.
    return verdict(
        crowd,
        log,
        {
            "connections were killed and resumed": bool(busy["resumed"] and crowd.kills),
            "no session is left": end["sessions"] == 0,
            "no task is left": end["tasks"] <= start["tasks"],
            "no connection is left": end["sockets"] <= start["sockets"] and not end["strangers"],
            "no objects are left": end["objects"] - start["objects"] < 1_000,
            "memory is back": end["memory"] - start["memory"] < 8,
        },
    )
