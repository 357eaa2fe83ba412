#!/usr/bin/env python3
"""Hold many sessions over real sockets while their connections are killed, and count everything.

    bench/soak.py [--sessions 1000] [--seconds 60] [--rate 1.0] [--life 20] [--expiry 30]

Each session has stream management and writes to some others. Connections end
by TCP reset, by a reset in the middle of a frame, by a WebSocket close without
<close/>, or stay open and silent while their session goes on elsewhere; at any
moment, also while signing in. At the end every message must have come once and
in order, and when all have left, and those who just vanished have expired, the
server must hold no session, task, socket or memory of them.

The server is the one of `andiron serve`, in a process of its own that also
reports what it holds. Exits 1 when a check fails.
"""

import argparse
import asyncio
import base64
import collections
import contextlib
import ctypes
import gc
import hashlib
import hmac
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from andiron import application, routes
from andiron.serving.limits import allow_open_files
from andiron.serving.logs import configure_logging
from andiron.serving.server import Server, server_config
from andiron.settings import Settings

OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"
CLOSE = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
AUTH = f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{{}}</auth>"
RESPONSE = f"<response xmlns='{SASL}'>{{}}</response>"
BIND = (
    "<iq xmlns='jabber:client' type='set' id='bind'>"
    "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>soak</resource></bind></iq>"
)
ENABLE = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
RESUME = "<resume xmlns='urn:xmpp:sm:3' previd='{}' h='{}'/>"
ACK = "<a xmlns='urn:xmpp:sm:3' h='{}'/>"
REQUEST = "<r xmlns='urn:xmpp:sm:3'/>"
MESSAGE = (
    "<message xmlns='jabber:client' to='user{to}@localhost/soak' type='chat'>"
    "<body>{sender} {number} {padding}</body></message>"
)
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c29ha3NvYWtzb2Frc29haw==\r\n"
    b"Sec-WebSocket-Protocol: xmpp\r\n\r\n"
)
BODY = re.compile(r"<body>(\d+) (\d+) ")
H = re.compile(r" h='(\d+)'")
ID = re.compile(r" id='([^']+)'")
CHALLENGE = re.compile(r">([^<]+)<")
PASSWORD = "pw"
PARTNERS = (1, 2, 7)
PATIENCE = 30.0
NEGOTIATION = 15
"""Seconds in which one must sign in: longer than a thousand take who come at once."""
TEXT, WS_CLOSE, PING, PONG = 1, 8, 9, 10


# The server's process


class Reporter:
    """Answers each line on standard input with what the process holds."""

    def __init__(self, manager, endpoint_of):
        self.manager = manager
        self.strangers = endpoint_of

    def report(self):
        os.read(0, 4096)
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
        manager = self.manager()
        print(
            json.dumps(
                {
                    "sessions": len(manager.sessions),
                    "tasks": len(asyncio.all_tasks()),
                    "strangers": self.strangers(),
                    "sockets": sum(
                        os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
                        for fd in os.listdir("/proc/self/fd")
                        if os.path.lexists(f"/proc/self/fd/{fd}")
                    ),
                    "objects": len(gc.get_objects()),
                    "memory": resident(os.getpid()),
                    "resumed": manager.resumed,
                    "closed": manager.closed,
                    "detached": manager.detached,
                }
            ),
            flush=True,
        )


def serve(listener_fd, expiry):
    managers, endpoints = [], []

    class Manager(application.SessionManager):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            managers.append(self)

    class Endpoint(routes.WebSocketEndpoint):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            endpoints.append(self)

    application.SessionManager = Manager
    routes.WebSocketEndpoint = Endpoint
    configure_logging("warning")
    allow_open_files()
    settings = Settings(
        database="sqlite:///soak.db",
        max_negotiating=100_000,
        max_negotiating_per_address=100_000,
        stream_management_max=expiry,
        session_negotiation_timeout=NEGOTIATION,
        websocket_close_timeout=1,
    )
    config = server_config(settings, application.create_app(settings))
    reporter = Reporter(lambda: managers[0], lambda: endpoints[0].strangers.count)

    async def started():
        asyncio.get_running_loop().add_reader(0, reporter.report)

    Server(config, started, lambda: None).run([socket.socket(fileno=listener_fd)])


