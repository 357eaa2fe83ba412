"""Calls that are served without ASGI, at home and at the door, over a real socket."""

import asyncio

import pytest
from support.asgi import AsgiClient
from support.waiting import until

from andiron.cluster.door import HomeLostError, TooLargeError
from andiron.cluster.home import DOOR
from andiron.cluster.window import WINDOW
from tests.cluster.test_relay import (
    HTTP,
    LIMIT,
    Request,
    connected,
    echo,
    nothing_left,
    relayed,
)

ACCEPT = {"type": "websocket.accept", "subprotocol": "xmpp"}
GONE = {"type": "websocket.disconnect", "code": 1006}


class Echo:
    """Takes a line and says again what it is told; a text that is kept waits until there is room.

    At home it accepts the WebSocket with that.
    """

    def __init__(self, line):
        self.line = line
        self.told = []
        self.waiting = []

    def text(self, text):
        self.told.append(text)
        if text == "close":
            self.line.say({"type": "websocket.close", "code": 4000})
        elif text == "drop":
            self.line.close()
        elif text == "fail":
            raise RuntimeError("no")
        elif self.waiting or not self.line.send(text):
            self.waiting.append(text)

    def message(self, message):
        self.told.append(message)
        if message["type"] == "websocket.disconnect":
            self.line.close()

    def room(self):
        while self.waiting and self.line.send(self.waiting[0]):
            del self.waiting[0]

    def over(self, *, failed):
        self.told.append(failed)
        self.line.close()


class Echoes:
    """Serves at home without ASGI what it is not told to leave."""

    def __init__(self):
        self.lines = []
        self.asked = []
        self.lost = []
        self.hold = False
        self.leave = False
        self.error = None

    def carry(self, scope, told, line):
        if self.error:
            raise self.error
        if self.leave:
            return None
        line.say(ACCEPT)
        self.lines.append(Echo(line))
        return self.lines[-1]

    def ask(self, scope, told, body, answer):
        if self.error:
            raise self.error
        if self.leave:
            return None
        self.asked.append((scope["path"], dict(told), answer))
        if not self.hold:
            answer(201, [(b"x-odd", b"\xff")], body)
        return lambda: self.lost.append(scope["path"])


@pytest.fixture
def echoes():
    return Echoes()


async def test_a_websocket_from_beginning_to_end(tmp_path, echoes):
    async with connected(tmp_path, echo, direct=echoes) as both:
        client = await AsgiClient(relayed(both.link)).connected()
        client.send("grüße")
        assert await client.text() == "grüße"
        assert not both.home._tasks
        client.send("close")
        assert await client.event() == {"type": "websocket.close", "code": 4000}
        await client.task
        await nothing_left(both)
        assert echoes.lines[0].told[-1]["code"] == 4000


@pytest.mark.parametrize(("word", "code"), [("fail", 1011), ("drop", None)])
async def test_one_that_home_ends(tmp_path, echoes, word, code):
    async with connected(tmp_path, echo, direct=echoes) as both:
        client = await AsgiClient(relayed(both.link)).connected()
        client.send(word)
        if code is not None:
            assert (await client.event())["code"] == code
        await client.task
        await nothing_left(both)


async def test_home_hears_that_its_door_is_gone(tmp_path, echoes):
    async with connected(tmp_path, echo, direct=echoes) as both:
        client = await AsgiClient(relayed(both.link)).connected()
        both.link.drop()
        await until(lambda: None in echoes.lines[0].told)
        assert (await client.event())["code"] == 1012
        await client.task


async def test_who_is_slow_holds_up_home_and_loses_nothing(tmp_path, echoes):
    async with connected(tmp_path, echo, direct=echoes) as both:
        client = await AsgiClient(relayed(both.link)).connected()
        client.push_back()
        texts = [f"{number:01000}" for number in range(300)]
        for text in texts:
            client.send(text)
        (taker,) = echoes.lines
        await until(lambda: len(taker.told) > len(texts))
        assert sum(map(len, taker.waiting)) > 300_000 - 3 * WINDOW
        client.let_go()
        assert await client.texts(len(texts)) == texts
        client.task.cancel()
        await asyncio.wait([client.task])
        await nothing_left(both)


async def test_what_is_left_to_asgi(tmp_path, echoes):
    echoes.leave = True
    async with connected(tmp_path, echo, direct=echoes) as both:
        client = await AsgiClient(relayed(both.link)).connected()
        client.send("x")
        assert await client.text() == "x"
        client.task.cancel()
        await asyncio.wait([client.task])
        assert await Request(both.link, b"a").answer() == (201, b"a")
        await nothing_left(both)


