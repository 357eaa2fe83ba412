"""One process at a time is home, the others find it by Redis, and strangers get nowhere."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from redis.asyncio import Redis
from support.redis_server import RedisServer
from support.waiting import until

from andiron.cluster.door import HomeLink
from andiron.cluster.hello import Hello
from andiron.cluster.home import Home
from andiron.cluster.place import PlaceError
from andiron.cluster.redis import place as place_module
from andiron.cluster.redis import proof
from andiron.cluster.redis.address import Keys, parse
from andiron.cluster.redis.belief import Timing
from andiron.cluster.redis.place import RedisPlace, Where

TIMING = Timing(ttl=30.0, margin=2.0)


class End(asyncio.Protocol):
    """One end of a connection that was let through."""

    def __init__(self) -> None:
        self.came = b""
        self.over = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"hello")

    def data_received(self, data: bytes) -> None:
        self.came += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.over = True


class Ends:
    """Makes them, and keeps them."""

    def __init__(self) -> None:
        self.made: list[End] = []

    def __call__(self) -> End:
        self.made.append(End())
        return self.made[-1]


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    for each in made.made:
        if each.transport is not None:
            each.transport.abort()


Make = Callable[..., RedisPlace]


@pytest.fixture
async def make(redis_server: RedisServer, redis: Redis, keys: Keys) -> AsyncIterator[Make]:
    await redis.set(keys.key("fence", "home"), 1)
    made: list[RedisPlace] = []

    def one(listen_on: tuple[str, int] = ("", 0)) -> RedisPlace:
        address = parse(redis_server.url)
        place = RedisPlace(address, keys.domain, lambda: None, listen_on=listen_on, timing=TIMING)
        made.append(place)
        return place

    yield one
    for each in made:
        await each.end()


async def home_of(redis: Redis, place: RedisPlace) -> Where:
    record = await redis.hget(place.lease.key, "where")
    assert record is not None
    return Where.read(record)


async def test_one_has_it_at_a_time(make: Make) -> None:
    one, other = make(), make()
    assert await one.take()
    assert await one.take()
    assert not await other.take()
    await one.release()
    assert await other.take()
    assert not await one.take()


async def test_the_others_reach_it(make: Make, ends: Ends) -> None:
    one, other = make(), make()
    assert not await other.reach(ends), "there is none"
    await one.take()
    assert not await other.reach(ends), "it does not listen yet"
    await one.listen(ends)
    assert await other.reach(ends)
    await until(lambda: [each.came for each in ends.made] == [b"hello", b"hello"])
    await one.close()
    assert not await other.reach(ends)
    assert not await other.take(), "it is home still"
    assert not any(each.over for each in ends.made), "who is there may stay"


async def test_who_waits_hears_of_it_at_once(
    make: Make, ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_module, "_LOOK", 60.0)
    one, other = make(), make()
    await one.begin()
    await other.begin()
    await one.take()
    async with asyncio.timeout(30):
        assert not await other.take()
        await other.wait()  # It has begun to listen.
        waiting = asyncio.create_task(other.wait())
        await one.listen(ends)
        await waiting
        assert await other.reach(ends)
        waiting = asyncio.create_task(other.wait())
        await one.release()
        await waiting
        assert await other.take()
    assert not other.early


async def test_where_it_listens(make: Make, redis: Redis, ends: Ends) -> None:
    one = make(("0.0.0.0", 0))
    await one.take()
    await one.listen(ends)
    where = await home_of(redis, one)
    assert where.host == "127.0.0.1", "that is where Redis is reached from"
    assert where.secret.hex() not in repr(one)
    await one.close()
    await one.listen(ends)
    assert (await home_of(redis, one)).secret != where.secret, "each time another"


async def test_it_cannot_listen_there(make: Make, ends: Ends) -> None:
    one = make(("192.0.2.1", 0))
    await one.take()
    with pytest.raises(PlaceError, match=r"nothing can listen on 192\.0\.2\.1"):
        await one.listen(ends)


async def test_a_home_that_is_no_more_answers_nobody(make: Make, redis: Redis, ends: Ends) -> None:
    one, other = make(), make()
    await one.take()
    await one.listen(ends)
    where = await home_of(redis, one)
    await one.close()
    await one.lease.publish(where.written())
    assert not await other.reach(ends)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 900,
        b'{"host":"","port":1,"secret":"00"}',
        b'{"host":"h","port":0,"secret":"%s"}' % (b"00" * 32),
        b'{"host":"h","port":65536,"secret":"%s"}' % (b"00" * 32),
        b'{"host":"h","port":1,"secret":"00"}',
        b'{"host":"h","port":1,"secret":"%s"}' % (b"zz" * 32),
        b'{"host":"h","port":1,"secret":"%s"} %s' % (b"00" * 32, b" " * 1000),
    ],
)
def test_records_that_are_none(record: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        Where.read(record)


async def test_a_record_that_cannot_be_understood_is_told_of(
    make: Make, redis: Redis, ends: Ends
) -> None:
    place = make()
    await redis.hset(place.lease.key, mapping={"token": "x", "where": "?"})
    with pytest.raises(PlaceError, match="cannot be understood"):
        await place.reach(ends)


async def test_a_redis_that_is_not_there(keys: Keys, ends: Ends) -> None:
    place = RedisPlace(parse("redis://:sesame@127.0.0.1:1"), keys.domain, lambda: None)
    for attempt in (place.take(), place.reach(ends)):
        with pytest.raises(PlaceError, match=r"redis://127\.0\.0\.1:1/0"):
            await attempt
    await place.end()


# Strangers


@pytest.fixture
async def where(make: Make, redis: Redis, ends: Ends) -> Where:
    place = make()
    await place.take()
    await place.listen(ends)
    return await home_of(redis, place)


async def open_stranger(where: Where) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(where.host, where.port)


async def refused(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return what came before the end."""
    try:
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("said", [bytes(64), b"GET / HTTP/1.1\r\n" * 10, bytes(100_000)])
async def test_who_does_not_know_the_secret(where: Where, ends: Ends, said: bytes) -> None:
    reader, writer = await open_stranger(where)
    asked = await reader.readexactly(len(proof._FIRST) + 32)
    writer.write(said)
    assert await refused(reader, writer) == b""
    assert where.secret not in asked
    assert not ends.made


