"""How what the site's own code asks comes to the home, and what becomes of it where that ends."""

import asyncio
import contextlib

import pytest
from support.waiting import until

from andiron.api import UnavailableError
from andiron.api.api import Api
from andiron.cluster import door as door_module
from andiron.domain.domain import Domain
from andiron.fellows import doorway, own_code
from tests.app.fellows.test_fellows import ask, made, running
from tests.app.test_continuity import make_people, online

__all__ = ["made"]

TOKEN = "0123456789" * 4


class Gate:
    """Stands in for a method of the API at home, where calls wait until it is opened."""

    def __init__(self, monkeypatch, method):
        self.calls = 0
        self.opened = asyncio.Event()
        self.done = 0
        at_home = getattr(Api, method)

        async def wait(api, *args, **kwargs):
            self.calls += 1
            await self.opened.wait()
            result = await at_home(api, *args, **kwargs)
            self.done += 1
            return result

        monkeypatch.setattr(Api, method, wait)

    async def reached(self, calls=1):
        await until(lambda: self.calls == calls)


async def nothing_left(door):
    link = door._together.fellows._link
    await until(lambda: not door._given.connections._count and not link.open_calls)


# The home, and none


async def test_it_waits_for_the_next_home(made, monkeypatch):
    home, door, other = made(), made(), made()
    start, may_start = Domain.start, asyncio.Event()

    async def wait(*arguments):
        await may_start.wait()
        await start(*arguments)

    async with contextlib.AsyncExitStack() as first:
        await first.enter_async_context(home.lifespan())
        await make_people(home, "bob")
        async with running(door, other):
            monkeypatch.setattr(Domain, "start", wait)
            await first.aclose()
            asked = [asyncio.create_task(chat.api.send("bob", "x")) for chat in (door, other)]
            presence = asyncio.create_task(asyncio.to_thread(other.sync.presence, "bob"))
            ways = [chat._together._doorway for chat in (door, other)]
            await until(lambda: sum(bool(way._room.taken) for way in ways) == 2)
            may_start.set()
            assert len({(await each).archive_id for each in asked}) == 2
            assert not (await presence).available
            assert door.at_home != other.at_home
            assert len((await door.api.archive("bob")).messages) == 2


async def test_where_no_home_comes_it_says_so(made, monkeypatch, caplog):
    monkeypatch.setattr(doorway, "_PATIENCE", 0.01)
    home, door = made(), made()
    async with running(home, door):
        way = door._together._doorway
        link = way._way
        way.lead(None)
        with pytest.raises(UnavailableError, match=r"is home at the moment.*Nothing was done"):
            await door.api.sessions()
        door.end_sessions("bob")
        await until(lambda: not door._ask_home._tasks)
        assert "chat.end_sessions: this was not done, or may not be: No process" in caplog.text
        link.silent = 11
        way.lead(link)
        with pytest.raises(UnavailableError, match="it does not answer"):
            await door.api.sessions()
        link.silent = 0
        assert await door.api.sessions() == ()


async def test_what_waits_for_a_home_is_bounded(made, monkeypatch):
    home, door = made(), made()
    async with running(home, door):
        way = door._together._doorway
        link = way._way
        way.lead(None)
        waiting = asyncio.create_task(door.api.send("bob", "x" * 100_000))
        await until(lambda: way._room.taken > 100_000)
        monkeypatch.setattr(way._room, "_most", way._room.taken + 50_000)
        with pytest.raises(UnavailableError):
            await door.api.send("bob", "x" * 100_000)
        way.lead(link)
        await waiting
        assert not way._room.taken


# The home ends


async def test_a_look_is_asked_again_when_the_home_is_lost(made, monkeypatch):
    home, door = made(), made()
    async with running(home, door):
        gate = Gate(monkeypatch, "presence")
        await make_people(home, "bob")
        asked = asyncio.create_task(door.api.presence("bob"))
        await gate.reached()
        door._together.fellows._link.drop()
        await gate.reached(2)
        gate.opened.set()
        assert (await asked).account == "bob@localhost"
        await nothing_left(door)


async def test_what_changes_something_is_not(made, monkeypatch):
    home, door = made(), made()
    async with running(home, door):
        gate = Gate(monkeypatch, "send")
        asked = asyncio.create_task(door.api.send("bob", "once"))
        await gate.reached()
        door._together.fellows._link.drop()
        with pytest.raises(UnavailableError, match=r"has ended.*may be done all the same"):
            await asked
        gate.opened.set()
        await until(lambda: gate.done)
        await door.api.send("bob", "more")
        said = [each.body for each in (await door.api.archive("bob")).messages]
        assert said == ["once", "more"]


async def test_what_a_former_home_has_not_begun_is_asked_again(made, monkeypatch):
    home, door = made(), made()
    async with running(home, door):
        answering, home._together._own_code = home._together._own_code, None
        refused = []
        relay = door_module.HomeLink.relay

        async def noting(*arguments, **named):
            await relay(*arguments, **named)
            refused.append(1)

        monkeypatch.setattr(door_module.HomeLink, "relay", noting)
        asked = asyncio.create_task(door.api.send("bob", "once"))
        await until(lambda: len(refused) > 1)
        home._together._own_code = answering
        await asked
        assert len((await home.api.archive("bob")).messages) == 1


async def test_an_answer_that_is_cut_off_is_none(made, monkeypatch):
    home, door = made(), made()
    async with running(home, door):

        async def half(_scope, _receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"[", "more_body": True})

        monkeypatch.setattr(home._together, "_own_code", half)
        for asked in (door.api.sessions(), door.api.end_sessions("bob")):
            with pytest.raises(UnavailableError, match="could not answer"):
                await asked


