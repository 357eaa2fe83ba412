"""Real servers, real clients, and a network between them that fails on command."""

import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import require
from tests.interop import server as servers
from tests.interop.client import BOSH, NodeClient
from tests.interop.conversation import SignIn
from tests.interop.proxy import CuttableProxy
from tests.interop.server import Server

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LEFT_OUT = (".*", "build", "*.egg-info", "tests", "examples", "__pycache__", "node_modules")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the log of the servers that a failed test talked to."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Server | Demo | Elsewhere):
                report.sections.append((f"end of {value.log}", _tail(value.log)))
    return report


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else ["(gone)"]
    return "\n".join(lines[-100:])


@pytest.fixture(scope="session")
def node(program: Callable[..., str]) -> str:
    """The path of a Node.js that is new enough, with the packages of package.json at hand."""
    packages = HERE / "node_modules"
    require("the tests' npm packages", str(packages) if packages.is_dir() else None)
    own = packages / ".bin" / "node"
    path = str(own) if own.exists() else program("node", "nodejs")
    version = subprocess.run([path, "--version"], check=True, capture_output=True, text=True).stdout
    return require("Node.js 20 or later", path if int(version[1:].split(".")[0]) >= 20 else None)


@pytest.fixture(scope="session")
def chromium(program: Callable[..., str]) -> str:
    """The path of a Chromium that playwright-core can drive."""
    return program("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def gloox(program: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of clients/gloox.cpp, compiled."""
    header = Path("/usr/include/gloox/connectionbosh.h")
    require("libgloox-dev", str(header) if header.exists() else None)
    target = str(tmp_path_factory.mktemp("gloox") / "gloox")
    source = str(HERE / "clients" / "gloox.cpp")
    subprocess.run([program("g++"), "-std=c++17", source, "-o", target, "-lgloox"], check=True)
    return target


@pytest.fixture(scope="session")
def purple(program: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of clients/purple.c, compiled."""
    header = Path("/usr/include/libpurple/purple.h")
    require("libpurple-dev", str(header) if header.exists() else None)
    flags = subprocess.run(
        [program("pkg-config"), "--cflags", "--libs", "purple"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    target = str(tmp_path_factory.mktemp("purple") / "purple")
    source = str(HERE / "clients" / "purple.c")
    subprocess.run([program("gcc"), "-std=gnu11", source, "-o", target, *flags], check=True)
    return target


@pytest.fixture(scope="session")
def andiron_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``andiron serve`` in a process of its own, with the accounts ``servers.PEOPLE``."""
    with servers.andiron(tmp_path_factory.mktemp("andiron")) as server:
        yield server


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A server that lets in the pages of one other origin, port ``port`` of 127.0.0.1."""

    server: Server
    port: int

    @property
    def log(self) -> Path:
        """What the server wrote."""
        return self.server.log


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    """Andiron with the accounts romeo and juliet, for pages that come from elsewhere."""
    port = servers.free_port()
    origin = f"http://127.0.0.1:{port}"
    with servers.andiron(
        tmp_path,
        ["romeo", "juliet"],
        ANDIRON_WEBSOCKET_ORIGINS=origin,
        ANDIRON_BOSH_ORIGINS=origin,
        ANDIRON_ADMINS="romeo@localhost",
    ) as server:
        yield Elsewhere(server, port)


@pytest.fixture(scope="session")
def prosody_server(program: Callable[..., str]) -> Iterator[Server]:
    """Prosody with the same accounts."""
    with servers.prosody(program("prosody")) as server:
        yield server


@pytest.fixture(params=os.environ.get("INTEROP_SERVERS", "andiron").split(","))
def server(request: pytest.FixtureRequest) -> Server:
    """Andiron; with INTEROP_SERVERS=andiron,prosody also Prosody, as the control.

    What fails with both is the client library's fault, or the test's.
    """
    found: Server = request.getfixturevalue(f"{request.param}_server")
    return found


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[CuttableProxy]:
    """A proxy in front of ``server``, for one client."""
    proxy = CuttableProxy(server.host, server.port)
    await proxy.start()
    yield proxy
    await proxy.stop()


_numbers = itertools.count()


@asynccontextmanager
async def signing_in(node: str, server: Server) -> AsyncIterator[SignIn]:
    """Enter with ``await sign_in(name, library, proxy=None)``: a client of the server.

    A name stands for one account within the block and for another in the next,
    so that sessions which outlive their test cannot disturb.
    """
    number = next(_numbers)
    async with AsyncExitStack() as stack:

        async def start(name: str, library: str, proxy: CuttableProxy | None = None) -> NodeClient:
            client = await NodeClient.start(node, library)
            stack.push_async_callback(client.stop)
            port = server.port if proxy is None else proxy.port
            bosh = library.endswith(BOSH)
            url = server.bosh_url_through(port) if bosh else server.url_through(port)
            await client.sign_in(url, servers.DOMAIN, f"{name}{number}", servers.PASSWORD)
            return client

        yield start


@pytest.fixture
async def sign_in(node: str, server: Server) -> AsyncIterator[SignIn]:
    """Return what :func:`signing_in` enters with, for one test."""
    async with signing_in(node, server) as start:
        yield start


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with Andiron from its wheel, and what the sites in examples/ need."""
    directory = tmp_path_factory.mktemp("fresh")
    source, environment = directory / "source", directory / "venv"
    # Building leaves files behind, and must not do so here.
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*LEFT_OUT))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    lists = sorted((ROOT / "examples").glob("*/requirements.txt"))
    needed = {line for path in lists for line in path.read_text().split()}
    ours = {str(source) + line.removeprefix("andiron") for line in needed if "andiron" in line}
    # This environment's pip, which need not be installed there first; and what is not imported
    # need not be compiled.
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python")]
    pip += ["install", "-q", "--disable-pip-version-check", "--no-compile"]
    others = needed - {line for line in needed if "andiron" in line}
    subprocess.run([*pip, *sorted(ours), *sorted(others)], check=True, cwd=directory)
    return environment


@dataclass(frozen=True, slots=True)
class Demo:
    """``andiron serve --demo``: the page's address and the links that sign in."""

    url: str
    links: tuple[str, ...]
    log: Path


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """A fresh demo server; its links are read from what it prints."""
    port, log = servers.free_port(), tmp_path / "demo.log"
    command = [servers.andiron_command(), "serve", "--demo", "--port", str(port)]
    environment = servers.andiron_environment(tmp_path)
    url = f"http://127.0.0.1:{port}/"
    with servers.running(command, port, log, environment=environment) as process:
        links = servers.logged(re.compile(rf"{url}#\S+"), 2, log, process)
        yield Demo(url, links, log)
