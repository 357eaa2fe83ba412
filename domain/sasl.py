"""SASL (RFC 6120 section 6)."""

from dataclasses import dataclass

from andiron.domain.accounts import Accounts
from andiron.domain.throttle import Throttle
from andiron.sm.link import Channel
from andiron.xmpp.xml import Element

__all__ = ["Authenticator", "Exchange", "SaslConfig", "Step"]


@dataclass(frozen=True, slots=True)
class SaslConfig:
    domain: str
    plain: bool = True
    anonymous: bool = False
    max_attempts: int = 5


@dataclass(frozen=True, slots=True)
class Step:
    xml: str
    username: str | None = None
    done: bool = False


class Authenticator:
    def __init__(self, accounts: Accounts, throttle: Throttle, config: SaslConfig) -> None:
        raise NotImplementedError

    def mechanisms(self, channel: Channel) -> tuple[str, ...]:
        raise NotImplementedError

    def exchange(self, channel: Channel) -> "Exchange":
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class Exchange:
    async def step(self, element: Element, now: float) -> Step:
        raise NotImplementedError
