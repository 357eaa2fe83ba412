"""One RFC 7395 connection: what it answers to frames, and how it ends."""

import asyncio
import itertools
import weakref

import pytest
from support.asgi import CLOSE, OPEN, ClientGone, settle
from support.sessions import BIND, SIGN_IN, attribute, message
from support.waiting import until

from andiron.sm.config import SmConfig
from andiron.sm.link import CloseReason
from andiron.sm.session import State
from andiron.websocket.connection import WebSocketConnection
from andiron.xmpp import namespaces as ns
from andiron.xmpp.xml import Guard

PRESENCE = "<presence xmlns='jabber:client'/>"
RESUME = "<resume xmlns='urn:xmpp:sm:3' previd='{}' h='{}'/>"


def now():
    return asyncio.get_running_loop().time()


def open_to(to="localhost", version="1.0", name="open xmlns="):
    return f"<{name}'{ns.FRAMING}' to='{to}' version='{version}'/>"


def condition(text):
    """Return the condition of a stream error."""
    assert text.startswith("<stream:error "), text
    return text.partition("><")[2].partition(" ")[0]


async def ended_with(client):
    """Return the condition that the stream ended with; the farewell must be as RFC 7395 says."""
    texts = await client.rest()
    assert texts[-1] == CLOSE
    return condition(texts[-2])


async def resumed(place, sm_id, h=0, account="juliet"):
    """Resume a session and return the new connection with the server's answer."""
    client = await place.sign_in(account)
    client.send(RESUME.format(sm_id, h))
    return client, await client.text()


# Opening


async def test_the_stream_opens(place):
    client = await place.connect()
    client.send(OPEN)
    header, features = [Guard().read(text) for text in await client.texts(2)]
    assert (header.namespace, header.name) == (ns.FRAMING, "open")
    assert header.get("from") == "localhost"
    assert header.get("version") == "1.0"
    assert header.get("id")
    assert header.text.startswith("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'")
    assert (features.namespace, features.name) == (ns.STREAMS, "features")
    assert features.text.startswith("<stream:features xmlns:stream='")


async def test_another_prefix_is_as_good(place):
    client = await place.connect()
    client.send(open_to(name="f:open xmlns:f="))
    assert (await client.text()).startswith("<open ")


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (open_to("elsewhere.example"), "host-unknown"),
        (PRESENCE, "not-authorized"),
        (message("romeo@localhost", "hi"), "not-authorized"),
        (SIGN_IN.format("juliet"), "bad-format"),
        ("<open to='localhost' version='1.0'/>", "invalid-namespace"),
        (f"<stream:stream xmlns:stream='{ns.STREAMS}' to='localhost'/>", "invalid-namespace"),
        (f"<hello xmlns='{ns.FRAMING}'/>", "bad-format"),
        ("<open", "not-well-formed"),
        ("hello", "not-well-formed"),
        (f"{OPEN}{OPEN}", "not-well-formed"),
        (f"<?xml version='1.0' encoding='UTF-16'?>{OPEN}", "unsupported-encoding"),
        (f"<?xml version='1.0'?><?xml version='1.0'?>{OPEN}", "restricted-xml"),
        (f" <?xml version='1.0'?>{OPEN}", "restricted-xml"),
        ("<?xml version='1.0'?>", "not-well-formed"),
        (f"<!DOCTYPE open>{OPEN}", "restricted-xml"),
        (f"<!-- hello -->{OPEN}", "restricted-xml"),
        (f"<open xmlns='{ns.FRAMING}' to='{'x' * 16_384}'/>", "policy-violation"),
        ("<a>" * 1000, "policy-violation"),
    ],
)
async def test_a_bad_opening_is_answered_by_open_error_close(place, caplog, frame, expected):
    caplog.set_level("INFO", "andiron")
    client = await place.connect(address="192.0.2.9")
    client.send(frame)
    texts = await client.rest()
    assert len(texts) == 3
    header = Guard().read(texts[0])
    assert (header.namespace, header.name) == (ns.FRAMING, "open")
    assert header.get("from") == "localhost"
    assert Guard().read(texts[1]).namespace == ns.STREAMS
    assert condition(texts[1]) == expected
    assert texts[2] == CLOSE
    assert client.taken[-1] == {"type": "websocket.close", "code": 1000}
    assert f"192.0.2.9 closed: stream-error ({expected}" in caplog.text


