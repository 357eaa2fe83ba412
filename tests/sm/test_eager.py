"""Tasks that take their first step at once, where Python can."""

import asyncio
import contextvars
import sys

from andiron.sm.eager import begun

NAME = contextvars.ContextVar("name", default="")


async def test_it_takes_its_first_step_at_once_and_the_others_as_any_task_does():
    steps = []
    go_on = asyncio.Event()

    async def work():
        steps.append("first")
        await go_on.wait()
        steps.append("second")

    task = begun(work())
    assert steps == (["first"] if sys.version_info >= (3, 12) else [])
    await asyncio.sleep(0)
    assert steps == ["first"]
    go_on.set()
    await task
    assert steps == ["first", "second"]


async def test_what_waits_for_nothing_is_done_where_python_can():
    async def work():
        return None

    task = begun(work())
    assert task.done() is (sys.version_info >= (3, 12))
    await task


async def test_it_runs_in_the_context_that_is_given():
    context = contextvars.copy_context()
    context.run(NAME.set, "alice")
    seen = []

    async def work():
        seen.append(NAME.get())

    await begun(work(), context)
    await begun(work())
    assert seen == ["alice", ""]
