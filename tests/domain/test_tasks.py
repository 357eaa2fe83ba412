"""What goes on beside a domain's sessions."""

import asyncio

from support.waiting import until

from andiron.domain.tasks import Tasks


async def test_a_task_that_fails_is_logged(caplog):
    async def fail():
        raise ZeroDivisionError

    Tasks().spawn(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert "ZeroDivisionError" in caplog.text


async def test_what_begins_at_once_is_in_a_task():
    """Timeouts need one, and with them what waits for a connection to a database."""
    tasks = Tasks()
    told = []

    async def work(event):
        async with asyncio.timeout(60):
            told.append("begun")
            await event.wait()
        told.append("over")

    event = asyncio.Event()
    event.set()
    tasks.begin(work(event))
    await until(lambda: told == ["begun", "over"])
    event.clear()
    tasks.begin(work(event))
    await until(lambda: told[2:] == ["begun"])
    event.set()
    await until(lambda: told[2:] == ["begun", "over"])
