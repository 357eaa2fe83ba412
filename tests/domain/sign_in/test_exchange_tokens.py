"""Sign-in by tokens, without a network: who is let in, and who waits for whom."""

import asyncio
import base64
import json
import logging
from collections.abc import Awaitable
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.domain.accounts.accounts import Accounts, InvalidName
from andiron.domain.accounts.credentials import Credentials, decoy, derive
from andiron.domain.config import ThrottleConfig
from andiron.domain.sign_in.exchange import SaslConfig
from andiron.domain.sign_in.sasl import Authenticator
from andiron.domain.sign_in.site import Site
from andiron.domain.sign_in.steps import Step
from andiron.domain.sign_in.tokens import Grant, UnfitToken
from andiron.domain.sign_in.turns import Turns
from andiron.sm.link import Channel
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import SaslCondition, SaslError, StreamError
from andiron.xmpp.xml import Guard

HERE = Channel("192.0.2.1", secure=True, kind="websocket")
ELSEWHERE = Channel("198.51.100.1", secure=True, kind="websocket")
OPEN_AIR = Channel("192.0.2.1", secure=False, kind="websocket")

LATER = 4_000.0
"""A Unix time, of which nothing here asks whether it has come."""
JWT = "eyJh.eyJz.{}"
SIGNED = {
    JWT.format("juliet"): Grant("juliet", LATER),
    JWT.format("address"): Grant("Juliet@localhost"),
    JWT.format("romeo"): Grant("romeo"),
    JWT.format("elsewhere"): Grant("juliet@elsewhere.example"),
    JWT.format("unable"): Grant("ju liet"),
}
EXPIRED = JWT.format("expired")
OPAQUE = {"opaque-juliet": "juliet", "opaque-romeo": "romeo@localhost"}


class Signed:
    def read(self, token: str) -> Grant | None:
        if token == EXPIRED:
            raise UnfitToken
        return SIGNED.get(token)


class FewAccounts(Accounts):
    """Accounts in memory; juliet has one with a password."""

    def __init__(self) -> None:
        self.all = {"juliet": derive("pencil", 4096)}
        self.hashed: list[str] = []

    async def standing(self, username: str) -> tuple[str, bool]:
        return "", False

    async def credentials(self, username: str) -> Credentials:
        self.hashed.append(username)
        return self.all.get(username) or decoy(b"secret", username, 4096)

    async def exists(self, username: str) -> bool:
        return username in self.all

    async def provide(self, username: str) -> None:
        if username == "unlucky":
            raise InvalidName("it has too much of everything")
        self.all[username] = decoy(b"secret", username, 4096)


class Bench:
    """An authenticator whose clock stands still: who must wait for a moment waits for ever."""

    def __init__(self, *, signed: bool = True, opaque: bool = False, **options: object) -> None:
        self.asked: list[str] = []
        self.accounts = FewAccounts()
        self.turns = Turns(ThrottleConfig())
        site = Site(
            signed=Signed() if signed else None,
            verify_token=self.verify if opaque else None,
            provision=bool(options.pop("provision", True)),
        )
        config = SaslConfig("localhost", **options)  # type: ignore[arg-type]
        self.authenticator = Authenticator(
            self.accounts, self.turns, config, clock=lambda: 0.0, site=site
        )

    async def verify(self, token: str) -> str | None:
        self.asked.append(token)
        if token == "opaque-broken":
            raise LookupError
        return OPAQUE.get(token)

    def stream(self, channel: Channel = HERE) -> "Stream":
        return Stream(self.authenticator, channel)

    def mechanisms(self, channel: Channel = HERE) -> tuple[str, ...]:
        return self.authenticator.mechanisms(channel)


