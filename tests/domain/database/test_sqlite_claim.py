import asyncio
import errno
import os
import sys
from pathlib import Path

import pytest
from support.waiting import until

from andiron.domain.database import sqlite_claim
from andiron.domain.database.claims import ServedAlready, claim_database
from andiron.domain.database.database import Database


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sqlite_claim, "_PULSE", 0.001)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/andiron.db"


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


@pytest.mark.parametrize("change", [Path.unlink, replace])
async def test_a_database_that_is_removed_or_replaced_is_lost(tmp_path: Path, url: str, change):
    lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    claim = await claim_database(url, 0, lost.set_result)
    database = await Database.open(url)
    change(tmp_path / "andiron.db")
    async with asyncio.timeout(60):
        assert "andiron.db was removed or replaced while it was served" in await lost
    await database.close()
    await claim.release()


async def test_a_lock_that_is_removed_is_made_again(
    tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture
):
    sentences: list[str] = []
    claim = await claim_database(url, 0, sentences.append)
    lock = tmp_path / "andiron.db-lock"
    lock.unlink()
    await until(lock.exists, "the lock")
    with pytest.raises(ServedAlready):
        await claim_database(url)
    assert "andiron.db-lock was removed, though the database is served" in caplog.text
    await claim.release()
    assert sentences == []
    await (await claim_database(url)).release()


async def test_a_lock_that_cannot_be_made_again_is_tried_until_it_can(
    tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture
):
    sentences: list[str] = []
    claim = await claim_database(url, 0, sentences.append)
    lock = tmp_path / "andiron.db-lock"
    lock.unlink()
    lock.mkdir()
    await until(lambda: "cannot be locked (Is a directory)" in caplog.text, "a word")
    lock.rmdir()
    await until(lock.exists, "the lock")
    with pytest.raises(ServedAlready):
        await claim_database(url)
    await claim.release()
    assert sentences == []
    assert caplog.text.count("cannot be locked") == 1


def without_locks_within(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a file system without locks of open file descriptions."""

    def refuse(_number: int, *, locked: bool) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(sqlite_claim, "_set_lock_within", refuse)


VISIT = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("SELECT name FROM sqlite_master").fetchall()
database.close()
"""
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="files are locked themselves there")


@on_linux
async def test_a_lock_that_is_removed_lets_nobody_in(tmp_path: Path, url: str, monkeypatch):
    monkeypatch.setattr(sqlite_claim, "_PULSE", 60.0)
    sentences: list[str] = []
    claim = await claim_database(url, 0, sentences.append)
    (tmp_path / "andiron.db-lock").unlink()
    with pytest.raises(ServedAlready, match="another process serves it already"):
        await claim_database(url)
    await claim.release()
    assert sentences == []
    await (await claim_database(url)).release()


@on_linux
async def test_the_lock_of_the_file_itself_leaves_those_of_sqlite_alone(tmp_path: Path, url: str):
    path = tmp_path / "andiron.db"
    claim = await claim_database(url)
    database = await Database.open(url)
    await database.set_meta("colour", "red")
    (tmp_path / "andiron.db-lock").unlink()
    with pytest.raises(ServedAlready):
        await claim_database(url)
    # Whoever closes it as its last user removes its log: another process must not be that.
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", VISIT, str(path))
    assert await process.wait() == 0
    assert path.with_name("andiron.db-wal").exists()
    await database.set_meta("colour", "blue")
    await claim.release()
    assert path.with_name("andiron.db-wal").exists()
    assert await database.get_meta("colour") == "blue"
    await database.close()


def opened_below(folder: Path) -> list[str]:
    opened = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    return [name for name in opened if name.startswith(str(folder))]


@on_linux
async def test_what_is_claimed_and_let_go_is_open_no_more(tmp_path: Path, url: str):
    for _ in range(3):
        await (await claim_database(url)).release()
    assert not opened_below(tmp_path)


async def test_a_file_system_without_such_locks_is_served(url: str, monkeypatch):
    without_locks_within(monkeypatch)
    claim = await claim_database(url)
    with pytest.raises(ServedAlready, match="this process serves it already"):
        await claim_database(url)
    await claim.release()


async def test_a_lock_that_another_has_taken_since_is_lost(tmp_path: Path, url: str, monkeypatch):
    monkeypatch.setattr(sqlite_claim, "_PULSE", 0.1)
    without_locks_within(monkeypatch)
    lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    first = await claim_database(url, 0, lost.set_result)
    (tmp_path / "andiron.db-lock").unlink()
    second = await claim_database(url)
    async with asyncio.timeout(60):
        assert "andiron.db is gone; this process serves it already" in await lost
    await first.release()
    with pytest.raises(ServedAlready):
        await claim_database(url)
    await second.release()


async def test_a_place_that_cannot_be_looked_at_for_now_is_no_loss(
    url: str, monkeypatch: pytest.MonkeyPatch
):
    sentences: list[str] = []
    claim = await claim_database(url, 0, sentences.append)
    looked = asyncio.Event()

    def stat(_path: str) -> os.stat_result:
        looked.set()
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_claim.os, "stat", stat)
        await looked.wait()
        await asyncio.sleep(0)
    await claim.release()
    assert sentences == []
