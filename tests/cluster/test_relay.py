"""Calls that a door relays to the home, over a real socket: what both ends see of each other."""

import asyncio
import contextlib
import socket
from types import SimpleNamespace

import pytest
from starlette.responses import StreamingResponse
from support.asgi import AsgiClient
from support.waiting import until

from andiron.cluster import door as door_module
from andiron.cluster import home as home_module
from andiron.cluster import link as link_module
from andiron.cluster import relayed as relayed_module
from andiron.cluster.door import HomeLink, HomeLostError, TooLargeError
from andiron.cluster.frames import Kind, head
from andiron.cluster.hello import Hello
from andiron.cluster.home import DOOR, Home
from andiron.cluster.link import COST
from andiron.cluster.unix_place import UnixPlace
from andiron.cluster.window import WINDOW

LIMIT = 100_000
FILES = {"ANDIRON_UPLOAD_DIR": "1:1/x"}
OWN, OTHER = Hello("localhost", 1, FILES), Hello("localhost", 2, FILES)
HTTP = {
    "type": "http",
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/",
    "query_string": b"",
    "headers": [(b"host", b"localhost")],
    "client": ("127.0.0.1", 1),
}


@contextlib.asynccontextmanager
async def connected(
    tmp_path,
    app,
    *,
    own=OWN,
    other=OTHER,
    changed=lambda: None,
    home_tells=dict,
    door_tells=dict,
    direct=None,
):
    """Serve an ASGI application at home, or without ASGI; give it, and what relays to it."""
    labels = []

    async def serve(scope, receive, send, told):
        labels.append(told[DOOR])
        await app(scope, receive, send)

    place = UnixPlace(str(tmp_path / "chat.sock"))
    home = Home(serve, own, LIMIT, home_tells, direct)
    assert await place.take()
    await place.listen(home.accept)
    link = HomeLink(other, LIMIT, changed, door_tells)
    assert await place.reach(lambda: link)
    await asyncio.wait([link.met])
    try:
        yield SimpleNamespace(home=home, link=link, place=place, labels=labels)
    finally:
        link.close()
        await asyncio.wait([link.over])
        await place.close()
        await home.close()
        await place.release()


def relayed(link, *, held=False):
    """Return an ASGI application at the door."""

    async def app(scope, receive, send):
        await link.relay(scope, {}, receive, send, held=held)

    return app


class Request:
    """An HTTP request at the door: what the server has of its client, and what it was answered."""

    def __init__(self, link, *bodies, held=False, scope=HTTP):
        self.incoming = asyncio.Queue()
        for number, body in enumerate(bodies, 1):
            more = number < len(bodies)
            self.incoming.put_nowait({"type": "http.request", "body": body, "more_body": more})
        self.sent = asyncio.Queue()
        self.task = asyncio.create_task(
            link.relay(scope, {}, self.incoming.get, self.sent.put, held=held)
        )

    async def answer(self):
        """Return the status and the body, once that is whole."""
        await self.task
        start, *rest = [self.sent.get_nowait() for _ in range(self.sent.qsize())]
        return start["status"], b"".join(each["body"] for each in rest)


