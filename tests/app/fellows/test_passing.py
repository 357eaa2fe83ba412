"""What a door passes on without ASGI, as its server and the home know it."""

import asyncio
from contextlib import contextmanager

import pytest
from support.links import link
from support.waiting import until

from andiron.cluster import line as line_module
from andiron.cluster.door import HomeLostError, Line, TooLargeError
from andiron.cluster.frames import Kind
from andiron.cluster.link import COST, Ended
from andiron.cluster.messages import read_message
from andiron.cluster.window import WINDOW
from andiron.fellows.passing import PassedPost, PassedWebSocket

__all__ = ["link"]

SIZE = 1000 + COST


class Home:
    """Is asked, and keeps the questions."""

    def __init__(self, error=None):
        self.error = error
        self.asked = []
        self.given_up = 0

    def ask(self, scope, told, body, asker, *, held):
        if self.error is not None:
            raise self.error
        assert held
        self.asked.append((dict(scope), told, body, asker))
        return self

    def give_up(self):
        self.given_up += 1


def passed(home):
    """Return a POST that has begun, its scope, and what its client is answered."""
    answers = []
    scope = {"type": "http", "headers": [(b"host", b"localhost")]}
    post = PassedPost(home, scope)
    post.begin(b"<body/>", lambda *answer: answers.append(answer))
    return post, scope, answers


def test_a_post_is_passed_on_and_answered():
    home = Home()
    post, scope, answers = passed(home)
    ((asked, told, body, asker),) = home.asked
    assert (asked["path"], told, body) == ("/http-bind", {}, b"<body/>")
    assert scope == {}, "it may be held for long"
    headers = [(b"content-type", b"text/xml"), (b"content-length", b"4")]
    asker.answered(200, headers, b"done")
    assert answers == [(200, headers[:1], b"done")], "the server says the length"
    post.lost()
    assert not home.given_up


def test_one_whose_client_leaves_is_given_up():
    home = Home()
    post, _, answers = passed(home)
    post.lost()
    post.lost()
    home.asked[0][3].unanswered(failed=False)
    assert home.given_up == 1
    assert not answers


@pytest.mark.parametrize(("error", "status"), [(HomeLostError(), 503), (TooLargeError(), 431)])
def test_one_that_cannot_be_passed_on_is_refused(error, status):
    _, scope, answers = passed(Home(error))
    assert [answer[0] for answer in answers] == [status]
    assert scope == {}


@pytest.mark.parametrize(("failed", "status"), [(True, 500), (False, 503)])
def test_one_that_home_does_not_answer_is_refused(failed, status):
    home = Home()
    _, _, answers = passed(home)
    home.asked[0][3].unanswered(failed=failed)
    ((found, headers, _),) = answers
    assert found == status
    assert (dict(headers).get(b"retry-after") == b"1") is (status == 503)


# WebSockets


class Wire:
    """The server's part: what it was told, and whether its client keeps up."""

    def __init__(self):
        self.told = []
        self.congested = False

    def signed_in(self):
        self.told.append("signed in")

    def send(self, text):
        self.told.append(text)

    def pause(self):
        self.told.append("pause")

    def unpause(self):
        self.told.append("unpause")

    def close(self, code):
        self.told.append(code)

    def drop(self):
        self.told.append("drop")


class Site:
    """Counts what is served."""

    serving = 0

    @contextmanager
    def one(self):
        self.serving += 1
        yield
        self.serving -= 1


@pytest.fixture
def line(link):
    made = link.open_calls[7] = Line(link, 7)
    made.pause()
    return made


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def site():
    return Site()


@pytest.fixture
async def websocket(line, wire, site):
    made = PassedWebSocket(line, site.one())
    made.carried_by(wire)
    made.begin()
    await asyncio.sleep(0)
    assert wire.told == ["signed in"]
    assert site.serving == 1
    wire.told.clear()
    return made


def fill(line):
    """Have no room left."""
    while line.has_room():
        line.write(Kind.TEXT, b"x" * 1000)


def messages(link):
    return [read_message(payload) for kind, _, payload in link.written if kind is Kind.MESSAGE]


async def test_what_the_client_says_goes_home_and_back(websocket, line, wire, link):
    websocket.hear("hello")
    assert link.written == [(Kind.TEXT, 7, b"hello")]
    line.hear("back", SIZE)
    assert wire.told == ["back"]


