"""Several applications that serve one chat: one is home, the others are doors."""

import asyncio
import base64
import contextlib
import itertools
import os
import random
import re
import signal

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from support.asgi import AsgiClient, request
from support.direct import DirectTransport
from support.hosted import WebSocket
from support.taken import TakenClient
from support.waiting import until

from andiron import Person, create_app
from andiron.cluster import link
from andiron.cluster.unix_place import UnixPlace
from andiron.domain.database.database import DatabaseError
from andiron.domain.domain import Domain
from andiron.fellows import doorway, fellows, meeting
from andiron.fellows.doorway import Asked, Doorway
from andiron.settings import Settings, SettingsError
from andiron.version import __version__
from andiron.web import readiness
from andiron.web.proxy import Proxies
from andiron.websocket.config import WebSocketConfig
from tests.app.test_continuity import SAY, failure, make_people, online, resume

HTTPBIND = "http://jabber.org/protocol/httpbind"


@pytest.fixture
def made(tmp_path):
    """Make one of several applications of one chat; keyword arguments are settings."""

    def make(**settings):
        usual = {
            "database": f"sqlite:///{tmp_path}/a.db",
            "cluster": f"unix:{tmp_path}/chat.sock",
            "auth_iterations": 4096,
            "shutdown_timeout": 0.05,
        }
        return create_app(**(usual | settings))

    return make


@contextlib.asynccontextmanager
async def running(*chats):
    """Run them, the first as home."""
    async with contextlib.AsyncExitStack() as stack:
        for chat in chats:
            await stack.enter_async_context(chat.lifespan())
        yield


async def ask(chat, path, *, direct=False, client="127.0.0.1", **options):
    """Return what a request is answered; ``direct``: by a server that can do without ASGI."""
    transport = httpx.ASGITransport(chat, client=(client, 1))
    if direct:
        transport = DirectTransport(chat)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
        method = "POST" if "content" in options else "GET"
        return await asking.request(method, path, **options)


async def test_the_first_is_home_and_the_others_relay_to_it(made):
    home, door = made(), made()
    async with running(home, door):
        assert home.at_home
        assert not door.at_home
        await make_people(home, "alice", "bob")
        alice, bob = await online(home, "alice"), await online(door, "bob")
        bob.send(SAY.format("alice@localhost", "through a door"))
        await alice.until("through a door")
        alice.send(SAY.format("bob@localhost", "back"))
        await bob.until("back")
        for chat in (home, door):
            assert (await ask(chat, "/healthz")).text == "ok\n"
            assert (await ask(chat, "/readyz")).text == "ready\n"
            assert (await ask(chat, "/nowhere")).status_code == 404
            assert (await ask(chat, "/ws")).status_code == 426
        await bob.leave()
        again, answer = await resume(home, "bob", bob, h=2)
        assert answer.startswith("<resumed")
        assert again is not None


async def rest(socket):
    """Return what comes on a WebSocket until its end."""
    messages = []
    with contextlib.suppress(EOFError):
        while True:
            messages.append(await socket.receive())
    return messages


async def test_when_the_home_ends_a_door_takes_up_all_there_is(made):
    home, door, other = made(), made(), made()
    async with contextlib.AsyncExitStack() as first:
        await first.enter_async_context(home.lifespan())
        await make_people(home, "alice", "bob")
        async with running(door, other):
            alice, bob = await online(door, "alice"), await online(home, "bob")
            bob.send(SAY.format("alice@localhost", "before"))
            await alice.until("before")
            bob.send("<iq xmlns='jabber:client' type='get' id='taken'><x/></iq>")
            await bob.until("taken")
            await first.aclose()
            await until(lambda: door.at_home or other.at_home)
            assert door.at_home != other.at_home
            closed = {"type": "websocket.close", "code": 1012, "reason": ""}
            assert (await rest(alice))[-1] == closed
            again, answer = await resume(other, "alice", alice, 1)
            assert answer.startswith("<resumed")
            assert await again.until("before")
            bob, answer = await resume(door, "bob", bob, 2)
            assert answer.startswith("<resumed")
            assert " h='3'" in answer
            bob.send(SAY.format("alice@localhost", "after"))
            assert "before" not in await again.until("after")
            async with home.lifespan():  # it comes back, as a door
                assert not home.at_home
                assert (await ask(home, "/readyz")).text == "ready\n"


