"""One stream's sign-in by SASL."""

import asyncio
import base64
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scramp import ScramClient
from support.sasl import (
    ACCOUNTS,
    INSECURE,
    SECURE,
    KnownAccounts,
    Make,
    auth,
    condition,
    decode,
    element,
    encode,
    response,
    scram,
)
from support.thorough import examples

from andiron.domain.accounts.credentials import MECHANISMS, derive
from andiron.domain.database.database import DatabaseError
from andiron.domain.sign_in.exchange import Exchange
from andiron.domain.sign_in.sasl import Authenticator
from andiron.domain.sign_in.steps import Step
from andiron.sm.link import Channel
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import SaslCondition, SaslError, StreamCondition, StreamError
from andiron.xmpp.escape import escape
from andiron.xmpp.xml import Guard


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
    max_examples=examples(150),
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
