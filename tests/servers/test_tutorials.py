"""The tutorials from an empty folder on: every step as it stands, until two people have chatted."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import websockets
from support.pages import Block, blocks, commands

from tests.interop.server import free_port, running
from tests.servers.clients import BIND, MESSAGE, OPEN, PATIENCE

DOCS = Path(__file__).parents[2] / "docs"
BIN = Path(sys.executable).parent
HERE = re.compile(r"(mkdir|cd) site|python3 -m venv .*|\. \.venv/.*|pip install .*")
"""What is done already: the tests have a folder and what is to be installed."""
EXTERNAL = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
CONTACTS = "<iq xmlns='jabber:client' type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"
PRESENCE = "<presence xmlns='jabber:client'/>"
PEOPLE = {"juliet": "capulet", "romeo": "montague"}


class Follower:
    """Somebody who does what a tutorial says, in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.serve: list[str] = []
        """The command that starts the site."""
        self.environment = {
            **{name: value for name, value in os.environ.items() if "DJANGO" not in name},
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "ANDIRON_SHUTDOWN_TIMEOUT": "0.05",
        }

    def follow(self, page: Path) -> None:
        lines = page.read_text().splitlines()
        for block in blocks(page):
            if block.language:
                said = next(line for line in reversed(lines[: block.line - 1]) if line)
                self.write(said, block)
            else:
                for command in commands(block.text):
                    self.run(command)

    def write(self, said: str, block: Block) -> None:
        """Do with a block what the line before it says."""
        name, *former = re.findall(r"`([^`]+)`", said)[-2 if "in place of" in said else -1 :]
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() if former or "t the end of" in said else ""
        if former:
            start, line, end = before.partition(f"{former[0]}\n")
            assert line
            path.write_text(start.rstrip(" ") + block.text + end)
        else:
            path.write_text(before + block.text)

    def run(self, command: str) -> None:
        if command.startswith("uvicorn "):
            self.serve = [str(BIN / "uvicorn"), *command.split()[1:]]
        elif not HERE.fullmatch(command):
            subprocess.run(
                ["bash", "-c", command],
                check=True,
                cwd=self.folder,
                env=self.environment,
                capture_output=True,
            )


async def until(client: websockets.ClientConnection, part: str) -> str:
    while part not in (text := str(await client.recv())):
        pass
    return text


async def sign_in(http: httpx.AsyncClient, name: str) -> None:
    """Sign in by the site's own form, and look at the page that follows."""
    form = await http.get("/")
    (action,) = re.findall(r'<form[^>]* action="([^"]+)"', form.text) or [form.url.path]
    field = "username" if 'name="username"' in form.text else "name"
    token = dict(re.findall(r'name="(csrf\w+)" value="(\w+)"', form.text))
    home = await http.post(action, data={field: name, "password": PEOPLE[name], **token})
    (script,) = re.findall(r'<script type="module" src="([^"]+)"></script>', home.text)
    assert "<andiron-chat></andiron-chat>" in home.text
    assert "andiron-chat" in (await http.get(script)).text


@asynccontextmanager
async def chatting(
    base: str, http: httpx.AsyncClient
) -> AsyncIterator[websockets.ClientConnection]:
    cookies = "; ".join(f"{each.name}={each.value}" for each in http.cookies.jar)
    async with websockets.connect(
        f"{base.replace('http', 'ws')}/chat/ws",
        subprotocols=[websockets.Subprotocol("xmpp")],
        additional_headers={"Cookie": cookies},
        origin=websockets.Origin(base),
        open_timeout=PATIENCE,
        proxy=None,
    ) as client:
        await client.send(OPEN)
        await until(client, "EXTERNAL")
        await client.send(EXTERNAL)
        await until(client, "<success")
        await client.send(OPEN)
        await until(client, "<stream:features")
        await client.send(BIND)
        await until(client, "<jid>")
        await client.send(CONTACTS)
        yield client


@pytest.mark.parametrize("name", ["tutorial-fastapi.md", "tutorial-django.md"])
async def test_two_people_chat_at_its_end(name: str, tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    follower.follow(DOCS / name)
    port = free_port()
    base = f"http://localhost:{port}"
    command = [*follower.serve, "--host", "localhost", "--port", str(port)]
    with running(command, port, tmp_path / "log", environment=follower.environment):
        async with (
            httpx.AsyncClient(base_url=base, follow_redirects=True) as juliet,
            httpx.AsyncClient(base_url=base, follow_redirects=True) as romeo,
        ):
            await sign_in(juliet, "juliet")
            await sign_in(romeo, "romeo")
            await chat(base, juliet, romeo)


async def chat(base: str, juliet: httpx.AsyncClient, romeo: httpx.AsyncClient) -> None:
    async with chatting(base, juliet) as one, chatting(base, romeo) as two:
        await until(one, "name='Romeo'")
        await two.send(PRESENCE)
        await until(two, "<presence")
        await one.send(MESSAGE.format("romeo", "by yonder moon"))
        assert "from='juliet@localhost/" in await until(two, "by yonder moon")
        (out,) = re.findall(r'action="(/sign-out/?)"', (await juliet.get("/")).text)
        token = juliet.cookies.get("csrftoken")
        headers = {"X-CSRFToken": token, "Referer": base} if token else {}
        await juliet.post(out, headers=headers)
        assert "signed out" in await until(one, "<stream:error")