class Bosh:
    """A BOSH session whose requests go to several applications by turns."""

    def __init__(self, *chats, direct=False):
        self.chats = itertools.cycle(chats)
        self.direct = direct
        self.rid = random.randrange(2**32)
        self.sid = ""

    async def say(self, payload="", attributes=""):
        self.rid += 1
        sid = f" sid='{self.sid}'" if self.sid else ""
        answer = await ask(
            next(self.chats),
            "/http-bind",
            direct=self.direct,
            content=f"<body xmlns='{HTTPBIND}' rid='{self.rid}'{sid}{attributes}>{payload}</body>",
        )
        assert answer.status_code == 200, answer.text
        found = re.search(r" sid='([^']*)'", answer.text)
        if found:
            self.sid = found[1]
        return answer.text

    async def online(self, name):
        xbosh = " to='localhost' xmlns:xmpp='urn:xmpp:xbosh'"
        await self.say("", f"{xbosh} hold='1' wait='1' ver='1.6' xmpp:version='1.0'")
        secret = base64.b64encode(f"\0{name}\0secret".encode()).decode()
        sasl = "urn:ietf:params:xml:ns:xmpp-sasl"
        await self.until("<success", f"<auth xmlns='{sasl}' mechanism='PLAIN'>{secret}</auth>")
        await self.say("", f"{xbosh} xmpp:restart='true'")
        bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
        await self.until("<jid>", f"<iq xmlns='jabber:client' type='set' id='b'>{bind}</iq>")
        await self.say("<presence xmlns='jabber:client'/>")

    async def until(self, words, payload=""):
        while words not in (answer := await self.say(payload)):
            payload = ""
        return answer


@pytest.mark.parametrize("direct", [False, True])
async def test_requests_of_one_bosh_session_go_to_any(made, direct):
    home, door, other = made(), made(), made()
    async with running(home, door, other):
        await make_people(home, "alice", "bob")
        alice = Bosh(door, home, other, direct=direct)
        await alice.online("alice")
        bob = await online(other, "bob")
        for number in range(6):
            bob.send(SAY.format("alice@localhost", f"number {number}"))
            await alice.until(f"number {number}")
        alice_says = SAY.format("bob@localhost", "heard")
        await alice.say(alice_says)
        await bob.until("heard")
        await alice.say("", " type='terminate'")


async def test_what_a_door_passes_on_whole_has_its_length(made):
    """Else a server answers in chunks, which HTTP/1.0 does not know (RFC 9112 section 6.1)."""
    home, door = made(), made()
    async with running(home, door):
        start, body = await request(door, "/http-bind", b"<body/>")
    assert dict(start["headers"])[b"content-length"] == b"%d" % len(body["body"])


class Taken(TakenClient):
    """A client of a server that takes WebSockets over, with nobody around it."""

    ends_at_once = True


async def test_what_doors_relay_needs_no_task_at_home(made):
    home, door = made(), made()
    async with running(home, door):
        await make_people(home, "alice", "bob")
        alice = await online(door, "alice")
        bob = Taken(door)
        await bob.opened()
        secret = base64.b64encode(b"\0bob\0secret").decode()
        bob.send(
            f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>"
        )
        assert "<success" in await bob.text()
        assert bob.carrier is not None
        carol = Bosh(door, direct=True)
        await carol.online("alice")
        alice.send("<iq xmlns='jabber:client' type='get' id='still'><x/></iq>")
        await alice.until("still")
        (link,) = home._together.fellows.doors
        assert link.calls == 2
        assert not home._together.fellows._home._tasks
        assert door._given.connections._count == 2
        await bob.cut()
        await until(lambda: link.calls == 1)