async def test_an_xml_declaration_is_harmless(place):
    client = await place.connect()
    for frame in (OPEN, SIGN_IN.format("juliet"), OPEN, BIND):
        client.send(f"<?xml version='1.0' encoding='UTF-8'?>\n{frame}")
    assert await client.until("<iq type='result' id='b'/>")
    client.send(f"<?xml version='1.0'?>{CLOSE}")
    assert await client.rest() == [CLOSE]


@pytest.mark.parametrize("signed_in", [False, True])
@pytest.mark.parametrize("to", ["localhost", "elsewhere.example"])
async def test_the_stream_opens_once(place, to, signed_in):
    client = await (place.sign_in() if signed_in else place.open())
    client.send(open_to(to))
    assert await ended_with(client) == "policy-violation"


async def test_a_binary_frame_is_refused(place):
    client = await place.open()
    client.send_binary(OPEN.encode())
    assert await ended_with(client) == "bad-format"


async def test_white_space_means_nothing(place):
    client = await place.connect()
    client.send("", " ", "\r\n\t ")
    client.send(OPEN)
    assert (await client.text()).startswith("<open ")
    client.send(" ")
    client.send(CLOSE)
    assert await client.rest() == [features(client), CLOSE]


def features(client):
    return next(m["text"] for m in client.taken if "<stream:features" in m.get("text", ""))


@pytest.mark.parametrize("blank", ["\u00a0", "\u2028", "\0", "\f"])
async def test_only_xml_white_space_is_white_space(place, blank):
    client = await place.open()
    client.send(blank)
    assert await ended_with(client) == "not-well-formed"


async def test_the_stream_restarts_after_sign_in(place):
    client = await place.open()
    client.send(SIGN_IN.format("juliet"))
    assert await client.text() == "<success/>"
    client.send(OPEN)
    header, features = await client.texts(2)
    assert header.startswith("<open ")
    assert "<sm xmlns='urn:xmpp:sm:3'/>" in features


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (BIND, "not-authorized"),
        ("<enable xmlns='urn:xmpp:sm:3'/>", "bad-format"),
        (open_to("elsewhere.example"), "host-unknown"),
    ],
)
async def test_after_sign_in_open_comes_first(place, frame, expected):
    client = await place.open()
    client.send(SIGN_IN.format("juliet"))
    await client.text()
    client.send(frame)
    texts = await client.rest()
    assert texts[0].startswith("<open ")
    assert condition(texts[1]) == expected


async def test_an_error_within_the_stream_needs_no_header(place):
    client = await place.open()
    client.send("<wrong")
    first, second = await client.rest()
    assert condition(first) == "not-well-formed"
    assert second == CLOSE


async def test_each_element_carries_its_namespaces(place):
    client = await place.bind(sm=True)
    place.deliver(message("juliet@localhost", "hi"))
    client.send("<r xmlns='urn:xmpp:sm:3'/>")
    await client.texts(2)
    client.send("<wrong")
    await client.rest()
    frames = [m["text"] for m in client.taken if m["type"] == "websocket.send"]
    assert len(frames) > 8
    own = [text for text in frames if text not in ("<success/>", "<iq type='result' id='b'/>")]
    assert all(Guard().read(text).namespace for text in own)


# Redirection


@pytest.mark.parametrize("frame", [OPEN, open_to("elsewhere.example")])
async def test_clients_are_sent_elsewhere(at, caplog, frame):
    caplog.set_level("INFO", "andiron")
    place = at(see_other_uri="wss://other.example/ws?a=1&b=2")
    client = await place.connect()
    client.send(frame)
    header, close = await client.rest()
    assert header.startswith("<open ")
    element = Guard().read(close)
    assert (element.namespace, element.name) == (ns.FRAMING, "close")
    assert element.get("see-other-uri") == "wss://other.example/ws?a=1&b=2"
    assert place.manager.closed[CloseReason.REDIRECTED] == 1
    assert "closed: redirected" in caplog.text