def resident(pid):
    """Return the resident memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


class ServerProcess:
    """The server, started with its accounts; :meth:`report` asks what it holds."""

    def __init__(self, directory, users, expiry):
        self.log = directory / "log"
        environment = os.environ | {
            "ANDIRON_DATABASE": "sqlite:///soak.db",
            "ANDIRON_AUTH_ITERATIONS": "4096",
        }
        accounts = directory / "accounts"
        accounts.write_text("".join(f"user{number} {PASSWORD}\n" for number in range(users)))
        andiron = Path(sys.executable).with_name("andiron")
        add = [andiron, "user", "add", "--from-file", accounts]
        subprocess.run(add, check=True, env=environment, cwd=directory, stdout=subprocess.DEVNULL)
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = listener.getsockname()[1]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, __file__, "--serve", str(listener.fileno()), str(expiry)],
                cwd=directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=[listener.fileno()],
            )
        listener.close()

    async def report(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        line = await asyncio.to_thread(self.process.stdout.readline)
        return json.loads(line)

    async def emptied(self, fresh, patience):
        """Return the report once there is no more than at first, or after so many seconds."""
        end = time.monotonic() + patience
        while True:
            report = await self.report()
            if time.monotonic() > end or all(
                report[held] <= fresh[held]
                for held in ("sessions", "strangers", "tasks", "sockets")
            ):
                return report
            await asyncio.sleep(0.5)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        return self.log.read_text()


# The clients


def b64(text):
    return base64.b64encode(text.encode()).decode()


def frame(payload, opcode=TEXT):
    """Return a client's frame; its mask is all zeros, which saves the machine some work."""
    size = len(payload)
    head = struct.pack("!BB", 0x80 | opcode, 0x80 | min(size, 126))
    if size >= 126:
        head += struct.pack("!H", size)
    return head + b"\0\0\0\0" + payload


class Connection(asyncio.Protocol):
    """One WebSocket; ``ready`` once its session has bound or resumed."""

    def __init__(self, session):
        self.session = session
        self.ready = False
        self.ended = asyncio.get_running_loop().create_future()
        self.transport = None
        self._buffer = b""
        self._upgraded = False

    def connection_made(self, transport):
        self.transport = transport
        self.session.connection = self
        transport.write(HANDSHAKE)

    def connection_lost(self, _error):
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data):
        self._buffer += data
        if not self._upgraded:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.session.fault(f"refused: {head[:30]!r}")
                self.transport.abort()
                return
            self._upgraded, self._buffer = True, rest
            self.send(OPEN)
        self._read_frames()

    def _read_frames(self):
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 2:
            opcode, size, start = buffer[at] & 15, buffer[at + 1], at + 2
            if size == 126:
                if len(buffer) < at + 4:
                    break
                (size,) = struct.unpack_from("!H", buffer, start)
                start += 2
            if len(buffer) < start + size:
                break
            at = start + size
            self._frame(opcode, buffer[start:at])
        self._buffer = buffer[at:]

    def _frame(self, opcode, payload):
        if opcode == TEXT:
            self.session.receive(self, payload.decode())
        elif opcode == PING:
            self.transport.write(frame(payload, PONG))
        elif opcode == WS_CLOSE:
            self.transport.write(frame(payload, WS_CLOSE))

    def send(self, text):
        self.transport.write(frame(text.encode()))

    def kill(self, how):
        if not self._upgraded:
            how = "reset"
        if how == "mid-frame":
            text = frame(MESSAGE.format(to=0, sender=0, number=0, padding="x" * 200).encode())
            self.transport.write(text[: random.randrange(1, len(text))])
        if how in ("reset", "mid-frame"):
            linger = struct.pack("ii", 1, 0)
            connection = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.transport.abort()
        elif how == "leave":
            self.transport.write(frame(struct.pack("!H", 1001), WS_CLOSE))
        elif not self.ended.done():
            self.ended.set_result(None)
        self.ready = False


