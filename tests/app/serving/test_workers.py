"""Real servers that are told to start two workers, or are started twice."""

import contextlib
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.interop.server import free_port

ROOT = Path(__file__).parent.parent.parent.parent
PATIENCE = 60
REFUSED = re.compile(
    r"andiron: The database \S+ cannot be served: process \d+, another worker of this server,"
    r" serves it already, and only one can; start the server with one worker"
    r" \(--workers 1, no WEB_CONCURRENCY\), or let them serve one chat together"
    r" \(ANDIRON_CLUSTER\)\."
)


@pytest.fixture
def environment(tmp_path):
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ANDIRON_") and name != "WEB_CONCURRENCY"
    }
    return clean | {"ANDIRON_DATABASE": f"sqlite:///{tmp_path}/andiron.db", "PYTHONPATH": str(ROOT)}


@pytest.fixture
def start(tmp_path, environment):
    """Return a function that starts a command; its output goes to a file that is its name."""
    with contextlib.ExitStack() as stack:

        def begin(name, *command, stdin=subprocess.DEVNULL, **more):
            log = stack.enter_context((tmp_path / name).open("wb"))
            process = subprocess.Popen(
                command,
                cwd=tmp_path,
                env=environment | more,
                stdin=stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            stack.callback(end, process)
            return process

        yield begin


def end(process):
    # What a server has started goes with it, though it be killed.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def serve(port, *options):
    return (sys.executable, "-m", "andiron", "serve", "--port", str(port), *options)


def uvicorn(port, *options):
    return (sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), *options)


def healthy(port):
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer,
    ):
        return answer.status == 200
    return False


