"""Converse.js in a real browser, served from another origin than the server's."""

from pathlib import Path

import pytest

from tests.interop import server as servers
from tests.interop.conftest import Elsewhere
from tests.interop.steps import screenshots, take

pytestmark = pytest.mark.peer

HERE = Path(__file__).parent / "converse"


async def test_two_people_and_a_room(
    node: str, chromium: str, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    server = f"http://{elsewhere.server.host}:{elsewhere.server.port}"
    arguments = [str(elsewhere.port), server, servers.DOMAIN, servers.PASSWORD]
    command = [node, "converse.mjs", *arguments, screenshots(tmp_path)]
    steps = await take(HERE, *command, chromium=chromium)
    assert len(steps) > 10
