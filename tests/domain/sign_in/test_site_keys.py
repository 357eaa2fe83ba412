"""Sign-in by keys that the site tells (``scram_keys=``), without a network."""

import asyncio
import base64
import hashlib
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
from scramp import ScramClient

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.accounts.credentials import Credentials, ScramKeys, decoy, derive
from andiron.domain.config import ThrottleConfig
from andiron.domain.sign_in.exchange import Exchange, SaslConfig
from andiron.domain.sign_in.sasl import Authenticator
from andiron.domain.sign_in.site import Site
from andiron.domain.sign_in.steps import Step
from andiron.domain.sign_in.turns import Turns
from andiron.sm.link import Channel
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import SaslError
from andiron.xmpp.xml import Guard

HERE = Channel("192.0.2.1", secure=True, kind="websocket")
OPEN_AIR = replace(HERE, secure=False)
SALT, ITERATIONS = b"of Django's letters", 5000


def keys_of(password: str) -> ScramKeys:
    """Return keys as a site has them that keeps passwords by PBKDF2."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), SALT, ITERATIONS)
    return ScramKeys.of_salted(salted, SALT, ITERATIONS)


class People:
    """The site: juliet and romeo are known, others fail in ways of their own."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.known: dict[str, object] = {"juliet": keys_of("sesame"), "romeo": keys_of("pencil")}

    async def keys(self, username: str) -> ScramKeys | None:
        self.asked.append(username)
        if username == "broken":
            raise LookupError("a secret of the inside")
        if username == "slow":
            await asyncio.Event().wait()
        return self.known.get(username)  # type: ignore[return-value]


class FewAccounts(Accounts):
    """Accounts in memory: carol has one with a password of its own."""

    def __init__(self) -> None:
        self.all = {"carol": derive("crayon", 4096)}

    async def standing(self, username: str) -> tuple[str, bool]:
        return "", username == "disabled"

    async def credentials(self, username: str) -> Credentials:
        return self.all.get(username) or decoy(b"secret", username, ITERATIONS)

    async def exists(self, username: str) -> bool:
        return username in self.all

    async def provide(self, username: str) -> None:
        self.all[username] = decoy(b"secret", username, 4096)


class Bench:
    def __init__(self, *, provision: bool = True) -> None:
        self.people = People()
        self.accounts = FewAccounts()
        self.authenticator = Authenticator(
            self.accounts,
            Turns(ThrottleConfig()),
            SaslConfig("localhost"),
            clock=lambda: 0.0,
            site=Site(scram_keys=self.people.keys, provision=provision, timeout=0.05),
        )

    def stream(self, channel: Channel = HERE) -> Exchange:
        return self.authenticator.exchange(channel)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.authenticator.close()


async def say(stream: Exchange, name: str, message: str, mechanism: str = "") -> Step:
    which = f" mechanism='{mechanism}'" if mechanism else ""
    content = base64.b64encode(message.encode()).decode()
    text = f"<{name} xmlns='{ns.SASL}'{which}>{content}</{name}>"
    return await stream.step(Guard().read(text), 0.0)


def decoded(step: Step) -> str:
    return base64.b64decode(step.xml.partition(">")[2].partition("<")[0]).decode()


async def scram(stream: Exchange, name: str, password: str) -> Step:
    """Sign in with another implementation's client, which checks the server's proof as well."""
    client = ScramClient(["SCRAM-SHA-256"], name, password)
    client.set_server_first(
        decoded(await say(stream, "auth", client.get_client_first(), "SCRAM-SHA-256"))
    )
    step = await say(stream, "response", client.get_client_final())
    client.set_server_final(decoded(step))
    return step


async def plain(stream: Exchange, name: str, password: str) -> Step:
    return await say(stream, "auth", f"\0{name}\0{password}", "PLAIN")


def test_what_is_offered(bench: Bench) -> None:
    assert bench.authenticator.mechanisms(HERE) == ("SCRAM-SHA-256", "PLAIN")
    assert bench.authenticator.mechanisms(OPEN_AIR) == ("SCRAM-SHA-256",)


@pytest.mark.parametrize("sign_in", [scram, plain])
async def test_who_knows_the_password_is_in_and_has_an_account(bench: Bench, sign_in) -> None:
    step = await sign_in(bench.stream(), "juliet", "sesame")
    assert (step.done, step.username) == (True, "juliet")
    assert await bench.accounts.exists("juliet")


@pytest.mark.parametrize("sign_in", [scram, plain])
@pytest.mark.parametrize("name", ["juliet", "romeo", "nobody"])
async def test_who_does_not_is_not(bench: Bench, sign_in, name: str) -> None:
    with pytest.raises(SaslError, match="not-authorized"):
        await sign_in(bench.stream(), name, "guess")
    assert not await bench.accounts.exists(name)


@pytest.mark.parametrize("sign_in", [scram, plain])
async def test_who_is_not_the_sites_has_the_password_of_the_account(bench: Bench, sign_in) -> None:
    assert (await sign_in(bench.stream(), "carol", "crayon")).done


async def test_of_whom_the_site_knows_its_word_holds(bench: Bench) -> None:
    bench.people.known["carol"] = keys_of("of the site")
    assert (await scram(bench.stream(), "carol", "of the site")).done
    with pytest.raises(SaslError, match="not-authorized"):
        await plain(bench.stream(), "carol", "crayon")


async def test_no_account_is_made_where_none_may_be() -> None:
    bench = Bench(provision=False)
    with pytest.raises(SaslError, match="not-authorized"):
        await scram(bench.stream(), "juliet", "sesame")
    bench.authenticator.close()


async def test_other_mechanisms_have_no_keys(bench: Bench) -> None:
    first = ScramClient(["SCRAM-SHA-1"], "juliet", "sesame").get_client_first()
    with pytest.raises(SaslError, match="invalid-mechanism"):
        await say(bench.stream(), "auth", first, "SCRAM-SHA-1")
    assert bench.people.asked == []


@pytest.mark.parametrize("sign_in", [scram, plain])
@pytest.mark.parametrize("name", ["broken", "slow"])
async def test_a_site_that_fails_or_hangs(bench: Bench, sign_in, name: str, caplog) -> None:
    with pytest.raises(SaslError, match="temporary-auth-failure") as caught:
        await sign_in(bench.stream(), name, "sesame")
    assert "a secret" not in str(caught.value)
    assert "scram_keys=" in caplog.text
    assert (await scram(bench.stream(), "juliet", "sesame")).done


@pytest.mark.parametrize(
    "keys",
    [
        "juliet's",
        True,
        keys_of("x")._replace(iterations=4095),
        keys_of("x")._replace(iterations=10_000_001),
        keys_of("x")._replace(salt=b""),
        keys_of("x")._replace(salt=b"x" * 256),
        keys_of("x")._replace(stored_key=b"short"),
        keys_of("x")._replace(server_key=b"x" * 64),
    ],
    ids=str,
)
async def test_keys_that_are_none(bench: Bench, keys: object, caplog) -> None:
    bench.people.known["juliet"] = keys
    with caplog.at_level(logging.ERROR), pytest.raises(SaslError, match="temporary-auth-failure"):
        await scram(bench.stream(), "juliet", "x")
    assert "no keys of SCRAM-SHA-256 for juliet" in caplog.text