async def test_a_websocket_that_a_door_has_taken_over_ends_with_either(made):
    home, door = made(), made()
    async with running(home):
        await make_people(home, "alice")
        async with running(door):
            client = Taken(door)
            await client.opened()
            assert client.carrier is not None
            door._together.fellows.leave()
            await client.task
            assert client.code == 1012
        async with running(door):
            client = Taken(door)
            await client.opened()
            home._lose_database("The database is another server's.")
            await client.task
            assert client.code == 1012


async def polling(home, door, *, direct=False):
    """Let Alice, who is online at home, ask through a door for what there is, which is nothing."""
    alice = Bosh(home)
    await alice.online("alice")
    alice.rid += 1
    body = f"<body xmlns='{HTTPBIND}' rid='{alice.rid}' sid='{alice.sid}'/>"
    return asyncio.create_task(ask(door, "/http-bind", direct=direct, content=body))


async def test_a_post_that_a_door_has_taken_is_answered_when_it_leaves(made):
    home, door = made(), made()
    async with running(home):
        await make_people(home, "alice")
        async with running(door):
            held = await polling(home, door, direct=True)
            await until(lambda: home._together.fellows.doors[0].calls == 1)
            door._together.fellows.leave()
            answer = await held
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_a_request_that_is_held_through_a_door_that_leaves_is_answered(made):
    home, door = made(), made()
    async with running(home):
        await make_people(home, "alice")
        async with running(door):
            held = await polling(home, door)
            await until(lambda: door._given.connections._count == 1)
            await until(lambda: home._together.fellows.doors[0].calls == 1)
        answer = await held
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        await until(lambda: not home._together.fellows.doors)


# Start and stop


async def test_a_door_that_is_about_to_end_does_not_become_home(made, caplog):
    caplog.set_level("INFO", "andiron")
    home, door = made(), made()
    async with contextlib.AsyncExitStack() as first:
        await first.enter_async_context(home.lifespan())
        async with running(door):
            waiting = asyncio.create_task(ask(door, "/nowhere"))
            door._together.fellows.leave()
            await first.aclose()
            assert (await ask(door, "/readyz")).text == "ending\n"
            assert (await ask(door, "/nowhere")).status_code == 503
            assert (await waiting).status_code == 503
            assert not door.at_home
    assert "This process is home now" not in caplog.text


async def test_a_signal_makes_a_door_leave_and_goes_on_to_the_server(made):
    heard = []
    former = signal.signal(signal.SIGTERM, lambda *_arguments: heard.append(1))
    try:
        home, door = made(), made()
        left = []
        door.on_leaving = lambda: left.append(1)
        async with running(home):
            await make_people(home, "alice")
            async with running(door):
                alice = await online(door, "alice")
                signal.raise_signal(signal.SIGTERM)
                await until(lambda: heard)
                assert left
                assert (await rest(alice))[-1]["code"] == 1012
    finally:
        signal.signal(signal.SIGTERM, former)


async def test_the_first_that_cannot_start_says_so_and_holds_nothing(made, monkeypatch):
    async def fail(*_arguments):
        raise DatabaseError("The database is not to be had.")

    with monkeypatch.context() as patch:
        patch.setattr(Domain, "start", fail)
        assert await failure(made()) == "andiron: The database is not to be had."
    async with running(made()) as chat:
        assert chat is None


