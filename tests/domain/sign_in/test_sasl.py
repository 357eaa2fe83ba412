import asyncio
import base64
import logging
import threading
from collections.abc import Awaitable, Callable
from math import inf

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scramp import ScramClient
from support.waiting import until

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.accounts.credentials import (
    MECHANISMS,
    Credentials,
    decoy,
    derive,
    verify_password,
)
from andiron.domain.config import ThrottleConfig
from andiron.domain.database.database import DatabaseError
from andiron.domain.sign_in import sasl as module
from andiron.domain.sign_in.sasl import Authenticator, Exchange, SaslConfig, Step
from andiron.domain.sign_in.turns import Turns
from andiron.sm.link import Channel
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import SaslCondition, SaslError, StreamCondition, StreamError
from andiron.xmpp.escape import escape
from andiron.xmpp.xml import Element, Guard

SECURE = Channel("192.0.2.1", True, "websocket")
INSECURE = Channel("192.0.2.1", False, "bosh")
ELSEWHERE = Channel("198.51.100.1", True, "websocket")


class KnownAccounts(Accounts):
    """Accounts that need no database."""

    def __init__(self, passwords: dict[str, str]) -> None:
        self._known_credentials = {
            name: derive(password, 4096) for name, password in passwords.items()
        }
        self.asked: list[str] = []
        self.failure: Exception | None = None

    async def standing(self, username: str) -> tuple[str, bool]:
        return "the first", False

    async def credentials(self, username: str) -> Credentials:
        self.asked.append(username)
        if self.failure is not None:
            raise self.failure
        return self._known_credentials.get(username) or decoy(b"secret", username, 4096)


ACCOUNTS = {"alice": "pencil", "bob": "crayon", "jörg": "stïft", "a=b,c": "comma"}


@pytest.fixture(scope="module")
def known() -> KnownAccounts:
    return KnownAccounts(ACCOUNTS)


