"""Scripts for Node that take steps: each prints one line of JSON about every step it took."""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PATIENCE = 240.0


async def run(
    directory: Path, *command: str, environment: Mapping[str, str] = os.environ
) -> tuple[int, str]:
    """Run a command to its end; return its status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def take(
    directory: Path, *command: str, chromium: str, environment: Mapping[str, str] = os.environ
) -> list[dict[str, Any]]:
    """Run a script that drives Chromium; return its steps, all of which must have worked."""
    environment = {**environment, "CHROMIUM": chromium}
    status, output = await run(directory, *command, environment=environment)
    steps = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    failed = [f"{step['step']}: {step['error']}" for step in steps if not step["ok"]]
    assert not failed, "\n".join(failed)
    assert status == 0, output
    return steps


def screenshots(otherwise: Path) -> str:
    """Return the folder for screenshots: what ANDIRON_SCREENSHOTS says, for a person to look at."""
    return os.environ.get("ANDIRON_SCREENSHOTS", str(otherwise / "screenshots"))