async def test_a_door_that_cannot_become_home_tries_again(made, monkeypatch, caplog):
    monkeypatch.setattr(fellows, "_PAUSES", (0.01, 0.02))
    monkeypatch.setattr(doorway, "_PATIENCE", 0.01)
    start = Domain.start
    times = []

    async def fail(*arguments):
        times.append(1)
        if len(times) < 4:
            raise DatabaseError("The database is away.")
        if len(times) < 6:
            raise RuntimeError("what nobody foresaw")
        await start(*arguments)

    home, door = made(), made()
    async with contextlib.AsyncExitStack() as first:
        await first.enter_async_context(home.lifespan())
        async with running(door):
            monkeypatch.setattr(Domain, "start", fail)
            await first.aclose()
            await until(lambda: times)
            refused = await ask(door, "/nowhere")
            assert (refused.status_code, refused.headers["retry-after"]) in ((503, "1"), (404, ""))
            await until(lambda: door.at_home)
            assert (await ask(door, "/nowhere")).status_code == 404
    assert "tries again: The database is away." in caplog.text
    assert "what nobody foresaw" in caplog.text


async def test_one_that_loses_the_database_leaves_it_to_another(made):
    home, door = made(), made()
    async with running(home, door):
        await make_people(home, "alice")
        alice = await online(door, "alice")
        home._lose_database("The database is another server's.")
        await until(lambda: door.at_home)
        again, answer = await resume(home, "alice", alice)
        assert answer.startswith("<resumed")
        assert not home.at_home
        await again.leave()


async def test_a_home_that_is_lost_as_it_ends_is_a_door_all_the_same(made, monkeypatch):
    home, door = made(), made()
    close = UnixPlace.close

    async def lose(place):
        await close(place)
        if place is home._together.fellows._place:
            home._together.fellows._lose()

    monkeypatch.setattr(UnixPlace, "close", lose)
    async with running(home, door):
        home._together.fellows.step_down()
        await until(lambda: door.at_home)
        assert (await ask(home, "/nowhere")).status_code == 404


async def test_two_chats_do_not_meet_at_one_place(made, tmp_path):
    async with running(made()):
        other = made(domain="example.org", database=f"sqlite:///{tmp_path}/b.db")
        message = await failure(other)
        assert "serves localhost, and this one example.org" in message
        assert message.endswith("(ANDIRON_CLUSTER).")


async def test_processes_with_other_files_do_not_join(made, tmp_path):
    async with running(made(upload_dir=f"{tmp_path}/files")):
        for settings, setting in (
            ({"upload_dir": "files-of-another"}, "ANDIRON_UPLOAD_DIR"),
            ({"database": f"sqlite:///{tmp_path}/b.db"}, "ANDIRON_DATABASE"),
            ({"durability_file": f"{tmp_path}/b"}, "ANDIRON_DURABILITY_FILE"),
        ):
            usual = {"upload_dir": f"{tmp_path}/files"}
            message = await failure(made(**(usual | settings)))
            assert f"another file or database by {setting}; let it name the same one" in message


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("postgresql://me:secret@one/andiron", "postgresql://you@other:5433/andiron", True),
        ("postgresql://me@one/andiron", "postgresql://me@one/other", False),
        ("postgresql://me@one/andiron", "sqlite:///andiron", False),
    ],
)
def test_a_database_in_a_server_is_known_by_its_name(one, other, same):
    made = [Settings(cluster="redis://one", database=each) for each in (one, other)]
    found = [meeting.files_of(each) for each in made]
    assert (found[0] == found[1]) is same
    assert "secret" not in str(found)


async def test_one_that_is_to_end_as_it_starts_does_not_become_home(made, monkeypatch, tmp_path):
    asked, released = asyncio.Event(), asyncio.Event()
    taken = asyncio.Event()

    async def take(_place):
        asked.set()
        await taken.wait()
        return True

    async def release(_place):
        released.set()

    monkeypatch.setattr(fellows, "_GREETING", 3600)
    monkeypatch.setattr(UnixPlace, "take", take)
    monkeypatch.setattr(UnixPlace, "release", release)
    chat = made()
    lifespan = chat.lifespan()
    starting = asyncio.create_task(lifespan.__aenter__())
    await asked.wait()
    chat._together.fellows.leave()
    async with asyncio.timeout(30):
        await starting
    assert (await ask(chat, "/readyz")).text == "ending\n"
    taken.set()
    await released.wait()
    await lifespan.__aexit__(None, None, None)
    assert not (tmp_path / "a.db").exists(), "it has not even begun to be home"


