"""Frames that no client should send: each is answered, logged, and costs nothing that stays."""

import asyncio
import base64
import contextlib

import pytest

from tests.hostile.conftest import PASSWORD, eventually
from tests.hostile.wire import BINARY, CONTINUATION, OPEN, PING, SASL, TEXT, frame, plain

BOMB = (
    "<!DOCTYPE b [<!ENTITY a '{}'>".format("x" * 1000)
    + "".join(f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9))
    + "]><message xmlns='jabber:client'><body>&j;</body></message>"
)
EXTERNAL = "<!DOCTYPE m [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><m>&x;</m>"
MESSAGE = "<message xmlns='jabber:client' to='{}'><body>{}</body></message>"
RESUME = "<resume xmlns='urn:xmpp:sm:3' previd='{}' h='0'/>"


async def ended_with(wire, condition):
    """Check that the stream was ended by that error, with a farewell."""
    texts = await wire.rest()
    assert f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" in texts[-2]
    assert texts[-1].startswith("<close ")
    assert wire.code == 1000
    return texts


@pytest.mark.parametrize("signed_in", [False, True])
@pytest.mark.parametrize(
    ("text", "condition"),
    [
        (BOMB, "restricted-xml"),
        (EXTERNAL, "restricted-xml"),
        ("<?xml version='1.0' encoding='utf-16'?><m/>", "unsupported-encoding"),
        ("<?php evil() ?><m/>", "restricted-xml"),
        ("<m>&undefined;</m>", "restricted-xml"),
        ("<m><!-- hidden --></m>", "restricted-xml"),
        ("<m xmlns:a='urn:a' a:x='1'></n>", "not-well-formed"),
        ("<a:m/>", "not-well-formed"),
        ("<m/><m/>", "not-well-formed"),
        ("</stream:stream>", "not-well-formed"),
        ("<m>\0</m>", "not-well-formed"),
        ("<a>" * 5_000, "policy-violation"),
    ],
)
async def test_restricted_and_broken_xml(victim, text, condition, signed_in):
    wire = await (victim.sign_in() if signed_in else victim.connect())
    before = victim.memory
    await wire.send(text)
    texts = await ended_with(wire, condition)
    assert ("<open " in texts[0]) is not signed_in
    await victim.logged(f"closed: stream-error ({condition}")
    assert victim.memory - before < 8


async def test_a_million_nested_tags(victim):
    before = victim.memory
    wire = await victim.sign_in()
    await wire.send("<a>" * 87_000)
    await ended_with(wire, "policy-violation")
    await victim.logged("closed: stream-error (policy-violation: more than 4000 elements")
    wire = await victim.sign_in()
    await wire.send("<a>" * 1_000_000)
    assert await wire.rest() == []
    assert wire.code in (1009, None)
    await victim.logged("closed: stream-error (policy-violation: WebSocket closed with 1009)")
    assert victim.memory - before < 8
    await victim.still_serves()


@pytest.mark.parametrize("signed_in", [False, True])
async def test_a_frame_of_100_megabytes_is_refused_by_its_head(victim, signed_in):
    wire = await (victim.sign_in() if signed_in else victim.connect())
    wire.write(frame(b"<message>", length=100 * 2**20))
    assert await wire.rest() == []
    assert wire.code == 1009
    await victim.logged("closed: stream-error (policy-violation: WebSocket closed with 1009)")


async def test_100_megabytes_sent_slowly_in_fragments(victim):
    wire = await victim.sign_in()
    before, most, sent = victim.memory, 0, 0
    wire.write(frame(b"<message><body>", fin=False))
    with contextlib.suppress(OSError):
        while sent < 100 * 2**20:
            wire.write(frame(b"x" * 2**16, CONTINUATION, fin=False))
            await wire.writer.drain()
            await asyncio.sleep(0.01)
            sent += 2**16
            most = max(most, victim.memory)
    assert sent < 2 * 2**20
    assert most - before < 8
    await victim.logged("closed: stream-error (policy-violation: WebSocket closed with 1009)")