async def test_what_fails_as_it_begins_ends_alone(tmp_path, echoes, caplog):
    echoes.error = RuntimeError("no")
    async with connected(tmp_path, echo, direct=echoes) as both:
        client = AsgiClient(relayed(both.link))
        await client.task
        request = Request(both.link, b"a")
        await request.task
        assert request.sent.empty()
        assert both.link.open
        await nothing_left(both)
        assert caplog.text.count("RuntimeError: no") == 2


async def test_a_request_is_answered_at_once_or_later(tmp_path, echoes):
    async with connected(tmp_path, echo, direct=echoes) as both:
        assert await Request(both.link, b"now").answer() == (201, b"now")
        echoes.hold = True
        request = Request(both.link, b"", held=True)
        await until(lambda: len(echoes.asked) == 2)
        assert (await asyncio.wait([request.task], timeout=0.01))[1]
        path, told, answer = echoes.asked[1]
        assert (path, told) == ("/", {DOOR: ":2"})
        answer(200, [], b"later")
        assert await request.answer() == (200, b"later")
        answer(200, [], b"twice")
        await nothing_left(both)
        assert not echoes.lost


@pytest.mark.parametrize("size", [WINDOW, WINDOW + 1, 1_000_000])
async def test_an_answer_of_any_size(tmp_path, echoes, size):
    echoes.hold = True
    async with connected(tmp_path, echo, direct=echoes) as both:
        asker = Asker()
        requests = Request(both.link, b""), asker.ask(both.link)
        await until(lambda: len(echoes.asked) == 2)
        for _, _, answer in echoes.asked:
            answer(200, [(b"a", b"b")], b"x" * size)
        assert await requests[0].answer() == (200, b"x" * size)
        await until(lambda: asker.told)
        assert asker.told == [(200, [(b"a", b"b")], b"x" * size)]
        await nothing_left(both)


async def test_home_hears_of_one_who_does_not_wait_for_the_answer(tmp_path, echoes):
    echoes.hold = True
    async with connected(tmp_path, echo, direct=echoes) as both:
        request = Request(both.link, b"")
        await until(lambda: echoes.asked)
        request.incoming.put_nowait({"type": "http.disconnect"})
        await request.task
        await nothing_left(both)
        assert echoes.lost == ["/"]
        echoes.asked[0][2](200, [], b"in vain")
        assert both.link.open


# Without ASGI at the door, too


class Asker:
    """Waits for an answer."""

    def __init__(self):
        self.told = []

    def ask(self, link, body=b"", scope=HTTP, *, held=False):
        return link.ask(scope, {"operator": "root"}, body, self, held=held)

    def answered(self, *answer):
        self.told.append(answer)

    def unanswered(self, *, failed):
        self.told.append(failed)


@pytest.fixture
def asker():
    return Asker()


async def test_a_question_is_answered(tmp_path, echoes, asker):
    async with connected(tmp_path, echo, direct=echoes) as both:
        asker.ask(both.link, b"what")
        await until(lambda: asker.told)
        assert asker.told == [(201, [(b"x-odd", b"\xff")], b"what")]
        assert echoes.asked[0][1] == {"operator": "root", DOOR: ":2"}
        await nothing_left(both)


