"""Real XMPP client libraries in processes of their own, driven as clients/driver.mjs says."""

import asyncio
import itertools
import json
import os
from pathlib import Path
from typing import Any, Self

from tests.interop.server import DOMAIN, ORIGIN, Server

HERE = Path(__file__).parent
BOSH = "-bosh"
UNMANAGED = "strophe-bosh"
"""Strophe.js knows no stream management over BOSH."""
PATIENCE = 60.0
"""Seconds within which an expected event must come; on a healthy machine it is milliseconds."""


class RefusedError(Exception):
    """What a client asked for was refused; its text is the condition."""


class Client:
    """One person's client. Events arrive in ``events``, messages also in ``messages``."""

    def __init__(self, library: str, process: asyncio.subprocess.Process) -> None:
        self.library = library
        self.jid = ""
        self.events: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        self._process = process
        self._changed = asyncio.Event()
        self._keys = itertools.count()
        self._reader = asyncio.create_task(self._read())

    def send(self, to: str, body: str) -> None:
        """Send a chat message; its id is its body's first word."""
        raise NotImplementedError

    async def stop(self) -> None:
        """End the process as it stands, without a word to the server."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reader

    def count(self, event: str) -> int:
        """Return how often an event came so far."""
        return sum(one["event"] == event for one in self.events)

    async def expect(self, event: str, times: int = 1) -> dict[str, Any]:
        """Wait until an event has come this often since the start; return the last of them."""
        await self._until(lambda: self.count(event) >= times, f"{event} (time {times})")
        return [one for one in self.events if one["event"] == event][times - 1]

    async def receive(self, body: str) -> dict[str, Any]:
        """Wait for the message with this body."""
        await self._until(
            lambda: any(message["body"] == body for message in self.messages), f"message {body!r}"
        )
        return next(message for message in self.messages if message["body"] == body)

    async def told(self, name: str, *words: str, after: int = 0) -> dict[str, Any]:
        """Wait until the library told this with all the words somewhere in it; return its data.

        What came before the first ``after`` events does not count.
        """

        def found() -> dict[str, Any] | None:
            for one in self.events[after:]:
                if one["event"] == "happened" and one["name"] == name:
                    text = json.dumps(one["data"], ensure_ascii=False)
                    if all(word in text for word in words):
                        data: dict[str, Any] = one["data"]
                        return data
            return None

        await self._until(found, f"{name} with {words}")
        return found() or {}

    async def stanza(self, *words: str) -> str:
        """Wait until a stanza came that holds all the words; return it as XML."""

        def found() -> str | None:
            texts = (one["xml"] for one in self.events if one["event"] == "stanza")
            return next((text for text in texts if all(word in text for word in words)), None)

        await self._until(found, f"a stanza with {words}")
        return found() or ""

    async def _until(self, condition: Any, what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"{self.library} waited for {what} in vain; it had {self.events}"
            ) from None

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            event = json.loads(line)
            self.events.append(event)
            if event["event"] == "message":
                self.messages.append(event)
            self._changed.set()


class NodeClient(Client):
    """A client library in a Node process."""

    @classmethod
    async def start(cls, node: str, library: str) -> "NodeClient":
        """Run ``clients/<library>.mjs``; ``<library>-bosh`` is the same over BOSH."""
        process = await asyncio.create_subprocess_exec(
            node,
            f"clients/{library.removesuffix(BOSH)}.mjs",
            cwd=HERE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**22,
        )
        return cls(library, process)

    async def call(self, method: str, *arguments: object) -> Any:
        """Call what the library offers, by its own name; return what it returned."""
        return await self._settled("call", method=method, arguments=arguments)

    async def iq(self, kind: str, to: str, payload: str) -> str:
        """Ask by iq, ``get`` or ``set``; return the answer as XML."""
        answer: str = await self._settled("iq", type=kind, to=to, payload=payload)
        return answer

    async def _settled(self, command: str, **arguments: object) -> Any:
        key = f"key-{next(self._keys)}"
        self.command(command, key=key, **arguments)

        def end() -> dict[str, Any] | None:
            return next((one for one in reversed(self.events) if one.get("key") == key), None)

        await self._until(end, f"the end of {command} {arguments}")
        event = end() or {}
        if event["event"] == "refused":
            raise RefusedError(event["text"])
        return event["value"]

    def command(self, command: str, **arguments: object) -> None:
        """Have the driver carry out one command."""
        assert self._process.stdin is not None
        line = json.dumps({"command": command, **arguments})
        self._process.stdin.write(line.encode() + b"\n")

    def send(self, to: str, body: str) -> None:
        """Send a chat message; its id is its body's first word."""
        self.command("send", to=to, body=body, id=body.split(maxsplit=1)[0])

    def connect(
        self,
        url: str,
        domain: str,
        user: str,
        password: str,
        *,
        token: str = "",
        origin: str = ORIGIN,
    ) -> None:
        """Begin to sign in, by the token where there is one."""
        self.command(
            "connect",
            url=url,
            origin=origin,
            domain=domain,
            user=user,
            password=password,
            token=token,
            resource=self.library,
        )

    async def sign_in(
        self, url: str, domain: str, user: str, password: str, *, token: str = ""
    ) -> None:
        """Connect, wait until stream management is on, and become available."""
        self.connect(url, domain, user, password, token=token)
        self.jid = (await self.expect("online"))["jid"]
        if self.library != UNMANAGED:
            await self.expect("managed")
        self.command("presence")


