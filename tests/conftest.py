"""What every test may ask for: a program that the machine may lack."""

import gc
import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.thorough import examples

# What these find is shown as it is in a test.
pytest.register_assert_rewrite("tests.interop.conversation", "tests.interop.steps")

# A busy machine makes no test fail.
settings.register_profile(
    "andiron",
    deadline=None,
    max_examples=examples(100),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("andiron")


_WAITING = ("tests/interop/", "tests/servers/", "tests/hostile/", "tests/app/serving/")
"""Where the tests are that wait for processes: servers, clients, browsers."""
_LONGEST = (
    "tests/interop/test_examples.py",
    "tests/interop/test_clients.py",
    "tests/app/serving/test_workers.py",
    "tests/servers/test_stop.py",
    "tests/servers/test_fellows_redis.py",
    "tests/hostile/test_soak.py",
    "tests/interop/test_page.py",
    "tests/interop/test_restarts.py",
    "tests/servers/test_conversations.py",
    "tests/interop/test_domains.py",
    "tests/hostile/test_kill.py",
    "tests/interop/test_converse.py",
)
"""With what to begin, so that no worker is left with one of these when the others are done."""
_SPREAD = 0.8
"""The share of all files among which those that wait are spread."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files that wait among those that compute: both are run at once all the time."""
    files = dict.fromkeys(item.nodeid.partition("::")[0] for item in items)
    waiting = [file for file in files if file.startswith(_WAITING)]
    waiting.sort(key=lambda file: _LONGEST.index(file) if file in _LONGEST else len(_LONGEST))
    computing = [file for file in files if not file.startswith(_WAITING)]
    place = {file: _SPREAD * rank / len(waiting) for rank, file in enumerate(waiting)}
    place |= {file: rank / len(computing) for rank, file in enumerate(computing)}
    items.sort(key=lambda item: place[item.nodeid.partition("::")[0]])


def pytest_collection_finish() -> None:
    """Let the tests themselves be no garbage to look for: there are thousands of them."""
    gc.collect()
    gc.freeze()


def require(what: str, path: str | None) -> str:
    """Return the path; without one skip and say why, or fail where CI=true promises it."""
    if path is not None:
        return path
    reason = f"{what} is missing; `make test` as root on Debian installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def program() -> Callable[..., str]:
    """Return a function: the path of the first of the programs named that exists."""

    def find(*names: str) -> str:
        return require(
            " or ".join(names),
            next(filter(None, map(shutil.which, names)), None),
        )

    return find


@pytest.fixture(scope="session", autouse=True)
def made_at_once() -> Iterator[None]:
    """Make new databases of this process by one script instead of all migrations."""
    # Here, and not before coverage begins.
    from tests.support import schema  # noqa: PLC0415

    with pytest.MonkeyPatch.context() as monkeypatch:
        schema.install(monkeypatch)
        yield
