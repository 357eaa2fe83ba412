"""What every test may ask for: a program that the machine may lack."""

import gc
import os
import shutil
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

# What these find is shown as it is in a test.
pytest.register_assert_rewrite("tests.interop.conversation", "tests.interop.steps")

# A busy machine makes no test fail.
settings.register_profile("andiron", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("andiron")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the real clients and servers: they are few and long, and wait much."""
    items.sort(key=lambda item: item.get_closest_marker("peer") is None)


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