@pytest.mark.parametrize("signed_in", [False, True])
async def test_a_frame_that_never_ends(hurried, signed_in):
    wire = await (hurried.sign_in() if signed_in else hurried.connect())
    wire.write(frame(b"", length=200_000 if signed_in else 20_000))

    async def trickle():
        while True:
            wire.write(b"x")
            await asyncio.sleep(0.05)

    trickling = asyncio.create_task(trickle())
    await wire.ended()
    trickling.cancel()
    await asyncio.wait([trickling])
    await hurried.logged("closed: dead-peer" if signed_in else "closed: negotiation-timeout")


async def test_endless_fragments(victim):
    wire = await victim.connect()
    before = victim.memory
    wire.write(frame(b"<", fin=False))
    for _ in range(2_000):
        wire.write(frame(b"", CONTINUATION, fin=False))
    assert await wire.rest() == []
    assert wire.code == 1009
    assert victim.memory - before < 4
    await victim.logged("closed: stream-error (policy-violation: WebSocket closed with 1009)")


async def test_pings_whose_answers_nobody_reads(victim):
    wire = await victim.sign_in(receive_buffer=4096)
    before, flood = victim.memory, frame(b"x" * 125, PING) * 1_000
    for _ in range(100):
        wire.write(flood)
        try:
            async with asyncio.timeout(0.5):
                await wire.writer.drain()
        except (TimeoutError, OSError):
            break
    assert victim.memory - before < 8
    wire.reset()
    await victim.logged("alice@localhost/")


@pytest.mark.parametrize(
    ("data", "code", "condition"),
    [
        (frame(b"\xff\xfe"), 1007, "unsupported-encoding"),
        (frame("<a>\ud800</a>".encode("utf-8", "surrogatepass")), 1007, "unsupported-encoding"),
        (b"\xff\xff\xff\xff\xff\xff", 1002, "bad-format"),
        (frame(b"", 3), 1002, "bad-format"),
        (b"\x81\x05hello", 1002, "bad-format"),
        (frame(b"x", CONTINUATION), 1002, "bad-format"),
    ],
)
async def test_what_is_no_websocket(victim, data, code, condition):
    wire = await victim.connect()
    wire.write(data)
    assert await wire.rest() == []
    assert wire.code == code
    await victim.logged(f"closed: stream-error ({condition}: WebSocket closed with {code})")
    assert "Traceback" not in victim.said()


async def test_a_binary_frame(victim):
    wire = await victim.connect()
    wire.write(frame(OPEN.encode(), BINARY))
    await ended_with(wire, "bad-format")
    await victim.logged("closed: stream-error (bad-format: frames are text (RFC 7395))")


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        (MESSAGE.format("alice@localhost", "hi"), "not-authorized"),
        ("<iq xmlns='jabber:client' type='get' id='1'/>", "not-authorized"),
        (plain("alice", PASSWORD), "bad-format"),
        ("<enable xmlns='urn:xmpp:sm:3'/>", "bad-format"),
        ("<open xmlns='jabber:client' to='localhost' version='1.0'/>", "invalid-namespace"),
    ],
)
async def test_frames_before_open(victim, text, condition):
    wire = await victim.connect()
    await wire.send(text)
    texts = await ended_with(wire, condition)
    assert "<open " in texts[0]
    await victim.logged(f"127.0.0.1 closed: stream-error ({condition}")


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        (MESSAGE.format("alice@localhost", "hi"), "not-authorized"),
        ("<presence xmlns='jabber:client'/>", "not-authorized"),
        (
            "<iq xmlns='jabber:client' type='set' id='b'>"
            "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
            "not-authorized",
        ),
        (OPEN, "policy-violation"),
        (OPEN.replace("localhost", "elsewhere"), "policy-violation"),
    ],
)
async def test_stanzas_before_sign_in(victim, text, condition):
    wire = await victim.connect()
    await wire.send(OPEN)
    await wire.until("<stream:features")
    await wire.send(text)
    await ended_with(wire, condition)
    await victim.logged(f"127.0.0.1 closed: stream-error ({condition}")


