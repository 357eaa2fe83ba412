"""The commands that look at a server that runs, and act on it, over its API."""

import asyncio
import json
import ssl
from dataclasses import replace

import pytest
from support.certificates import certify
from support.clients import managed

from andiron.testing import StreamEndedError


async def test_sessions_are_printed(served):
    alice, bob = await served.client_of("alice"), await served.client_of("bob")
    await managed(bob)
    await alice.send("bob", "hello")
    await bob.receive()
    bob.cut()
    result = await served.run("sessions")
    head, first, second = result.stdout.splitlines()
    assert result.stderr == "Sessions: 2\n"
    assert head.split() == [
        *("ADDRESS", "TRANSPORT", "STATE", "UNACKED", "BYTES", "IDLE", "LEFT"),
        *("H-IN", "H-OUT", "FROM", "SESSION"),
    ]
    told = dict(zip(head.split(), first.split(), strict=True))
    assert (told["ADDRESS"], told["TRANSPORT"], told["STATE"]) == (alice.jid, "in-process", "bound")
    assert told["UNACKED"] == told["H-OUT"] == told["LEFT"] == "-", "it has no stream management"
    told = dict(zip(head.split(), second.split(), strict=True))
    assert (told["ADDRESS"], told["STATE"], told["UNACKED"]) == (bob.jid, "detached", "1")
    assert told["LEFT"].startswith(("9m", "10m"))


async def test_processes_are_printed(served):
    await served.client_of("alice")
    result = await served.run("processes")
    head, line = result.stdout.splitlines()
    told = dict(zip(head.split(), line.split(), strict=False))
    (process,) = await served.api.processes()
    assert (told["PROCESS"], told["ROLE"], told["SESSIONS"]) == (process.name, "home", "1")
    (one,) = json.loads((await served.run("processes", "--json")).stdout)
    assert (one["name"], one["home"], one["relayed"]) == (process.name, True, 0)


async def test_where_there_are_several_sessions_tell_their_process(served):
    alice = await served.client_of("alice")
    (stream,) = served._home.manager.sessions
    stream.transport.channel = replace(stream.transport.channel, via="web-2:7")
    head, line = (await served.run("sessions")).stdout.splitlines()
    told = dict(zip(head.split(), line.split(), strict=True))
    assert (told["ADDRESS"], told["PROCESS"]) == (alice.jid, "web-2:7")


async def test_sessions_of_one_account_as_json(served):
    alice = await served.client_of("alice")
    await served.client_of("bob")
    (one,) = json.loads((await served.run("sessions", "alice", "--json")).stdout)
    assert (one["address"], one["account"]) == (alice.jid, "alice@example.org")
    assert one.keys() >= {
        "transport", "state", "handled", "acknowledged", "unacknowledged", "unacknowledged_bytes",
        "idle", "resumable_for", "id", "since", "process", "home",
    }  # fmt: skip
    assert json.loads((await served.run("sessions", "nobody", "--json")).stdout) == []


async def test_kicking_ends_one_session_or_all_of_an_account(served):
    phone, desk = await served.client_of("alice"), await served.client_of("alice")
    result = await served.run("kick", phone.jid, "--reason", "lost phone")
    assert (result.exit_code, result.output) == (0, "Sessions ended: 1\n")
    with pytest.raises(StreamEndedError, match="not-authorized"):
        await phone.next(lambda _: False)
    assert (await served.run("kick", "alice")).output == "Sessions ended: 1\n"
    with pytest.raises(StreamEndedError):
        await desk.next(lambda _: False)
    result = await served.run("kick", "alice")
    assert (result.exit_code, result.output) == (1, "Sessions ended: 0\n")


async def test_an_announcement_reaches_all_who_are_online(served):
    clients = [await served.client_of(name) for name in ("alice", "alice", "bob")]
    result = await served.run("announce", "-", "--subject", "Soon", stdin="A restart.\n")
    assert result.output == "Sessions told: 3\n"
    for client in clients:
        message = await client.receive()
        assert (message.sender, message.kind, message.body) == (
            "example.org",
            "headline",
            "A restart.",
        )
        assert "<subject>Soon</subject>" in message.text


async def test_rooms_are_printed(served):
    await served.api.create_room("tea", name="Tea\x9b2J", public=False)
    await (await served.client_of("alice")).join("pub")
    result = await served.run("rooms")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["ADDRESS", "IN", "IT", "KIND", "NAME"],
        ["pub@conference.example.org", "1", "public", "archived"],
        ["tea@conference.example.org", "0", "hidden", "persistent", "archived", "Tea\\x9b2J"],
    ]
    assert result.stderr == "Rooms: 2\n"
    found = json.loads((await served.run("rooms", "--json")).stdout)
    assert [one["occupants"] for one in found] == [1, 0]


async def test_what_is_wrong_is_said_in_a_sentence(served, monkeypatch):
    result = await served.run("sessions", "a b")
    assert (result.exit_code, result.output[:30]) == (1, "Error: 'a b' is nobody's name:")
    monkeypatch.setenv("ANDIRON_API_TOKEN", "x" * 40)
    assert "has another api_token" in (await served.run("rooms")).output
    monkeypatch.delenv("ANDIRON_API_TOKEN")
    assert "needs a token" in (await served.run("announce", "x")).output
    monkeypatch.setenv("ANDIRON_API_TOKEN", "x" * 40)
    monkeypatch.setenv("ANDIRON_PORT", "1")
    asking = (["sessions"], ["processes"], ["rooms"], ["kick", "alice"], ["announce", "x"])
    for command in asking:
        result = await served.run(*command)
        assert result.exit_code == 1
        assert result.output.startswith("Error: Nobody answers at 127.0.0.1 port 1 (")


async def test_a_server_at_a_url(served, monkeypatch):
    alice = await served.client_of("alice")
    monkeypatch.setenv("ANDIRON_PORT", "1")
    assert alice.jid in (await served.run("sessions", "--url", served.url)).stdout
    lost = await served.run("sessions", "--url", f"{served.url}/chat/")
    assert "has no API there" in lost.output
    result = await served.run("sessions", "--url", "http://localhost:1/chat")
    assert result.output.startswith("Error: Nobody answers at http://localhost:1/chat (")
    for wrong in ("ftp://example.org", "https://", "http://a:b/"):
        result = await served.run("sessions", "--url", wrong)
        assert (result.exit_code, "where the chat is mounted" in result.output) == (2, True)


async def test_a_certificate_that_is_not_trusted_is_no_silence(served, tmp_path):
    certify(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    async with await asyncio.start_server(lambda *_: None, "localhost", 0, ssl=context) as server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        result = await served.run("sessions", "--url", url)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: The certificate at {url} is not trusted here (")
