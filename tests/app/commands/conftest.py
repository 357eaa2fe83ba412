"""A server that runs, for the commands that ask one."""

import asyncio
import socket

import pytest_asyncio
import uvicorn
from click.testing import CliRunner

from andiron.application import create_app
from andiron.commands.cli import main
from andiron.testing import running

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest_asyncio.fixture
async def served(monkeypatch):
    """An application at an address that the settings name; ``client_of`` and ``run`` use it."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    monkeypatch.setenv("ANDIRON_PORT", str(port))
    monkeypatch.setenv("ANDIRON_API_TOKEN", TOKEN)
    app = create_app(domain="example.org")
    app.serve_alone()

    async def run(*arguments, stdin=None):
        return await asyncio.to_thread(CliRunner().invoke, main, arguments, input=stdin)

    async with running(app) as client:
        app.client_of, app.run, app.url = client, run, f"http://localhost:{port}"
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve([listener]))
        yield app
        server.should_exit = True
        await serving
