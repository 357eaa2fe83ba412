"""``andiron serve``: how uvicorn is set up, and one real run from start to SIGTERM."""

import asyncio
import base64
import contextlib
import os
import re
import signal
import socket
import sys
import threading

import pytest
import websockets
from support.keys import SECRET

from andiron import create_app
from andiron.domain.database.database import DatabaseError
from andiron.serving.listening import ServerError
from andiron.serving.protocols import WebSocketProtocol
from andiron.serving.server import base_url, demo_links, run, served, server_config
from andiron.settings import Settings


def test_what_uvicorn_is_told():
    settings = Settings(
        max_stanza_size=20_000,
        websocket_ping_interval=7,
        websocket_ping_timeout=8,
        shutdown_timeout=1.5,
    )
    config = server_config(settings, create_app(settings))
    assert config.ws is WebSocketProtocol
    assert config.ws_max_size == 20_000
    assert (config.ws_ping_interval, config.ws_ping_timeout) == (7, 8)
    assert config.timeout_graceful_shutdown == 2
    assert config.lifespan == "on"
    assert config.backlog == 2048
    assert config.timeout_keep_alive == 75
    assert not any(
        (
            config.proxy_headers,
            config.server_header,
            config.access_log,
            config.ws_per_message_deflate,
        )
    )


def test_pings_and_compression_are_settings():
    settings = Settings(websocket_ping_interval=0, websocket_compression=True)
    config = server_config(settings, create_app(settings))
    assert config.ws_ping_interval is None
    assert config.ws_per_message_deflate


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://localhost:80"),
        ("::", "http://localhost:80"),
        ("::1", "http://[::1]:80"),
        ("chat.example", "http://chat.example:80"),
    ],
)
def test_the_address_to_open(host, url):
    assert base_url(host, 80) == url


def test_it_says_what_there_is():
    streams = ["WebSocket at /ws", "BOSH at /http-bind"]
    assert served(Settings()) == streams
    all_of_it = Settings(api_token="a" * 40, metrics_token="b" * 40)
    assert served(all_of_it) == [
        *streams,
        "the API at /api/v1",
        "the operator's page at /operator",
        "metrics at /metrics",
    ]


def test_links():
    text = demo_links("http://a:1", [("alice", "pw1"), ("bob", "pw2")])
    assert "  http://a:1/#alice:pw1\n  http://a:1/#bob:pw2\n" in text


@pytest.fixture
def where():
    """Where the server of a test listens: as its command line says."""
    return ("--port", "0")


@pytest.fixture
def settings():
    """What is set for the server of a test."""
    return {}


@pytest.fixture
async def process(tmp_path, where, settings):
    """Run ``andiron serve --demo`` in a folder of its own."""
    async with demonstration(tmp_path, *where, **settings) as started:
        yield started


