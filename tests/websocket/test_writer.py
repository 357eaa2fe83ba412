"""How frames get out, whatever ``send`` is."""

import asyncio
import contextvars
import functools

import pytest
from support.asgi import ClientGone, settle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from andiron.websocket.writer import Writer, needs_no_task

PLACE = contextvars.ContextVar("place", default="nowhere")


class Server:
    """A server's ``send``, and the owner of a writer over it."""

    def __init__(self, *, by_hand=False, limit=1_000_000):
        self.taken = []
        self.heard = []
        self.error = None
        self.open = asyncio.Event()
        self.open.set()
        self.writer = Writer(self.send, limit, self, by_hand=by_hand)

    async def send(self, message):
        await self.open.wait()
        if self.error is not None:
            raise self.error
        self.taken.append(message.get("text", message.get("code")))

    def drained(self):
        self.heard.append("drained")

    def failed(self, error):
        self.heard.append(error)


@pytest.fixture(params=[True, False], ids=["by hand", "in a task"])
def by_hand(request):
    return request.param


@pytest.fixture
async def server(by_hand):
    return Server(by_hand=by_hand)


async def test_frames_keep_their_order(server):
    for number in range(3):
        server.writer.send(str(number))
    server.writer.close(1000)
    await settle()
    assert server.taken == ["0", "1", "2", 1000]
    assert not server.writer.busy


async def test_what_waits_goes_before_the_close(server):
    server.open.clear()
    for number in range(3):
        server.writer.send(str(number))
    server.writer.close(1000)
    await settle()
    assert server.writer.busy
    assert server.taken == []
    server.open.set()
    await settle()
    assert server.taken == ["0", "1", "2", 1000]
    assert server.heard == ["drained"]
    assert not server.writer.busy


async def test_a_network_that_pushes_back_gives_back_what_waits():
    server = Server(by_hand=True)
    server.open.clear()
    for number in range(3):
        server.writer.send(str(number))
    assert server.writer.congested
    assert server.writer.take_back(lost=False) == ["1", "2"]
    assert server.writer.take_back(lost=True) == []
    server.open.set()
    await settle()
    assert server.taken == ["0"]
    assert not server.writer.congested


async def test_what_a_task_is_about_to_send_counts_as_sent():
    server = Server()
    server.open.clear()
    server.writer.send("0")
    await settle()
    server.writer.send("1")
    assert not server.writer.congested
    assert server.writer.take_back(lost=False) == []
    server.writer.send("2" * 65_536)
    assert server.writer.congested
    assert server.writer.take_back(lost=False) == ["1", "2" * 65_536]
    assert not server.writer.congested
    server.open.set()
    await settle()
    assert server.taken == ["0"]


async def test_a_lost_connection_gives_back_all_that_waits(server):
    server.open.clear()
    for number in range(3):
        server.writer.send(str(number))
    await settle()
    server.writer.cancel()
    assert server.writer.take_back(lost=True) == ["1", "2"]
    await settle()
    assert server.taken == []
    assert not server.writer.busy


async def test_the_limit_is_told_once(by_hand):
    server = Server(by_hand=by_hand, limit=10)
    server.open.clear()
    for _ in range(5):
        server.writer.send("x" * 6)
        assert server.heard == []
    await settle()
    assert server.heard == [None]
    server.writer.cancel()
    await settle()


@pytest.mark.parametrize("size", [10, 600, 5_000])
async def test_who_stops_where_the_network_pushes_back_stays_within_the_limit(by_hand, size):
    server = Server(by_hand=by_hand, limit=1_000)
    server.open.clear()
    while not server.writer.congested:
        server.writer.send("x" * size)
    await settle()
    assert server.heard == []
    server.open.set()
    await settle()
    assert server.heard == ["drained"]


async def test_an_error_is_told_once_and_later(server):
    server.error = ZeroDivisionError()
    server.writer.send("0")
    server.writer.send("1")
    assert server.heard == []
    await settle()
    assert server.heard == [server.error]


async def test_a_client_that_is_gone_is_the_readers_to_notice(server):
    server.error = ClientGone()
    server.writer.send("0")
    server.writer.close(1000)
    await settle()
    assert server.heard == []
    assert not server.writer.busy


async def test_uvicorn_has_a_word_of_its_own_for_a_client_that_broke_the_protocol():
    """It closed the WebSocket before the reader could learn that."""
    server, other = Server(by_hand=True), Server()
    for place in (server, other):
        place.error = RuntimeError("Unexpected ASGI message, after sending 'websocket.close'.")
        place.writer.send("0")
        place.writer.close(1000)
    await settle()
    assert server.heard == []
    assert other.heard == [other.error]


async def test_a_task_sends_in_the_context_of_its_connection():
    PLACE.set("home")
    server = Server()
    places = []
    server.writer._send = places_of(server.send, places)
    PLACE.set("elsewhere")
    asyncio.get_running_loop().call_soon(server.writer.send, "0")
    await settle()
    server.writer.send("1")
    await settle()
    assert server.taken == ["0", "1"]
    assert places == ["home", "home"]
    assert PLACE.get() == "elsewhere"


def places_of(send, places):
    async def noting(message):
        assert asyncio.current_task() is not None
        places.append(PLACE.get())
        await send(message)

    return noting


async def test_a_timeout_of_one_connection_ends_no_other():
    """Whoever delivers has nothing to do with how long the recipient's network takes."""
    server = Server()
    raised = []

    async def impatient(message):
        try:
            async with asyncio.timeout(0):
                await server.send(message)
        except TimeoutError as error:
            raised.append(error)
            raise

    server.writer._send = impatient
    server.open.clear()
    server.writer.send("from another task")
    await settle()
    assert len(raised) == 1
    assert server.heard == []  # TimeoutError is an OSError: the reader learns of the loss
    assert asyncio.current_task().cancelling() == 0


async def test_only_uvicorns_own_send_needs_no_task():
    class Ours(WebSocketsSansIOProtocol):
        def __init__(self):
            pass

    send = Ours().send
    assert needs_no_task(send)
    assert not needs_no_task(functools.partial(send))
    assert not needs_no_task(Server().send)
