"""The demo page in a real browser, and its pure parts in Node."""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.interop.conftest import Demo

pytestmark = pytest.mark.peer

HERE = Path(__file__).parent / "page"
PATIENCE = 240.0


async def run(*command: str, environment: Mapping[str, str] = os.environ) -> tuple[int, str]:
    """Run a command to its end; return its status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=HERE,
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


async def test_counters_and_sasl(node: str) -> None:
    tests = sorted(path.name for path in HERE.glob("*.test.mjs"))
    assert tests
    status, output = await run(node, "--test", *tests)
    assert status == 0, output


async def test_page(node: str, chromium: str, demo: Demo, tmp_path: Path) -> None:
    """Screenshots go where ANDIRON_SCREENSHOTS says, for a person to look at."""
    assert len(demo.links) == 2
    screenshots = os.environ.get("ANDIRON_SCREENSHOTS", str(tmp_path / "screenshots"))
    environment = os.environ | {"CHROMIUM": chromium}
    command = [node, "page.mjs", demo.url, *demo.links, screenshots]
    status, output = await run(*command, environment=environment)
    steps = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    failed = [f"{step['step']}: {step['error']}" for step in steps if not step["ok"]]
    assert not failed, "\n".join(failed)
    assert status == 0, output
    assert len(steps) > 15