@contextlib.asynccontextmanager
async def demonstration(folder, *options, **settings):
    """Run ``andiron serve --demo`` in a folder, with more options and variables."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANDIRON_")}
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "andiron", "serve", "--demo", *options),
        cwd=folder,
        env=environment | {"ANDIRON_AUTH_ITERATIONS": "4096"} | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def links(process):
    """Return address, name and password of the links that it prints."""
    found = []
    while len(found) < 2:
        line = (await process.stdout.readline()).decode()
        assert line, (await process.stderr.read()).decode()
        found += re.findall(r"http://(\S+)/#(\w+):(\S+)$", line.rstrip())
    return found


OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"


async def signed_in(address, name, password):
    client = await websockets.connect(f"ws://{address}/ws", subprotocols=["xmpp"], open_timeout=60)
    await client.send(OPEN)
    assert "<open" in await client.recv()
    assert "PLAIN" in await client.recv()
    secret = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
    await client.send(
        f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>"
    )
    assert "<success" in await client.recv()
    return client


async def test_from_the_links_to_sigterm(process):
    (address, alice, her_password), (_, bob, his_password) = await links(process)
    assert (alice, bob) == ("alice", "bob")
    clients = [
        await signed_in(address, alice, her_password),
        await signed_in(address, bob, his_password),
    ]
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(f"ws://{address}/ws")
    assert refused.value.response.status_code == 400
    assert "server" not in refused.value.response.headers
    process.send_signal(signal.SIGTERM)
    for client in clients:
        frames = [await client.recv() for _ in range(3)]
        assert [frame[1:5] for frame in frames] == ["open", "stre", "clos"]
        assert "system-shutdown" in frames[1]
        await client.close()
    _, log = await process.communicate()
    assert process.returncode == -signal.SIGTERM
    assert her_password.encode() not in log
    assert b"Traceback" not in log


@pytest.mark.parametrize("where", [("--socket", "andiron.sock")])
@pytest.mark.parametrize("settings", [{}, {"ANDIRON_TRUSTED_PROXIES": "unix"}])
async def test_a_socket_file(process, tmp_path, monkeypatch, settings):
    await links(process)
    monkeypatch.chdir(tmp_path)  # The path of a socket file must be short.
    for proto in ("https", "http"):
        client = await websockets.unix_connect(
            "andiron.sock",
            "ws://localhost/ws",
            subprotocols=["xmpp"],
            additional_headers={"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": proto},
        )
        await client.send(OPEN)
        assert "<open" in await client.recv()
        assert ("PLAIN" in await client.recv()) == (bool(settings) and proto == "https")
        await client.close()
    process.send_signal(signal.SIGTERM)
    _, log = await process.communicate()
    assert process.returncode == -signal.SIGTERM
    assert "andiron.sock" not in os.listdir()
    warned = [line for line in log.decode().splitlines() if "WARNING" in line]
    assert [line.partition("WARNING andiron: ")[2][:38] for line in warned] == (
        []
        if settings
        else ["Whoever connects to the socket file an", "The peer on the socket file sends X-Fo"]
    )
    assert all("add unix to" in line for line in warned)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, True),
        ({"ANDIRON_REGISTRATION": "true"}, False),
        ({"ANDIRON_AUTH_ANONYMOUS": "1"}, False),
        ({"ANDIRON_TOKEN_SECRET": SECRET}, False),
        ({"ANDIRON_TOKEN_SECRET": SECRET, "ANDIRON_PROVISION": "false"}, True),
    ],
)
async def test_a_server_that_lets_nobody_in_says_so(tmp_path, variables, told):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "andiron", "serve", "--port", "0"),
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if not k.startswith("ANDIRON_")} | variables,
        stderr=asyncio.subprocess.PIPE,
    )
    assert b"Serving localhost" in await process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, log = await process.communicate()
    assert (b"Nobody can sign in: the database has no account yet" in log) == told


async def test_a_server_that_loses_its_database_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("andiron.domain.database.sqlite_claim._PULSE", 0.01)
    monkeypatch.setattr("andiron.serving.server.configure_logging", lambda *_: None)
    started = threading.Event()
    # What it does as soon as it serves.
    monkeypatch.setattr("andiron.serving.server.collect_seldom", started.set)
    settings = Settings(port=0, database=f"sqlite:///{tmp_path}/andiron.db")
    serving = asyncio.create_task(asyncio.to_thread(run, settings))
    assert await asyncio.to_thread(started.wait, 60)
    os.unlink(tmp_path / "andiron.db")
    with pytest.raises(ServerError, match=r"andiron\.db was removed or replaced while it was"):
        await serving


def test_a_server_whose_database_fails_as_it_starts_ends_in_order(tmp_path, monkeypatch):
    """It lets go of the database first: a thread of it would outlive the event loop."""
    monkeypatch.setattr("andiron.serving.server.configure_logging", lambda *_: None)
    monkeypatch.setattr("andiron.serving.server.collect_seldom", lambda: None)

    async def fail(_accounts) -> list[str]:
        raise DatabaseError("The database cannot be read.")

    monkeypatch.setattr("andiron.serving.server.Accounts.names", fail)
    before = set(threading.enumerate())
    with pytest.raises(DatabaseError, match="cannot be read"):
        run(Settings(port=0, database=f"sqlite:///{tmp_path}/andiron.db"))
    for thread in set(threading.enumerate()) - before:
        thread.join(60)  # It has heard that it is to end.
        assert not thread.is_alive()


async def test_a_start_that_fails_says_why(tmp_path):
    failed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "andiron", "serve", "--port", "0"),
        cwd=tmp_path,
        env={"ANDIRON_DATABASE": "sqlite:////nowhere/at/all.db"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, log = await failed.communicate()
    assert failed.returncode == 3
    assert b"The database /nowhere/at/all.db cannot be written" in log
    assert b"Traceback" not in log


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """A service manager's end of ``NOTIFY_SOCKET``, for the server that is started after it."""
    place = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", place)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(place)
        listener.settimeout(20)
        yield lambda: asyncio.to_thread(lambda: listener.recv(4096).decode())


async def test_a_service_manager_hears_when_it_serves_and_stops(manager, process):
    assert (await manager()).startswith("READY=1\nSTATUS=Serving localhost at http://127.0.0.1:")
    process.send_signal(signal.SIGTERM)
    assert await manager() == "STOPPING=1"
    await process.wait()


async def test_settings_are_read_anew_on_sighup(manager, process, tmp_path):
    await links(process)
    await manager()
    config = tmp_path / "andiron.toml"
    log = b""
    for text, wanted in (
        ("log_level = 7", b"The settings stay as they are: "),
        ("stream.management.max = 60\nmax_depth = 65", b"at the next start only: "),
    ):
        config.write_text(text)
        process.send_signal(signal.SIGHUP)
        while wanted not in log:
            line = await process.stderr.readline()
            assert line, log
            log += line
    assert b"andiron.audit: The setting stream_management_max is 60 now, and was 600" in log
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert process.returncode == -signal.SIGTERM
