"""The demo page in a real browser, and its pure parts in Node."""

from pathlib import Path

import pytest

from tests.interop.conftest import Demo
from tests.interop.steps import run, screenshots, take

pytestmark = pytest.mark.peer

HERE = Path(__file__).parent / "page"


async def test_counters_and_sasl(node: str) -> None:
    tests = sorted(path.name for path in HERE.glob("*.test.mjs"))
    assert tests
    status, output = await run(HERE, node, "--test", *tests)
    assert status == 0, output


async def test_page(node: str, chromium: str, demo: Demo, tmp_path: Path) -> None:
    assert len(demo.links) == 2
    command = [node, "page.mjs", demo.url, *demo.links, screenshots(tmp_path)]
    steps = await take(HERE, *command, chromium=chromium)
    assert len(steps) > 15