async def test_what_the_home_would_not_take_is_refused_at_the_door(made):
    home, door = made(max_stanza_size=10_000), made()
    async with running(home, door):
        await make_people(home, "alice", "bob")
        alice, bob = await online(door, "alice"), await online(door, "bob")
        bob.send(SAY.format("alice@localhost", "x" * 200_000))
        assert (await rest(bob))[-1]["code"] == 1009
        alice.send("<iq xmlns='jabber:client' type='get' id='still'><x/></iq>")
        await alice.until("still")


async def test_a_home_that_does_not_answer_is_not_waited_for(made, monkeypatch, tmp_path):
    monkeypatch.setattr(fellows, "_GREETING", 0.01)
    monkeypatch.setattr(link, "_PULSE", 0.001)
    monkeypatch.setattr(doorway, "_PATIENCE", 60)
    place = UnixPlace(f"{tmp_path}/chat.sock")
    await place.take()
    await place.listen(asyncio.Protocol)  # which says nothing
    door = made()
    async with running(door):
        assert (await ask(door, "/readyz")).status_code == 503
        own = door._together.fellows
        await until(lambda: own._link is not None and own._link.silent > 10)
        assert (await ask(door, "/healthz")).status_code == 200
        refused = await ask(door, "/nowhere")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert (await WebSocket(door).receive())["status"] == 503
        assert not door.at_home
        assert door._together.fellows.home == 0
    await place.release()


async def test_requests_wait_for_a_home_that_does_not_keep_up(made):
    home, door = made(), made()
    async with running(home, door):
        (link,) = home._together.fellows.doors
        way = door._together.fellows._link
        link.transport.pause_reading()
        header = {"x": "x" * 60_000}
        asking = []
        for _ in range(100):
            asking.append(asyncio.create_task(ask(door, "/nowhere", headers=header)))
            await asyncio.sleep(0.001)  # Python 3.11 looks once for all of one turn.
        await until(lambda: way.congested and door._together._doorway._room.taken)
        for _ in range(100):
            await asyncio.sleep(0)
        # What the kernel has taken aside: it keeps some hundreds of KiB.
        assert way.transport.get_write_buffer_size() < 300_000
        link.transport.resume_reading()
        answers = await asyncio.gather(*asking)
        assert {answer.status_code for answer in answers} == {404}


async def test_requests_wait_for_a_home_within_bounds(made, monkeypatch):
    monkeypatch.setattr(doorway, "_PATIENCE", 0.02)
    way = Doorway(Asked(None, None, 0), Proxies(()), WebSocketConfig())
    assert (await ask(way.router, "/nowhere")).status_code == 503
    assert (await ask(way.router, "/readyz")).text == "no home\n"
    monkeypatch.setattr(doorway, "_PATIENCE", 60)
    waiting = asyncio.create_task(ask(way.router, "/nowhere"))
    await until(lambda: way._room.taken)
    size = way._room.taken
    way._room._most = 4 * size
    large = {"x": "x" * 3 * size}
    assert (await ask(way.router, "/nowhere", headers=large)).status_code == 503
    way.lead(PlainTextResponse("here"))
    assert (await waiting).text == "here"
    assert not way._room.taken