# Closing


@pytest.mark.parametrize("sm", [False, True])
async def test_the_client_closes(place, sm):
    client = await place.bind(sm=sm)
    client.send(CLOSE)
    assert (await client.rest())[-1] == CLOSE
    assert client.taken[-1] == {"type": "websocket.close", "code": 1000}
    assert place.manager.closed == {CloseReason.CLIENT_CLOSED: 1}


async def test_the_client_closes_and_leaves(place):
    client = await place.bind(sm=True)
    client.send(CLOSE)
    client.leave(1000)
    await client.task
    assert place.manager.closed == {CloseReason.CLIENT_CLOSED: 1}
    assert not place.manager.sessions


async def test_the_client_closes_before_it_opens(place):
    client = await place.connect()
    client.send(CLOSE)
    assert await client.rest() == [CLOSE]


async def test_a_client_that_does_not_answer_close_is_left(at):
    place = at(close_timeout=0.01)
    client = await place.bind()
    place.manager.kick("juliet@localhost", now())
    assert condition(await client.text()) == "not-authorized"
    assert await client.text() == CLOSE
    assert await client.event() == {"type": "websocket.close", "code": 1000}
    await client.task


async def test_a_server_that_does_not_finish_its_close_is_left(at):
    place = at(close_timeout=0.01)
    client = await place.bind()
    client.send(CLOSE)
    assert await client.text() == CLOSE
    client.push_back()
    client.send(CLOSE)
    await client.task
    assert client.waiting == 0


async def test_a_farewell_that_is_held_up_has_an_end(at):
    place = at(close_timeout=0.01)
    client = await place.bind()
    client.push_back()
    place.deliver(message("juliet@localhost", "hi"))
    place.manager.kick("juliet@localhost", now())
    await client.task
    assert client.take() == []


async def test_what_comes_after_close_is_not_heard(place):
    client = await place.bind()
    place.manager.kick("juliet@localhost", now())
    await client.texts(2)
    client.send(message("juliet@localhost", "hi"), OPEN, "<wrong", " ")
    client.send_binary(b"")
    await settle()
    assert client.take() == []
    assert not place.backend.undelivered["juliet@localhost"]
    client.send(CLOSE, CLOSE, CLOSE)
    assert await client.event() == {"type": "websocket.close", "code": 1000}
    await client.task
    assert client.take() == []


async def test_large_frames_after_close_are_not_even_read(place, monkeypatch):
    client = await place.bind()
    place.manager.kick("juliet@localhost", now())
    await client.texts(2)
    read = Guard.read
    sizes = []
    for name in ("read", "read_again"):
        monkeypatch.setattr(Guard, name, lambda *a: sizes.append(len(a[1])) or read(*a))
    client.send(*["<iq>" + "<a/>" * 1000 + "</iq>"] * 3, f"<close xmlns='{ns.FRAMING}' a='b'/>")
    assert await client.event() == {"type": "websocket.close", "code": 1000}
    assert max(sizes) < 100


async def test_an_ended_stream_ends_once(place):
    client = await place.connect()
    client.send(OPEN, CLOSE, CLOSE, CLOSE, "<wrong", OPEN)
    texts = await client.rest()
    assert texts.count(CLOSE) == 1
    assert [m["type"] for m in client.taken].count("websocket.close") == 1


# The end of the WebSocket


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006, 1011, 1012, 4000, None])
async def test_a_lost_connection_hibernates(place, code):
    client = await place.bind(sm=True)
    sm_id = place.link().session.management.id
    await client.cut(code)
    assert place.link().session.state is State.DETACHED
    place.deliver(message("juliet@localhost", "while away"))
    client, answer = await resumed(place, sm_id)
    assert answer.startswith("<resumed ")
    assert "while away" in await client.text()


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006])
async def test_without_stream_management_a_loss_is_the_end(place, code):
    client = await place.bind()
    await client.cut(code)
    assert place.manager.closed == {CloseReason.CONNECTION_LOST: 1}
    assert not place.manager.sessions


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1002, "bad-format"),
        (1003, "bad-format"),
        (1007, "unsupported-encoding"),
        (1009, "policy-violation"),
    ],
)
async def test_who_breaks_the_websocket_cannot_resume(place, caplog, code, expected):
    caplog.set_level("INFO", "andiron")
    client = await place.bind(sm=True)
    sm_id = place.link().session.management.id
    client.take()
    await client.cut(code)
    assert not client.take()
    assert place.manager.closed == {CloseReason.STREAM_ERROR: 1}
    assert f"closed: stream-error ({expected}: WebSocket closed with {code})" in caplog.text
    _, answer = await resumed(place, sm_id)
    assert "<item-not-found " in answer


