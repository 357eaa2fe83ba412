"""Gajim's library, nbxmpp: an admin disables an account by commands (XEP-0133)."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import require
from tests.interop import server as servers

pytestmark = pytest.mark.peer

PYTHON = Path("/usr/bin/python3")
LIBRARY = Path("/usr/lib/python3/dist-packages/nbxmpp")


def test_an_admin_uses_the_commands(tmp_path: Path) -> None:
    require("python3-nbxmpp", str(LIBRARY) if LIBRARY.exists() else None)
    with servers.andiron(tmp_path, ["alice", "bob"], ANDIRON_ADMINS="alice@localhost") as server:
        command = [PYTHON, Path(__file__).parent / "gajim" / "commands"]
        done = subprocess.run(
            [*command, server.url, "alice", servers.PASSWORD, "bob"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines() == [
            "listed: Disable User",
            "asked: Disable User",
            "completed: bob@localhost was disabled",
        ]
        assert "alice@localhost executed disable-user: bob@localhost" in server.log.read_text()