async def test_one_client_does_not_take_all_the_room_in_which_requests_wait(monkeypatch):
    monkeypatch.setattr(doorway, "_PATIENCE", 60)
    monkeypatch.setattr(doorway, "_MOST_OF_ONE", 20_000)
    way = Doorway(Asked(None, None, 0), Proxies.of(["10.0.0.0/8"]), WebSocketConfig())

    def wait(client, **headers):
        return asyncio.create_task(ask(way.router, "/nowhere", client=client, headers=headers))

    greedy = [wait(f"2001:db8::{number}") for number in range(3)]
    await until(lambda: any(task.done() for task in greedy))
    assert sorted(task.done() for task in greedy) == [False, False, True]
    # A proxy is taken for whom it forwards, and one that says no more for anybody.
    others = [wait("10.0.0.1", **{"x-forwarded-for": f"192.0.2.{number}"}) for number in range(3)]
    others += [wait("10.0.0.1") for _ in range(4)]
    others += [wait("127.0.0.1") for _ in range(4)]
    taken = way._room.taken
    await until(lambda: way._room.taken > taken + 11 * 8192)
    assert not any(task.done() for task in others)
    way.lead(PlainTextResponse("here"))
    assert [(await task).text for task in others] == ["here"] * 11
    await asyncio.gather(*greedy)


# What the site says


async def test_the_site_is_asked_at_the_door_where_its_middleware_has_been(made):
    asked = []

    async def identify(connection):
        asked.append(connection.scope["path"])
        who = connection.scope["session"]["who"]
        return Person(who, "Juliet Capulet", groups=["house"]) if who else None

    def site(chat):
        async def wrapped(scope, receive, send):
            scope["session"] = {"who": "juliet"}  # as a session's middleware does
            await chat(scope, receive, send)

        return wrapped

    home, door = made(identify=identify), made(identify=identify)
    async with running(home, door):
        client = AsgiClient(site(door))
        assert "EXTERNAL" in await client.opened()
        client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
        assert "<success" in await client.text()
        assert await home.domain.accounts.names() == ["juliet"]
        assert asked == ["/ws"]
        assert (await ask(site(door), "/http-bind", content="<body/>")).text
        assert asked == ["/ws", "/http-bind"]
        assert door.direct({"headers": [(b"host", b"localhost")]}) is None, "the site is asked"


async def test_a_picture_that_is_too_large_costs_nobody_his_sign_in(made):
    async def identify(_connection):
        return Person("juliet", avatar=b"x" * 2_000_000)

    home, door = made(identify=identify), made(identify=identify)
    async with running(home, door):
        client = AsgiClient(door)
        assert "EXTERNAL" in await client.opened()
        client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
        assert "<success" in await client.text()


async def test_operators_are_asked_for_at_the_door(made):
    asked = []

    async def operators(connection):
        asked.append(1)
        return connection.cookies.get("who")

    home, door = made(operators=operators), made(operators=operators)
    async with running(home, door):
        headers = {"Andiron-Operator": "1", "cookie": "who=root"}
        found = await ask(door, "/api/v1/sessions", headers=headers)
        assert found.json() == []
        assert len(asked) == 1
        del headers["cookie"]
        assert (await ask(door, "/api/v1/sessions", headers=headers)).status_code == 401
        assert (await ask(door, "/api/v1/sessions")).status_code == 403
        assert len(asked) == 2


async def test_hooks_are_told_where_the_home_is(made):
    home, door = made(), made()
    told = []
    for chat in (home, door):

        @chat.hooks.started
        async def begin(_started, chat=chat):
            told.append(chat)
            chat.client("helper")  # a bot can be made

    async with contextlib.AsyncExitStack() as first:
        await first.enter_async_context(home.lifespan())
        async with running(door):
            await until(lambda: told == [home])
            await first.aclose()
            await until(lambda: told == [home, door])


def by_account(sessions):
    """Return which process each session came last by."""
    return {each.account.partition("@")[0]: each.process for each in sessions}


