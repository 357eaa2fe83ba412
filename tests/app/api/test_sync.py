import asyncio
import threading

import pytest

from andiron import create_app
from andiron.api import NotFoundError, UnavailableError
from andiron.api import access as access_module
from andiron.api.api import Api
from andiron.api.sync import SyncApi


async def test_a_thread_sends_and_reads(chat):
    bob = await chat.client_of("bob")

    def view():
        sent = chat.sync.send("bob", "from a thread")
        return sent, chat.sync.archive("bob")

    sent, page = await asyncio.to_thread(view)
    assert (await bob.receive()).body == "from a thread"
    assert [each.id for each in page.messages] == [sent.archive_id]


async def test_an_error_comes_as_it_is(chat):
    with pytest.raises(NotFoundError, match="There is no room tea"):
        await asyncio.to_thread(chat.sync.room, "tea")


async def test_on_the_event_loop_it_says_what_to_do_instead(chat):
    with pytest.raises(RuntimeError, match="would stop this event loop"):
        chat.sync.send("bob", "hello")


async def test_another_event_loop_is_told_of_the_sync_one(chat):
    def elsewhere():
        asyncio.run(chat.api.send("bob", "hello"))

    with pytest.raises(RuntimeError, match="another event loop: use its sync interface"):
        await asyncio.to_thread(elsewhere)


async def test_an_answer_that_does_not_come_is_not_waited_for(chat, monkeypatch):
    monkeypatch.setattr(access_module, "_PATIENCE", 0.01)
    begun = asyncio.Event()

    async def hang():
        begun.set()
        await asyncio.Event().wait()

    with pytest.raises(UnavailableError, match="may be done all the same"):
        await asyncio.to_thread(lambda: chat.sync._access.run(hang()))
    assert begun.is_set()


async def test_no_thread_waits_for_ever_for_sessions_to_end(chat, monkeypatch):
    monkeypatch.setattr(access_module, "_PATIENCE", 0.01)

    def end():
        task = asyncio.run_coroutine_threadsafe(block(), loop)
        with pytest.raises(UnavailableError, match="may be done all the same"):
            chat.end_sessions("bob")
        stopped.set()
        task.result()

    async def block():
        stopped.wait(60)

    loop, stopped = asyncio.get_running_loop(), threading.Event()
    await asyncio.to_thread(end)


async def test_an_application_that_ends_meanwhile_is_told(chat):
    async def end():
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    with pytest.raises(UnavailableError, match="has ended"):
        await asyncio.to_thread(lambda: chat.sync._access.run(end()))


def test_one_that_does_not_run_is_not_waited_for():
    with pytest.raises(UnavailableError, match="does not run"):
        create_app().sync.send("bob", "hello")


async def test_a_process_that_was_forked_from_it_is_told_at_once(chat, monkeypatch):
    monkeypatch.setattr(access_module, "getpid", lambda: 0)
    with pytest.raises(UnavailableError, match=r"Other processes use andiron\.remote"):
        await asyncio.to_thread(chat.sync.send, "bob", "hello")
    with pytest.raises(UnavailableError, match="does not run in this process"):
        await chat.api.send("bob", "hello")


def public(of):
    return {name for name in dir(of) if not name.startswith("_")}


def test_both_can_the_same():
    assert public(Api) == public(SyncApi)
    assert SyncApi.send.__doc__ == Api.send.__doc__
