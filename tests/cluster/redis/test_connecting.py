"""What a start says of a server that it cannot use, and how one is reached."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis.exceptions import ResponseError
from support.certificates import certify
from support.redis_server import RedisServer, running

from andiron.cluster.redis import connecting
from andiron.cluster.redis.address import SETTING, RedisError, parse
from andiron.cluster.redis.connecting import check, client, close, why
from tests.interop import server


async def complaint(url: str) -> str:
    with pytest.raises(RedisError) as caught:
        await check(parse(url))
    text = str(caught.value)
    assert f"({SETTING})." in text
    assert "sesame" not in text
    return text


async def test_one_that_is_fit(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    await check(parse(redis_server.url))
    assert not caplog.records


async def test_one_that_is_not_there() -> None:
    said = await complaint("redis://:sesame@127.0.0.1:1")
    assert "redis://127.0.0.1:1/0 cannot be reached: start it" in said


async def test_a_name_that_nobody_knows() -> None:
    assert "cannot be reached" in await complaint("redis://nowhere.invalid")


async def test_a_database_that_there_is_not(redis_server: RedisServer) -> None:
    assert "no database of that number" in await complaint(f"{redis_server.url}/99")


async def test_what_is_something_else(redis_server: RedisServer) -> None:
    """It is no Sentinel."""
    said = await complaint(f"redis+sentinel://127.0.0.1:{redis_server.port}/main")
    assert "does not understand what it is asked" in said


async def test_passwords(program: Callable[..., str], tmp_path: Path) -> None:
    users = "--user", "andiron", "on", ">sesame", "~*", "&*", "+@all"
    limited = "--user", "limited", "on", ">sesame", "~*", "+ping"
    with running(program("redis-server"), tmp_path, *users, *limited,
                 "--requirepass", "sesame open") as found:  # fmt: skip
        host = f"127.0.0.1:{found.port}"
        for wrong in ("", "andiron:sesame2@", ":sesame@"):
            assert "does not take the user or the password" in await complaint(
                f"redis://{wrong}{host}"
            )
        assert "does not let this user" in await complaint(f"redis://limited:sesame@{host}")
        await check(parse(f"redis://andiron:sesame@{host}"))
        await check(parse(f"redis://:sesame%20open@{host}"))


async def test_a_replica(
    redis_server: RedisServer, program: Callable[..., str], tmp_path: Path
) -> None:
    master = "--replicaof", "127.0.0.1", str(redis_server.port)
    with running(program("redis-server"), tmp_path, *master) as replica:
        assert "is a replica" in await complaint(replica.url)


async def test_one_of_a_cluster(program: Callable[..., str], tmp_path: Path) -> None:
    with running(program("redis-server"), tmp_path, "--cluster-enabled", "yes") as found:
        assert "is one of a cluster" in await complaint(found.url)


async def test_an_old_one(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andiron.cluster.redis.connecting._OLDEST", (99, 0))
    assert "too old" in await complaint(redis_server.url)


async def test_one_that_lets_go_of_what_it_has(
    own_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    redis = client(parse(own_server.url), 5.0)
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    await check(parse(own_server.url))
    assert not caplog.records, "without a bound it lets go of nothing"
    await redis.config_set("maxmemory", "1gb")
    await check(parse(own_server.url))
    assert [each.levelno for each in caplog.records] == [logging.WARNING]
    assert "noeviction" in caplog.text
    await close(redis)


async def test_one_that_hangs(monkeypatch: pytest.MonkeyPatch, own_server: RedisServer) -> None:
    monkeypatch.setattr("andiron.cluster.redis.connecting._CONNECTING", 0.3)
    redis = client(parse(own_server.url), 5.0)
    await redis.client_pause(60_000)
    assert "does not answer" in await complaint(own_server.url)
    await close(redis)


@pytest.fixture
def tls(program: Callable[..., str], tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Run a server with TLS; give its host and port, and the file of its certificate."""
    found = program("redis-server")
    certify(tmp_path)
    port = server.free_port()
    command = [
        found, "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", "",
        "--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem", "--tls-auth-clients", "no",
        "--tls-ca-cert-file", "cert.pem",
    ]  # fmt: skip
    with server.running(command, port, tmp_path / "log"):
        yield f"localhost:{port}", str(tmp_path / "cert.pem")


async def test_tls(tls: tuple[str, str], tmp_path: Path) -> None:
    host, certificate = tls
    await check(parse(f"rediss://{host}?ca={certificate}"))
    assert "a certificate that is not trusted" in await complaint(f"rediss://{host}")
    assert "by TLS alone? That is rediss://" in await complaint(f"redis://{host}")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    assert "name a PEM file" in await complaint(f"rediss://{host}?ca={empty}")
    assert "name a PEM file" in await complaint(f"rediss://{host}?ca={empty}.not")


async def test_tls_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer
) -> None:
    monkeypatch.setattr(connecting, "_CONNECTING", 0.2)
    said = await complaint(f"rediss://127.0.0.1:{redis_server.port}")
    assert "the port where it speaks TLS?" in said


async def test_one_that_is_full(program: Callable[..., str], tmp_path: Path) -> None:
    with running(program("redis-server"), tmp_path, "--maxmemory", "1") as found:
        assert "is full" in await complaint(found.url)


def test_of_a_script_that_failed_nobody_is_told_the_line() -> None:
    error = ResponseError("OOM no memory. script: b8ca57, on @user_script:32.")
    assert why(error) == "OOM no memory."


async def test_sentinels(
    redis_server: RedisServer, program: Callable[..., str], tmp_path: Path
) -> None:
    port = server.free_port()
    conf = tmp_path / "sentinel.conf"
    conf.write_text(
        f"port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {redis_server.port} 1\n"
    )
    command = [program("redis-server"), str(conf), "--sentinel"]
    with server.running(command, port, tmp_path / "log"):
        address = parse(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{port}/main")
        await check(address)
        redis = client(address, 5.0)
        assert await redis.ping()
        await close(redis)
        said = await complaint(f"redis+sentinel://127.0.0.1:{port}/other")
        assert "has no master that its Sentinels know" in said