async def test_the_home_tells_of_all_processes_and_by_which_a_session_came_last(made):
    home, door, other = made(), made(), made()
    async with running(home, door, other):
        await make_people(home, "alice", "bob", "carol")
        await until(lambda: len(home._together.fellows.doors) == 2)
        await online(home, "alice")
        bob = await online(door, "bob")
        own = home._together.fellows.own.label
        by_door, by_other = f"{own}#2", f"{own}#3"  # They are all of this process.
        found = await home.api.processes()
        assert [each.name for each in found] == [own, by_door, by_other]
        assert [each.home for each in found] == [True, False, False]
        assert [each.relayed for each in found] == [0, 1, 0]
        assert by_account(await home.api.sessions()) == {"alice": own, "bob": by_door}
        assert {each.home for each in await home.api.sessions()} == {own}
        page = await home.api.session_page(text="#2", sort="process")
        assert (by_account(page.sessions), page.total) == ({"bob": by_door}, 2)
        assert page.processes == {own: 1, by_door: 1, by_other: 0}
        await bob.leave()
        await until(lambda: not any(each.calls for each in home._together.fellows.doors))
        page = await home.api.session_page()
        assert (page.processes, page.detached) == ({own: 1, by_door: 0, by_other: 0}, 1)
        assert by_account(page.sessions)["bob"] == by_door
        await resume(other, "bob", bob)
        carol = Bosh(door)
        await carol.online("carol")
        assert by_account(await home.api.sessions()) == {
            "alice": own,
            "bob": by_other,
            "carol": by_door,
        }
        for chat, name in ((other, by_other), (home, own)):
            carol.chats = itertools.cycle([chat])
            await carol.say("<presence xmlns='jabber:client'/>")
            assert by_account(await home.api.sessions("carol")) == {"carol": name}
        await carol.say("", " type='terminate'")


async def test_of_a_session_that_was_taken_up_it_is_not_known_where_its_client_was(made):
    home, door = made(), made()
    async with contextlib.AsyncExitStack() as first:
        await first.enter_async_context(home.lifespan())
        async with running(door):
            await make_people(home, "alice")
            alice = await online(door, "alice")
            await first.aclose()
            await until(lambda: door.at_home)
            (one,) = await door.api.sessions()
            assert (one.process, one.home) == ("", door._together.fellows.own.label)
            assert (await door.api.session_page()).processes == {one.home: 0}
            assert (await resume(door, "alice", alice))[1].startswith("<resumed")
            (one,) = await door.api.sessions()
            assert one.process == one.home


async def test_a_door_is_as_ready_as_its_home(made, monkeypatch):
    monkeypatch.setattr(link, "_PULSE", 0.001)
    monkeypatch.setattr(readiness, "_LIFETIME", 0.0)

    async def away(_key):
        raise DatabaseError("It is away.")

    async def answers(chat, answer):
        async with asyncio.timeout(60):
            for _ in itertools.count():
                found = await ask(chat, "/readyz")
                if found.text == answer:
                    break
                await asyncio.sleep(0)
        return found.status_code

    home, door = made(), made()
    async with running(home, door):
        with monkeypatch.context() as patch:
            patch.setattr(home.domain.database, "get_meta", away)
            assert await answers(door, "the database cannot be reached\n") == 503
            late = made()
            async with running(late):
                assert await answers(late, "the database cannot be reached\n") == 503
        assert await answers(door, "ready\n") == 200