# Limits


async def test_the_limit_before_sign_in(at):
    place = at(max_negotiation_size=200)
    client = await place.open()
    client.send(SIGN_IN.format("j" * 200))
    assert await ended_with(client) == "policy-violation"


async def test_the_limit_before_sign_in_is_one_of_memory(at):
    """A character beyond the BMP makes all of a text four times as large."""
    place = at(max_negotiation_size=4_000)
    client = await place.open()
    client.send(SIGN_IN.format("j" * 980 + "\U0001f40e"))
    assert await ended_with(client) == "policy-violation"
    client = await place.open()
    client.send(SIGN_IN.format("j" * 1_500))
    assert "<success" in await client.text()


@pytest.mark.parametrize("way", ["by hand", "in a task"])
async def test_the_last_frame_is_not_kept_until_the_next(at):
    class Text(str):
        __slots__ = ("__weakref__",)

    place = at()
    client = await place.bind()
    frame = Text(" " * 100)
    gone = weakref.ref(frame)
    client._incoming.put_nowait({"type": "websocket.receive", "text": frame})
    del frame
    await settle()
    assert gone() is None


async def test_the_limit_after_sign_in(at):
    place = at(max_negotiation_size=500, max_stanza_size=2_000)
    client = await place.bind(sm=True)
    sm_id = place.link().session.management.id
    client.send(message("juliet@localhost", "x" * 1_800))
    assert "xxx" in await client.text()
    client.send(message("juliet@localhost", "x" * 2_000))
    assert await ended_with(client) == "policy-violation"
    assert place.manager.closed == {CloseReason.STREAM_ERROR: 1}
    _, answer = await resumed(place, sm_id)
    assert "<item-not-found " in answer


async def test_characters_count_as_the_bytes_they_take(at):
    place = at(max_stanza_size=2_000)
    client = await place.bind()
    client.send(message("juliet@localhost", "\N{SNOWMAN}" * 600))
    await client.text()
    client.send(message("juliet@localhost", "\N{SNOWMAN}" * 700))
    assert await ended_with(client) == "policy-violation"


async def test_a_silent_stranger_is_sent_home(at):
    place = at(SmConfig(negotiation_timeout=0.02), close_timeout=0.01)
    client = await place.connect()
    texts = await client.rest()
    assert texts[0].startswith("<open ")
    assert condition(texts[1]) == "connection-timeout"


# Reading pauses while the backend has enough to do


async def test_reading_pauses(at):
    place = at(SmConfig(pending=2))
    client = await place.bind()
    place.backend.deferring = True
    client.send(*[message("romeo@localhost", str(number)) for number in range(10)])
    await settle()
    assert len(place.backend.deferred) == 2
    place.backend.settle_all()
    await settle()
    assert len(place.backend.deferred) == 2
    place.backend.deferring = False
    place.backend.settle_all()
    await settle()
    bodies = [item.text for item in place.backend.undelivered["romeo@localhost"]]
    assert bodies == [message("romeo@localhost", str(number)) for number in range(10)]


LONG = "x" * 100_000


