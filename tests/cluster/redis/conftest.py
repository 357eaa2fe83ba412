"""A real Redis, and in it the keys of a domain of each test's own."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.redis_server import RedisServer, running

from andiron.cluster.redis.address import Keys, parse
from andiron.cluster.redis.connecting import client, close


@pytest.fixture(scope="session")
def redis_server(
    program: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisServer]:
    with running(program("redis-server"), tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def own_server(program: Callable[..., str], tmp_path: Path) -> Iterator[RedisServer]:
    """Run one that a test may kill."""
    with running(program("redis-server"), tmp_path) as server:
        yield server


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    made = client(parse(redis_server.url), 5.0)
    yield made
    await close(made)


@pytest.fixture
def keys() -> Keys:
    return Keys(f"{secrets.token_hex(4)}.example")
