"""A client in the process meets the bounds of any other."""

import asyncio
from contextlib import contextmanager

import pytest
from support.sessions import BIND, GUARD, SIGN_IN, World, message
from support.waiting import until

from andiron.inprocess.config import InprocessConfig
from andiron.inprocess.entrance import Entrance
from andiron.sm.config import SmConfig
from andiron.sm.link import CloseReason, StreamHeader, StreamOpen

OPENING = StreamOpen("localhost", "1.0")


class House:
    """A manager, its entrance, and clients that read when they are told to."""

    def __init__(self, sm: SmConfig | None = None, **config):
        self.world = World(sm)
        self.serving = 0
        self.entrance = Entrance(
            self.world.manager,
            InprocessConfig(**config),
            GUARD,
            domain="localhost",
            serving=self.one,
        )

    @contextmanager
    def one(self):
        self.serving += 1
        yield
        self.serving -= 1

    def connect(self, name="juliet"):
        return End(self.entrance, name)

    async def bind(self, name="juliet"):
        end = self.connect(name)
        end.line.begin(OPENING)
        end.line.write(SIGN_IN.format(name))
        await end.until("<success/>")
        end.line.begin(OPENING)
        end.line.write(BIND)
        await end.until("<iq type='result'")
        return end


class End:
    def __init__(self, entrance, name):
        self.heard = 0
        self.seen = []
        self.line = entrance.enter(name, self._hear)

    def _hear(self):
        self.heard += 1

    def read(self):
        while (item := self.line.take()) is not None:
            self.seen.append(item)
        return self.seen

    async def until(self, start):
        def there():
            self.read()
            return any(str(one).startswith(start) for one in self.seen)

        await until(there, lambda: f"{start} in {self.seen}")

    async def over(self):
        def over():
            self.read()
            return self.line.over

        await until(over, "the end")
        return "".join(str(one) for one in self.seen)

    @property
    def session(self):
        return self.line.session


async def test_a_stream_from_its_header_to_its_end():
    house = House()
    juliet, romeo = await house.bind("juliet"), await house.bind("romeo")
    assert isinstance(juliet.seen[0], StreamHeader)
    juliet.line.write(message("romeo@localhost", "good night"))
    await romeo.until("<message")
    juliet.line.end()
    await juliet.over()
    assert house.world.manager.closed == {CloseReason.CLIENT_CLOSED: 1}
    await until(lambda: house.serving == 1)


async def test_nothing_is_handed_over_within_a_call():
    house = House()
    juliet = house.connect()
    juliet.line.begin(OPENING)
    assert juliet.line.take() is None
    assert juliet.heard == 0
    await until(lambda: juliet.heard == 1)
    assert juliet.line.take().sender == "localhost"


async def test_elements_that_come_together_are_read_one_in_each_run_of_the_loop():
    house = House()
    juliet, romeo = await house.bind("juliet"), await house.bind("romeo")
    text = "<message to='romeo@localhost'><body>{}</body></message>"
    juliet.line.write(text.format("one") + "\n" + text.format("two"))
    juliet.line.write(" ")
    await asyncio.sleep(0)
    assert juliet.session.inbound.h == 2  # the request to bind, and one
    await romeo.until("<message xmlns='jabber:client' to='romeo@localhost'><body>two")


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("<message/>", "not-authorized"),
        ("<message", "not-well-formed"),
        ("words", "bad-format"),
        ("<!-- --><message/>", "restricted-xml"),
        (f"<message id='{'x' * 20_000}'/>", "policy-violation"),
    ],
)
async def test_what_is_wrong_before_the_stream_is_open_is_told(text, condition):
    house = House()
    juliet = house.connect()
    juliet.line.write(text)
    told = await juliet.over()
    assert told.startswith("StreamHeader")
    assert f"<{condition} " in told
    await until(lambda: house.serving == 0)


async def test_a_stream_is_opened_once():
    juliet = House().connect()
    juliet.line.begin(OPENING)
    juliet.line.begin(OPENING)
    assert "<policy-violation " in await juliet.over()


async def test_a_stanza_may_be_as_large_as_anybodys_and_no_larger():
    house = House(max_stanza_size=20_000)
    juliet = await house.bind()
    juliet.line.write(message("romeo@localhost", "x" * 19_000))
    await until(lambda: house.world.backend.undelivered["romeo@localhost"])
    juliet.line.write(message("romeo@localhost", "x" * 21_000))
    assert "<policy-violation " in await juliet.over()