class Clock:
    """A clock that is turned to the next moment as soon as somebody waits for it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        """How long the waits were."""

    def __call__(self) -> float:
        return self.now

    def drive(self, turns: Turns) -> None:
        timers = turns.timers

        def turn() -> None:
            at = timers.next_deadline()
            if turns.waiting and at > self.now:
                self.waits.append(at - self.now)
            self.now = max(self.now, at) if at < inf else self.now
            timers.run(self.now)
            schedule(timers.next_deadline())

        def schedule(at: float) -> None:
            if at < inf:
                asyncio.get_running_loop().call_soon(turn)

        timers.on_schedule = schedule


@pytest.fixture
def clock() -> Clock:
    return Clock()


Make = Callable[..., Authenticator]


@pytest.fixture
def make(known: KnownAccounts, clock: Clock):
    made: list[Authenticator] = []
    known.asked.clear()
    known.failure = None

    def build(throttle: ThrottleConfig | None = None, **options: object) -> Authenticator:
        config = SaslConfig("localhost", **options)  # type: ignore[arg-type]
        turns = Turns(throttle)
        clock.drive(turns)
        made.append(Authenticator(known, turns, config, clock=clock))
        return made[-1]

    yield build
    for authenticator in made:
        authenticator.close()


@pytest.fixture
def authenticator(make: Make) -> Authenticator:
    return make()


@pytest.fixture
def exchange(authenticator: Authenticator) -> Exchange:
    return authenticator.exchange(SECURE)


def element(name: str, content: str = "", mechanism: str | None = None) -> Element:
    attribute = "" if mechanism is None else f" mechanism='{escape(mechanism)}'"
    return Guard().read(f"<{name} xmlns='{ns.SASL}'{attribute}>{content}</{name}>")


def encode(message: str | bytes) -> str:
    data = message.encode() if isinstance(message, str) else message
    return base64.b64encode(data).decode() or "="


def decode(step: Step) -> str:
    return base64.b64decode(step.xml.partition(">")[2].partition("<")[0]).decode()


def auth(message: str | bytes, mechanism: str = "PLAIN") -> Element:
    return element("auth", encode(message), mechanism)


def response(message: str | bytes) -> Element:
    return element("response", encode(message))


async def condition(step: Awaitable[Step]) -> SaslCondition:
    with pytest.raises(SaslError) as caught:
        await step
    return SaslCondition(caught.value.condition)


async def scram(
    exchange: Exchange, mechanism: str, name: str, password: str, *, initial: bool = True
) -> Step:
    """Sign in with another implementation's client, which also checks the server's proof."""
    client = ScramClient([mechanism], name, password)
    first = client.get_client_first()
    if initial:
        step = await exchange.step(auth(first, mechanism), 0.0)
    else:
        step = await exchange.step(element("auth", mechanism=mechanism), 0.0)
        assert step == Step(f"<challenge xmlns='{ns.SASL}'/>")
        step = await exchange.step(response(first), 0.0)
    assert step.xml.startswith("<challenge ")
    assert not step.done
    client.set_server_first(decode(step))
    step = await exchange.step(response(client.get_client_final()), 0.0)
    client.set_server_final(decode(step))
    return step


@pytest.mark.parametrize(
    ("options", "channel", "more"),
    [
        ({}, SECURE, ("PLAIN",)),
        ({}, INSECURE, ()),
        ({"plain": False}, SECURE, ()),
        ({"anonymous": True}, SECURE, ("PLAIN", "ANONYMOUS")),
        ({"anonymous": True}, INSECURE, ("ANONYMOUS",)),
    ],
)
def test_what_is_offered_where(make: Make, options, channel: Channel, more: tuple[str, ...]):
    assert make(**options).mechanisms(channel) == (
        "SCRAM-SHA-512",
        "SCRAM-SHA-256",
        "SCRAM-SHA-1",
        *more,
    )


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("channel", [SECURE, INSECURE])
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_scram(authenticator: Authenticator, mechanism: str, channel, initial: bool):
    exchange = authenticator.exchange(channel)
    step = await scram(exchange, mechanism, "alice", "pencil", initial=initial)
    assert step.done
    assert step.username == "alice"
    assert step.xml.startswith(f"<success xmlns='{ns.SASL}'>")


@pytest.mark.parametrize(
    ("name", "username"),
    [("Alice", "alice"), ("J\u00d6RG", "jörg"), ("jo\u0308rg", "jörg"), ("a=b,c", "a=b,c")],
)
async def test_names_are_prepared(exchange: Exchange, name: str, username: str):
    step = await scram(exchange, "SCRAM-SHA-256", name, ACCOUNTS[username])
    assert step.username == username


async def test_an_account_that_is_gone_by_the_end_is_not_signed_in_to(
    exchange: Exchange, known: KnownAccounts, monkeypatch: pytest.MonkeyPatch
):
    async def gone(_username: str) -> tuple[None, bool]:
        return None, False

    monkeypatch.setattr(known, "standing", gone)
    with pytest.raises(SaslError) as refused:
        await exchange.step(auth("\0alice\0pencil"), 0.0)
    assert refused.value.condition == SaslCondition.NOT_AUTHORIZED


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_who_knows_the_password_of_before_is_not_signed_in(
    exchange: Exchange, known: KnownAccounts, monkeypatch: pytest.MonkeyPatch, mechanism: str
):
    """It was changed, or the account is another's of the same name, since the exchange began."""
    client = ScramClient([mechanism], "alice", "pencil")
    step = await exchange.step(auth(client.get_client_first(), mechanism), 0.0)
    client.set_server_first(decode(step))
    monkeypatch.setitem(known._known_credentials, "alice", derive("pencil", 4096))
    with pytest.raises(SaslError) as refused:
        await exchange.step(response(client.get_client_final()), 2.0)
    assert refused.value.condition == SaslCondition.NOT_AUTHORIZED
    assert (await scram(exchange, mechanism, "alice", "pencil")).done


