"""Who may connect, and what is said to the others."""

import asyncio

import pytest
from support.asgi import OPEN, AsgiClient, ClientGone, settle
from support.sessions import SIGN_IN

FOREIGN = (("host", "localhost"), ("origin", "https://evil.example"))


async def test_the_subprotocol_is_agreed(place):
    client = place.dial(subprotocols=("chat", "xmpp"))
    assert await client.event() == {"type": "websocket.accept", "subprotocol": "xmpp"}


@pytest.mark.parametrize(
    ("options", "status", "word"),
    [
        ({"subprotocols": ()}, 400, "subprotocol 'xmpp' is required"),
        ({"subprotocols": ("chat",)}, 400, "RFC 7395"),
        ({"headers": FOREIGN}, 403, "websocket_origins"),
    ],
)
async def test_a_refusal_says_why(place, caplog, options, status, word):
    caplog.set_level("INFO", "andiron")
    answer = await place.dial(address="192.0.2.7", **options).refusal()
    assert answer[0] == status
    assert word in answer[1]
    assert "192.0.2.7 refused: " in caplog.text
    assert not place.manager.sessions


async def test_an_origin_that_is_refused_is_a_warning_once(place, caplog):
    for _ in range(3):
        assert (await place.dial(headers=FOREIGN).refusal())[0] == 403
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "refused: pages of 'https://evil.example' may not connect to " in record.message
    assert "ANDIRON_WEBSOCKET_ORIGINS" in record.message


async def test_a_server_that_carries_no_answer_just_refuses(place):
    client = place.dial(subprotocols=(), extensions={})
    assert (await client.event())["type"] == "websocket.close"
    await client.task


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_plain_http_is_told_what_this_is(place, method):
    sent = []

    async def send(message):
        sent.append(message)

    await place.endpoint({"type": "http", "method": method}, None, send)
    start, body = sent
    assert start["status"] == 426
    assert (b"upgrade", b"websocket") in start["headers"]
    assert (b"content-type", b"text/plain; charset=utf-8") in start["headers"]
    assert (b"content-length", str(len(body["body"])).encode()) in start["headers"]
    assert b"RFC 7395" in body["body"]


async def test_listed_origins_may_connect(at):
    place = at(origins=("https://evil.example",))
    await place.connect(headers=FOREIGN)


async def test_strangers_of_one_address_are_bounded(at, caplog):
    caplog.set_level("INFO", "andiron")
    place = at(max_negotiating=3, max_negotiating_per_address=2)
    await place.connect(address="192.0.2.1")
    first = await place.connect(address="192.0.2.1")
    assert (await place.dial(address="192.0.2.1").refusal())[0] == 503
    await place.connect(address="192.0.2.2")
    status, text = await place.dial(address="192.0.2.3").refusal()
    assert (status, text) == (503, "Too many connections are signing in; try again soon.\n")
    assert "192.0.2.3 refused: Too many connections are signing in" in caplog.text
    await first.cut()
    await place.connect(address="192.0.2.3")


async def test_who_signs_in_is_no_stranger(at):
    place = at(max_negotiating=1)
    client = await place.open()
    assert (await place.dial().refusal())[0] == 503
    client.send(SIGN_IN.format("juliet"))
    assert await client.text() == "<success/>"
    assert place.endpoint.strangers.count == 0
    await place.connect()
    assert place.endpoint.strangers.count == 1
    await client.cut()
    assert place.endpoint.strangers.count == 1


async def failing_in_the_handshake(place):
    client = place.dial()
    client.error = ClientGone()
    await client.task


async def cut_before_open(place):
    await (await place.connect()).cut()


async def ended_by_an_error(place):
    client = await place.connect()
    client.send("<open/>")
    await client.rest()


async def closed_cleanly(place):
    client = await place.open()
    client.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
    await client.rest()


async def signed_in_and_cut(place):
    await (await place.sign_in()).cut()


async def cancelled(place):
    client = await place.connect()
    client.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.task


@pytest.mark.parametrize(
    "ending",
    [
        failing_in_the_handshake,
        cut_before_open,
        ended_by_an_error,
        closed_cleanly,
        signed_in_and_cut,
        cancelled,
    ],
)
async def test_every_end_makes_room_for_another(at, ending):
    place = at(max_negotiating=1)
    for _ in range(2):
        await ending(place)
        assert place.endpoint.strangers.count == 0
        assert not place.manager.sessions


@pytest.mark.parametrize("way", ["by hand", "in a task"])
async def test_a_crash_leaves_nothing(place):
    client = await place.bind()
    client.crash()
    with pytest.raises(KeyError):
        await client.task
    assert not place.manager.sessions


async def test_one_that_leaves_before_it_is_accepted(place):
    client = place.dial()
    client.leave()
    await client.task
    assert place.endpoint.strangers.count == 0


async def test_a_server_that_ends_refuses_politely(place):
    place.manager.shutdown(asyncio.get_running_loop().time())
    client = await place.connect()
    frames = await client.rest()
    assert "<open " in frames[0]
    assert "<system-shutdown " in frames[1]
    assert frames[2].startswith("<close ")


async def test_clients_do_not_meet(at):
    one, other = at(), at()
    await one.bind("juliet")
    client = AsgiClient(other.endpoint)
    other.clients.append(client)
    await client.connected()
    client.send(OPEN)
    await client.texts(2)
    await settle()
    assert len(one.manager.sessions) == len(other.manager.sessions) == 1
