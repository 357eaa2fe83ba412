"""One timer of the event loop wakes all sessions."""

import asyncio

import pytest
from support.sessions import MemoryBackend, MemoryLink, MemoryTransport

from andiron.sm.config import SmConfig
from andiron.sm.driver import Driver
from andiron.sm.link import CloseReason
from andiron.sm.manager import SessionManager


class TellingLink(MemoryLink):
    """Lets a test wait for its end."""

    def __init__(self, backend, session) -> None:
        super().__init__(backend, session)
        self.ended = asyncio.get_running_loop().create_future()

    def closed(self, reason, undelivered, now):
        super().closed(reason, undelivered, now)
        self.ended.set_result(reason)


class TellingBackend(MemoryBackend):
    def connect(self, session, channel):
        return TellingLink(self, session)


@pytest.fixture
async def manager():
    config = SmConfig(negotiation_timeout=0.01)
    return SessionManager(config, TellingBackend(), clock=asyncio.get_running_loop().time)


@pytest.fixture
async def driver(manager):
    driver = Driver(manager.timers, manager.rounds)
    yield driver
    driver.stop()


def connect(manager: SessionManager) -> TellingLink:
    return manager.connect(MemoryTransport(), manager.clock()).link


async def ended(link: TellingLink) -> CloseReason:
    return await asyncio.wait_for(link.ended, 10)


async def test_sessions_are_woken_that_came_before_and_after_the_start(manager, driver):
    before = connect(manager)
    driver.start()
    assert await ended(before) is CloseReason.NEGOTIATION_TIMEOUT
    assert await ended(connect(manager)) is CloseReason.NEGOTIATION_TIMEOUT
    assert manager.timers.next_deadline() == float("inf")


async def test_a_nearer_time_comes_first(manager, driver):
    driver.start()
    manager.timers.on_schedule(manager.clock() + 3600)
    assert await ended(connect(manager)) is CloseReason.NEGOTIATION_TIMEOUT


async def test_a_failure_is_reported_and_the_others_are_woken(manager, driver):
    reported: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: reported.append(context)
    )
    driver.start()
    failing = connect(manager)

    def fail(reason, undelivered, now):
        raise RuntimeError("a bug")

    failing.closed = fail
    assert await ended(connect(manager)) is CloseReason.NEGOTIATION_TIMEOUT
    assert [str(context["exception"]) for context in reported] == ["a bug"]


async def test_a_stopped_driver_wakes_nobody(manager, driver):
    driver.start()
    driver.stop()
    link = connect(manager)
    passed = asyncio.Event()
    asyncio.get_running_loop().call_at(manager.timers.next_deadline() + 0.01, passed.set)
    await passed.wait()
    assert not link.ended.done()
    driver.start()
    driver.stop()
    later = connect(manager)
    driver.start()
    assert await ended(link) is CloseReason.NEGOTIATION_TIMEOUT
    assert await ended(later) is CloseReason.NEGOTIATION_TIMEOUT