@pytest.mark.parametrize(
    ("message", "username"),
    [
        ("\0alice\0pencil", "alice"),
        ("\0ALICE\0pencil", "alice"),
        ("alice\0alice\0pencil", "alice"),
        ("alice@localhost\0alice\0pencil", "alice"),
        ("Alice@LOCALHOST\0alice\0pencil", "alice"),
        ("\0jörg\0stïft", "jörg"),
        ("\0a=b,c\0comma", "a=b,c"),
    ],
)
@pytest.mark.parametrize("initial", [True, False])
async def test_plain(exchange: Exchange, message: str, username: str, initial: bool):
    if initial:
        step = await exchange.step(auth(message), 0.0)
    else:
        step = await exchange.step(element("auth", mechanism="PLAIN"), 0.0)
        assert step == Step(f"<challenge xmlns='{ns.SASL}'/>")
        step = await exchange.step(response(message), 0.0)
    assert step == Step(f"<success xmlns='{ns.SASL}'/>", username, done=True, born="the first")


@pytest.mark.parametrize("content", ["", "=", encode("trace information")])
async def test_anonymous_visitors_get_names_nobody_can_guess(make: Make, content: str):
    authenticator = make(anonymous=True)
    names = set()
    for _ in range(5):
        exchange = authenticator.exchange(INSECURE)
        step = await exchange.step(element("auth", content, "ANONYMOUS"), 0.0)
        assert step.done
        assert step.username is not None
        assert len(step.username) == 32
        names.add(step.username)
    assert len(names) == 5


@pytest.mark.parametrize(
    ("mechanism", "channel", "expected"),
    [
        ("PLAIN", INSECURE, SaslCondition.ENCRYPTION_REQUIRED),
        ("ANONYMOUS", SECURE, SaslCondition.INVALID_MECHANISM),
        ("SCRAM-SHA-1-PLUS", SECURE, SaslCondition.INVALID_MECHANISM),
        ("DIGEST-MD5", SECURE, SaslCondition.INVALID_MECHANISM),
        ("plain", SECURE, SaslCondition.INVALID_MECHANISM),
        ("", SECURE, SaslCondition.INVALID_MECHANISM),
        (None, SECURE, SaslCondition.INVALID_MECHANISM),
    ],
)
async def test_a_mechanism_that_is_not_offered(
    authenticator: Authenticator, mechanism: str, channel: Channel, expected: SaslCondition
):
    exchange = authenticator.exchange(channel)
    attempt = exchange.step(element("auth", encode("\0alice\0pencil"), mechanism), 0.0)
    assert await condition(attempt) is expected


async def test_plain_turned_off_is_no_mechanism(make: Make):
    exchange = make(plain=False).exchange(SECURE)
    assert await condition(exchange.step(auth("\0alice\0pencil"), 0.0)) == "invalid-mechanism"


@pytest.mark.parametrize(
    "content",
    [
        "====",
        "*",
        "AGFsaWNlAHBlbmNpb",
        "AGFsaWNl AHBlbmNpbA==",
        "\nAGFsaWNlAHBlbmNpbA==\n",
        "AGFsaWNlAHBlbmNpbA=",
        "AGFsaWNlAHBlbmNpbA",
        "AGFsaWNlAHBlbmNpbB==",
        "AGFsaWNlAHBlbmNpbA==AAAA",
        "AGFs-WNlAHBlbm_pbA==",
        "\u00e4\u00f6\u00fc=",
    ],
)
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1"])
async def test_base64_is_taken_strictly(exchange: Exchange, content: str, mechanism: str):
    attempt = exchange.step(element("auth", content, mechanism), 0.0)
    assert await condition(attempt) is SaslCondition.INCORRECT_ENCODING