def until(condition, what):
    """Wait for what another process does, which sends no event."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)


@pytest.mark.parametrize("way", ["option", "variable"])
def test_two_workers_of_uvicorn_do_not_start(start, tmp_path, way):
    options = ("--workers", "2") if way == "option" else ()
    variables = {"WEB_CONCURRENCY": "2"} if way == "variable" else {}
    process = start("log", *uvicorn(free_port(), *options), **variables)
    process.wait(PATIENCE)
    log = (tmp_path / "log").read_text()
    assert len(REFUSED.findall(log)) == 1, log
    assert "Traceback" not in log


def test_two_workers_of_gunicorn_do_not_start(start, tmp_path):
    process = start(
        "log",
        *(sys.executable, "-m", "gunicorn", "-w", "2", "-k", "uvicorn_worker.UvicornWorker"),
        *("-b", f"127.0.0.1:{free_port()}", "--no-control-socket", "andiron:app"),
    )
    assert process.wait(PATIENCE) != 0
    log = (tmp_path / "log").read_text()
    assert len(REFUSED.findall(log)) == 1, log
    assert "Traceback" not in log


def test_a_server_that_was_killed_is_followed_by_another(start, tmp_path):
    ports = [free_port(), free_port()]
    first = start("first", *serve(ports[0]))
    until(lambda: healthy(ports[0]), (tmp_path / "first").read_text)
    second = start("second", *serve(ports[1]))
    until(lambda: "Waiting for" in (tmp_path / "second").read_text(), lambda: "no word")
    assert f"process {first.pid} serves it already" in (tmp_path / "second").read_text()
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: healthy(ports[1]), (tmp_path / "second").read_text)
    assert second.poll() is None


def test_uvicorn_reloads(start, tmp_path):
    port = free_port()
    watched = tmp_path / "watched.py"
    watched.touch()
    start("log", *uvicorn(port, "--reload", "--reload-dir", str(tmp_path)))
    read = (tmp_path / "log").read_text
    until(lambda: healthy(port), read)
    os.utime(watched, (2_000_000_000, 2_000_000_000))
    until(lambda: read().count("Application startup complete") == 2, read)
    until(lambda: healthy(port), read)
    assert "cannot be served" not in read()


def children(process):
    path = f"/proc/{process.pid}/task/{process.pid}/children"
    found = Path(path).read_text().split()
    # One of them is multiprocessing's own, which tidies up.
    return [int(pid) for pid in found if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]


def test_serve_keeps_so_many_processes(start, tmp_path):
    port = free_port()
    first = start("log", *serve(port), "--workers", "2")
    read = (tmp_path / "log").read_text
    until(lambda: read().count(" Serving ") == 2, read)
    before = children(first)
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    until(lambda: set(children(first)) - set(before), read)
    first.send_signal(signal.SIGHUP)  # It has only just begun.
    until(lambda: read().count(" Serving ") == 3, read)
    until(lambda: read().count("The settings were read anew") == 2, read)
    assert f"Process {before[0]} has ended (-9); another begins" in read()
    assert read().count("has ended") == 1
    after = children(first)
    assert len(after) == 2
    assert before[1] in after
    first.send_signal(signal.SIGHUP)
    until(lambda: read().count("The settings were read anew") == 4, read)
    assert healthy(port)
    first.terminate()
    assert first.wait(PATIENCE) == 0
    assert read().count("Stopping") == 2


def test_one_that_waits_for_a_home_ends_when_told_to(start, tmp_path):
    place = str(tmp_path / "chat.sock")
    with open(f"{place}.lock", "w") as lock, socket.socket(socket.AF_UNIX) as home:
        fcntl.flock(lock, fcntl.LOCK_EX)
        home.bind(place)
        home.listen()
        home.settimeout(PATIENCE)
        process = start("log", *serve(free_port()), ANDIRON_CLUSTER=f"unix:{place}")
        with home.accept()[0]:
            process.terminate()
            process.wait(PATIENCE)
    log = (tmp_path / "log").read_text()
    assert "Stopping" in log
    assert "Serving" not in log
    assert "Traceback" not in log


def test_processes_end_with_the_first(start, tmp_path):
    first = start("log", *serve(free_port()), "--workers", "2")
    read = (tmp_path / "log").read_text
    until(lambda: read().count(" Serving ") == 2, read)
    first.kill()
    until(lambda: read().count("Stopping") == 2, read)


def test_one_that_cannot_serve_ends_all(start, tmp_path):
    holder = start("holder", *serve(free_port()))
    until(lambda: "Serving" in (tmp_path / "holder").read_text(), (tmp_path / "holder").read_text)
    first = start("log", *serve(free_port()), "--workers", "2", ANDIRON_SHUTDOWN_TIMEOUT="0.1")
    assert first.wait(PATIENCE) == 1
    log = (tmp_path / "log").read_text()
    assert f"process {holder.pid} serves it already" in log
    assert log.endswith("Error: A process could not serve, so that all have ended; see above.\n")


@pytest.mark.parametrize("fault", ["settings", "database"])
def test_what_goes_wrong_later_ends_one(start, tmp_path, fault):
    port = free_port()
    first = start("log", *serve(port), "--workers", "2")
    read = (tmp_path / "log").read_text
    until(lambda: read().count(" Serving ") == 2, read)
    if fault == "settings":
        (tmp_path / "andiron.toml").write_text("domian = 'localhost'")
        os.kill(children(first)[0], signal.SIGKILL)
    else:
        (tmp_path / "andiron.db").unlink()
    word = {"settings": "(1); another", "database": "(75); another"}[fault]
    until(lambda: word in read(), read)
    until(lambda: healthy(port), read)
    assert first.poll() is None
    first.terminate()
    assert first.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("words", "variables", "told"),
    [
        (["--reload"], {}, "Give --reload, or --workers."),
        ([], {"ANDIRON_DATABASE": "sqlite://"}, "let ANDIRON_DATABASE name a file"),
        ([], {"ANDIRON_DURABILITY": "memory"}, "ANDIRON_DURABILITY=process"),
    ],
)
def test_what_several_processes_cannot_have_is_told(start, tmp_path, words, variables, told):
    process = start("log", *serve(free_port()), "--workers", "2", *words, **variables)
    assert process.wait(PATIENCE) != 0
    assert told in (tmp_path / "log").read_text()


def test_serve_says_that_it_starts_one_process(start, tmp_path):
    port = free_port()
    start("log", *serve(port), WEB_CONCURRENCY="many")
    read = (tmp_path / "log").read_text
    until(lambda: healthy(port), read)
    assert "WEB_CONCURRENCY is not heeded: give --workers to 'andiron serve'" in read()


def test_nobody_copies_a_database_that_is_served(start, tmp_path, environment):
    port = free_port()
    start("log", *serve(port))
    until(lambda: healthy(port), (tmp_path / "log").read_text)
    (tmp_path / "new.db").touch()
    for target, source in (("new", "andiron"), ("andiron", "new")):
        done = subprocess.run(
            [sys.executable, "-m", "andiron", "database", "import", f"sqlite:///{source}.db"],
            cwd=tmp_path,
            env=environment | {"ANDIRON_DATABASE": f"sqlite:///{target}.db"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "andiron.db cannot be served: process" in done.stderr


def test_the_end_of_one_process_is_not_that_of_the_service(start, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        command = serve(free_port())
        first = start("log", *command, "--workers", "2", NOTIFY_SOCKET=str(tmp_path / "notify"))
        told = [manager.recv(4096) for _ in range(2)]
        os.kill(children(first)[0], signal.SIGTERM)
        told.append(manager.recv(4096))
        assert [each.partition(b"\n")[0] for each in told] == [b"READY=1"] * 3
        first.terminate()
        assert manager.recv(4096) == b"STOPPING=1"
        assert first.wait(PATIENCE) == 0


def test_all_end_with_their_terminal(start, tmp_path):
    terminal, theirs = os.openpty()
    first = start("log", *serve(free_port()), "--workers", "2", stdin=theirs)
    read = (tmp_path / "log").read_text
    until(lambda: read().count(" Serving ") == 2, read)
    first.send_signal(signal.SIGHUP)
    assert first.wait(PATIENCE) == -signal.SIGHUP
    until(lambda: read().count("Stopping") == 2, read)
    os.close(terminal)
    os.close(theirs)
