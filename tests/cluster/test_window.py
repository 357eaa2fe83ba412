"""What is on its way of a call, at one of its ends."""

import asyncio

import pytest
from support.links import link

from andiron.cluster.frames import Kind
from andiron.cluster.link import COST, TooLargeError
from andiron.cluster.window import WINDOW, Window

__all__ = ["link"]


async def test_what_was_sent_counts_until_it_is_given_back(link):
    window = Window(link, 7)
    while not window.full:
        window.write(Kind.TEXT, b"x" * 1000)
    assert len(link.written) == WINDOW // (1000 + COST) + 1
    waiting = asyncio.create_task(window.room())
    await asyncio.sleep(0)
    window.given_back(COST)
    await asyncio.sleep(0)
    assert not waiting.done()
    window.given_back(1000 + COST)
    await waiting


async def test_what_was_taken_is_given_back_when_it_is_half_a_window(link):
    window = Window(link, 7)
    for _ in range(3):
        window.took(WINDOW // 4)
    assert link.written == [(Kind.TAKEN, 7, (WINDOW // 2).to_bytes(4, "big"))]


async def test_there_is_no_room_while_the_connection_is_congested(link):
    window = Window(link, 7)
    link.pause_writing()
    waiting = asyncio.create_task(window.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    link.resume_writing()
    await waiting
    link.pause_writing()
    waiting = asyncio.create_task(window.room())
    await asyncio.sleep(0)
    window.end()
    await waiting
    window.write(Kind.TEXT, b"late")
    assert not link.written


async def test_who_waits_until_there_is_room_may_leave(link):
    window = Window(link, 7)
    link.pause_writing()
    both = [asyncio.create_task(window.room()) for _ in range(2)]
    await asyncio.sleep(0)
    both[0].cancel()
    await asyncio.wait(both[:1])
    link.resume_writing()
    await both[1]


async def test_more_than_the_other_end_takes_is_not_sent(link):
    window = Window(link, 7)
    link.limit = 10
    window.write(Kind.REQUEST, b"12345", b"12345")
    with pytest.raises(TooLargeError):
        window.write(Kind.REQUEST, b"12345", b"123456")
    assert [payload for _, _, payload in link.written] == [b"1234512345"]