async def test_one_who_is_not_read_from_waits_and_who_goes_on_is_ended():
    house = House(SmConfig(pending=1), buffer_bytes=20_000)
    house.world.backend.deferring = True
    juliet, romeo = await house.bind("juliet"), await house.bind("romeo")
    for body in ("one", "two", "x" * 10_000):
        juliet.line.write(message("romeo@localhost", body))
    assert juliet.line.busy
    await until(lambda: len(house.world.backend.deferred) == 1)
    heard = juliet.heard
    for _ in range(3):
        await asyncio.sleep(0)
        house.world.backend.settle_all()
    await until(lambda: juliet.heard > heard)
    assert not juliet.line.busy
    await romeo.until("<message")
    for _ in range(3):
        juliet.line.write(message("romeo@localhost", "y" * 9_000))
    assert "<policy-violation " in await juliet.over()
    assert not romeo.line.over


async def test_one_who_does_not_read_is_dropped_and_it_goes_another_way():
    house = House(buffer_bytes=20_000, patience=0.01)
    juliet, romeo = await house.bind("juliet"), await house.bind("romeo")
    for body in "abcd":
        juliet.line.write(message("romeo@localhost", body * 6_000))
        await until(lambda: not juliet.line.busy)
        await asyncio.sleep(0)
    await until(lambda: romeo.line.over)
    assert house.world.manager.closed == {CloseReason.SLOW_READER: 1}
    assert len(house.world.backend.undelivered["romeo@localhost"]) == 4
    assert not juliet.line.over


async def test_far_too_much_is_not_waited_for():
    house = House(buffer_bytes=20_000, patience=60)
    romeo = await house.bind("romeo")
    for _ in range(17 * 4):
        romeo.session.deliver(message("romeo@localhost", "x" * 5_000), house.world.now)
    await until(lambda: romeo.line.over)
    assert house.world.manager.closed == {CloseReason.SLOW_READER: 1}


async def test_one_who_reads_is_given_time():
    house = House(buffer_bytes=20_000, patience=60)
    romeo = await house.bind("romeo")
    for _ in range(8):
        romeo.session.deliver(message("romeo@localhost", "x" * 5_000), house.world.now)
    taken = romeo.line._taken
    romeo.line.take()
    romeo.line._judge(taken)
    assert not romeo.line.over
    romeo.line._judge(romeo.line._taken)
    assert romeo.line.over


async def test_one_who_reads_late_hears_all():
    house = House(buffer_bytes=20_000)
    juliet, romeo = await house.bind("juliet"), await house.bind("romeo")
    for _ in range(2):
        juliet.line.write(message("romeo@localhost", "x" * 6_000))
    await until(lambda: romeo.line.congested)
    told = []
    romeo.session.when_taken(romeo.session.mark, lambda: told.append("taken"))
    assert told == []
    assert len(romeo.read()) > 2
    await until(lambda: told == ["taken"])


async def test_a_session_is_resumed_over_another_connection():
    house = House()
    romeo = await house.bind("romeo")
    romeo.line.write("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    await romeo.until("<enabled")
    name = romeo.session.management.id
    romeo.line.drop()
    assert romeo.line.over
    juliet = await house.bind("juliet")
    juliet.line.write(message("romeo@localhost", "wait for me"))
    again = house.connect("romeo")
    again.line.begin(OPENING)
    again.line.write(SIGN_IN.format("romeo"))
    await again.until("<success/>")
    again.line.begin(OPENING)
    again.line.write(f"<resume xmlns='urn:xmpp:sm:3' previd='{name}' h='0'/>")
    await again.until("<message")
    assert house.world.manager.resumed == 1


async def test_the_end_waits_for_a_reader_but_not_for_ever():
    house = House(close_timeout=0.01)
    juliet = await house.bind()
    house.world.manager.shutdown(house.world.now)
    assert juliet.line.closing
    assert not juliet.line.over
    juliet.line.write("<presence/>")
    await until(lambda: juliet.line.over)
    assert juliet.line.take() is None
    await until(lambda: house.serving == 0)
    late = house.connect()
    assert "<system-shutdown " in await late.over()


async def test_a_session_drops_a_dead_client():
    house = House(SmConfig(idle_probe=10, idle_timeout=10))
    juliet = await house.bind()
    house.world.pass_time(25)
    await until(lambda: juliet.line.over)
    assert house.world.manager.closed == {CloseReason.DEAD_PEER: 1}
    juliet.line.drop()
