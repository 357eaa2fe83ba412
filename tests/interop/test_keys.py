"""Client libraries that sign in to the site of docs/users.md that tells the keys of passwords.

The way is not private here, so nobody is offered PLAIN; xmpp.js, which knows no SCRAM-SHA-256,
is left out.
"""

import re
import sys
from collections.abc import Iterator

import pytest

from tests.interop import server as servers
from tests.interop.client import BOSH, NodeClient
from tests.interop.conftest import ROOT
from tests.interop.conversation import BOSH_LIBRARIES, WEBSOCKET_LIBRARIES

pytestmark = pytest.mark.peer

LIBRARIES = [name for name in WEBSOCKET_LIBRARIES + BOSH_LIBRARIES if not name.startswith("xmpp")]
library = pytest.mark.parametrize("library", LIBRARIES)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    directory = tmp_path_factory.mktemp("keys")
    section = (ROOT / "docs/users.md").read_text().partition("### By keys")[2]
    (code,) = re.findall(r"```python\n(.*?)```", section.partition("\n### ")[0], re.DOTALL)
    (directory / "mysite.py").write_text(code.replace("example.org", servers.DOMAIN))
    port, log = servers.free_port(), directory / "site.log"
    command = [sys.executable, "-m", "uvicorn", "mysite:app", "--app-dir", str(directory)]
    command += ["--port", str(port), "--ws", "websockets-sansio"]
    environment = servers.andiron_environment(directory) | {"ANDIRON_AUTH_PLAIN": "false"}
    with servers.running(command, port, log, environment=environment):
        yield port


def url_of(port: int, library: str) -> str:
    over_bosh = library.endswith(BOSH)
    return (
        f"http://localhost:{port}/chat/http-bind" if over_bosh else f"ws://localhost:{port}/chat/ws"
    )


@library
async def test_who_knows_the_password_is_in(node: str, port: int, library: str) -> None:
    client = await NodeClient.start(node, library)
    await client.sign_in(url_of(port, library), servers.DOMAIN, "juliet", "sesame")
    assert client.jid.startswith(f"juliet@{servers.DOMAIN}/")
    await client.stop()


@library
async def test_who_does_not_is_refused(node: str, port: int, library: str) -> None:
    client = await NodeClient.start(node, library)
    client.connect(url_of(port, library), servers.DOMAIN, "juliet", "guess")
    await client.expect("error")
    assert client.count("online") == 0
    await client.stop()