async def whole(receive):
    """Return a request's body."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    return body


async def answering(send, body, status=200):
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def nothing_left(both):
    """Wait until both ends have forgotten all calls."""
    await until(
        lambda: (
            not both.link.open_calls
            and not both.home._tasks
            and not any(each.calls for each in both.home.connected)
        )
    )


async def echo(scope, receive, send):
    if scope["type"] == "http":
        await answering(send, await whole(receive), 201)
        return
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "xmpp"})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 4000, "reason": "as you like"})
        elif message.get("text") == "fail":
            raise RuntimeError("no")
        else:
            await send(message | {"type": "websocket.send"})


async def test_a_request_and_its_answer_whatever_their_size(tmp_path):
    async with connected(tmp_path, echo) as both:
        assert await Request(both.link, b"a", b"", b"b").answer() == (201, b"ab")
        large = bytes(range(256)) * 4000
        assert await Request(both.link, large[:7], large[7:]).answer() == (201, large)
        await nothing_left(both)


async def test_a_websocket_from_beginning_to_end(tmp_path):
    async with connected(tmp_path, echo) as both:
        client = await AsgiClient(relayed(both.link)).connected()
        client.send("grüße")
        assert await client.text() == "grüße"
        client._incoming.put_nowait({"type": "websocket.receive", "bytes": b"\0"})
        assert (await client.event())["bytes"] == b"\0"
        client.send("close")
        closed = {"type": "websocket.close", "code": 4000, "reason": "as you like"}
        assert await client.event() == closed
        await client.task
        await nothing_left(both)


async def test_a_handshake_that_is_refused_is_answered_by_http(tmp_path):
    async def refuse(scope, receive, send):
        assert scope["extensions"] == {"websocket.http.response": {}}
        await receive()
        await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"no"})

    async with connected(tmp_path, refuse) as both:
        assert await AsgiClient(relayed(both.link)).refusal() == (403, "no")


async def test_an_answer_of_any_size_goes_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(door_module, "LARGEST", 100_000)
    body = bytes(range(256)) * 2000

    async def large(scope, receive, send):
        await answering(send, body)

    async with connected(tmp_path, large) as both:
        assert await Request(both.link, b"").answer() == (200, body)
        assert both.link.open


async def test_a_request_that_is_there_goes_with_its_scope(tmp_path):
    kinds = []

    async with connected(tmp_path, echo) as both:
        write = both.link.write
        both.link.write = lambda kind, *rest: kinds.append(kind) or write(kind, *rest)
        assert await Request(both.link, b"all").answer() == (201, b"all")
        assert Kind.REQUEST in kinds
        assert Kind.CALL not in kinds
        kinds.clear()
        slow = Request(both.link)
        await until(lambda: Kind.CALL in kinds)  # Home hears of it, and can count it.
        slow.incoming.put_nowait({"type": "http.request", "body": b"late", "more_body": False})
        assert await slow.answer() == (201, b"late")
        assert Kind.REQUEST not in kinds


async def test_an_answer_comes_as_it_is_made(tmp_path):
    go_on = asyncio.Event()

    async def stream(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"1", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"2"})

    async with connected(tmp_path, stream) as both:
        request = Request(both.link, b"")
        assert (await request.sent.get())["status"] == 200
        assert (await request.sent.get())["body"] == b"1"
        go_on.set()
        await request.task


@pytest.mark.parametrize("how", ["says so", "is cut off"])
async def test_home_hears_of_a_client_that_leaves(tmp_path, how):
    heard = []

    async def hold(scope, receive, send):
        while "disconnect" not in (message := await receive())["type"]:
            pass
        heard.append(message["type"])
        assert await receive() == message  # as often as it asks
        with contextlib.suppress(OSError):
            await send({"type": "websocket.send", "text": "late"})

    async with connected(tmp_path, hold) as both:
        client = AsgiClient(relayed(both.link))
        request = Request(both.link, b"", held=True)
        await until(lambda: len(both.home._tasks) == 2)
        if how == "says so":
            client._incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
            request.incoming.put_nowait({"type": "http.disconnect"})
        else:
            client.task.cancel()
            request.task.cancel()
        await asyncio.wait([client.task, request.task])
        await nothing_left(both)
        assert sorted(heard) == ["http.disconnect", "websocket.disconnect"]


async def test_home_hears_of_a_client_to_which_nothing_can_be_sent(tmp_path):
    async with connected(tmp_path, echo) as both:
        client = await AsgiClient(relayed(both.link)).connected()
        client.error = OSError("gone")
        client.send("x")
        await client.task
        await nothing_left(both)


async def test_an_answer_without_end_ends_with_its_client(tmp_path):
    async def pieces():
        while True:
            await asyncio.sleep(0)
            yield b"x"

    async def app(scope, receive, send):
        await StreamingResponse(pieces())(scope, receive, send)

    async with connected(tmp_path, app) as both:
        request = Request(both.link, b"")
        await request.sent.get()
        request.task.cancel()
        await asyncio.wait([request.task])
        await nothing_left(both)


async def test_what_fails_at_home_ends_at_the_door(tmp_path, caplog):
    async with connected(tmp_path, echo) as both:
        client = await AsgiClient(relayed(both.link)).connected()
        client.send("fail")
        assert (await client.event())["code"] == 1011
        await client.task
        assert "A request that was relayed failed" in caplog.text


async def test_when_the_door_is_gone_its_calls_end_at_home(tmp_path):
    async with connected(tmp_path, echo) as both:
        client = await AsgiClient(relayed(both.link)).connected()
        both.link.drop()
        await until(lambda: not both.home._tasks and not both.home.connected)
        assert (await client.event())["code"] == 1012


async def test_when_home_is_gone_clients_are_told_to_come_back(tmp_path):
    async def begin(scope, receive, send):
        if scope["method"] == "GET":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    async def app(scope, receive, send):
        await (echo if scope["type"] == "websocket" else begin)(scope, receive, send)

    async with connected(tmp_path, app) as both:
        client = await AsgiClient(relayed(both.link)).connected()
        waiting = Request(both.link, b"")
        begun = Request(both.link, b"", scope=HTTP | {"method": "GET"})
        assert (await begun.sent.get())["status"] == 200
        for each in list(both.home.connected):
            each.drop()
        assert await client.event() == {"type": "websocket.close", "code": 1012, "reason": ""}
        with pytest.raises(HomeLostError):
            await waiting.task
        await begun.task  # and its answer is not whole, which the server sees
        assert not both.link.open
        both.home.leave()


async def test_who_may_be_home_no_more_takes_no_door(tmp_path):
    async with connected(tmp_path, echo) as both:
        both.home.drop()
        await asyncio.wait([both.link.over])
        again = HomeLink(OTHER, LIMIT, lambda: None)
        await both.place.reach(lambda: again)
        await asyncio.wait([again.over])
        assert again.other is None
        assert not both.home.links


async def test_a_slow_client_holds_up_nobody_but_its_own_call(tmp_path):
    sent = 0

    async def flood(scope, receive, send):
        nonlocal sent
        if scope["type"] == "http":
            await answering(send, b"quick")
            return
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            await send({"type": "websocket.send", "text": "x" * 1000})
            sent += 1000 + COST

    async with connected(tmp_path, flood) as both:
        client = AsgiClient(relayed(both.link))
        await client.event()
        client.push_back()
        await until(lambda: client.waiting)
        for _ in range(3):
            assert await Request(both.link, b"").answer() == (200, b"quick")
        taken = sum(len(each.get("text", "")) + COST for each in client.taken)
        assert sent - taken <= 2 * (WINDOW + 1000 + COST)
        stalled = sent
        assert await Request(both.link, b"").answer() == (200, b"quick")
        assert sent == stalled
        client.let_go()
        await until(lambda: sent > stalled + 10 * WINDOW)
        client.task.cancel()
        await asyncio.wait([client.task])
        await nothing_left(both)


@pytest.mark.parametrize("gone", ["home", "its call"])
async def test_a_client_that_takes_nothing_is_let_go_when_its_call_has_ended(
    tmp_path, monkeypatch, gone
):
    monkeypatch.setattr(relayed_module, "LINGER", 0.01)
    end = asyncio.Event()

    async def drop(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        await send({"type": "websocket.send", "text": "x"})
        await end.wait()

    async with connected(tmp_path, drop) as both:
        client = AsgiClient(relayed(both.link))
        await client.event()
        client.push_back()
        client.send("now")
        await until(lambda: client.waiting)
        if gone == "home":
            both.link.drop()
        else:
            end.set()
        await client.task
        end.set()
        await nothing_left(both)


async def test_one_whose_server_has_closed_it_is_no_fault(tmp_path):
    async with connected(tmp_path, echo) as both:
        client = await AsgiClient(relayed(both.link)).connected()
        client.error = RuntimeError("after sending 'websocket.close'")
        client.send("x")
        await client.task
        await nothing_left(both)


async def test_a_link_that_has_ended_relays_nothing(tmp_path):
    async with connected(tmp_path, echo) as both:
        both.link.drop()
        await asyncio.wait([both.link.over])
        with pytest.raises(HomeLostError):
            await Request(both.link, b"").task


async def test_of_what_home_does_not_take_little_is_read(tmp_path):
    taken = []
    go_on = asyncio.Event()

    async def slow(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await go_on.wait()
        while (message := await receive())["type"] == "websocket.receive":
            taken.append(message["text"])

    async with connected(tmp_path, slow) as both:
        client = AsgiClient(relayed(both.link))
        await client.event()
        texts = [f"{number:01000}" for number in range(1000)]
        for text in texts:
            client.send(text)
        room = WINDOW // (1000 + COST)
        await until(lambda: client._incoming.qsize() <= len(texts) - room)
        assert client._incoming.qsize() >= len(texts) - room - 2
        go_on.set()
        await until(lambda: len(taken) == len(texts))
        assert taken == texts
        client._incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await client.task


async def test_what_is_too_large_is_not_relayed(tmp_path):
    async with connected(tmp_path, echo) as both:
        client = await AsgiClient(relayed(both.link)).connected()
        client.send("x" * LIMIT)
        assert len(await client.text()) == LIMIT
        client.send("x" * (LIMIT + 1))
        assert (await client.event())["code"] == 1009
        await client.task
        large = HTTP | {"headers": [(b"x", b"x" * LIMIT)]}
        with pytest.raises(TooLargeError):
            await Request(both.link, b"", scope=large).task
        await nothing_left(both)


async def test_a_home_that_leaves_ends_what_has_begun_and_takes_nothing_new(tmp_path):
    go_on = asyncio.Event()
    changes = []

    async def hold(scope, receive, send):
        if scope["type"] == "http":
            await go_on.wait()
            await answering(send, b"done")
            return
        await receive()
        await send({"type": "websocket.accept"})
        await go_on.wait()  # and nobody closes it

    async with connected(tmp_path, hold, changed=lambda: changes.append(1)) as both:
        client = AsgiClient(relayed(both.link))
        await client.event()
        request = Request(both.link, b"")
        await until(lambda: len(both.home._tasks) == 2)
        assert both.link.open
        both.home.leave()
        both.home.leave()
        await until(lambda: not both.link.open)
        assert changes
        go_on.set()
        assert await request.answer() == (200, b"done")
        assert (await client.event())["code"] == 1012
        late = HomeLink(Hello("localhost", 3, FILES), LIMIT, lambda: None)
        await both.place.reach(lambda: late)
        await until(lambda: late.leaving)
        late.close()
        await asyncio.wait([late.over])


async def test_a_door_that_leaves_ends_what_is_held(tmp_path):
    go_on = asyncio.Event()

    async def app(scope, receive, send):
        if scope["type"] == "websocket":
            await echo(scope, receive, send)
        else:
            await go_on.wait()
            await answering(send, b"done")

    async with connected(tmp_path, app) as both:
        client = await AsgiClient(relayed(both.link)).connected()
        held, other = Request(both.link, b"", held=True), Request(both.link, b"")
        await until(lambda: len(both.home._tasks) == 3)
        both.link.end_held()
        assert (await client.event())["code"] == 1012
        with pytest.raises(HomeLostError):
            await held.task
        go_on.set()
        assert await other.answer() == (200, b"done")
        await nothing_left(both)


async def test_both_ends_tell_how_they_do_at_once_and_by_their_pulses(tmp_path, monkeypatch):
    monkeypatch.setattr(link_module, "_PULSE", 0.001)
    at_home, at_door = {"trouble": "none"}, {"memory": 1}
    telling = {"home_tells": lambda: at_home, "door_tells": lambda: at_door}
    async with connected(tmp_path, echo, **telling) as both:
        await until(lambda: both.link.news and both.home.links)
        (door,) = both.home.links
        await until(lambda: door.news)
        assert (both.link.news, door.news) == (at_home, at_door)
        at_home["trouble"], at_door["memory"] = "much", 2
        await until(lambda: (both.link.news, door.news) == (at_home, at_door))


async def test_what_is_known_of_a_process_is_known_when_it_has_said_who_it_is(tmp_path):
    telling = {"home_tells": lambda: {"trouble": "much"}}
    async with connected(tmp_path, echo, **telling) as both:
        await until(lambda: both.link.news)  # and no pulse has been waited for
        assert both.link.silent == 0


async def test_no_two_processes_are_called_the_same(tmp_path):
    def named(process, began, machine="web"):
        return Hello("localhost", process, FILES, machine=machine, began=began)

    async with connected(tmp_path, echo, own=named(1, 1.0), other=named(1, 2.0)) as both:
        others = [named(1, 2.0), named(1, 3.0), named(2, 4.0), named(1, 5.0, "x" * 300)]
        links = [HomeLink(each, LIMIT, lambda: None) for each in others]
        for number, link in enumerate(links, 1):
            await until(lambda number=number: len(both.home.links) == number)
            await both.place.reach(lambda link=link: link)
        await until(lambda: len(both.home.links) == 5)
        labels = sorted(each.label for each in both.home.links)
        # The first has connected twice.
        assert labels == ["web:1#2", "web:1#2", "web:1#3", "web:2", "x" * 255 + ":1"]
        assert await Request(both.link, b"").answer() == (201, b"")
        assert both.labels == ["web:1#2"]
        for link in links:
            link.close()
            await asyncio.wait([link.over])


def test_a_greeting_is_read_as_it_was_written_and_what_it_may_lack():
    told = Hello("localhost", 1, FILES, 9, machine="web", began=1.5, release="1.0")
    assert Hello.read(told.written()) == told
    assert told.label == "web:1"
    for odd in ('"began":"x"', '"began":1e999', '"began":-1.0', '"machine":1,"release":2'):
        read = Hello.read(b'{"version":1,"name":"localhost","process":1,%s}' % odd.encode())
        assert (read.began, read.machine, read.release) == (0.0, "", "")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (Hello("example.org", 2), "serves localhost, and this one example.org"),
        (Hello("localhost", 2, version=99), "another version"),
        (
            Hello("localhost", 2, {"ANDIRON_UPLOAD_DIR": "1:2/x"}),
            "another file or database by ANDIRON_UPLOAD",
        ),
    ],
)
async def test_processes_that_do_not_belong_together_say_so(tmp_path, other, reason, caplog):
    async with connected(tmp_path, echo, other=other) as both:
        assert reason in both.link.why_not
        assert not both.link.open
        await asyncio.wait([both.link.over])
        assert not both.home.links
        assert "cannot join this chat" in caplog.text


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff" * 20,
        head(Kind.CALL, 1, 0),
        head(Kind.CALL, 1, 2) + b"[]",
        head(Kind.END, 1, 0),
        head(Kind.TEXT, 9, 1) + b"\xff",
        head(Kind.TAKEN, 9, LIMIT + 1),
        head(Kind.PULSE, 0, 2) + b"[]",
        head(Kind.PULSE, 0, 5000) + b'{"memory": 1}'.ljust(5000),
    ],
)
async def test_a_process_that_is_not_understood_is_left(tmp_path, garbage, caplog):
    began = asyncio.Event()

    async def wait(scope, receive, send):
        began.set()
        while "disconnect" not in (await receive())["type"]:
            pass

    async with connected(tmp_path, wait) as both:
        both.link._number = 8
        request = Request(both.link, b"")
        await began.wait()
        if garbage[4] == Kind.END:
            garbage = garbage[:5] + (9).to_bytes(4, "big")
        both.link.transport.write(garbage)
        with pytest.raises(HomeLostError):
            await request.task
        await until(lambda: not both.home._tasks)
        assert "is not understood" in caplog.text


async def test_one_that_does_not_greet_is_left(tmp_path):
    async with connected(tmp_path, echo) as both:
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "chat.sock"))
        writer.write(head(Kind.PULSE, 0, 0))
        with contextlib.suppress(ConnectionResetError):
            assert both.home.own.written() in await reader.read()
        writer.close()


async def test_more_messages_than_there_is_room_for_are_too_many(tmp_path):
    async def wait(scope, receive, send):
        await asyncio.Event().wait()

    async with connected(tmp_path, wait) as both:
        client = AsgiClient(relayed(both.link))
        await until(lambda: both.home._tasks)
        (number,) = both.link.open_calls
        for _ in range(WINDOW // COST + 2):
            both.link.write(Kind.TEXT, number, b"")
        await asyncio.wait([both.link.over])
        await asyncio.wait([client.task])


async def test_pulses_tell_whether_the_other_stands_still(tmp_path, monkeypatch):
    monkeypatch.setattr(link_module, "_PULSE", 0.001)
    monkeypatch.setattr(home_module, "_SILENCE", 20)
    changes = []
    async with connected(tmp_path, echo, changed=lambda: changes.append(1)) as both:
        (door,) = both.home.links
        await until(lambda: len(changes) > 50)
        assert not door.transport.is_closing()
        monkeypatch.setattr(HomeLink, "write", lambda *_arguments: None)  # it goes quiet
        await asyncio.wait([both.link.over])
        assert not both.home.links


async def test_a_flood_of_frames_is_read_in_slices(tmp_path, monkeypatch):
    monkeypatch.setattr(link_module, "_SLICE", 4)
    turns, heard = 0, []

    async def count(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            heard.append((turns, message["text"]))

    async with connected(tmp_path, count) as both:
        client = AsgiClient(relayed(both.link))
        await client.event()
        (number,) = both.link.open_calls
        for each in range(100):
            both.link.write(Kind.TEXT, number, b"%d" % each)

        while len(heard) < 100:
            turns += 1
            await asyncio.sleep(0)
        assert [text for _, text in heard] == [str(each) for each in range(100)]
        assert len({turn for turn, _ in heard}) >= 20
        client._incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await client.task


async def test_home_begins_nothing_while_it_ends(tmp_path):
    began, let_go = [], asyncio.Event()

    async def hang(scope, receive, send):
        began.append(scope["path"])
        try:
            await asyncio.Event().wait()
        finally:
            await let_go.wait()

    async with connected(tmp_path, hang) as both:
        first = Request(both.link, b"", scope=HTTP | {"path": "/first"})
        await until(lambda: began)
        closing = asyncio.create_task(both.home.close())
        late = Request(both.link, b"")  # The door has not heard yet that home leaves.
        await until(lambda: both.link.leaving)
        let_go.set()
        await closing
        for each in (first, late):
            with pytest.raises(HomeLostError):
                await each.task
        assert began == ["/first"]
        assert not both.home._tasks


async def test_home_ends_what_does_not_end_itself(tmp_path):
    async def hang(scope, receive, send):
        await asyncio.Event().wait()

    async with connected(tmp_path, hang) as both:
        request = Request(both.link, b"")
        await until(lambda: both.home._tasks)
        await both.home.close()
        with pytest.raises(HomeLostError):
            await request.task
        assert request.sent.empty()


async def test_who_comes_as_home_closes_is_let_go(tmp_path):
    async with connected(tmp_path, echo) as both:
        await both.home.close()
        here, there = socket.socketpair()
        there.setblocking(False)
        loop = asyncio.get_running_loop()
        with here:
            _, link = await loop.connect_accepted_socket(both.home.accept, there)
            async with asyncio.timeout(30):
                await link.over
