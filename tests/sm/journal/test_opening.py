"""How a journal's file is found: whole, torn, damaged, somebody else's."""

import errno
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.journal import Beside, plain, session

from andiron.sm.journal.config import Durability, JournalConfig
from andiron.sm.journal.disk import Disk
from andiron.sm.journal.file import JournalFile
from andiron.sm.journal.lines import JournalError, NewerError
from andiron.sm.journal.opening import examine
from andiron.sm.timers import Timers

WRITE = """
import sys, time
from andiron.sm.journal.file import JournalFile
from andiron.sm.journal.syncing import SyncingThread
from andiron.sm.timers import Timers
file = JournalFile.open(sys.argv[1], Timers(), SyncingThread(lambda call: call()), time.monotonic)
for number in range(1000):
    file.journal.note("number", number)
    file.journal.note("again", number)
    assert file.flush(0.0)
    print(number, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "andiron.journal")


def opened(path: str, durability: Durability = Durability.PROCESS) -> JournalFile:
    config = JournalConfig(durability)
    return JournalFile.open(path, Timers(), Beside(), lambda: 0.0, config)


def leave(file: JournalFile) -> None:
    """Let go of it as the kernel does when the process is killed."""
    file._disk.close(file._segment.file)


def write(path: str, batches: int = 3) -> None:
    file = opened(path)
    file.journal.began(session("a", 7, [("<message/>", 1.0)]))
    for number in range(batches - 1):
        file.flush(0.0)
        file.journal.queued("a", f"<message>{number}</message>", 2.0)
    assert file.flush(0.0)
    leave(file)


def test_a_new_one_is_empty(path: str) -> None:
    file = opened(path)
    assert plain(file.journal.state) == {"sessions": {}, "notes": {}, "debts": {}}
    assert file.size == os.path.getsize(path) > 0
    file.close()
    assert Path(path).read_bytes().startswith(b"andiron journal 1 ")


def test_a_relative_name_is_that_of_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = opened("andiron.journal")
    assert file.path == str(tmp_path / "andiron.journal")
    leave(file)


def test_one_whose_first_line_is_not_whole_is_begun_anew(path: str) -> None:
    Path(path).write_bytes(b"andiron jour")
    file = opened(path)
    file.journal.note("a", 1)
    assert file.flush(0.0)
    leave(file)
    assert opened(path).journal.state.notes == {"a": 1}


@pytest.mark.parametrize("durability", Durability)
def test_what_is_torn_is_cut(path: str, durability: Durability) -> None:
    write(path)
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole + whole[-20:-1])
    file = opened(path, durability)
    assert len(file.journal.state.sessions["a"].queue) == 3
    assert os.path.getsize(path) == file.size
    leave(file)
    if durability is Durability.PROCESS:
        assert Path(path).read_bytes() == whole
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


def test_what_is_damaged_is_kept_aside(path: str, caplog: pytest.LogCaptureFixture) -> None:
    write(path)
    damaged = bytearray(Path(path).read_bytes())
    damaged[damaged.rindex(b"<message>0")] ^= 1
    for name in (".damaged", ".damaged.2", ".damaged.3"):
        Path(path).write_bytes(damaged)
        caplog.clear()
        file = opened(path)
        assert len(file.journal.state.sessions["a"].queue) == 1
        assert Path(path + name).read_bytes() == damaged
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert path + name in record.getMessage()
        file.journal.note("a", 1)
        assert file.flush(0.0)
        leave(file)
        file = opened(path)
        assert file.journal.state.notes == {"a": 1}
        leave(file)
        assert len(caplog.records) == 1, "it is told once"


def test_who_is_killed_while_keeping_it_aside_does_so_once(path: str) -> None:
    write(path)
    damaged = Path(path).read_bytes()[:-4] + b"...\n"
    Path(path).write_bytes(damaged)
    os.link(path, f"{path}.damaged")
    Path(f"{path}.new").write_bytes(b"andiron jou")
    leave(opened(path))
    assert sorted(os.listdir(os.path.dirname(path))) == [
        "andiron.journal",
        "andiron.journal.damaged",
    ]
    assert Path(f"{path}.damaged").read_bytes() == damaged


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (b"andiron journal 2 and what else there may be\n", NewerError, "newer Andiron"),
        (b"SQLite format 3\0", JournalError, "is not one of Andiron's"),
    ],
)
def test_what_is_anothers_is_left_as_it_is(
    path: str, text: bytes, kind: type[JournalError], said: str
) -> None:
    Path(path).write_bytes(text)
    for _ in range(2):
        with pytest.raises(kind, match=f"^The journal {path} .*{said}"):
            opened(path)
    assert Path(path).read_bytes() == text
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


def test_who_has_it_is_not_disturbed(path: str) -> None:
    file = opened(path)
    file.journal.note("a", 1)
    with pytest.raises(JournalError, match="another process's; stop that one"):
        opened(path)
    assert file.flush(0.0)
    leave(file)


@pytest.mark.parametrize("kind", ["link", "folder", "nowhere"])
def test_where_it_cannot_be_a_sentence_says_why(path: str, tmp_path: Path, kind: str) -> None:
    if kind == "link":
        os.symlink(tmp_path / "other", path)
    elif kind == "folder":
        os.mkdir(path)
    else:
        path = str(tmp_path / "no" / "andiron.journal")
    reason = {"link": "it is a symbolic link", "folder": "Is a directory"}
    said = rf"cannot be written \({reason.get(kind, 'No such file or directory')}\); let it be"
    with pytest.raises(JournalError, match=said):
        opened(path)


@pytest.mark.parametrize("step", ["write", "truncate", "sync", "sync_folder", "replace", "create"])
def test_a_failure_lets_go_of_it(path: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path)

    def fail(*_arguments: object) -> None:
        raise OSError(errno.EIO, "broken")

    durability = Durability.PROCESS if step == "truncate" else Durability.DISK
    with monkeypatch.context() as patched:
        patched.setattr(Disk, step, fail)
        with pytest.raises(JournalError, match="broken"):
            opened(path, durability)
    file = opened(path)
    assert len(file.journal.state.sessions["a"].queue) == 3
    leave(file)


def test_a_process_that_is_killed_keeps_what_it_promised(path: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITE, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) == 200:
                writer.send_signal(signal.SIGKILL)
                break
        promised = [int(line) for line in writer.stdout.read().split()]
        writer.wait()
    notes = opened(path).journal.state.notes
    assert notes["number"] == notes["again"]
    assert isinstance(notes["number"], int)
    assert notes["number"] >= max(promised, default=200)


def test_a_look_changes_nothing_and_finds_what_would_stop_an_opening(path: str) -> None:
    assert examine(Disk(), path) is False
    assert not os.path.exists(path)
    file = opened(path)
    file.journal.note("key", "a" * 10_000)
    assert file.flush(0.0)
    assert examine(Disk(), path) is True, "though it is in use"
    leave(file)
    Path(path).write_text("andiron journal 99 0123456789abcdef\n")
    with pytest.raises(NewerError, match="newer Andiron"):
        examine(Disk(), path)
    Path(path).write_text("something else")
    with pytest.raises(JournalError, match="not one of Andiron's"):
        examine(Disk(), path)
    os.unlink(path)
    os.symlink("elsewhere", path)
    with pytest.raises(JournalError, match="it is a symbolic link"):
        examine(Disk(), path)
    with pytest.raises(JournalError, match="cannot be written"):
        examine(Disk(), f"{path}/below")