class Stream:
    def __init__(self, authenticator: Authenticator, channel: Channel) -> None:
        self.exchange = authenticator.exchange(channel)

    async def say(self, name: str, message: str | None = None, mechanism: str = "") -> Step:
        content = "" if message is None else base64.b64encode(message.encode()).decode() or "="
        which = f" mechanism='{mechanism}'" if mechanism else ""
        text = f"<{name} xmlns='{ns.SASL}'{which}>{content}</{name}>"
        return await self.exchange.step(Guard().read(text), 0.0)

    async def bearer(self, token: str, authzid: str = "") -> Step:
        wish = f"a={authzid}" if authzid else ""
        return await self.say("auth", f"n,{wish},\x01auth=Bearer {token}\x01\x01", "OAUTHBEARER")

    async def plain(self, name: str, password: str, authzid: str = "") -> Step:
        return await self.say("auth", f"{authzid}\0{name}\0{password}", "PLAIN")


@pytest.fixture
def bench():
    made = []

    def make(**options):
        made.append(Bench(**options))
        return made[-1]

    yield make
    for each in made:
        each.authenticator.close()


async def failure(step: Awaitable[Step]) -> str:
    with pytest.raises(SaslError) as caught:
        await step
    return caught.value.condition


async def refused(stream: Stream, token: str, authzid: str = "") -> None:
    """See a token refused as RFC 7628 section 3.2.3 has it."""
    step = await stream.bearer(token, authzid)
    assert not step.done
    challenge = step.xml.removeprefix(f"<challenge xmlns='{ns.SASL}'>").partition("<")[0]
    assert json.loads(base64.b64decode(challenge)) == {"status": "invalid_token"}
    assert await failure(stream.say("response", "\x01")) == SaslCondition.NOT_AUTHORIZED


async def waits(step: Awaitable[Step]) -> bool:
    """Tell whether a step waits for a moment that does not come."""
    task = asyncio.ensure_future(step)
    done, _ = await asyncio.wait([task], timeout=0.05)
    task.cancel()
    await asyncio.wait([task])
    return not done


# What is offered


def test_tokens_are_offered_where_nobody_overhears_them(bench):
    assert bench().mechanisms(HERE) == ("OAUTHBEARER", "PLAIN")
    assert bench(opaque=True, signed=False).mechanisms(HERE) == ("OAUTHBEARER", "PLAIN")
    assert "OAUTHBEARER" not in bench().mechanisms(OPEN_AIR)
    assert "OAUTHBEARER" not in bench(signed=False).mechanisms(HERE)


def test_scram_is_offered_where_no_token_stands_for_a_password(bench):
    assert "SCRAM-SHA-256" in bench().mechanisms(OPEN_AIR)
    assert "SCRAM-SHA-256" in bench(plain=False).mechanisms(HERE)
    assert "OAUTHBEARER" in bench(plain=False).mechanisms(HERE)


async def test_a_token_in_the_open_is_not_looked_at(bench):
    stream = bench().stream(OPEN_AIR)
    attempt = stream.bearer(JWT.format("juliet"))
    assert await failure(attempt) == SaslCondition.ENCRYPTION_REQUIRED


async def test_without_tokens_there_is_no_such_mechanism(bench):
    attempt = bench(signed=False).stream().bearer(JWT.format("juliet"))
    assert await failure(attempt) == SaslCondition.INVALID_MECHANISM


# Who is let in


@pytest.mark.parametrize("authzid", ["", "juliet", "juliet@localhost", "Juliet@LOCALHOST"])
async def test_the_owner_of_a_token(bench, authzid):
    step = await bench().stream().bearer(JWT.format("juliet"), authzid)
    assert (step.done, step.username, step.until) == (True, "juliet", LATER)


async def test_a_token_with_an_address(bench):
    step = await bench().stream().bearer(JWT.format("address"))
    assert (step.username, step.until) == ("juliet", inf)


async def test_a_client_may_wait_to_be_asked(bench):
    stream = bench().stream()
    assert (await stream.say("auth", None, "OAUTHBEARER")).xml == f"<challenge xmlns='{ns.SASL}'/>"
    message = f"n,,\x01auth=Bearer {JWT.format('juliet')}\x01\x01"
    assert (await stream.say("response", message)).done


