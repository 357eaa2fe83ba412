"""Who signs clients in, without a network."""

import pytest
from support.sasl import ACCOUNTS, SECURE, Clock, KnownAccounts, Make

from andiron.domain.config import ThrottleConfig
from andiron.domain.sign_in.exchange import Exchange, SaslConfig
from andiron.domain.sign_in.sasl import Authenticator
from andiron.domain.sign_in.turns import Turns


@pytest.fixture(scope="module")
def known() -> KnownAccounts:
    return KnownAccounts(ACCOUNTS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


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