@pytest.mark.parametrize(
    ("mechanism", "message"),
    [
        ("PLAIN", b""),
        ("PLAIN", b"alice"),
        ("PLAIN", b"alice\0pencil"),
        ("PLAIN", b"\0alice\0"),
        ("PLAIN", b"\0\0pencil"),
        ("PLAIN", b"\0alice\0pencil\0"),
        ("PLAIN", b"\0alice\0\xff\xfe"),
        ("PLAIN", b"\0alice\0\xed\xa0\x80"),
        ("SCRAM-SHA-256", b""),
        ("SCRAM-SHA-256", b"\xff"),
        ("SCRAM-SHA-256", b"\0alice\0pencil"),
        ("SCRAM-SHA-256", b"p=tls-exporter,,n=alice,r=abc"),
        ("SCRAM-SHA-256", b"n,,n=al=ice,r=abc"),
    ],
)
async def test_a_malformed_message(exchange: Exchange, mechanism: str, message: bytes):
    attempt = exchange.step(auth(message, mechanism), 0.0)
    assert await condition(attempt) is SaslCondition.MALFORMED_REQUEST


async def test_a_message_over_the_limit_is_not_decoded(make: Make, known: KnownAccounts):
    exchange = make(max_message=200).exchange(SECURE)
    attempt = exchange.step(auth("\0alice\0" + "x" * 200), 0.0)
    assert await condition(attempt) is SaslCondition.MALFORMED_REQUEST
    assert known.asked == []


@pytest.mark.parametrize(
    "given",
    [
        f"<auth xmlns='{ns.SASL}' mechanism='PLAIN'><x/></auth>",
        f"<auth xmlns='{ns.SASL}' mechanism='PLAIN'>AGFs<x xmlns='y'/>aWNl</auth>",
        f"<success xmlns='{ns.SASL}'/>",
        f"<response xmlns='{ns.SASL}'>AGFs</response>",
        "<auth xmlns='jabber:client' mechanism='PLAIN'>AGFsaWNlAHBlbmNpbA==</auth>",
    ],
)
async def test_an_element_that_was_not_expected(exchange: Exchange, given: str):
    attempt = exchange.step(Guard().read(given), 0.0)
    assert await condition(attempt) is SaslCondition.MALFORMED_REQUEST


async def test_an_exchange_is_not_begun_within_another(exchange: Exchange):
    await exchange.step(auth("n,,n=alice,r=abc", "SCRAM-SHA-1"), 0.0)
    attempt = exchange.step(auth("\0alice\0pencil"), 0.0)
    assert await condition(attempt) is SaslCondition.MALFORMED_REQUEST
    assert (await exchange.step(auth("\0alice\0pencil"), 0.0)).done


@pytest.mark.parametrize("under_way", [True, False])
async def test_abort(exchange: Exchange, under_way: bool):
    if under_way:
        await exchange.step(auth("n,,n=alice,r=abc", "SCRAM-SHA-1"), 0.0)
    assert await condition(exchange.step(element("abort"), 0.0)) is SaslCondition.ABORTED
    assert (await scram(exchange, "SCRAM-SHA-1", "alice", "pencil")).done


@pytest.mark.parametrize(
    "authzid",
    ["bob", "bob@localhost", "alice@example.org", "alice@localhost/phone", "localhost", "@", "a b"],
)
async def test_nobody_signs_in_as_somebody_else(
    exchange: Exchange, known: KnownAccounts, authzid: str
):
    plain = exchange.step(auth(f"{authzid}\0alice\0pencil"), 0.0)
    assert await condition(plain) is SaslCondition.INVALID_AUTHZID
    scram = exchange.step(auth(f"n,a={authzid},n=alice,r=abc", "SCRAM-SHA-256"), 0.0)
    assert await condition(scram) is SaslCondition.INVALID_AUTHZID
    assert known.asked == []


@pytest.mark.parametrize("authzid", ["alice", "ALICE", "alice@localhost", "Alice@Localhost"])
async def test_saying_that_one_is_oneself_is_allowed_in_scram(exchange: Exchange, authzid: str):
    header = f"n,a={authzid},"
    client = ScramClient(["SCRAM-SHA-256"], "alice", "pencil")
    client.gs2_header = Header(header)
    step = await exchange.step(auth(client.get_client_first(), "SCRAM-SHA-256"), 0.0)
    client.set_server_first(decode(step))
    step = await exchange.step(response(client.get_client_final()), 0.0)
    client.set_server_final(decode(step))
    assert step.username == "alice"


