"""The operator's page in a real browser: a site's, with clients that feel what is done there."""

import re
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from tests.interop import server as servers
from tests.interop.conftest import ROOT
from tests.interop.steps import screenshots, take
from tests.interop.test_pictures import folder
from tests.servers.clients import PASSWORD, WebSocketClient

pytestmark = pytest.mark.peer

HERE = Path(__file__).parent / "operator"
TESTS = Path(__file__).parents[1]
TOKEN = "0123456789abcdef0123456789abcdef"
SERVE = """
import logging, sys, uvicorn
logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
uvicorn.run("support.watched:app", port=int(sys.argv[1]), ws="websockets-sansio", log_config=None)
"""


@contextmanager
def watched(directory: Path) -> Iterator[tuple[str, Path]]:
    """Serve the site of support/watched.py; its address, and its log."""
    port, log = servers.free_port(), directory / "site.log"
    command = [sys.executable, "-c", SERVE, str(port)]
    environment = servers.andiron_environment(directory) | {"PYTHONPATH": str(TESTS)}
    with servers.running(command, port, log, environment=environment):
        yield f"http://127.0.0.1:{port}/", log


async def test_the_operators_page(node: str, chromium: str, tmp_path: Path) -> None:
    taken = folder(tmp_path)
    with watched(tmp_path) as (site, log):
        command = [node, "operator.mjs", site, TOKEN, str(taken)]
        steps = await take(HERE, *command, chromium=chromium)
    assert len(steps) == 10
    pictures = {path.name for path in taken.glob("operator*.webp")}
    assert pictures == {path.name for path in (ROOT / "docs/images").glob("operator*.webp")}
    audited = re.findall(r"^andiron\.audit: (.*)", log.read_text(), re.MULTILINE)
    done = [re.sub(r"^token \w{8} from 127\.0\.0\.1: ", "", line) for line in audited]
    session = re.search(r"session='(\S+)'", audited[0])
    told = re.search(r"(?m)announce: done \((\d+)\)$", log.read_text())
    assert session is not None
    assert told is not None
    assert int(told[1]) > 0
    assert done == [
        f"start_trace session='{session[1]}': done",
        f"end_session session='{session[1]}': done",
        f"announce: done ({told[1]})",
        "disable_account account='nobody': refused (not_found)",
        "disable_account account='romeo': done (1)",
        "enable_account account='romeo': done",
        "change_setting setting='stream_management_unsolicited_ack_frequency': refused (invalid)",
        "The setting stream_management_unsolicited_ack_frequency is 5 now, and was 0",
        "change_setting setting='stream_management_unsolicited_ack_frequency': done",
        "The setting stream_management_active is false now, and was true",
        "change_setting setting='stream_management_active': done",
    ]
    assert TOKEN not in log.read_text()


async def test_the_page_of_several_processes(node: str, chromium: str, tmp_path: Path) -> None:
    environment = servers.andiron_environment(tmp_path) | {
        "ANDIRON_API_TOKEN": TOKEN,
        "ANDIRON_CLUSTER": f"unix:{tmp_path / 'chat.sock'}",
    }
    names, ports, pids = ("alice", "bob"), list[int](), list[str]()
    servers.make_accounts(environment, names, PASSWORD)
    async with AsyncExitStack() as stack:
        for name in names:
            ports.append(servers.free_port())
            command = [servers.andiron_command(), "serve", "--port", str(ports[-1])]
            log = tmp_path / f"{name}.log"
            started = servers.running(command, ports[-1], log, environment=environment)
            pids.append(str(stack.enter_context(started).pid))
        for name, port in zip(names, ports, strict=True):
            client = await stack.enter_async_context(WebSocketClient(f"127.0.0.1:{port}"))
            await client.bind(name)
        command = [node, "several.mjs", f"http://127.0.0.1:{ports[1]}/", TOKEN, *pids]
        steps = await take(HERE, *command, screenshots(tmp_path), chromium=chromium)
    assert len(steps) == 3