async def test_what_was_said_once_is_no_proof_later(where: Where, ends: Ends) -> None:
    said = b""
    for number in range(2):
        reader, writer = await open_stranger(where)
        asked = await reader.readexactly(len(proof._FIRST) + 32)
        nonce = asked[len(proof._FIRST) :]
        if number == 0:
            own = bytes(32)
            asking = proof.Asking(where.secret, ends)
            said = own + asking._mac(b"door", nonce, own)
            asking._late.cancel()
            writer.write(said)
            assert (await reader.readexactly(37)).endswith(b"hello")
            writer.close()
        else:
            writer.write(said)
            assert await refused(reader, writer) == b""
    assert len(ends.made) == 1


async def test_who_says_nothing_is_not_waited_for(
    where: Where, ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "_PATIENCE", 0.1)
    assert (await refused(*await open_stranger(where))).startswith(proof._FIRST)
    assert not ends.made


async def test_strangers_are_bounded_and_give_way(
    make: Make, redis: Redis, ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_module, "_STRANGERS", 3)
    one, other = make(), make()
    await one.take()
    await one.listen(ends)
    found = await home_of(redis, one)
    strangers = [await open_stranger(found) for _ in range(3)]
    for reader, _ in strangers:
        await reader.readexactly(len(proof._FIRST))
    assert not await other.reach(ends)
    for _, writer in strangers:
        writer.close()
    await until(lambda: not one._strangers)
    assert await other.reach(ends)


async def test_who_comes_as_it_closes_is_let_go(make: Make, ends: Ends) -> None:
    """The event loop may have accepted him, and make his connection afterwards."""
    place = make()
    await place.take()
    await place.listen(ends)
    accepted = place._ask(bytes(32), ends)
    await place.close()
    loop = asyncio.get_running_loop()
    for stranger in (accepted, place._ask(bytes(32), ends)):
        here, there = socket.socketpair()
        here.setblocking(False)
        there.setblocking(False)
        with here:
            transport, _ = await loop.connect_accepted_socket(lambda each=stranger: each, there)
            async with asyncio.timeout(30):
                while await loop.sock_recv(here, 100):
                    pass
            assert transport.is_closing()
    assert not place._strangers


async def test_a_door_does_not_believe_anybody(
    make: Make, redis: Redis, ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has the home's port by now."""
    monkeypatch.setattr(place_module, "_CONNECTING", 0.5)
    heard = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answers[0])
        heard.append(await reader.read(1000))
        writer.write(bytes(32))
        await reader.read()
        writer.close()

    answers = [b""]
    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    one, other = make(), make()
    await one.take()
    await one.lease.publish(Where("127.0.0.1", port, bytes(32)).written())
    for answer in (proof._FIRST + bytes(32), b"HTTP/1.1 400 Bad Request" + bytes(100), b""):
        answers[0] = answer
        assert not await other.reach(ends)
    assert not ends.made
    assert bytes(32) not in heard[0][32:]
    server.close()


async def test_requests_are_relayed_by_it(make: Make) -> None:
    """What a door and a home say to each other goes this way as by a socket file."""
    own = Hello("chat.example", 1)

    async def serve(scope, receive, send, told):  # type: ignore[no-untyped-def]
        message = await receive()
        body = json.dumps([scope["path"], message["body"].decode(), dict(told)]).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    home = Home(serve, own, 100_000)
    one, other = make(), make()
    await one.take()
    await one.listen(home.accept)
    link = HomeLink(Hello("chat.example", 2), 100_000, lambda: None)
    assert await other.reach(lambda: link)
    await link.met
    scope = {"type": "http", "path": "/x", "method": "GET", "headers": [], "query_string": b""}
    sent = []

    async def receive() -> dict:
        if not sent:
            return {"type": "http.request", "body": b"question", "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message) -> None:  # type: ignore[no-untyped-def]
        sent.append(message)

    await link.relay(scope, {}, receive, send, held=False)
    assert json.loads(sent[1]["body"]) == ["/x", "question", {"door": ":2"}]
    link.close()
    await home.close()
