"""A socket file and the lock beside it: one process has the place, until that ends."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from support.waiting import until

from andiron.cluster import unix_place
from andiron.cluster.door import HomeLink
from andiron.cluster.hello import Hello
from andiron.cluster.place import PlaceError
from andiron.cluster.unix_place import UnixPlace

HOLD = """
import asyncio, sys
from andiron.cluster.unix_place import UnixPlace

async def hold():
    place = UnixPlace(sys.argv[1])
    assert await place.take()
    await place.listen(asyncio.Protocol)
    print("held", flush=True)
    await asyncio.sleep(1000)

asyncio.run(hold())
"""


FORK = """
import asyncio, os, sys
from andiron.cluster.hello import Hello
from andiron.cluster.home import Home
from andiron.cluster.unix_place import UnixPlace

async def hold():
    place, home = UnixPlace(sys.argv[1]), Home(None, Hello("localhost", 1), 1000)
    assert await place.take()
    await place.listen(home.accept)
    print("held", flush=True)
    while not home.links:
        await asyncio.sleep(0.01)
    if not os.fork():
        os.read(0, 1)
        os._exit(0)
    print("forked", flush=True)
    await asyncio.sleep(1000)

asyncio.run(hold())
"""
"""It forks a child when another has joined; that lives for as long as it may read."""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "chat.sock")


def held_by_another(path, script=HOLD):
    """Return a process that has the place."""
    holder = subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    return holder


def write(path, text):
    Path(path).write_text(text)


def read(path):
    return Path(path).read_text()


def exists(path):
    return os.path.exists(path)


class Counting(asyncio.Protocol):
    made: ClassVar[list["Counting"]] = []

    def connection_made(self, transport):
        self.transport = transport
        self.made.append(self)


@pytest.fixture
def made(monkeypatch):
    """The connections that were made."""
    connections = []
    monkeypatch.setattr(Counting, "made", connections)
    yield connections
    for each in connections:
        each.transport.abort()


def is_at(path, file):
    return os.path.samestat(os.stat(path), os.fstat(file))


async def closed(connections):
    for each in connections:
        each.transport.abort()
    await asyncio.sleep(0.01)


async def test_one_has_it_at_a_time(path):
    one, other = UnixPlace(path), UnixPlace(path)
    assert await one.take()
    assert await one.take()
    assert not await other.take()
    await one.release()
    assert await other.take()
    assert not await one.take()
    await other.release()
    assert exists(f"{path}.lock")
    assert os.stat(f"{path}.lock").st_mode & 0o777 == 0o600


async def test_it_is_free_when_its_process_is_killed(path, made):
    holder = held_by_another(path)
    with holder:
        place = UnixPlace(path)
        assert not await place.take()
        assert await place.reach(Counting)
        holder.send_signal(signal.SIGKILL)
    assert exists(path)
    assert not await place.reach(Counting)
    assert await place.take()
    await place.listen(Counting)  # in place of what the former left
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert await UnixPlace(path).reach(Counting)
    await until(lambda: len(made) == 3)
    await closed(made)
    await place.release()
    assert not exists(path)
    assert not await UnixPlace(path).reach(Counting)


async def test_a_child_of_a_home_that_is_killed_keeps_nothing_of_it(path):
    with held_by_another(path, FORK) as holder:
        place = UnixPlace(path)
        link = HomeLink(Hello("localhost", 2), 1000, lambda: None)
        assert await place.reach(lambda: link)
        assert await asyncio.to_thread(holder.stdout.readline) == b"forked\n"
        assert not await place.take()
        holder.send_signal(signal.SIGKILL)
        await asyncio.wait([link.over])
        holder.wait()
        assert not await place.reach(Counting)
        assert await place.take()
        await place.release()


async def test_while_it_is_closed_it_is_still_taken(path):
    place, other = UnixPlace(path), UnixPlace(path)
    await place.take()
    await place.listen(Counting)
    await place.close()
    assert not await other.reach(Counting)
    assert not await other.take()
    await place.release()


async def test_a_lock_whose_file_was_removed_meanwhile_is_none(path, monkeypatch):
    lock = UnixPlace._check_owner
    times = []

    def check(place, name, file):
        if not times:
            os.unlink(name)
        times.append(name)
        lock(place, name, file)

    monkeypatch.setattr(UnixPlace, "_check_owner", check)
    place = UnixPlace(path)
    assert await place.take()
    assert len(times) == 2
    assert not await UnixPlace(path).take()
    await place.release()


async def test_a_lock_that_is_removed_is_taken_anew(path, monkeypatch, caplog):
    monkeypatch.setattr(unix_place, "_PULSE", 0.01)
    place, other = UnixPlace(path), UnixPlace(path)
    await place.take()
    await place.listen(Counting)
    os.unlink(f"{path}.lock")
    await until(lambda: exists(f"{path}.lock"))
    assert "was removed; it is made anew" in caplog.text
    assert not await other.take()
    os.unlink(f"{path}.lock")
    assert await other.take()  # It was quicker.
    caplog.clear()
    await until(lambda: "was removed" in caplog.text)
    await other.release()
    await until(lambda: is_at(f"{path}.lock", place._lock))
    assert not await other.take()
    os.unlink(f"{path}.lock")
    os.mkdir(f"{path}.lock")
    await until(lambda: "Is a directory" in caplog.text)
    os.rmdir(f"{path}.lock")
    await place.release()


async def test_a_socket_file_that_is_removed_is_made_anew(path, made, monkeypatch, caplog):
    monkeypatch.setattr(unix_place, "_PULSE", 0.01)
    place = UnixPlace(path)
    await place.take()
    await place.listen(Counting)
    os.unlink(path)
    await until(lambda: exists(path))
    assert "was removed; it is made anew" in caplog.text
    assert await UnixPlace(path).reach(Counting)
    os.unlink(path)
    os.mkdir(path)
    await until(lambda: "something else of that name" in caplog.text)
    os.rmdir(path)
    await until(lambda: exists(path))
    await until(lambda: len(made) == 2)
    await closed(made)
    await place.release()


async def test_what_keeps_it_from_being_looked_after_is_said(path, monkeypatch, caplog):
    monkeypatch.setattr(unix_place, "_PULSE", 0.001)
    place = UnixPlace(path)
    await place.take()
    monkeypatch.setattr(place, "_keep_lock", lambda: 1 / 0)
    await place.listen(Counting)
    await until(place._watching.done)
    await place.release()
    assert "was not looked after" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_who_is_another_users_is_neither_let_in_nor_believed(path, monkeypatch, caplog):
    place = UnixPlace(path)
    await place.take()
    await place.listen(Counting)
    trusted = unix_place._is_trusted
    monkeypatch.setattr(unix_place, "_is_trusted", lambda _connection: False)
    with pytest.raises(PlaceError, match="another user's process listens there"):
        await UnixPlace(path).reach(Counting)
    reader, writer = await asyncio.open_unix_connection(path)
    assert await reader.read() == b""
    writer.close()
    assert "A process of another user was refused" in caplog.text
    await place.release()
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert trusted(one)
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        assert trusted(one) == (os.getuid() == 0)


async def test_a_lock_of_another_user_is_refused(path, monkeypatch):
    await (place := UnixPlace(path)).take()
    await place.release()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    if os.getuid():
        with pytest.raises(PlaceError, match="is another user's; remove it"):
            await UnixPlace(path).take()


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda folder: folder.rmdir(), "No such file or directory; make that folder"),
        (lambda folder: (folder.rmdir(), folder.touch()), "is no folder"),
        (lambda folder: folder.chmod(0o777), r"anybody may write to .*\(chmod o-w\)"),
        (lambda folder: (folder / "chat.sock.lock").symlink_to("x"), "symbolic links"),
        (lambda folder: (folder / "chat.sock.lock").mkdir(), "Is a directory"),
    ],
)
async def test_a_place_that_cannot_be_used_is_told_of(tmp_path, prepare, reason):
    folder = tmp_path / "run"
    folder.mkdir()
    prepare(folder)
    with pytest.raises(PlaceError, match=reason):
        await UnixPlace(str(folder / "chat.sock")).take()


async def test_in_a_folder_for_all_where_each_has_his_own_it_can_be(tmp_path):
    tmp_path.chmod(0o1777)
    place = UnixPlace(str(tmp_path / "chat.sock"))
    assert await place.take()
    await place.release()


async def test_what_is_no_socket_stays(path):
    write(path, "mine")
    place = UnixPlace(path)
    await place.take()
    with pytest.raises(PlaceError, match="something else of that name"):
        await place.listen(Counting)
    assert read(path) == "mine"
    assert not await UnixPlace(path).reach(Counting)
    await place.release()
