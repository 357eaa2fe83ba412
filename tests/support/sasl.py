"""Clients of SASL, and accounts and a clock for whoever signs them in, without a network."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from math import inf

import pytest
from scramp import ScramClient

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.accounts.credentials import Credentials, decoy, derive
from andiron.domain.sign_in.exchange import Exchange
from andiron.domain.sign_in.sasl import Authenticator
from andiron.domain.sign_in.steps import Step
from andiron.domain.sign_in.turns import Turns
from andiron.sm.link import Channel
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import SaslCondition, SaslError
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


Make = Callable[..., Authenticator]


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


async def guess(exchange: Exchange, name: str, mechanism: str, now: float) -> SaslCondition:
    """Try a wrong password."""
    if mechanism == "PLAIN":
        return await condition(exchange.step(auth(f"\0{name}\0wrong"), now))
    first = await exchange.step(auth(f"n,,n={name},r=abc", mechanism), now)
    nonce = decode(first).split(",")[0]
    return await condition(exchange.step(response(f"c=biws,{nonce},p=AAAA"), now))