class Session:
    """One client and its account. It knows what it sent and what it should get."""

    def __init__(self, soak, number):
        self.soak = soak
        self.number = number
        self.connection = None
        self.sm_id = ""
        self.handled = 0
        self.acked = 0
        self.unacked = collections.deque()
        self.sent = collections.Counter()
        self.received = collections.Counter()
        self.leaving = False
        self.heard = ""
        self.salted = None

    def fault(self, what):
        self.soak.faults[what] += 1

    async def live(self):
        """Keep connected until the end."""
        loop = asyncio.get_running_loop()
        while not self.leaving:
            with contextlib.suppress(OSError):
                _, connection = await loop.create_connection(
                    lambda: Connection(self), "127.0.0.1", self.soak.port
                )
                await connection.ended
            if not self.leaving:
                await asyncio.sleep(random.random() * 0.5)

    def receive(self, connection, text):
        if connection is not self.connection:
            if text.startswith("<close"):
                connection.send(CLOSE)
            return
        self.heard = text
        hear = self._HEARD.get(text[1:3])
        if hear is None:
            self.fault(text[:200])
        else:
            hear(self, connection, text)

    def _stream(self, connection, text):
        if "<mechanisms" in text:
            connection.send(AUTH.format(b64(f"n,,{self._scram_first()}")))
        elif "<stream:error" in text:
            self.fault(text)
        elif self.sm_id:
            connection.send(RESUME.format(self.sm_id, self.handled))
        else:
            connection.send(BIND)

    def _ready(self, connection):
        connection.ready = True
        self.soak.note_ready()

    def _scram_first(self):
        return f"n=user{self.number},r=nonce{self.number}"

    def _challenged(self, connection, text):
        """Answer SCRAM's challenge (RFC 5802 section 3); the slow part is done once."""
        challenge = base64.b64decode(CHALLENGE.search(text)[1]).decode()
        nonce, salt, iterations = (part[2:] for part in challenge.split(",")[:3])
        if self.salted is None:
            self.salted = hashlib.pbkdf2_hmac(
                "sha256", PASSWORD.encode(), base64.b64decode(salt), int(iterations)
            )
        final = f"c=biws,r={nonce}"
        signed = f"{self._scram_first()},{challenge},{final}".encode()
        key = hmac.digest(self.salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        connection.send(RESPONSE.format(b64(f"{final},p={base64.b64encode(proof).decode()}")))

    def _iq(self, connection, text):
        if "id='bind'" in text:
            connection.send(ENABLE)
        else:
            self.handled += 1

    def _enabled(self, connection, text):
        self.sm_id = ID.search(text)[1]
        self._ready(connection)

    def _resumed(self, connection, text):
        self._confirmed(connection, text)
        for waiting in self.unacked:
            connection.send(waiting)
        self._ready(connection)

    def _message(self, _connection, text):
        self.handled += 1
        sender, number = map(int, BODY.search(text).groups())
        expected = self.received[sender]
        self.received[sender] = max(expected, number + 1)
        if number < expected:
            self.fault("doubled")
        elif number > expected:
            self.fault("out of order or lost")
        else:
            self.soak.arrived += 1

    def _confirmed(self, _connection, text):
        h = int(H.search(text)[1])
        for _ in range(h - self.acked):
            self.unacked.popleft()
        self.acked = h

    _HEARD = {  # noqa: RUF012
        "op": lambda _self, _connection, _text: None,
        "st": _stream,
        "ch": _challenged,
        "su": lambda _self, connection, _text: connection.send(OPEN),
        "iq": _iq,
        "en": _enabled,
        "re": _resumed,
        "me": _message,
        "r ": lambda self, connection, _text: connection.send(ACK.format(self.handled)),
        "a ": _confirmed,
        "cl": lambda _self, connection, _text: connection.send(CLOSE),
    }

    def write(self):
        """Send a message to a partner, now or when connected again."""
        to = (self.number + random.choice(PARTNERS)) % len(self.soak.sessions)
        padding = "x" * random.randrange(400)
        number = self.sent[to]
        text = MESSAGE.format(to=to, sender=self.number, number=number, padding=padding)
        self.sent[to] += 1
        self.unacked.append(text)
        if self.connection.ready:
            self.connection.send(text)
            if not random.randrange(10):
                self.connection.send(REQUEST)


class Soak:
    """All sessions of a run, the traffic between them, and what goes wrong."""

    def __init__(self, port, sessions):
        self.port = port
        self.faults = collections.Counter()
        self.kills = collections.Counter()
        self.arrived = 0
        self.signed_in_after = 0.0
        self.sessions = [Session(self, number) for number in range(sessions)]
        self._changed = asyncio.Event()

    @property
    def sent(self):
        return sum(session.sent.total() for session in self.sessions)

    def note_ready(self):
        self._changed.set()

    async def all_ready(self):
        """Wait until every session has a connection that works, for a bounded time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not all(s.connection and s.connection.ready for s in self.sessions):
                    self._changed.clear()
                    await self._changed.wait()
        for session in self.sessions:
            if not (session.connection and session.connection.ready):
                session.fault(f"not connected in time, last heard {session.heard[:100]}")

    async def rage(self, seconds, rate, life):
        """Let everybody write and kill connections for so long."""
        tick, end = 0.02, time.monotonic() + seconds
        owed_messages = owed_kills = 0.0
        while time.monotonic() < end:
            owed_messages += len(self.sessions) * rate * tick
            owed_kills += len(self.sessions) / life * tick
            while owed_messages >= 1:
                owed_messages -= 1
                random.choice(self.sessions).write()
            while owed_kills >= 1:
                owed_kills -= 1
                self._kill(random.choice(self.sessions))
            await asyncio.sleep(tick)

    def _kill(self, session):
        connection = session.connection
        if connection.ended.done() or connection.transport is None:
            return
        how = random.choice(["reset", "reset", "mid-frame", "mid-frame", "leave", "silent"])
        self.kills[how] += 1
        connection.kill(how)

    async def settled(self):
        """Wait until everything that was sent has come, or nothing more does."""
        quiet_since, last = time.monotonic(), -1
        while self.arrived < self.sent and time.monotonic() - quiet_since < PATIENCE:
            if self.arrived != last:
                quiet_since, last = time.monotonic(), self.arrived
            await asyncio.sleep(0.05)

    async def leave(self):
        """Say good-bye, all but every tenth, who just vanishes."""
        for session in self.sessions:
            session.leaving = True
            if session.number % 10:
                session.connection.send(CLOSE)
            else:
                session.connection.kill("reset")
        await asyncio.wait([s.connection.ended for s in self.sessions], timeout=PATIENCE)


async def run(options, server, fresh, seconds):
    """Let all come, rage and leave; return the run and the server's reports on the way."""
    soak = Soak(server.port, options.sessions)
    lives = [asyncio.create_task(session.live()) for session in soak.sessions]
    begun = time.monotonic()
    await soak.all_ready()
    soak.signed_in_after = time.monotonic() - begun
    full = await server.report()
    await soak.rage(seconds, options.rate, options.life)
    await soak.all_ready()
    await soak.settled()
    busy = await server.report()
    await soak.leave()
    for life in lives:
        life.cancel()
    await asyncio.wait(lives)
    return soak, full, busy, await server.emptied(fresh, max(options.expiry, NEGOTIATION) + 5)


async def soak(options, server):
    checks = {}
    fresh = await server.report()
    # What a first crowd leaves in caches and in the allocator's hands is no leak; what
    # a second one adds to it is.
    _, _, _, start = await run(options, server, fresh, options.warm)
    soak, full, busy, end = await run(options, server, fresh, options.seconds)
    log = server.stop()

    checks["every message came"] = soak.arrived == soak.sent
    checks["once, in order, and nothing else went wrong"] = not soak.faults
    checks["connections were killed and resumed"] = busy["resumed"] > 0 and soak.kills.total() > 0
    checks["no session is left"] = end["sessions"] == 0
    checks["no task is left"] = end["tasks"] <= start["tasks"]
    checks["no connection is left"] = end["sockets"] <= start["sockets"] and not end["strangers"]
    checks["no objects are left"] = end["objects"] - start["objects"] < 1_000
    checks["memory is back"] = end["memory"] - start["memory"] < 8
    checks["the server's log is clean"] = not log

    print(f"{options.sessions} sessions, {options.seconds} s, seed {options.seed}")
    print(f"signed in after {soak.signed_in_after:.1f} s")
    print(f"messages: {soak.sent} sent, {soak.arrived} came")
    print(f"killed: {dict(soak.kills)}; resumed: {busy['resumed']}")
    print(f"detached: {end['detached']}; closed: {end['closed']}")
    for name in ("sessions", "tasks", "sockets", "objects", "memory"):
        values = [f"{report[name]:.0f}" for report in (fresh, start, full, busy, end)]
        print(f"{name:9}", "fresh {}, start {}, signed in {}, raged {}, end {}".format(*values))
    for fault, times in soak.faults.most_common(10):
        print(f"FAULT {times} x {fault}")
    if log:
        print(f"LOG\n{log[-4000:]}")
    for check, held in checks.items():
        print("ok  " if held else "FAIL", check)
    return all(checks.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--warm", type=float, default=10, help="seconds of a rage before")
    parser.add_argument("--rate", type=float, default=1.0, help="messages/s of each session")
    parser.add_argument("--life", type=float, default=20, help="a connection's mean life, seconds")
    parser.add_argument("--expiry", type=int, default=30, help="seconds to resume in")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory(prefix="andiron-soak-") as directory:
        server = ServerProcess(Path(directory), options.sessions, options.expiry)
        try:
            good = uvloop.run(soak(options, server))
        finally:
            server.process.kill()
            server.process.wait()
    sys.exit(not good)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