async def test_a_client_is_not_read_from_while_home_takes_nothing(websocket, line, wire, link):
    fill(line)
    link.written.clear()
    websocket.hear("kept")
    assert wire.told == ["pause"]
    line.given_back(WINDOW)
    assert link.written == [(Kind.TEXT, 7, b"kept")]
    assert wire.told == ["pause", "unpause"]
    fill(line)
    websocket.hear("kept again")
    line.given_back(SIZE)
    assert not line.has_room()
    assert wire.told == ["pause", "unpause"] * 2


async def test_messages_that_are_no_text_are_told_and_counted(websocket, line, wire, link):
    websocket.hear_bytes()
    assert messages(link) == [{"type": "websocket.receive", "bytes": b""}]
    fill(line)
    websocket.hear_bytes()
    assert wire.told == ["pause"]


async def test_a_client_says_no_more_than_home_has_room_for(websocket, line, wire, link):
    while line.has_room():
        websocket.hear("")
    websocket.hear_bytes()
    assert wire.told == ["pause"]
    websocket.ended(1006)
    home = Line(link, 7)
    home.pause()
    for kind, _, payload in link.written:
        said = "" if kind is Kind.TEXT else read_message(payload)
        home.hear(said, len(payload) + COST)
    home.hear(Ended(None), 0)


async def test_home_is_held_up_while_the_client_takes_nothing(websocket, line, wire):
    wire.congested = True
    line.hear("one", SIZE)
    line.hear("two", SIZE)
    assert wire.told == ["one"]
    wire.congested = False
    websocket.drained()
    await asyncio.sleep(0)
    assert wire.told == ["one", "two"]


@pytest.mark.parametrize("kept", [False, True])
async def test_a_client_that_takes_nothing_is_let_go_soon_after_its_end(
    websocket, line, wire, link, monkeypatch, kept
):
    monkeypatch.setattr(line_module, "LINGER", 0.001)
    if kept:  # The last is there already when the client is seen to take nothing.
        line.pause()
    wire.congested = True
    line.hear("one", SIZE)
    line.hear("two", SIZE)
    line.hear({"type": "websocket.close", "code": 1000}, SIZE)
    line.hear(Ended(failed=False), 0)
    line.unpause()
    await until(lambda: wire.told[-1:] == ["drop"])
    websocket.lost()
    assert link.over_with == [(7, False)]


async def test_what_is_too_large_for_home_ends_it(websocket, wire, link):
    link.limit = 100
    websocket.hear("x" * 101)
    assert wire.told == [1009]
    assert messages(link) == [{"type": "websocket.disconnect", "code": 1009}]


async def test_the_client_ends_it(websocket, wire, link, site):
    websocket.ended(1001)
    websocket.lost()
    assert messages(link) == [{"type": "websocket.disconnect", "code": 1001}]
    assert link.over_with == [(7, False)]
    assert not site.serving


async def test_home_ends_it(websocket, line, wire, link, site, monkeypatch):
    monkeypatch.setattr(line_module, "LINGER", 0.001)
    line.hear({"type": "websocket.close", "code": 4000}, SIZE)
    assert wire.told == [4000]
    websocket.ended(4000)
    assert messages(link) == [{"type": "websocket.disconnect", "code": 4000}]
    await until(lambda: wire.told == [4000, "drop"])  # Its client takes nothing.
    websocket.lost()


@pytest.mark.parametrize(
    ("failed", "leaving", "told"),
    [
        (False, False, ["drop"]),
        (True, False, [1011]),
        (True, True, [1012]),
        (False, True, [1012]),
        (None, False, [1012]),
    ],
)
async def test_home_has_done_with_it(websocket, line, wire, link, failed, leaving, told):
    link.leaving = leaving
    line.hear(Ended(failed), 0)
    assert wire.told == told
    assert link.over_with == [(7, False)]
    websocket.lost()


async def test_home_has_done_with_one_that_it_has_closed(websocket, line, wire, monkeypatch):
    monkeypatch.setattr(line_module, "LINGER", 0.001)
    line.hear({"type": "websocket.close", "code": 1000}, SIZE)
    line.hear(Ended(failed=False), 0)
    await until(lambda: wire.told == [1000, "drop"])
    websocket.lost()


async def test_a_client_to_which_nothing_can_be_sent_is_dropped(websocket, wire):
    websocket.failed(OSError("gone"))
    assert wire.told == ["drop"]
    websocket.lost()