async def test_metrics_tell_of_all_processes_whichever_is_asked(made, monkeypatch):
    token = "0123456789" * 4

    async def numbers(chat):
        found = await ask(chat, "/metrics", headers={"authorization": f"Bearer {token}"})
        samples = [
            (sample.name, *sorted(sample.labels.items()), sample.value)
            for family in text_string_to_metric_families(found.text)
            for sample in family.samples
        ]
        assert len({sample[:-1] for sample in samples}) == len(samples), "each is there once"
        return {
            (name, *(value for _, value in labels)): value
            for name, *labels, value in samples
            if name.startswith(("andiron_process", "andiron_relayed"))
        }

    home, door, other = (made(metrics_token=token) for _ in range(3))
    async with running(home, other):
        monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
        own = home._together.fellows.own.label
        here, there = f"{own}#2", f"elsewhere:{os.getpid()}"
        async with running(door):
            await until(lambda: len(home._together.fellows.doors) == 2)
            await make_people(home, "alice")
            await online(other, "alice")
            found = await numbers(door)
            assert found["andiron_process", own, "home", __version__] == 1
            assert found["andiron_process", here, "door", __version__] == 1
            assert found["andiron_process", there, "door", __version__] == 1
            assert found["andiron_relayed", here] == 1
            assert found["andiron_relayed", there] == 1  # this question
            assert ("andiron_relayed", own) not in found
            sessions = [found["andiron_process_sessions", name] for name in (own, here, there)]
            assert sessions == [0, 1, 0]
            for name in ("lag_seconds", "silent_seconds"):
                assert (f"andiron_process_{name}", there) in found
        await until(lambda: len(home._together.fellows.doors) == 1)
        assert not any(there in each for each in await numbers(home))
    alone = made(metrics_token=token, cluster="")
    async with running(alone):
        assert await numbers(alone) == {}


async def test_within_a_site_it_is_served_below_its_path(made):
    home, door = made(), made()
    async with running(home, door):
        site = Starlette(routes=[Mount("/chat", door)])
        assert (await ask(site, "/chat/healthz")).text == "ok\n"
        assert (await ask(site, "/chat/readyz")).text == "ready\n"
        found = await ask(site, "/chat/.well-known/host-meta.json")
        assert "ws://localhost/chat/ws" in found.text
        client = AsgiClient(site, path="/chat/ws")
        assert "PLAIN" in await client.opened()


async def test_hosts_are_refused_at_the_door(made):
    home, door = made(allowed_hosts=("chat.example",)), made(allowed_hosts=("chat.example",))
    async with running(home, door):
        headers = {"host": "evil.example"}
        assert (await ask(door, "/readyz", headers=headers)).status_code == 421


# Settings


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"cluster": "redis://:hush/word@h"}, "the number of a database"),
        ({"cluster": "http://localhost"}, "it does not begin with redis://"),
        ({"cluster": "redis://localhost", "cluster_listen": "7750"}, "a host and a port such as"),
        ({"cluster": "/run/chat.sock"}, "must be unix: and the absolute path"),
        ({"cluster": "unix:chat.sock"}, "must be unix: and the absolute path"),
        ({"cluster": "unix:/run/"}, "must be unix: and the absolute path"),
        ({"cluster": f"unix:/{'x' * 107}"}, "107 bytes at most"),
        ({"durability": "memory"}, "ANDIRON_DURABILITY=process"),
        ({"database": "sqlite://"}, "let ANDIRON_DATABASE name a file"),
    ],
)
def test_what_cannot_be_stops_the_start_with_a_sentence(made, settings, word):
    with pytest.raises(SettingsError, match=re.escape(word)) as refused:
        made(**settings)
    assert str(refused.value).startswith("the keyword argument cluster")
    assert "hush" not in str(refused.value)


def test_on_windows_there_is_none(made, monkeypatch):
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(SettingsError, match="or empty, on Windows"):
        made()


async def test_a_folder_that_is_not_there_stops_the_start(made, tmp_path):
    chat = made(cluster=f"unix:{tmp_path}/missing/chat.sock")
    assert await failure(chat) == (
        f"andiron: Processes cannot meet at {tmp_path}/missing/chat.sock, for"
        f" {tmp_path}/missing: No such file or directory; make that folder (ANDIRON_CLUSTER)."
    )
    with pytest.raises(DatabaseError, match="make that folder"):
        meeting.check(chat.settings)
    meeting.check(made().settings)
    meeting.check(made(cluster="").settings)
