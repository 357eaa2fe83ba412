"""Converse.js in two browsers at two processes of one chat, each of which is killed once."""

from pathlib import Path

import pytest

from tests.interop import server as servers
from tests.interop.steps import screenshots, take

pytestmark = pytest.mark.peer

HERE = Path(__file__).parent / "fellows"


async def test_two_people_at_two_processes(node: str, chromium: str, tmp_path: Path) -> None:
    page_port = servers.free_port()
    origin = f"http://127.0.0.1:{page_port}"
    environment = servers.andiron_environment(tmp_path) | {
        "ANDIRON_CLUSTER": f"unix:{tmp_path / 'chat.sock'}",
        "ANDIRON_DURABILITY_FILE": str(tmp_path / "journal"),
        "ANDIRON_WEBSOCKET_ORIGINS": origin,
    }
    servers.make_accounts(environment, ["romeo", "juliet"])
    ports = [str(port) for port in (servers.free_port(), servers.free_port(), page_port)]
    arguments = [servers.andiron_command(), *ports, servers.DOMAIN, servers.PASSWORD]
    command = [node, "fellows.mjs", *arguments, screenshots(tmp_path)]
    steps = await take(HERE, *command, chromium=chromium, environment=environment)
    assert len(steps) == 9
