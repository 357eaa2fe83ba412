"""Real files: private, of one process, written whole."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from andiron.sm.journal.disk import Disk, TakenError

HOLD = """
import sys
from andiron.sm.journal.disk import Disk
Disk().open(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""
FILL = """
import resource, signal, sys
from andiron.sm.journal.disk import Disk
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
disk = Disk()
file = disk.open(sys.argv[1])
disk.write(file, b"x" * 90, 0)
try:
    disk.write(file, b"y" * 20, 90)
except OSError as error:
    print(error.errno)
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "andiron.journal")


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_a_file_is_its_owners_alone(path: str) -> None:
    former = os.umask(0)
    try:
        disk = Disk()
        files = [disk.open(path), disk.create(f"{path}.new")]
    finally:
        os.umask(former)
    assert [mode(path), mode(f"{path}.new")] == [0o600, 0o600]
    assert not any(os.get_inheritable(file) for file in files)
    for file in files:
        disk.close(file)


def test_one_that_others_could_read_is_made_private(path: str) -> None:
    Path(path).write_bytes(b"a\nb")
    os.chmod(path, 0o644)
    disk = Disk()
    file = disk.open(path)
    assert mode(path) == 0o600
    assert list(disk.lines(file)) == [b"a\n", b"b"]
    assert list(disk.lines(file)) == [b"a\n", b"b"], "from the first"
    disk.close(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_root_makes_is_the_folders_owners(path: str, tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 23456)
    disk = Disk()
    for file in (disk.open(path), disk.create(f"{path}.new")):
        disk.close(file)
    for name in (path, f"{path}.new"):
        assert (os.stat(name).st_uid, os.stat(name).st_gid) == (12345, 23456)


def test_a_symbolic_link_is_not_followed(path: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    os.symlink(other, path)
    with pytest.raises(OSError, match="symbolic") as caught:
        Disk().open(path)
    assert caught.value.errno == errno.ELOOP
    disk = Disk()
    disk.close(disk.create(path))
    assert not Path(path).is_symlink()
    assert other.read_text() == "mine"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_it_must_be_a_file(path: str, make) -> None:
    make(path)
    with pytest.raises(OSError, match=r"directory|not a file"):
        Disk().open(path)


def test_its_folder_must_be_there(path: str) -> None:
    with pytest.raises(FileNotFoundError):
        Disk().open(f"{path}/x")


@pytest.mark.skipif(os.geteuid() != 0, reason="root may give up its rights")
def test_its_folder_must_be_writable(path: str, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    Path(path).touch()
    os.chown(path, 12345, -1)
    child = os.fork()
    if not child:
        status = 1
        try:
            os.setuid(12345)
            Disk().open(path)
        except PermissionError:
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_two_cannot_have_it(path: str) -> None:
    disk = Disk()
    file = disk.open(path)
    with pytest.raises(TakenError):
        disk.open(path)
    disk.close(file)
    disk.close(disk.open(path))


def test_nor_can_two_processes_until_one_is_killed(path: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(TakenError):
            Disk().open(path)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    disk = Disk()
    disk.close(disk.open(path))


def test_a_child_that_was_forked_does_not_keep_it(path: str) -> None:
    disk = Disk()
    file = disk.open(path)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.read(reading, 1)
        os._exit(0)
    disk.close(file)
    disk.close(disk.open(path))
    os.write(writing, b"x")
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)


def test_what_replaces_it_is_claimed_before(path: str) -> None:
    disk = Disk()
    first = disk.open(path)
    second = disk.create(f"{path}.new")
    disk.write(second, b"new\n", 0)
    disk.replace(f"{path}.new", path)
    disk.close(first)
    with pytest.raises(TakenError):
        disk.open(path)
    disk.close(second)


def test_what_was_replaced_between_opening_and_lock_is_not_had(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(path).write_bytes(b"old\n")
    opened: list[int] = []

    def opening(self: Disk, name: str, flags: int) -> int:
        file = real(self, name, flags)
        if not opened:
            Path(f"{path}.new").write_bytes(b"new\n")
            os.replace(f"{path}.new", path)
        opened.append(file)
        return file

    real = Disk._open
    monkeypatch.setattr(Disk, "_open", opening)
    disk = Disk()
    file = disk.open(path)
    assert list(disk.lines(file)) == [b"new\n"]
    assert len(opened) == 2
    disk.close(file)


def test_short_writes_go_on(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: real(file, data[:3], at))
    disk = Disk()
    file = disk.open(path)
    disk.write(file, b"0123456789", 0)
    disk.write(file, b"abcd", 8)
    assert Path(path).read_bytes() == b"01234567abcd"
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: 0)
    with pytest.raises(OSError, match="error"):
        disk.write(file, b"x", 12)
    disk.close(file)


def test_where_there_is_no_room_it_fails(path: str) -> None:
    said = subprocess.run([sys.executable, "-c", FILL, path], capture_output=True, check=True)
    assert int(said.stdout) == errno.EFBIG
    assert Path(path).read_bytes().startswith(b"x" * 90)


def test_cutting_and_syncing(path: str) -> None:
    disk = Disk()
    file = disk.open(path)
    disk.write(file, b"0123456789", 0)
    disk.truncate(file, 4)
    disk.sync(file)
    disk.sync_folder(path)
    assert Path(path).read_bytes() == b"0123"
    disk.close(file)


def test_another_name(path: str) -> None:
    disk = Disk()
    Path(path).write_text("a")
    disk.link(path, f"{path}.damaged")
    disk.link(path, f"{path}.damaged")
    Path(f"{path}.other").write_text("b")
    with pytest.raises(FileExistsError):
        disk.link(path, f"{path}.other")
    disk.remove(path)
    disk.remove(path)
    assert Path(f"{path}.damaged").read_text() == "a"