@pytest.mark.parametrize("name", ["alice", "bob"])
@pytest.mark.parametrize("guess", ["made up", "cut short", "one letter off", "real"])
async def test_a_guessed_resume_id(victim, name, guess):
    owner = await victim.sign_in("alice")
    await owner.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    sm_id = (await owner.until("<enabled ")).partition(" id='")[2].partition("'")[0]
    assert len(sm_id) >= 32
    given = {
        "made up": "A" * len(sm_id),
        "cut short": sm_id[:12],
        "one letter off": sm_id[:-1] + ("A" if sm_id[-1] != "A" else "B"),
        "real": sm_id,
    }[guess]
    thief = await victim.connect()
    await thief.send(OPEN, plain(name, PASSWORD))
    await thief.until("<success")
    await thief.send(OPEN)
    await thief.until("<stream:features")
    await thief.send(RESUME.format(given))
    answer = await thief.text()
    if (name, guess) == ("alice", "real"):
        assert answer.startswith("<resumed ")
        return
    assert answer == (
        "<failed xmlns='urn:xmpp:sm:3'>"
        "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
    )
    await victim.logged(f"{name}@localhost: <resume/> refused: item-not-found")
    assert given not in victim.said()
    await owner.send(MESSAGE.format(owner.jid, "still mine"))
    assert "still mine" in await owner.text()


async def test_resume_before_sign_in(victim):
    wire = await victim.connect()
    await wire.send(OPEN)
    await wire.until("<stream:features")
    await wire.send(RESUME.format("A" * 44))
    assert "<unexpected-request " in await wire.text()
    await victim.logged("127.0.0.1: <resume/> refused: unexpected-request")


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "ANONYMOUS", "X" * 1_000])
async def test_a_huge_sasl_message(victim, mechanism):
    wire = await victim.connect()
    payload = base64.b64encode(b"\0alice\0" + b"x" * 9_000).decode()
    await wire.send(OPEN, f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{payload}</auth>")
    assert "<failure " in await wire.until("<failure ")
    await victim.logged("sign-in over websocket from 127.0.0.1 refused: ")
    await wire.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{'A' * 17_000}</auth>")
    await ended_with(wire, "policy-violation")
    await victim.logged("closed: stream-error (policy-violation: over 16384 bytes)")
    assert payload[:40] not in victim.said()
    assert mechanism[:1_000] == "X" * 1_000 or "X" * 100 not in victim.said()


async def test_sign_ins_without_end(victim):
    wire = await victim.connect()
    await wire.send(OPEN, *[plain("alice", "wrong")] * 5)
    for _ in range(5):
        assert "<not-authorized/>" in await wire.until("<failure ")
    await wire.send(plain("alice", PASSWORD))
    await ended_with(wire, "policy-violation")
    await victim.logged("closed: stream-error (policy-violation: too many failed sign-ins)")
    assert "wrong" not in victim.said()
    assert base64.b64encode(b"\0alice\0wrong").decode() not in victim.said()


@pytest.mark.parametrize("password", ["wrong", "wrong" * 700])
async def test_many_sign_ins_at_once(victim, password):
    wire = await victim.connect()
    await wire.send(OPEN, *[plain("alice", password)] * 20)
    await ended_with(wire, "policy-violation")
    # Too many elements at once, or too many failures where they are read one by one.
    await victim.logged("closed: stream-error (policy-violation: too many")


async def test_a_reader_that_reads_nothing(hurried):
    sockets, before = hurried.sockets, hurried.memory
    wire = await hurried.sign_in(receive_buffer=4096)
    text = MESSAGE.format(wire.jid, "x" * 60_000)
    with contextlib.suppress(OSError):
        async with asyncio.timeout(60):
            while "slow-reader" not in hurried.said():
                await wire.send(text)
    assert "closed: slow-reader" in hurried.said()
    assert hurried.memory - before < 24
    # The kernel keeps what was not read for no longer than the server would wait for a pong.
    await eventually(lambda: hurried.sockets <= sockets)
    wire.reset()
    await hurried.still_serves()


async def test_one_that_sends_on_after_its_stream_has_ended(victim):
    wire = await victim.connect()
    await wire.send("<wrong")
    ended = asyncio.create_task(wire.ended())
    while not ended.done():
        await wire.send("<wrong" * 100)
        await asyncio.wait([ended], timeout=0.02)
    assert victim.said().count("closed: stream-error") == 1


async def test_text_in_one_letter_fragments_is_read(victim):
    wire = await victim.connect()
    data = OPEN.encode()
    for at in range(len(data)):
        opcode = CONTINUATION if at else TEXT
        wire.write(frame(data[at : at + 1], opcode, fin=at == len(data) - 1))
    assert "<open " in await wire.text()
