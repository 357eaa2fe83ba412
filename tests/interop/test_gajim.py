"""Gajim itself, with its windows: an admin chats and uses the commands (XEP-0133)."""

import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.conftest import require
from tests.interop import server as servers
from tests.interop.client import GajimClient, NodeClient
from tests.interop.server import Server
from tests.interop.steps import screenshots

pytestmark = pytest.mark.peer

StartGajim = Callable[[Server, str], Awaitable[GajimClient]]

PACKAGES = Path("/usr/lib/python3/dist-packages")
HELLO = "hello <&> \N{SNOWMAN}"
BACK = "back <&> \N{SNOWMAN}"
ADDRESSES = "The accounts' addresses"


@pytest.fixture
def display(program: Callable[..., str]) -> Iterator[str]:
    """An X display that nobody sees."""
    command = [program("Xvfb"), "-displayfd", "1", "-screen", "0", "1000x800x24"]
    with subprocess.Popen(
        [*command, "-nolisten", "tcp"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        yield f":{int(process.stdout.readline())}"
        process.terminate()


@pytest.fixture
def start_gajim(display: str, tmp_path: Path) -> StartGajim:
    """Return ``await start_gajim(server, user)``: Gajim on that display, which signs in."""
    # It is the windows of this version that the script knows.
    found = next(PACKAGES.glob("gajim-1.*-info"), None)
    require("Gajim 1", None if found is None else str(found))
    files = tmp_path / "home", Path(screenshots(tmp_path))
    return lambda server, user: GajimClient.start(display, server, user, servers.PASSWORD, *files)


async def test_an_admin_chats_and_uses_the_commands(
    start_gajim: StartGajim, node: str, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        server = stack.enter_context(
            servers.andiron(tmp_path, ["alice", "bob"], ANDIRON_ADMINS="alice@localhost")
        )
        bob = await NodeClient.start(node, "stanza")
        stack.push_async_callback(bob.stop)
        await bob.sign_in(server.url, servers.DOMAIN, "bob", servers.PASSWORD)
        alice = await start_gajim(server, "alice")
        stack.push_async_callback(alice.stop)
        await alice.expect("online")
        alice.send("bob@localhost", HELLO)
        sender = (await bob.receive(HELLO))["from"]
        assert sender.startswith("alice@localhost/gajim.")
        bob.send(sender, BACK)
        await alice.reads(BACK)

        listed = await alice.execute("Get List of Online Users")
        assert {"2 online", "alice@localhost", "bob@localhost"} <= listed
        told = {"What it is about": "Soon", "What everybody shall be told": "A restart"}
        done = await alice.execute("Send Announcement to Online Users", **told)
        assert "2 sessions told" in done
        assert (await bob.receive("A restart"))["from"] == "localhost"
        await alice.reads("A restart")

        whom = {ADDRESSES: "nobody@localhost"}
        failed = await alice.execute("Disable User", ends="error", **whom)
        assert "There is no account nobody." in failed
        done = await alice.execute("Disable User", **{ADDRESSES: "bob@localhost"})
        assert "bob@localhost was disabled" in done
        await bob.expect("offline")
        await alice.quit()
        log = server.log.read_text()
    assert "alice@localhost executed disable-user: bob@localhost was disabled" in log
    assert f"{sender} closed: client-closed" in log