async def test_an_answer_is_waited_for_so_long_and_no_longer(made, monkeypatch):
    home, door = made(), made()
    async with running(home, door):
        Gate(monkeypatch, "sessions")
        monkeypatch.setattr(own_code, "_PATIENCE", 0.05)
        with pytest.raises(UnavailableError, match=r"not answered in 0\.05 s.*all the same"):
            await door.api.sessions()
        await nothing_left(door)


async def test_a_call_that_is_cancelled_leaves_nothing_behind(made, monkeypatch):
    home, door = made(), made()
    async with running(home, door):
        gate = Gate(monkeypatch, "send")
        asked = asyncio.create_task(door.api.send("bob", "x" * 200_000))
        await gate.reached()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert not door._given.connections._count
        assert not door._together.fellows._link.open_calls
        gate.opened.set()
        await until(lambda: not home._together.fellows.doors[0].calls)
        assert await door.api.sessions() == ()


async def test_a_process_that_is_about_to_end_lets_it_come_to_its_end(made, monkeypatch):
    home, door = made(shutdown_timeout=60), made(shutdown_timeout=60)
    async with running(home):
        gate = Gate(monkeypatch, "send")
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(door.lifespan())
            asked = asyncio.create_task(door.api.send("bob", "before"))
            await gate.reached()
            door._together.fellows.leave()
            later = asyncio.create_task(door.api.send("bob", "meanwhile"))
            await gate.reached(2)
            ending = asyncio.create_task(stack.aclose())
            await until(lambda: door._given.connections._idle)
            gate.opened.set()
            await asyncio.gather(asked, later, ending)
        assert len((await home.api.archive("bob")).messages) == 2


async def test_one_that_has_lost_its_place_asks_the_next(made):
    home, door = made(), made()
    async with running(home, door):
        home._together.fellows._lose()
        assert not home.at_home
        assert await home.api.sessions() == ()
        assert door.at_home or home.at_home


async def test_an_answer_of_any_size_is_taken(made, monkeypatch):
    names = tuple(f"name{number}" for number in range(30_000))

    async def disabled(_api):
        return names

    home, door = made(), made()
    async with running(home, door):
        monkeypatch.setattr(Api, "disabled_accounts", disabled)
        link = door._together.fellows._link
        assert await door.api.disabled_accounts() == names
        assert door._together.fellows._link is link


# Who may ask


@pytest.mark.parametrize(("settings", "status"), [({}, 404), ({"api_token": TOKEN}, 401)])
async def test_no_client_passes_for_the_sites_own_code(made, settings, status):
    """Whatever it sends, and whatever its server or middleware has put into the scope."""
    home, door = made(**settings), made(**settings)
    async with running(home, door):
        await make_people(home, "bob")
        bob = await online(door, "bob")
        for chat in (home, door):
            sent = await forged(chat, "DELETE", "/api/v1/sessions", b"of=bob")
            assert sent[0]["status"] == status
            sent = await forged(chat, "POST", "/api/v1/people/disable", b"")
            assert sent[0]["status"] == status
            headers = {"own": "true", "told": '{"own": true}'}
            answer = await ask(chat, "/api/v1/sessions?own=true", headers=headers)
            assert answer.status_code == status
        bob.send("<iq xmlns='jabber:client' type='get' id='still'><x/></iq>")
        await bob.until("still")
        assert await door.api.disabled_accounts() == ()


async def forged(chat, method, path, query):
    told = {"own": True}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "extensions": {"andiron": told, "told": told, **told},
        "told": told,
        **told,
    }
    coming = [{"type": "http.request", "body": b'["bob"]', "told": told}]
    sent = []

    async def receive():
        return coming.pop() if coming else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    await chat(scope, receive, send)
    return sent


# Sessions, bots, hooks


async def test_sessions_are_ended_from_any_process(made):
    home, door = made(), made()
    async with running(home, door):
        await make_people(home, "alice", "bob")
        alice, bob = await online(home, "alice"), await online(door, "bob")
        assert await asyncio.to_thread(door.end_sessions, "Alice") == 1
        await alice.until("signed out")
        assert door.end_sessions("bob") == 0  # An event loop does not wait.
        await bob.until("signed out")
        with pytest.raises(ValueError, match="a space"):
            door.end_sessions("two words")
        assert home.end_sessions("alice") == await asyncio.to_thread(home.end_sessions, "bob") == 0


async def test_a_process_that_was_forked_from_a_door_is_told_at_once(made, monkeypatch):
    home, door = made(), made()
    async with running(home, door):
        monkeypatch.setattr("andiron.api.access.getpid", lambda: 0)
        for call in (door.sync.sessions, lambda: door.end_sessions("bob")):
            with pytest.raises(UnavailableError, match="does not run in this process"):
                await asyncio.to_thread(call)


async def test_bots_are_made_at_home(made):
    home, door = made(), made()
    async with running(home, door):
        with pytest.raises(UnavailableError, match=r"in the hook started") as refused:
            door.client("helper")
        assert isinstance(refused.value, RuntimeError)
        bot = home.client("helper")
        bot.connect()
        await bot.wait_until("session_start")
        gone = asyncio.get_running_loop().create_future()

        def back(_):
            bot.connect()  # As the documentation has it: whatever the reason was.
            gone.set_result(home.at_home)

        bot.add_event_handler("disconnected", back)
        home._together.fellows._lose()
        assert await gone is False