async def test_what_is_long_is_worked_on_in_steps_between_which_others_have_their_turns(
    place, monkeypatch
):
    client = await place.bind()
    steps: list[str] = []
    read, route = Guard.read, place.backend.route
    monkeypatch.setattr(Guard, "read", lambda *a: steps.append("guard") or read(*a))
    monkeypatch.setattr(place.backend, "route", lambda *a: steps.append("route") or route(*a))
    hear = WebSocketConnection.hear
    monkeypatch.setattr(WebSocketConnection, "hear", lambda *a: steps.append("hear") or hear(*a))
    client.send(message("juliet@localhost", LONG))
    while "route" not in steps:
        await asyncio.sleep(0)
        steps.append("others")
    changes = [step for step, _ in itertools.groupby(steps)]
    assert [step for step in changes if step != "others"] == ["hear", "guard", "route"]
    assert changes[-6:] == ["hear", "others", "guard", "others", "route", "others"]
    steps.clear()
    client.send(message("juliet@localhost", "short"))
    await settle()
    assert steps == ["hear", "guard", "route"]


async def test_what_comes_after_something_long_waits_for_it(place):
    client = await place.bind()
    bodies = ["1", LONG, "2", "3", LONG, LONG, "4"]
    sent = [message("romeo@localhost", body) for body in bodies]
    client.send(*sent, " " * 50_000, CLOSE)
    assert await client.text() == CLOSE
    assert [item.text for item in place.backend.undelivered["romeo@localhost"]] == sent


async def test_who_leaves_after_something_long_has_sent_it(place):
    client = await place.bind()
    client.send(message("romeo@localhost", LONG))
    client.leave()
    await client.task
    assert [item.text for item in place.backend.undelivered["romeo@localhost"]] == [
        message("romeo@localhost", LONG)
    ]


async def test_something_long_that_is_no_xml_ends_the_stream(place):
    client = await place.bind()
    client.send(message("romeo@localhost", LONG)[:-1], message("romeo@localhost", "2"))
    assert condition(await client.text()) == "not-well-formed"
    client.leave()
    await client.task
    assert not place.backend.undelivered["romeo@localhost"]


@pytest.mark.parametrize("rounds", range(6))
async def test_a_session_that_ends_while_something_long_is_worked_on(place, rounds):
    client = await place.bind()
    client.send(message("romeo@localhost", LONG), message("romeo@localhost", "2"))
    for _ in range(rounds):
        await asyncio.sleep(0)
    place.manager.kick("juliet@localhost", now())
    await client.texts(2)
    handled = list(place.backend.undelivered["romeo@localhost"])
    client.send(CLOSE)
    await client.task
    assert place.backend.undelivered["romeo@localhost"] == handled


async def test_a_paused_connection_can_be_closed(at):
    place = at(SmConfig(pending=1))
    client = await place.bind()
    place.backend.deferring = True
    client.send(message("romeo@localhost", "hi"))
    await settle()
    place.manager.kick("juliet@localhost", now())
    assert await ended_with(client) == "not-authorized"


async def test_a_paused_connection_can_be_dropped(at):
    place = at(SmConfig(pending=1))
    client = await place.bind()
    place.backend.deferring = True
    client.send(message("romeo@localhost", "hi"))
    await settle()
    place.link().session.transport.abort()
    await client.task
    assert place.manager.closed == {CloseReason.CONNECTION_LOST: 1}


# The network pushes back


@pytest.mark.parametrize("room", range(5))
@pytest.mark.parametrize("sm", [False, True])
async def test_order_is_kept_whatever_waits(place, room, sm, way):
    client = await place.bind(sm=sm)
    bodies = [message("juliet@localhost", str(number)) for number in range(9)]
    client.push_back(room)
    place.deliver(*bodies[:3])
    await settle()
    place.deliver(*bodies[3:6])
    await settle()
    # Three at a time are two writes to who takes connections over, of one and of two.
    passed = (0, 1, 3, 3, 4)[room] if way == "taken over" else room
    await until(lambda: len([m for m in client.taken if m.get("text") in bodies]) >= passed)
    assert [m["text"] for m in client.taken if m.get("text") in bodies] == bodies[:passed]
    if way == "taken over":
        assert place.link().session.transport.congested
    else:
        assert client.waiting == 1
    client.let_go()
    place.deliver(*bodies[6:8])
    await settle()
    place.deliver(bodies[8])
    await settle()
    assert client.take() == bodies
    assert not place.link().session.transport.congested