class NativeClient(Client):
    """A native client's library over BOSH, behind a program that takes lines of words."""

    @classmethod
    async def run(cls, library: str, *command: str) -> Self:
        """Run the compiled program; it signs in at once."""
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        return cls(library, process)

    def send(self, to: str, body: str) -> None:
        """Send a chat message; its id is its body's first word."""
        self._write(f"send {to} {body.split(maxsplit=1)[0]} {body}")

    def quit(self) -> None:
        """Sign out."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")


class GlooxClient(NativeClient):
    """gloox; clients/gloox.cpp says what it understands."""

    @classmethod
    async def start(
        cls, program: str, server: Server, user: str, password: str, domain: str = DOMAIN
    ) -> Self:
        """Begin to sign in."""
        place = server.host, str(server.port), "/http-bind", domain
        return await cls.run("gloox", program, *place, user, password, "gloox")

    def presence(self) -> None:
        """Become available."""
        self._write("presence")

    def leave_after(self, body: str) -> None:
        """Sign out as soon as the message with this body, one word, has come."""
        self._write(f"last {body}")


class PurpleClient(NativeClient):
    """libpurple, available as soon as it is online; clients/purple.c says what it understands."""

    @classmethod
    async def start(
        cls,
        program: str,
        server: Server,
        user: str,
        password: str,
        directory: Path,
        domain: str = DOMAIN,
    ) -> Self:
        """Begin to sign in; libpurple keeps its files in ``directory``."""
        account = domain, user, password, "purple"
        return await cls.run("libpurple", program, server.bosh_url, *account, str(directory))


class GajimClient(Client):
    """Gajim with its windows; gajim/person says what it understands."""

    @classmethod
    async def start(
        cls, display: str, server: Server, user: str, password: str, home: Path, pictures: Path
    ) -> Self:
        """Begin to sign in; its files go to ``home``, and screenshots to ``pictures``."""
        environment = {
            "DISPLAY": display,
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "XDG_RUNTIME_DIR": str(home),
            "LC_ALL": "C.UTF-8",
            # Neither a desktop nor what helps to read its screen is there to be talked to.
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
            "NO_AT_BRIDGE": "1",
        }
        account = server.url, DOMAIN, user, password
        process = await asyncio.create_subprocess_exec(
            "/usr/bin/python3",
            str(HERE / "gajim" / "person"),
            *account,
            str(pictures),
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return cls("Gajim", process)

    def send(self, to: str, body: str) -> None:
        """Type a message, and send it."""
        self._order("write", to=to, text=body)

    async def reads(self, text: str) -> None:
        """Wait until a message can be read in the main window."""
        await self._done("read", text=text)

    async def execute(self, name: str, *, ends: str = "completed", **fields: str) -> set[str]:
        """Execute a command of the domain, in whose form the fields have these labels.

        Return what can be read on the page with which it ends.
        """
        done = await self._done("execute", name=name, fields=fields)
        assert done["page"] == ends, done
        return set(done["texts"])

    async def quit(self) -> None:
        """Sign out, and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            assert await self._process.wait() == 0

    async def _done(self, what: str, **arguments: object) -> dict[str, Any]:
        times = self.count(what) + 1
        self._order(what, **arguments)
        return await self.expect(what, times)

    def _order(self, what: str, **arguments: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