class Header(str):
    """A GS2 header with an authorization identity, which scramp cannot make itself."""

    __slots__ = ()

    def make_cbind_input(self, _binding: object) -> bytes:
        return self.encode()


IMPOSSIBLE = ["b b", "bob@localhost", "bob/phone", "b" * 1024, "\u4e00" * 700]


@pytest.mark.parametrize("name", ["alice", "nobody", *IMPOSSIBLE])
async def test_a_wrong_password_and_an_unknown_user_are_answered_alike(
    exchange: Exchange, name: str
):
    with pytest.raises(SaslError) as caught:
        await exchange.step(auth(f"\0{name}\0wrong"), 0.0)
    assert caught.value.to_xml() == f"<failure xmlns='{ns.SASL}'><not-authorized/></failure>"


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("name", ["alice", "nobody"])
async def test_scram_says_nothing_of_whether_a_user_exists(
    authenticator: Authenticator, mechanism: str, name: str
):
    challenges = []
    for _ in range(2):
        exchange = authenticator.exchange(SECURE)
        client = ScramClient([mechanism], name, "wrong")
        step = await exchange.step(auth(client.get_client_first(), mechanism), 0.0)
        client.set_server_first(decode(step))
        challenges.append(decode(step).split(",")[1:])
        with pytest.raises(SaslError) as caught:
            await exchange.step(response(client.get_client_final()), 0.0)
        assert caught.value.to_xml() == f"<failure xmlns='{ns.SASL}'><not-authorized/></failure>"
    assert challenges[0] == challenges[1]
    salt, iterations = challenges[0]
    assert len(base64.b64decode(salt[2:])) == 16
    assert iterations == "i=4096"


async def test_plain_does_the_same_work_for_an_unknown_user(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
):
    rounds: list[int] = []

    def watch(credentials: Credentials, password: str) -> bool:
        rounds.append(credentials.keys["SCRAM-SHA-256"].iterations)
        return verify_password(credentials, password)

    monkeypatch.setattr(module, "verify_password", watch)
    for name in ("alice", "nobody"):
        await condition(exchange.step(auth(f"\0{name}\0wrong"), 0.0))
    assert rounds == [4096, 4096]


async def test_hashing_leaves_the_event_loop_free(exchange: Exchange, monkeypatch):
    loop = asyncio.get_running_loop()
    passed = asyncio.Event()

    def wait_for_the_loop(_credentials: Credentials, _password: str) -> bool:
        asyncio.run_coroutine_threadsafe(passed.wait(), loop).result(timeout=60)
        return True

    monkeypatch.setattr(module, "verify_password", wait_for_the_loop)
    attempt = asyncio.create_task(exchange.step(auth("\0alice\0pencil"), 0.0))
    await asyncio.sleep(0)
    passed.set()
    assert (await attempt).username == "alice"


async def guess(exchange: Exchange, name: str, mechanism: str, now: float) -> SaslCondition:
    """Try a wrong password."""
    if mechanism == "PLAIN":
        return await condition(exchange.step(auth(f"\0{name}\0wrong"), now))
    first = await exchange.step(auth(f"n,,n={name},r=abc", mechanism), now)
    nonce = decode(first).split(",")[0]
    return await condition(exchange.step(response(f"c=biws,{nonce},p=AAAA"), now))


