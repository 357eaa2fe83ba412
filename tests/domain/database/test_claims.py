import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.waiting import until

from andiron.domain.database.claims import ServedAlready, claim_database
from andiron.domain.database.database import Database, DatabaseError
from andiron.domain.database.holders import Holder
from andiron.domain.database.sqlite_claim import FileClaim

PATIENCE = 60.0
SERVE = """
import asyncio, sys
from andiron.domain.database.claims import claim_database

async def main():
    claim = await claim_database(sys.argv[1])
    print("serving", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await claim.release()

asyncio.run(main())
"""


@asynccontextmanager
async def served(url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Serve a database in another process, until its standard input ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVE, url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"serving\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_two_in_one_process_do_not_serve_one_database(lasting_url: str):
    first = await claim_database(lasting_url)
    with pytest.raises(
        ServedAlready, match="cannot be served: this process serves it already; give each"
    ):
        await claim_database(lasting_url)
    await first.release()
    second = await claim_database(lasting_url)
    await second.release()
    await second.release()


async def test_two_processes_do_not_serve_one_database(lasting_url: str):
    async with served(lasting_url) as process:
        with pytest.raises(
            ServedAlready,
            match=rf"cannot be served: process {process.pid} serves it already, and only one can;"
            " stop that one, or let ANDIRON_DATABASE name another database",
        ):
            await claim_database(lasting_url)


async def test_whoever_only_works_on_it_needs_no_claim(lasting_url: str):
    async with served(lasting_url):
        database = await Database.open(lasting_url)
        await database.set_meta("colour", "red")
        await database.close()


async def test_a_server_that_was_killed_leaves_nothing_behind(lasting_url: str):
    async with served(lasting_url) as process:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        claim = await claim_database(lasting_url, PATIENCE)
        await claim.release()


async def test_a_server_that_is_ending_is_waited_for(
    lasting_url: str, caplog: pytest.LogCaptureFixture
):
    async with served(lasting_url) as process:
        waiting = asyncio.create_task(claim_database(lasting_url, PATIENCE))
        await until(lambda: bool(caplog.messages), "a warning")
        assert f"process {process.pid} serves it" in caplog.messages[0]
        assert "Waiting for 60 seconds" in caplog.messages[0]
        assert not waiting.done()
        assert process.stdin is not None
        process.stdin.close()
        claim = await waiting
        await claim.release()
    assert len(caplog.messages) == 1


async def test_a_second_worker_is_told_at_once(lasting_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WEB_CONCURRENCY", "2")
    own = Holder.own()
    first = await claim_database(lasting_url)
    monkeypatch.setattr(Holder, "own", lambda: Holder(own.process + 1, own.parent, own.machine))
    with pytest.raises(ServedAlready, match=r"another worker of this server.*no WEB_CONCURRENCY"):
        await claim_database(lasting_url, PATIENCE)
    await first.release()


async def test_whoever_is_cancelled_holds_nothing(
    lasting_url: str, caplog: pytest.LogCaptureFixture
):
    first = await claim_database(lasting_url)
    waiting = asyncio.create_task(claim_database(lasting_url, PATIENCE))
    await until(lambda: bool(caplog.messages), "a warning")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await first.release()
    await (await claim_database(lasting_url)).release()


async def test_a_database_in_memory_is_nobody_elses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    for url in ("sqlite://", "sqlite:///:memory:"):
        claims = [await claim_database(url) for _ in range(2)]
        for claim in claims:
            await claim.release()
    assert caplog.messages == []
    monkeypatch.setenv("WEB_CONCURRENCY", "2")
    await claim_database("sqlite://")
    assert "Each worker of this server has a database in memory of its own" in caplog.text


async def test_different_files_are_different(tmp_path: Path):
    claims = [await claim_database(f"sqlite:///{tmp_path}/{name}.db") for name in ("one", "two")]
    for claim in claims:
        await claim.release()


async def test_one_file_by_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    claim = await claim_database(f"sqlite:///{tmp_path}/andiron.db")
    (tmp_path / "other.db").symlink_to("andiron.db")
    monkeypatch.chdir(tmp_path)
    for name in ("andiron.db", "other.db", "./other.db"):
        with pytest.raises(ServedAlready):
            await claim_database(f"sqlite:///{name}")
    await claim.release()


async def test_the_lock_is_its_owners_alone(tmp_path: Path):
    claim = await claim_database(f"sqlite:///{tmp_path}/andiron.db")
    for name in ("andiron.db", "andiron.db-lock"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    await claim.release()


async def test_a_lock_that_cannot_be_taken_says_what_to_do(tmp_path: Path):
    (tmp_path / "andiron.db-lock").mkdir()
    with pytest.raises(
        DatabaseError, match=r"andiron\.db-lock cannot be locked \(Is a directory\); let ANDIRON"
    ):
        await claim_database(f"sqlite:///{tmp_path}/andiron.db")


async def test_a_lock_that_leads_elsewhere_is_not_followed(tmp_path: Path):
    precious = tmp_path / "precious"
    precious.write_text("words")
    (tmp_path / "andiron.db-lock").symlink_to(precious)
    with pytest.raises(DatabaseError, match=r"andiron\.db-lock cannot be locked"):
        await claim_database(f"sqlite:///{tmp_path}/andiron.db")
    assert precious.read_text() == "words"


async def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def flock(_number: int, _operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(DatabaseError, match=r"Operation not supported.*on a disk of this machine"):
        await FileClaim(str(tmp_path / "andiron.db"), print).take()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite:////nonexistent/folder/file.db", "No such file or directory"),
        ("postgres://me@db/x", "write postgresql://"),
        ("postgresql://root:secret@127.0.0.1:1/andiron", "see that PostgreSQL runs"),
    ],
)
async def test_what_cannot_be_opened_cannot_be_claimed(url: str, sentence: str):
    with pytest.raises(DatabaseError, match=rf"{sentence}") as caught:
        await claim_database(url)
    assert "ANDIRON_DATABASE" in str(caught.value)
    assert "secret" not in str(caught.value)