async def test_a_network_that_chokes_on_each_frame(place):
    client = await place.bind()
    bodies = [message("juliet@localhost", str(number)) for number in range(20)]
    for number, text in enumerate(bodies):
        client.push_back(1)
        place.deliver(text)
        if number % 3 == 0:
            client.let_go()
        await asyncio.sleep(0)
    client.let_go()
    await settle()
    assert client.take() == bodies


@pytest.mark.parametrize("way", ["by hand"])
@pytest.mark.parametrize("sm", [False, True])
async def test_what_waits_at_a_farewell_goes_another_way(place, sm):
    client = await place.bind(sm=sm)
    bodies = [message("juliet@localhost", str(number)) for number in range(3)]
    client.push_back()
    place.deliver(*bodies)
    place.manager.kick("juliet@localhost", now())
    client.let_go()
    texts = await client.rest()
    assert texts[0] == bodies[0]
    assert [text[:8] for text in texts[1:]] == ["<a xmlns"] * sm + ["<stream:", "<close x"]
    undelivered = [item.text for item in place.backend.undelivered["juliet@localhost"]]
    assert undelivered == (bodies if sm else bodies[1:])


async def test_a_slow_reader_is_detached(at, caplog):
    caplog.set_level("INFO", "andiron")
    place = at(buffer_bytes=1_000)
    client = await place.bind(sm=True)
    session = place.link().session
    bodies = [message("juliet@localhost", f"{number} " + "x" * 200) for number in range(10)]
    client.push_back()
    place.deliver(*bodies)
    await client.task
    assert session.state is State.DETACHED
    assert place.manager.detached == {CloseReason.SLOW_READER: 1}
    assert "detached: slow-reader" in caplog.text
    assert client.take() == []
    client, answer = await resumed(place, session.management.id)
    assert answer.startswith("<resumed ")
    texts = await client.texts(10)
    assert [text.split(" ")[2] for text in texts] == [text.split(" ")[2] for text in bodies]


async def test_a_slow_reader_without_stream_management_is_ended(at, way):
    place = at(buffer_bytes=1_000)
    client = await place.bind()
    bodies = [message("juliet@localhost", f"{number} " + "x" * 200) for number in range(10)]
    client.push_back()
    place.deliver(*bodies)
    await client.task
    assert place.manager.closed == {CloseReason.SLOW_READER: 1}
    undelivered = place.backend.undelivered["juliet@localhost"]
    # What a suspended ``send`` has counts as sent.
    held_up = 0 if way == "taken over" else 1
    assert [item.text for item in undelivered] == bodies[held_up:]
    assert client.take() == []


async def test_a_slow_reader_is_measured_in_bytes(at):
    place = at(buffer_bytes=1_000)
    client = await place.bind(sm=True)
    client.push_back()
    place.deliver(message("juliet@localhost", ""), message("juliet@localhost", "\N{SNOWMAN}" * 400))
    await client.task
    assert place.manager.detached == {CloseReason.SLOW_READER: 1}


async def test_what_was_taken_frees_the_buffer(at):
    place = at(buffer_bytes=1_000)
    client = await place.bind(sm=True)
    for _ in range(5):
        client.push_back()
        place.deliver(*[message("juliet@localhost", "x" * 200)] * 3)
        await settle()
        client.let_go()
        await settle()
    assert len(client.take()) == 15
    assert not place.manager.detached


@pytest.mark.parametrize("way", ["by hand", "in a task"])
async def test_a_replay_waits_for_the_network(place):
    client = await place.bind(sm=True)
    sm_id = place.link().session.management.id
    await client.cut()
    bodies = [message("juliet@localhost", str(number)) for number in range(6)]
    place.deliver(*bodies)
    client = await place.sign_in()
    client.push_back(3)
    client.send(RESUME.format(sm_id, 0))
    await settle()
    assert len(client.take()) == 3
    place.deliver(message("juliet@localhost", "6"))
    client.let_go()
    texts = [text for text in await client.texts(6) if text.startswith("<message")]
    assert [text.partition("<body>")[2][0] for text in texts] == list("23456")


