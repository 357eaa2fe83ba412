"""A server that runs, for the commands that ask one."""

import asyncio

import pytest_asyncio
from click.testing import CliRunner
from support.serving import serving

from andiron import create_app
from andiron.commands.cli import main
from andiron.testing import running

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest_asyncio.fixture
async def served(monkeypatch):
    """An application at an address that the settings name; ``client_of`` and ``run`` use it."""
    monkeypatch.setenv("ANDIRON_API_TOKEN", TOKEN)
    app = create_app(domain="example.org")
    app.serve_alone()

    async def run(*arguments, stdin=None):
        return await asyncio.to_thread(CliRunner().invoke, main, arguments, input=stdin)

    async with running(app) as client, serving(app) as port:
        monkeypatch.setenv("ANDIRON_PORT", str(port))
        app.client_of, app.run, app.url = client, run, f"http://localhost:{port}"
        yield app
