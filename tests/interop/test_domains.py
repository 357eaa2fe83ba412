"""Real clients at a domain with a name in letters of its own, told it in one spelling or the other.

A page knows what ``location.hostname`` says, which is the name as DNS has it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.interop import server as servers
from tests.interop.client import BOSH, GlooxClient, NodeClient, PurpleClient
from tests.interop.server import Server

pytestmark = pytest.mark.peer

SHOWN = "m\N{LATIN SMALL LETTER U WITH DIAERESIS}nchen.example"
IN_DNS = "xn--mnchen-3ya.example"
LIBRARIES = ["xmppjs", "stanza", "strophe", "stanza-bosh", "strophe-bosh"]
PEOPLE = [
    f"{name}-{library}" for library in [*LIBRARIES, "gloox", "purple"] for name in ("alice", "bob")
]

SignIn = Callable[[str, str, str], Awaitable[NodeClient]]


@pytest.fixture(scope="module", params=[SHOWN, IN_DNS], ids=["shown", "in DNS"])
def munich(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server whose operator wrote its name in either way."""
    directory = tmp_path_factory.mktemp("munich")
    with servers.andiron(directory, PEOPLE, ANDIRON_DOMAIN=request.param) as server:
        yield server


@pytest.fixture
async def sign_in(node: str, munich: Server) -> AsyncIterator[SignIn]:
    """Return ``await sign_in(name, library, domain)``."""
    async with AsyncExitStack() as stack:

        async def start(name: str, library: str, domain: str) -> NodeClient:
            client = await NodeClient.start(node, library)
            stack.push_async_callback(client.stop)
            url = munich.bosh_url if library.endswith(BOSH) else munich.url
            await client.sign_in(url, domain, name, servers.PASSWORD)
            return client

        yield start


@pytest.mark.parametrize("library", LIBRARIES)
async def test_two_people_meet_and_one_resumes(sign_in: SignIn, library: str) -> None:
    alice = await sign_in(f"alice-{library}", library, IN_DNS)
    bob = await sign_in(f"bob-{library}", library, SHOWN)
    assert alice.jid == f"alice-{library}@{SHOWN}/{library}"
    alice.send(f"bob-{library}@{IN_DNS}", "hello")
    assert (await bob.receive("hello"))["from"] == alice.jid
    bob.send(f"alice-{library}@{IN_DNS}/{library}", "answer")
    assert (await alice.receive("answer"))["from"] == bob.jid
    if library == "strophe-bosh":
        alice.command("attach")
        await alice.expect("attached")
    else:
        alice.command("cut")
        await alice.expect("offline")
        bob.send(f"alice-{library}@{IN_DNS}/{library}", "while-away")
        await alice.expect("resumed")
        await alice.receive("while-away")
    alice.send(f"bob-{library}@{IN_DNS}", "last")
    await bob.receive("last")
    assert alice.count("online") == 1


async def test_answers_are_known_by_whom_they_are_from(sign_in: SignIn) -> None:
    alice = await sign_in("alice-stanza", "stanza", IN_DNS)
    for address in (IN_DNS, f"{SHOWN}.", f"Alice-Stanza@{IN_DNS}"):
        await alice.call("ping", address)
    items = await alice.call("getDiscoItems", IN_DNS)
    assert [item["jid"] for item in items["items"]] == [f"conference.{SHOWN}"]
    room = await alice.call("joinRoom", f"garden@conference.{IN_DNS}", "me")
    assert room["from"] == f"garden@conference.{SHOWN}/me"


async def test_gloox(gloox: str, munich: Server) -> None:
    people = []
    async with AsyncExitStack() as stack:
        for name, domain in (("alice-gloox", IN_DNS), ("bob-gloox", SHOWN)):
            client = await GlooxClient.start(gloox, munich, name, servers.PASSWORD, domain)
            stack.push_async_callback(client.stop)
            client.jid = (await client.expect("online"))["jid"]
            client.presence()
            people.append(client)
        alice, bob = people
        alice.send(f"bob-gloox@{IN_DNS}", "hello")
        assert (await bob.receive("hello"))["from"] == f"alice-gloox@{SHOWN}/gloox"
        bob.send(alice.jid, "answer")
        await alice.receive("answer")


async def test_libpurple(sign_in: SignIn, purple: str, munich: Server, tmp_path: Path) -> None:
    account = ("alice-purple", servers.PASSWORD, tmp_path, IN_DNS)
    alice = await PurpleClient.start(purple, munich, *account)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(alice.stop)
        await alice.expect("online")
        bob = await sign_in("bob-purple", "stanza", SHOWN)
        alice.send(f"bob-purple@{IN_DNS}", "hello")
        assert (await bob.receive("hello"))["from"] == f"alice-purple@{SHOWN}/purple"
        bob.send(f"alice-purple@{IN_DNS}/purple", "answer")
        await alice.receive("answer")