async def test_a_question_that_is_answered_by_asgi_in_pieces(tmp_path, asker):
    async def stream(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(10):
            await send({"type": "http.response.body", "body": b"x" * 30_000, "more_body": True})
        await send({"type": "http.response.body", "body": b"y"})

    async with connected(tmp_path, stream) as both:
        asker.ask(both.link)
        await until(lambda: asker.told)
        assert asker.told == [(200, [], b"x" * 300_000 + b"y")]


async def test_questions_that_are_not_answered(tmp_path, echoes, asker):
    echoes.hold = True
    async with connected(tmp_path, echo, direct=echoes) as both:
        held = asker.ask(both.link, held=True)
        asker.ask(both.link)
        gone = asker.ask(both.link)
        await until(lambda: len(echoes.asked) == 3)
        gone.give_up()
        gone.give_up()
        await until(lambda: echoes.lost == ["/"])
        assert not asker.told
        both.link.end_held()
        assert asker.told == [False]
        held.break_off()
        assert asker.told == [False], "once"
        echoes.error = RuntimeError("no")
        asker.ask(both.link)
        await until(lambda: asker.told == [False, True])
        both.link.drop()
        await until(lambda: asker.told == [False, True, False])
        with pytest.raises(HomeLostError):
            asker.ask(both.link)
        await nothing_left(both)


async def test_a_question_that_is_too_large(tmp_path, echoes, asker):
    async with connected(tmp_path, echo, direct=echoes) as both:
        with pytest.raises(TooLargeError):
            asker.ask(both.link, scope=HTTP | {"headers": [(b"x", b"x" * LIMIT)]})
        with pytest.raises(TooLargeError):
            asker.ask(both.link, b"x" * LIMIT)
        await nothing_left(both)


class Takes(Echo):
    """Takes a WebSocket over from its server."""

    def __init__(self, error=None):
        super().__init__(None)
        self.error = error

    async def __call__(self, line, accept):
        assert accept == ACCEPT
        if self.error is not None:
            raise self.error
        self.line = line
        line.taker = self
        line.unpause()


def handing(link, hand_over):
    async def app(scope, receive, send):
        await link.relay(scope, {}, receive, send, held=False, hand_over=hand_over)

    return app


async def test_a_websocket_is_handed_over_when_it_is_accepted(tmp_path, echoes):
    async with connected(tmp_path, echo, direct=echoes) as both:
        takes = Takes()
        client = AsgiClient(handing(both.link, takes))
        await client.task
        assert not client.taken, "who takes it accepts it"
        echoes.lines[0].text("from home")  # and from the door, and so on
        await until(lambda: takes.told.count("from home") == 3)
        assert len(both.link.open_calls) == 1
        both.link.end_held()
        await until(lambda: None in takes.told)
        await until(
            lambda: echoes.lines[0].told[-1] == {"type": "websocket.disconnect", "code": 1006}
        )
        await nothing_left(both)


async def test_what_comes_as_it_is_handed_over_is_told_to_who_takes_it(tmp_path, echoes):
    class Says(Echoes):
        def carry(self, scope, told, line):
            taker = super().carry(scope, told, line)
            line.send("welcome")
            line.close()
            return taker

    async with connected(tmp_path, echo, direct=Says()) as both:
        takes = Takes()
        client = AsgiClient(handing(both.link, takes))
        await client.task
        await until(lambda: takes.told == ["welcome", False])
        await nothing_left(both)


async def test_one_that_is_handed_over_as_home_leaves_is_not_refused_besides(tmp_path, echoes):
    async with connected(tmp_path, echo, direct=echoes) as both:

        async def hand_over(line, accept):
            both.link.leaving = True
            await takes(line, accept)

        takes = Takes()
        client = AsgiClient(handing(both.link, hand_over))
        await client.task
        assert not client.taken
        both.link.end_held()
        await until(lambda: None in takes.told)
        await nothing_left(both)


async def test_a_client_that_leaves_as_it_is_handed_over(tmp_path, echoes):
    async with connected(tmp_path, echo, direct=echoes) as both:
        client = AsgiClient(handing(both.link, Takes(OSError("gone"))))
        await client.task
        await until(
            lambda: echoes.lines[0].told[-1] == {"type": "websocket.disconnect", "code": 1006}
        )
        await nothing_left(both)


async def test_one_that_is_refused_is_not_handed_over(tmp_path):
    async def refuse(scope, receive, send):
        await receive()
        await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"no"})

    async with connected(tmp_path, refuse) as both:
        assert await AsgiClient(handing(both.link, Takes())).refusal() == (403, "no")


async def test_home_that_ends_takes_no_question(tmp_path, echoes, asker):
    async with connected(tmp_path, echo, direct=echoes) as both:
        both.home.closing = True
        asker.ask(both.link)
        await both.home.close()
        await until(lambda: asker.told == [False])
        assert not echoes.asked


async def test_what_fails_as_clients_leave_concerns_no_other_call(tmp_path, echoes, caplog):
    echoes.hold = True
    told = []

    def ask(scope, _told, _body, _answer):
        def lost():
            told.append(scope["path"])
            raise RuntimeError("no")

        return lost

    echoes.ask = ask
    async with connected(tmp_path, echo, direct=echoes) as both:
        requests = [Request(both.link, b"") for _ in range(3)]
        (door,) = both.home.links
        await until(lambda: len(door.open_calls) == len(requests))
        requests[0].task.cancel()
        await until(lambda: told)
        assert door.transport is not None, "its other calls go on"
        both.link.drop()
        await until(lambda: len(told) == len(requests))
        ended = await asyncio.gather(*(each.task for each in requests), return_exceptions=True)
    assert [type(each) for each in ended[1:]] == [HomeLostError] * 2
    assert "A request that is relayed failed" in caplog.text