@pytest.mark.parametrize("name", ["alice", "nobody"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1"])
async def test_failures_slow_the_next_attempt(make: Make, clock: Clock, name: str, mechanism: str):
    exchange = make(max_attempts=100).exchange(SECURE)
    for _ in range(4):
        assert await guess(exchange, name, mechanism, clock()) == SaslCondition.NOT_AUTHORIZED
    assert clock.waits == pytest.approx([0.25, 0.75, 1.75], rel=0.02)
    clock.now += 100_000
    clock.waits.clear()
    await guess(exchange, name, mechanism, clock())
    assert clock.waits == []


async def test_the_right_password_waits_too(make: Make, clock: Clock):
    authenticator = make()
    await guess(authenticator.exchange(ELSEWHERE), "alice", "PLAIN", 0.0)
    assert (await authenticator.exchange(SECURE).step(auth("\0alice\0pencil"), 0.0)).done
    assert clock.waits == [0.25]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
async def test_an_owner_who_was_in_before_does_not_wait_for_guesses_elsewhere(
    make: Make, clock: Clock, mechanism: str
):
    authenticator = make()
    assert (await authenticator.exchange(SECURE).step(auth("\0alice\0pencil"), 0.0)).done
    for _ in range(4):
        await guess(authenticator.exchange(ELSEWHERE), "alice", mechanism, clock())
    clock.waits.clear()
    assert (await scram(authenticator.exchange(SECURE), "SCRAM-SHA-1", "alice", "pencil")).done
    assert clock.waits == []


async def until_waiting(authenticator: Authenticator, count: int) -> None:
    turns = authenticator.turns
    await until(lambda: turns.waiting >= count, lambda: f"{count} that wait, not {turns.waiting}")


@pytest.fixture
def still(make: Make) -> Authenticator:
    """An authenticator at which one guess has failed, and no time passes."""
    authenticator = make(throttle=ThrottleConfig(waiting=2))
    authenticator.turns.timers.on_schedule = lambda _at: None
    return authenticator


async def test_a_challenge_takes_no_turn(still: Authenticator):
    await guess(still.exchange(SECURE), "alice", "PLAIN", 0.0)
    for name in ("alice", "nobody"):
        step = await still.exchange(SECURE).step(auth(f"n,,n={name},r=abc", "SCRAM-SHA-1"), 0.0)
        assert step.xml.startswith("<challenge ")


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1"])
async def test_too_many_that_wait_are_told_to_try_later(still: Authenticator, mechanism: str):
    await guess(still.exchange(SECURE), "alice", "PLAIN", 0.0)
    waiting = [
        asyncio.create_task(guess(still.exchange(SECURE), "alice", mechanism, 0.0))
        for _ in range(2)
    ]
    await until_waiting(still, 2)
    refused = guess(still.exchange(SECURE), "alice", mechanism, 0.0)
    assert await refused is SaslCondition.TEMPORARY_AUTH_FAILURE
    assert still.turns.waiting == 2
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert still.turns.waiting == 0


async def test_who_leaves_gives_his_place_to_others_and_is_not_looked_at(
    still: Authenticator, known: KnownAccounts
):
    await guess(still.exchange(SECURE), "alice", "PLAIN", 0.0)
    known.asked.clear()
    exchange = still.exchange(SECURE)
    waiting = asyncio.create_task(guess(exchange, "alice", "PLAIN", 0.0))
    await until_waiting(still, 1)
    exchange.leave(0.1)
    assert await waiting is SaslCondition.TEMPORARY_AUTH_FAILURE
    assert still.turns.waiting == 0
    assert known.asked == []
    exchange.leave(0.2)


async def test_who_leaves_while_his_password_is_looked_at_has_guessed(
    still: Authenticator, monkeypatch: pytest.MonkeyPatch
):
    exchange = still.exchange(SECURE)
    begun, go_on = threading.Event(), threading.Event()

    def hold(_credentials: Credentials, _password: str) -> bool:
        begun.set()
        return not go_on.wait(timeout=60)

    monkeypatch.setattr(module, "verify_password", hold)
    attempt = asyncio.create_task(guess(exchange, "alice", "PLAIN", 0.0))
    await asyncio.to_thread(begun.wait, 10)
    exchange.leave(0.0)
    go_on.set()
    assert await attempt is SaslCondition.NOT_AUTHORIZED
    following = asyncio.create_task(guess(still.exchange(ELSEWHERE), "alice", "PLAIN", 0.0))
    await until_waiting(still, 1)
    following.cancel()
    await asyncio.wait([following])


@pytest.mark.parametrize("limit", [1, 3])
async def test_too_many_failures_end_the_stream(make: Make, limit: int):
    exchange = make(max_attempts=limit).exchange(SECURE)
    for _ in range(limit):
        await condition(exchange.step(auth("\0alice\0wrong"), 0.0))
    with pytest.raises(StreamError) as caught:
        await exchange.step(auth("\0alice\0pencil"), 0.0)
    assert caught.value.condition == StreamCondition.POLICY_VIOLATION


async def test_after_success_there_is_no_more_sasl(exchange: Exchange):
    assert (await exchange.step(auth("\0alice\0pencil"), 0.0)).done
    with pytest.raises(StreamError) as caught:
        await exchange.step(auth("\0bob\0crayon"), 0.0)
    assert caught.value.condition == StreamCondition.POLICY_VIOLATION


async def test_two_messages_at_once_end_the_stream(exchange: Exchange):
    first = asyncio.create_task(exchange.step(auth("\0alice\0pencil"), 0.0))
    await asyncio.sleep(0)
    with pytest.raises(StreamError):
        await exchange.step(auth("\0bob\0crayon"), 0.0)
    assert (await first).username == "alice"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1"])
async def test_a_database_that_fails_is_a_temporary_failure(
    exchange: Exchange, authenticator: Authenticator, known: KnownAccounts, mechanism: str
):
    known.failure = DatabaseError("disk full")
    message = "\0alice\0pencil" if mechanism == "PLAIN" else "n,,n=alice,r=abc"
    attempt = exchange.step(auth(message, mechanism), 0.0)
    assert await condition(attempt) is SaslCondition.TEMPORARY_AUTH_FAILURE
    assert len(authenticator.turns) == 0
    known.failure = None
    assert (await scram(exchange, "SCRAM-SHA-1", "alice", "pencil")).done


async def test_nothing_secret_is_logged(exchange: Exchange, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    await condition(exchange.step(auth("\0alice\0secret password"), 0.0))
    text = " ".join(record.getMessage() for record in caplog.records if record.name != "asyncio")
    assert "secret password" not in text
    assert encode("\0alice\0secret password") not in text


CONTENTS = st.one_of(
    st.binary(max_size=60).map(encode),
    st.text(st.characters(codec="utf-8"), max_size=20).map(encode),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), max_size=20).map(escape),
    st.sampled_from(["", "=", "<x/>"]),
    st.sampled_from(["n,,n=alice,r=abc", "c=biws,r=abc,p=AAAA", "\0\0", "a\0alice\0x"]).map(encode),
)
ELEMENTS = st.lists(
    st.tuples(
        st.sampled_from(["auth", "auth", "response", "response", "abort", "success"]),
        CONTENTS,
        st.sampled_from([*MECHANISMS, "PLAIN", "ANONYMOUS", "", None]),
    ),
    min_size=1,
    max_size=5,
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(ELEMENTS)
async def test_no_input_causes_anything_but_an_xmpp_error(
    known: KnownAccounts, make: Make, elements: list[tuple[str, str, str | None]]
):
    exchange = make(max_attempts=3).exchange(SECURE)
    for name, content, mechanism in elements:
        try:
            step = await exchange.step(element(name, content, mechanism), 0.0)
        except (SaslError, StreamError) as error:
            Guard().read(error.to_xml())
        else:
            assert not step.done
            assert Guard().read(step.xml).name == "challenge"


async def test_a_password_that_was_right_is_not_hashed_again(make, monkeypatch):
    hashed = []

    def verify(credentials, password):
        hashed.append(password)
        return verify_password(credentials, password)

    monkeypatch.setattr("andiron.domain.sign_in.sasl.verify_password", verify)
    authenticator = make()
    for _ in range(2):
        step = await authenticator.exchange(SECURE).step(auth("\0alice\0pencil"), 0.0)
        assert step.done
    assert hashed == ["pencil"]
    for name, password in (("alice", "wrong"), ("alice", "wrong"), ("nobody", "pencil")):
        attempt = authenticator.exchange(SECURE).step(auth(f"\0{name}\0{password}"), 0.0)
        assert await condition(attempt) == SaslCondition.NOT_AUTHORIZED
    assert hashed == ["pencil", "wrong", "wrong", "pencil"]
