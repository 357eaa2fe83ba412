"""What waits for the disk is done in a thread, and told on the event loop."""

import asyncio
import threading

import pytest

from andiron.sm.journal.syncing import SyncingThread


async def told(job) -> tuple[OSError | None, int]:
    loop = asyncio.get_running_loop()
    answer = loop.create_future()
    syncing = SyncingThread(loop.call_soon_threadsafe)
    syncing.start(job, lambda error: answer.set_result((error, threading.get_ident())))
    found = await answer
    syncing.end()
    return found


async def test_a_job_is_done_elsewhere_and_told_here() -> None:
    done: list[int] = []
    error, where = await told(lambda: done.append(threading.get_ident()))
    assert error is None
    assert where == threading.get_ident()
    assert done != [where]


@pytest.mark.parametrize("error", [OSError(5, "broken"), ValueError("broken")])
async def test_its_failure_is_told(error: Exception) -> None:
    def fail() -> None:
        raise error

    found, _ = await told(fail)
    assert isinstance(found, OSError)
    assert "broken" in str(found)


async def test_the_end_waits_for_it() -> None:
    begun, done = threading.Event(), []
    syncing = SyncingThread(asyncio.get_running_loop().call_soon_threadsafe)

    def job() -> None:
        begun.wait()
        done.append(True)

    syncing.start(job, done.append)
    begun.set()
    syncing.end()
    assert done == [True], "and is told later"
    await asyncio.sleep(0)
    assert done == [True, None]
