"""Several applications that serve one chat and meet by a Redis."""

import asyncio
import contextlib
import importlib.util
import re

import pytest
from redis.asyncio import Redis
from support.redis_server import running as redis_running
from support.waiting import until

from andiron import create_app
from andiron.cluster import link
from andiron.cluster.redis.belief import Timing
from andiron.domain.database.database import DatabaseError
from andiron.fellows import fellows, meeting
from tests.app.fellows.test_fellows import Bosh, ask, rest, running
from tests.app.test_continuity import SAY, failure, make_people, online, resume

LEASE = "andiron:{localhost}:lease:home"
FENCE = "andiron:{localhost}:fence:home"
SHORT = Timing(ttl=3.0, margin=1.0, patience=1.0)


@pytest.fixture
def server(program, tmp_path):
    """A Redis that keeps what it has when it is killed."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with redis_running(program("redis-server"), folder, "--appendonly", "yes") as made:
        yield made


@pytest.fixture
async def redis(server):
    made = Redis.from_url(server.url)
    # It had a home before: nobody waits for what one that is just started may have lost.
    await made.set(FENCE, 1)
    yield made
    await made.aclose()


@pytest.fixture
def made(tmp_path, server, redis):
    """Make one of several applications of one chat; keyword arguments are settings."""

    def make(**settings):
        usual = {
            "database": f"sqlite:///{tmp_path}/a.db",
            "cluster": server.url,
            "auth_iterations": 4096,
            "shutdown_timeout": 0.05,
        }
        return create_app(**(usual | settings))

    return make


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(meeting, "_TIMING", SHORT)


async def readiness(chat, words):
    """Wait until ``/readyz`` of one says something."""
    async with asyncio.timeout(60):
        while (await ask(chat, "/readyz")).text != words:  # noqa: ASYNC110 - nobody tells it
            await asyncio.sleep(0.05)


async def test_they_meet_and_one_takes_the_place_of_another(made, redis, tmp_path):
    home, door, other = made(), made(), made()
    async with contextlib.AsyncExitStack() as first:
        await first.enter_async_context(home.lifespan())
        await make_people(home, "alice", "bob", "carol")
        async with running(door, other):
            assert home.at_home
            assert not door.at_home
            assert (await ask(door, "/readyz")).text == "ready\n"
            alice, bob = await online(door, "alice"), await online(home, "bob")
            carol = Bosh(door, other, home)
            await carol.online("carol")
            bob.send(SAY.format("carol@localhost", "over BOSH"))
            await carol.until("over BOSH")
            bob.send(SAY.format("alice@localhost", "before"))
            await alice.until("before")
            bob.send("<iq xmlns='jabber:client' type='get' id='taken'><x/></iq>")
            await bob.until("taken")
            await first.aclose()
            await until(lambda: door.at_home or other.at_home)
            assert door.at_home != other.at_home
            again, answer = await resume(other, "alice", alice, 1)
            assert answer.startswith("<resumed")
            assert await again.until("before")
            bob, answer = await resume(door, "bob", bob, 2)
            assert answer.startswith("<resumed")
            assert " h='4'" in answer
    assert not (tmp_path / "a.db-sessions").exists()
    for key in await redis.keys():
        assert await redis.pttl(key) > 0, key
    assert not await redis.exists(LEASE)


async def test_who_lost_the_lease_lets_go_and_becomes_a_door(made, redis, caplog):
    home, door = made(), made()
    async with running(home, door):
        await make_people(home, "alice", "bob")
        alice, bob = await online(home, "alice"), await online(door, "bob")
        alice.send(SAY.format("bob@localhost", "before"))
        await bob.until("before")
        await redis.hset(LEASE, "token", "another's")
        await redis.pexpire(LEASE, 5000)
        alice.send(SAY.format("bob@localhost", "refused"))
        alice.send("<r xmlns='urn:xmpp:sm:3'/>")
        heard = await rest(alice)
        assert not any("<a " in each.get("text", "") for each in heard)
        assert (await rest(bob))[-1] == {"type": "websocket.close", "code": 1012, "reason": ""}
        assert not home.at_home
        await until(lambda: door.at_home or home.at_home)
        again, answer = await resume(door, "alice", alice, 1)
        assert answer.startswith("<resumed")
        again.send(SAY.format("bob@localhost", "refused"))
        bob, answer = await resume(home, "bob", bob, 1)
        await bob.until("before")
        await bob.until("refused")
        await readiness(home, "ready\n")
        assert home.at_home != door.at_home
    assert "is another process's now" in caplog.text


async def test_redis_away_for_a_while(made, server, short, caplog):
    home, door = made(), made()
    async with running(home, door):
        await make_people(home, "alice")
        alice = await online(door, "alice")
        server.kill()
        await rest(alice)
        await until(lambda: not home.at_home)
        for chat in (home, door):
            await readiness(chat, "no home: processes cannot meet\n")
        server.start()
        await until(lambda: home.at_home or door.at_home)
        _, answer = await resume(door, "alice", alice, 1)
        assert answer.startswith("<resumed")
        for chat in (home, door):
            await readiness(chat, "ready\n")
    said = [each.getMessage() for each in caplog.records if "tries again" in each.getMessage()]
    assert said
    assert all("Processes cannot meet at redis://127.0.0.1" in each for each in said)


async def test_redis_away_for_a_moment(made, server):
    home, door = made(), made()
    async with running(home, door):
        await make_people(home, "alice", "bob")
        alice, bob = await online(door, "alice"), await online(home, "bob")
        server.kill()
        alice.send(SAY.format("bob@localhost", "meanwhile"))
        alice.send("<r xmlns='urn:xmpp:sm:3'/>")
        async with asyncio.timeout(30):
            while "cannot be written down" not in (await ask(door, "/readyz")).text:
                if (await ask(home, "/readyz")).status_code == 503:
                    break
                await asyncio.sleep(0.01)
        server.start()
        await bob.until("meanwhile")
        await alice.until("<a ")
        assert home.at_home


async def test_a_home_that_says_nothing_is_given_up(made, monkeypatch, caplog):
    caplog.set_level("INFO", "andiron")
    home, door = made(), made()
    async with running(home, door):
        former = door._together.fellows._link
        label = home._together.fellows.own.label
        former.silent = 11
        former.beat()
        await until(lambda: door._together.fellows._link not in (None, former))
        await until(lambda: door._together.fellows.home)
        assert home.at_home
        assert (await ask(door, "/readyz")).text == "ready\n"
        await until(lambda: f"Process {label} is home now" in caplog.text)
    assert caplog.text.count("is another?") == 1
    assert caplog.text.count(f"Process {label} is home now") == 1


async def test_a_home_that_hangs_is_replaced(made, short, monkeypatch):
    """It renews nothing, and says nothing, and closes nothing."""
    monkeypatch.setattr(link, "_PULSE", 0.1)
    home, door = made(database="sqlite:///one.db"), made(database="sqlite:///one.db")
    async with running(home), running(door):
        await make_people(home, "alice")
        lease = home._together.fellows._place.lease
        keeping, lease._keeping = lease._keeping, None
        keeping.cancel()
        for each in home._together.fellows.doors:
            each._timer.cancel()
        home._together.fellows._place._server.close()
        # The file is its own still, so the other waits.
        monkeypatch.setattr(fellows, "_PAUSES", (0.1, 0.1))
        await readiness(door, "no home: a process cannot become home\n")
        home._together.fellows._lose()
        home._together.fellows.leave()  # It might be the quicker one.
        await until(lambda: door.at_home)


async def test_processes_that_call_one_redis_by_two_names_are_of_one_chat(made, server):
    home, door = made(), made(cluster=f"redis://localhost:{server.port}/0")
    async with contextlib.AsyncExitStack() as first:
        await first.enter_async_context(home.lifespan())
        former = home._together.fellows.tenure()
        async with running(door):
            assert (await ask(door, "/readyz")).text == "ready\n"
            await first.aclose()
            await until(lambda: door.at_home)
            assert door._together.fellows.tenure().names[0] == former.names[0]
            assert door._together.fellows.tenure().name != former.name


async def test_the_first_start_on_a_new_redis_says_for_what_it_waits(
    made, server, redis, monkeypatch, caplog
):
    monkeypatch.setattr(meeting, "_TIMING", Timing(ttl=6.0, margin=1.0, patience=1.0))
    monkeypatch.setattr(fellows, "_GREETING", 0.5)
    await redis.flushall()
    server.kill()
    server.start()
    chat = made()
    async with chat.lifespan():
        assert chat.at_home, "it is waited for"
    assert "knows of no lease andiron:{localhost}:lease:home, which it may have lost" in caplog.text
    assert "does not answer" not in caplog.text


async def test_settings_of_redis_that_cannot_be(made, server, monkeypatch, tmp_path):
    server.kill()
    message = await failure(made())
    assert re.fullmatch(
        r"andiron: Redis at redis://127.0.0.1:\d+/0 cannot be reached: start it, or name the host"
        r" and port where it listens \(ANDIRON_CLUSTER\)\.",
        message,
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    wanted = "ANDIRON_CLUSTER names a Redis, whose client is not installed: run pip install"
    assert (await failure(made())).startswith(f"andiron: {wanted}")
    with pytest.raises(DatabaseError, match=re.escape("'andiron[cluster]'")):
        meeting.check(made().settings)


async def test_a_port_that_is_taken_is_said(made, server):
    port = server.port
    message = await failure(made(cluster_listen=f"127.0.0.1:{port}"))
    assert f"nothing can listen on 127.0.0.1, port {port}" in message
    assert message.endswith("(ANDIRON_CLUSTER).")


def test_what_is_listened_on(made):
    for text, place in {
        "": ("", 0),
        ":7750": ("", 7750),
        "10.0.0.5:0": ("10.0.0.5", 0),
        "[::1]:7750": ("::1", 7750),
    }.items():
        assert made(cluster_listen=text).settings.cluster_address() == place


async def test_certificates_that_cannot_be_read_stop_the_start_with_a_sentence(made, tmp_path):
    message = await failure(made(cluster=f"rediss://127.0.0.1:1?ca={tmp_path}/none.pem"))
    assert "let ca= name a PEM file (ANDIRON_CLUSTER)." in message