@pytest.mark.parametrize("authzid", ["romeo", "romeo@localhost", "juliet@elsewhere.example"])
async def test_nobody_is_let_in_as_somebody_else(bench, authzid):
    attempt = bench().stream().bearer(JWT.format("juliet"), authzid)
    assert await failure(attempt) == SaslCondition.INVALID_AUTHZID


async def test_a_token_in_place_of_a_password(bench):
    step = await bench().stream().plain("Juliet", JWT.format("juliet"))
    assert (step.done, step.username, step.until) == (True, "juliet", LATER)


async def test_a_token_of_somebody_else_in_place_of_a_password(bench):
    attempt = bench().stream().plain("juliet", JWT.format("romeo"))
    assert await failure(attempt) == SaslCondition.NOT_AUTHORIZED


async def test_passwords_go_on_being_right(bench):
    for options in ({}, {"opaque": True}):
        step = await bench(**options).stream().plain("juliet", "pencil")
        assert (step.done, step.until) == (True, inf)


async def test_an_account_is_made_for_the_owner_of_a_token(bench):
    bench = bench()
    assert (await bench.stream().bearer(JWT.format("romeo"))).username == "romeo"
    assert "romeo" in bench.accounts.all


async def test_no_account_is_made_unless_that_is_wanted(bench):
    bench = bench(provision=False)
    await refused(bench.stream(), JWT.format("romeo"))
    assert await failure(bench.stream().plain("romeo", JWT.format("romeo"))) == "not-authorized"
    assert "romeo" not in bench.accounts.all


@pytest.mark.parametrize("token", [JWT.format(word) for word in ("elsewhere", "unable")])
async def test_whom_this_domain_cannot_have(bench, token):
    bench = bench()
    await refused(bench.stream(), token)
    assert await failure(bench.stream().plain("juliet", token)) == SaslCondition.NOT_AUTHORIZED


@pytest.mark.parametrize("token", [JWT.format("forged"), EXPIRED, "opaque-juliet"])
async def test_a_wrong_token(bench, token):
    await refused(bench().stream(), token)


async def test_no_token_at_all_is_told_what_is_wrong(bench):
    stream = bench().stream()
    step = await stream.say("auth", "n,,\x01auth=\x01\x01", "OAUTHBEARER")
    assert step.xml.startswith("<challenge")
    assert await failure(stream.say("abort")) == SaslCondition.ABORTED
    assert (await stream.bearer(JWT.format("juliet"))).done


async def test_a_huge_token_is_not_looked_at(bench):
    bench = bench(opaque=True, max_message=8192)
    attempt = bench.stream().bearer("x" * 8192)
    assert await failure(attempt) == SaslCondition.MALFORMED_REQUEST
    assert bench.asked == []


async def test_a_refused_token_counts_as_a_failure_of_its_stream(bench):
    stream = bench(max_attempts=1).stream()
    await refused(stream, JWT.format("elsewhere"))
    with pytest.raises(StreamError):
        await stream.bearer(JWT.format("juliet"))


# Tokens that say nothing by themselves


async def test_the_site_says_whose_token_it_is(bench):
    bench = bench(signed=False, opaque=True)
    step = await bench.stream().bearer("opaque-juliet")
    assert (step.username, step.until) == ("juliet", inf)
    assert (await bench.stream().plain("romeo", "opaque-romeo")).username == "romeo"
    attempt = bench.stream().plain("juliet", "opaque-romeo")
    assert await failure(attempt) == SaslCondition.NOT_AUTHORIZED


async def test_a_site_that_cannot_say_is_a_temporary_failure(bench):
    bench = bench(signed=False, opaque=True)
    attempt = bench.stream().bearer("opaque-broken")
    assert await failure(attempt) == SaslCondition.TEMPORARY_AUTH_FAILURE
    assert len(bench.turns) == 0


async def test_the_site_is_asked_of_what_is_not_signed_by_a_key_here(bench):
    bench = bench(opaque=True)
    assert (await bench.stream().bearer("opaque-juliet")).done
    assert (await bench.stream().bearer(JWT.format("juliet"))).done
    assert bench.asked == ["opaque-juliet"]


# Who waits for whom