async def test_a_client_that_is_gone_when_one_sends(place):
    client = await place.bind(sm=True)
    client.error = ClientGone()
    place.deliver(message("juliet@localhost", "1"), message("juliet@localhost", "2"))
    await settle()
    assert client.take() == []
    await client.cut()
    assert place.link().session.state is State.DETACHED
    assert len(place.link().session.management.queue) == 2


async def test_a_client_that_goes_while_one_sends(place):
    client = await place.bind(sm=True)
    client.push_back()
    place.deliver(message("juliet@localhost", "1"), message("juliet@localhost", "2"))
    await settle()
    client.error = ClientGone()
    client.let_go()
    await settle()
    assert client.take() == []
    await client.cut()
    assert place.link().session.state is State.DETACHED


@pytest.mark.parametrize("held_up", [False, True])
@pytest.mark.parametrize("sm", [False, True])
async def test_a_server_whose_send_crashes_harms_nobody_else(place, caplog, sm, held_up):
    client = await place.bind(sm=sm)
    other = await place.bind("romeo")
    if held_up:
        client.push_back()
    else:
        client.error = ZeroDivisionError()
    other.send(message("juliet@localhost", "hi"))
    await settle()
    if held_up:
        client.error = ZeroDivisionError()
        client.let_go()
    await client.task
    assert "a frame could not be sent (ZeroDivisionError: " in caplog.text
    assert "Traceback" not in caplog.text
    other.send(message("romeo@localhost", "still here"))
    assert "still here" in await other.text()
    ended = place.manager.detached if sm else place.manager.closed
    assert ended == {CloseReason.CONNECTION_LOST: 1}


# Ends of the task


async def test_a_dropped_connection_ends_quietly(place):
    client = await place.bind(sm=True)
    session = place.link().session
    transport = session.transport
    transport.abort()
    transport.abort()
    await client.task
    assert session.state is State.DETACHED
    assert client.task.cancelling() == 0
    assert client.take() == []
    transport.abort()
    await settle()


async def test_a_connection_dropped_as_it_leaves_ends_quietly(place):
    client = await place.bind(sm=True)
    place.link().session.transport.abort()
    client.leave()
    await client.task
    assert not client.task.cancelled()


@pytest.mark.parametrize("closing", [False, True])
@pytest.mark.parametrize("aborting", [False, True])
async def test_cancelling_from_outside_goes_through(place, closing, aborting):
    client = await place.bind(sm=True)
    transport = place.link().session.transport
    if closing:
        place.manager.kick("juliet@localhost", now())
    if aborting:
        transport.abort()
    client.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.task
    await settle()


async def test_a_dead_peer_is_dropped(at):
    place = at(SmConfig(idle_probe=0.01, idle_timeout=0.01))
    client = await place.bind(sm=True)
    assert (await client.text()).startswith("<r ")
    await client.task
    assert place.manager.detached == {CloseReason.DEAD_PEER: 1}


async def test_a_session_taken_over_closes_its_old_connection(place):
    old = await place.bind(sm=True)
    session = place.link().session
    _, answer = await resumed(place, session.management.id)
    assert attribute(answer, "previd") == session.management.id
    assert await ended_with(old) == "conflict"
    assert session.state is State.BOUND


@pytest.mark.parametrize("way", ["by hand"])
async def test_undelivered_frames_are_given_back_once(place):
    client = await place.bind()
    transport = place.link().session.transport
    client.push_back()
    place.deliver(message("juliet@localhost", "1"), message("juliet@localhost", "2"))
    assert transport.unsent() == [message("juliet@localhost", "2")]
    assert transport.unsent() == []
    client.let_go()
    assert "1" in await client.text()
    await client.cut()
    assert place.backend.undelivered["juliet@localhost"] == []


async def test_the_streams_language_is_that_of_its_last_open(place):
    client = await place.connect()
    client.send(f"<open xmlns='{ns.FRAMING}' to='localhost' version='1.0' xml:lang='de'/>")
    await client.texts(2)
    client.send(SIGN_IN.format("juliet"))
    await client.text()
    client.send(f"<open xmlns='{ns.FRAMING}' to='localhost' version='1.0' xml:lang='fr'/>")
    await client.texts(2)
    client.send(BIND)
    await client.text()
    assert place.link().language == "fr"
