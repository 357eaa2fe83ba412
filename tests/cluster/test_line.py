"""One end of a relayed WebSocket that does without ASGI."""

import asyncio

import pytest
from support.links import link

from andiron.cluster.frames import FrameError, Kind
from andiron.cluster.line import Line
from andiron.cluster.link import COST, Ended, TooLargeError
from andiron.cluster.messages import read_message
from andiron.cluster.window import MOST_MESSAGES, WINDOW, Window

__all__ = ["link"]

SIZE = 1000 + COST


class Taker:
    """Keeps what it is told, and fails when told to."""

    def __init__(self, line):
        self.told = []
        self.line = line

    def text(self, text):
        self.told.append(text)
        if text == "fail":
            raise RuntimeError("no")
        if text == "pause":
            self.line.pause()
        if text == "close":
            self.line.close()

    def message(self, message):
        self.told.append(message["type"])

    def room(self):
        self.told.append("room")

    def ending(self):
        self.told.append("ending")

    def over(self, *, failed):
        self.told.append(("over", failed))
        self.line.close()


@pytest.fixture
def line(link):
    made = link.open_calls[7] = Line(link, 7)
    made.taker = Taker(made)
    return made


@pytest.fixture
def told(line):
    return line.taker.told


async def test_its_taker_is_told_at_once(line, told, link):
    line.hear("text", SIZE)
    line.hear({"type": "websocket.receive"}, SIZE)
    assert told == ["text", "websocket.receive"]
    for _ in range(WINDOW // SIZE):
        line.hear("x", SIZE)
    assert Kind.TAKEN in [kind for kind, _, _ in link.written]


async def test_what_comes_while_it_is_paused_is_kept_in_order_and_not_given_back(line, told, link):
    line.hear("pause", SIZE)
    for number in range(MOST_MESSAGES - 1):
        line.hear(str(number), SIZE)
    line.hear(Ended(None), 0)
    with pytest.raises(FrameError, match="more messages than there is room for"):
        line.hear("too many", SIZE)
    assert told == ["pause", "ending"]
    assert line.ending
    assert not link.written
    line.unpause()
    assert told == ["pause", "ending"], "not before it has returned"
    await asyncio.sleep(0)
    numbers = [str(number) for number in range(MOST_MESSAGES - 1)]
    assert told == ["pause", "ending", *numbers, ("over", None)]
    assert link.over_with == [(7, False)]


async def test_it_may_be_paused_again_meanwhile(line, told):
    line.pause()
    for text in ("1", "pause", "2"):
        line.hear(text, SIZE)
    line.unpause()
    line.hear("3", SIZE)
    await asyncio.sleep(0)
    assert told == ["1", "pause"]
    line.unpause()
    await asyncio.sleep(0)
    assert told == ["1", "pause", "2", "3"]


async def test_it_sends_while_there_is_room(line, told, link):
    sent = 0
    while line.send("x" * 1000):
        sent += 1
    assert sent == WINDOW // SIZE + 1
    assert not line.has_room()
    line.given_back(SIZE)
    assert told == ["room"]
    assert line.send("more")
    assert link.written[-1] == (Kind.TEXT, 7, b"more")


async def test_who_found_no_room_is_told_when_the_other_process_keeps_up(line, told, link):
    link.pause_writing()
    assert not line.send("x")
    assert not line.has_room()
    link.resume_writing()
    assert told == ["room"]
    link.pause_writing()
    link.resume_writing()
    assert told == ["room"], "nobody asked"


async def test_room_in_its_window_is_none_while_the_connection_has_none(line, told, link):
    while line.send("x" * 1000):
        pass
    link.pause_writing()
    line.given_back(WINDOW)
    assert not told
    link.resume_writing()
    assert told == ["room"]


async def test_messages_go_whether_there_is_room_or_not(line, link):
    while line.send("x" * 1000):
        pass
    line.say({"type": "websocket.close", "code": 1000})
    kind, call, payload = link.written[-1]
    assert (kind, call) == (Kind.MESSAGE, 7)
    assert read_message(payload) == {"type": "websocket.close", "code": 1000}


async def test_what_cannot_be_sent_is_said_to_who_sends(line, link):
    link.limit = 10
    with pytest.raises(TooLargeError):
        line.send("x" * 11)
    with pytest.raises(UnicodeEncodeError):
        line.send("\ud800")
    assert not link.written


async def test_once_it_is_closed_nothing_is_told_or_sent(line, told, link):
    line.hear("close", SIZE)
    line.close()
    line.hear("late", SIZE)
    assert line.send("late")
    line.given_back(WINDOW)
    assert told == ["close"]
    assert link.over_with == [(7, False)]
    assert not link.written


async def test_what_its_taker_raises_ends_it_alone(line, told, link, caplog):
    line.hear("fail", SIZE)
    assert told == ["fail", ("over", True)]
    assert link.over_with == [(7, True)]
    assert "A WebSocket that is relayed failed" in caplog.text
    assert "RuntimeError: no" in caplog.text


async def test_a_taker_that_fails_where_there_is_room_is_ended(line, told, link, monkeypatch):
    monkeypatch.setattr(Taker, "room", lambda _taker: 1 / 0)
    link.pause_writing()
    line.has_room()
    link.resume_writing()
    assert told == [("over", True)]


async def test_a_process_that_is_about_to_end_breaks_it_off(line, told, link):
    line.break_off()
    ((_, _, payload),) = link.written
    assert read_message(payload) == {"type": "websocket.disconnect", "code": 1006}
    assert told == [("over", None)]


async def test_it_takes_the_place_of_a_call_that_has_begun(link):
    window = Window(link, 7)
    window.write(Kind.TEXT, b"x" * WINDOW)
    window.took(WINDOW // 4)
    waiting = asyncio.create_task(window.room())
    await asyncio.sleep(0)
    line = Line.instead_of(window)
    await waiting
    line.taker = Taker(line)
    assert not line.has_room()
    line.hear("kept", WINDOW // 4)
    line.unpause()
    await asyncio.sleep(0)
    assert line.taker.told == ["kept"]
    assert link.written[-1] == (Kind.TAKEN, 7, (WINDOW // 2).to_bytes(4, "big"))


async def test_what_fails_at_its_end_as_well_concerns_no_other_call(line, link, caplog):
    def fail(*, failed):
        raise RuntimeError("no end")

    line.taker.over = fail
    line.hear("fail", SIZE)
    line.hear(Ended(None), 0)
    assert link.over_with == [(7, True)]
    assert "no end" in caplog.text