async def test_wrong_tokens_of_one_address_are_looked_at_in_turn(bench):
    bench = bench(opaque=True)
    await refused(bench.stream(), "guess-1")
    assert await waits(bench.stream().bearer("guess-2"))
    assert bench.asked == ["guess-1"]


@pytest.mark.parametrize("wrong", [JWT.format("forged"), "guess"])
async def test_a_wrong_token_costs_no_account_its_turn(bench, wrong):
    bench = bench(opaque=True)
    await refused(bench.stream(), wrong)
    step = await bench.stream(ELSEWHERE).plain("juliet", "pencil")
    assert step.done
    assert (await bench.stream(ELSEWHERE).bearer("opaque-romeo")).done


async def test_who_comes_with_an_expired_token_has_guessed_nothing(bench):
    bench = bench(opaque=True)
    for _ in range(3):
        await refused(bench.stream(), EXPIRED)
        attempt = bench.stream().plain("juliet", EXPIRED)
        assert await failure(attempt) == SaslCondition.NOT_AUTHORIZED
    assert (await bench.stream().plain("juliet", "pencil")).done
    assert EXPIRED not in bench.asked


async def test_a_forged_token_in_place_of_a_password_costs_no_account_its_turn(bench):
    bench = bench()
    attempt = bench.stream().plain("juliet", JWT.format("forged"))
    assert await failure(attempt) == SaslCondition.NOT_AUTHORIZED
    assert bench.accounts.hashed == []
    assert (await bench.stream(ELSEWHERE).plain("juliet", "pencil")).done


async def test_who_guesses_tokens_does_not_guess_passwords_meanwhile(bench):
    bench = bench()
    await refused(bench.stream(), JWT.format("forged"))
    assert await waits(bench.stream().plain("juliet", "pencil"))


async def test_a_signed_token_waits_for_nobody(bench):
    bench = bench()
    await refused(bench.stream(), JWT.format("forged"))
    assert (await bench.stream().bearer(JWT.format("juliet"))).done
    assert (await bench.stream().plain("juliet", JWT.format("juliet"))).done


async def test_a_token_that_was_right_waits_for_nobody_who_guesses_others(bench):
    bench = bench(signed=False, opaque=True)
    assert (await bench.stream().bearer("opaque-juliet")).done
    await refused(bench.stream(), "guess")
    assert (await bench.stream().bearer("opaque-juliet")).done
    assert await waits(bench.stream().bearer("opaque-romeo"))


# Whatever else comes


MESSAGES = st.one_of(
    st.text(st.sampled_from("n,ya=\x01\0juliet Ber.@"), max_size=40),
    st.sampled_from([EXPIRED, JWT.format("elsewhere"), "opaque-guess", "", "é"]).map(
        "n,,\x01auth=Bearer {}\x01\x01".format
    ),
    st.sampled_from([EXPIRED, JWT.format("romeo"), "opaque-guess"]).map("\0juliet\0{}".format),
)
STEPS = st.tuples(
    st.sampled_from(["auth", "auth", "response", "abort"]),
    st.none() | MESSAGES,
    st.sampled_from(["OAUTHBEARER", "PLAIN"]),
)


@given(st.lists(STEPS, max_size=4))
async def test_no_input_causes_anything_but_an_xmpp_error(steps):
    bench = Bench(opaque=True, max_attempts=2)
    stream = bench.stream()
    for name, message, mechanism in steps:
        try:
            async with asyncio.timeout(0.01):
                step = await stream.say(name, message, mechanism)
        except TimeoutError:
            break
        except (SaslError, StreamError) as error:
            Guard().read(error.to_xml())
        else:
            assert not step.done
            assert Guard().read(step.xml).name == "challenge"
    bench.authenticator.close()


# The log


@pytest.mark.parametrize("token", [*SIGNED, JWT.format("forged"), "opaque-guess"])
async def test_no_token_is_logged(bench, token, caplog):
    caplog.set_level(logging.DEBUG)
    bench = bench(opaque=True)
    await bench.stream().bearer(token)
    assert token not in caplog.text
