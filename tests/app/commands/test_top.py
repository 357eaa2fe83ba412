"""``andiron top``: what it shows for which keys, and one real run in a terminal of tmux."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime

import click
import pytest

from andiron.api.values import Process, Session
from andiron.commands.top import Seen, Style, View, Watch


def session(name, **given):
    defaults = {
        "address": f"{name}@example.org/r",
        "account": f"{name}@example.org",
        "resource": "r",
        "transport": "websocket",
        "ip": "192.0.2.1",
        "state": "bound",
        "since": datetime(2026, 1, 1, tzinfo=UTC),
        "id": "5f3a-1",
        "managed": True,
        "handled": 3,
        "acknowledged": 2,
        "unacknowledged": 0,
        "unacknowledged_bytes": 0,
        "idle": 1.0,
        "resumable_for": None,
        "process": "web-1:1",
        "home": "web-1:1",
    }
    return Session(**(defaults | given))


def process(name, **given):
    machine, _, pid = name.partition(":")
    defaults = {
        "name": name,
        "machine": machine,
        "pid": int(pid),
        "home": False,
        "since": datetime(2026, 1, 1, tzinfo=UTC),
        "version": "0.1.0",
        "relayed": 0,
        "memory": 50 * 2**20,
        "lag": 0.002,
        "silent": 0,
    }
    return Process(**(defaults | given))


SEEN = Seen(
    (
        session("alice", unacknowledged=1, idle=70.0),
        session("bob", unacknowledged=5, unacknowledged_bytes=2048, transport="bosh"),
        session("carol", state="detached", resumable_for=90.0),
    ),
    "12:00:00",
)


def names(view, seen=SEEN, height=20, width=200):
    lines = view.lines(seen, height, width)
    return [line.text.partition("@")[0] for line in lines[3:-1] if "@" in line.text]


def press(view, *keys):
    for key in keys:
        assert view.press(key)


def test_those_with_most_unacknowledged_are_first():
    view = View("here")
    head, summary, columns, *_ = view.lines(SEEN, 20, 200)
    assert head.text == "here  12:00:00  sorted by UNACKED ↓"
    assert summary.text == "Sessions 3   bosh 1  websocket 2   detached 1   unacknowledged 6 (2.0K)"
    assert (columns.text.split()[0], columns.style) == ("ADDRESS", Style.HEAD)
    assert names(view) == ["bob", "alice", "carol"]


def test_keys_sort_and_turn_round():
    view = View("here")
    press(view, "KEY_RIGHT", "KEY_RIGHT")
    assert "sorted by IDLE ↓" in view.lines(SEEN, 20, 200)[0].text
    assert names(view)[0] == "alice"
    press(view, ">")
    assert names(view)[0] == "carol", "the one that ends first"
    press(view, *[">"] * 5)
    assert names(view) == ["alice", "bob", "carol"]
    press(view, "r")
    assert names(view) == ["carol", "bob", "alice"]
    press(view, "<", "r")
    assert not view.press("q")


def test_a_filter_is_typed():
    view = View("here")
    press(view, "/", *"BOSX", "KEY_BACKSPACE")
    assert view.lines(SEEN, 20, 200)[-1].text.startswith("Filter: BOS▏")
    assert names(view) == ["bob"]
    press(view, "\n")
    assert "1-1 of 1  filter: BOS" in view.lines(SEEN, 20, 200)[-1].text
    press(view, "/", *"q", "\x1b")
    assert len(names(view)) == 3


def test_it_scrolls_within_what_there_is():
    many = Seen(tuple(session(f"u{number:03}") for number in range(100)), "12:00:00")
    view = View("here")
    press(view, *["<"] * 3)
    assert names(view, many, height=14) == [f"u{number:03}" for number in range(10)]
    press(view, "KEY_NPAGE", "KEY_DOWN", "KEY_UP")
    assert names(view, many, height=14)[0] == "u010"
    press(view, "KEY_END")
    assert names(view, many, height=14)[-1] == "u099"
    press(view, "KEY_PPAGE", "KEY_HOME", "KEY_UP")
    assert names(view, many, height=14)[0] == "u000"


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 10), (5, 20), (24, 80), (50, 300)])
def test_it_fits_any_screen(height, width):
    wide = Seen((session("\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 200, resource="x"),), "12:00:00")
    for seen in (SEEN, wide, Seen(fault="Nobody answers.")):
        lines = View("here").lines(seen, height, width)
        assert len(lines) == height
        assert all(len(line.text) <= width for line in lines)


def test_what_goes_wrong_is_shown_beside_what_was_known():
    answers = iter([(SEEN.sessions, ()), click.ClickException("Nobody answers.")])

    def ask():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watch = Watch(ask, 1.0)
    watch.look()
    assert (watch.seen.sessions, watch.seen.fault) == (SEEN.sessions, "")
    watch.look()
    assert (watch.seen.sessions, watch.seen.fault) == (SEEN.sessions, "Nobody answers.")
    assert View("here").lines(watch.seen, 20, 200)[1].text == "Nobody answers."


def of_several(*doors):
    home = process("web-1:1", home=True, memory=None, lag=None)
    return replace(SEEN, processes=(home, *doors))


def test_of_several_processes_each_has_a_line():
    sessions = (
        session("alice", unacknowledged=1),
        session("bob", process="web-2:7"),
        session("carol", process="web-2:7", state="detached", resumable_for=90.0),
        session("dora", process=""),
    )
    seen = replace(of_several(process("web-2:7", relayed=2, silent=12)), sessions=sessions)
    view = View("here")
    _, _, head, home, door, columns, *rows = view.lines(seen, 20, 200)
    assert (head.style, columns.style) == (Style.HEAD, Style.HEAD)
    assert head.text.split()[:7] == [
        *("PROCESS", "ROLE", "SESSIONS", "RELAYED", "MEMORY", "LAG", "SILENT"),
    ]
    assert home.text.split()[:7] == ["web-1:1", "home", "1", "-", "-", "-", "0s"]
    assert door.text.split()[:7] == ["web-2:7", "door", "1", "2", "50.0M", "2ms", "12s"]
    assert columns.text.split()[-3:] == ["PROCESS", "FROM", "SESSION"]
    assert [row.text.split()[-3] for row in rows[:4]] == ["web-1:1", "web-2:7", "web-2:7", "-"]
    press(view, *"/web-2", "\n")
    assert "1-2 of 2  filter: web-2" in view.lines(seen, 20, 200)[-1].text
    press(view, "\x1b", *["<"] * 6)
    assert "sorted by PROCESS ↑" in view.lines(seen, 20, 200)[0].text


def test_of_one_process_there_is_no_word_of_it():
    lines = View("here").lines(of_several(), 20, 200)
    assert not any("PROCESS" in line.text or "web-1" in line.text for line in lines)


def test_one_sorts_by_something_else_when_the_others_are_gone():
    view = View("here")
    seen = of_several(process("web-2:7"))
    view.lines(seen, 20, 200)
    press(view, *["<"] * 6)
    assert "sorted by PROCESS" in view.lines(seen, 20, 200)[0].text
    assert "sorted by ADDRESS" in view.lines(SEEN, 20, 200)[0].text
    press(view, ">")
    assert "sorted by TRANSPORT" in view.lines(SEEN, 20, 200)[0].text


@pytest.mark.parametrize("height", [1, 4, 9, 12, 24, 80])
def test_many_processes_leave_room_for_sessions(height):
    doors = [process(f"web-{number}:1") for number in range(2, 22)]
    lines = View("here").lines(of_several(*doors), height, 200)
    assert len(lines) == height
    told = [line.text for line in lines if line.text.startswith(("web-", "and "))]
    assert len(told) <= height // 3
    if height == 24:
        assert told[-1] == "and 15 more: andiron processes"
    if height == 80:
        assert len(told) == 21


async def test_it_needs_a_terminal(served):
    result = await served.run("top")
    assert (result.exit_code, "needs a terminal" in result.output) == (1, True)


class Tmux:
    """A terminal in which something runs, of a server of its own."""

    def __init__(self, folder):
        self._socket = str(folder / "tmux")

    def run(self, *arguments):
        command = ["tmux", "-S", self._socket, "-f", "/dev/null", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    @property
    def running(self):
        """Whether something does: the server ends with what runs in its terminal."""
        try:
            self.run("has-session")
        except subprocess.CalledProcessError:
            return False
        return True

    def wait(self):
        """Return when nothing runs any more."""
        while self.running:
            time.sleep(0.05)

    async def until(self, wanted):
        """Return the screen once ``wanted`` is in it."""
        screen = ""
        try:
            async with asyncio.timeout(60):
                while wanted not in screen:
                    await asyncio.sleep(0.05)
                    screen = await asyncio.to_thread(self.run, "capture-pane", "-p")
        except TimeoutError:
            pytest.fail(f"no {wanted!r} on the screen:\n{screen}")
        return screen


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
async def test_it_is_live_in_a_terminal(served, tmp_path):
    tmux = Tmux(tmp_path)
    alice = await served.client_of("alice")
    command = f"{sys.executable} -m andiron top --interval 0.2"
    given = [f"{name}={value}" for name, value in os.environ.items() if name.startswith("ANDIRON_")]
    environment = [part for each in given for part in ("-e", each)]
    size = ("-x", "120", "-y", "12")
    await asyncio.to_thread(tmux.run, "new-session", "-d", *size, *environment, command)
    try:
        assert "Sessions 1   in-process 1" in await tmux.until(alice.jid)
        bob = await served.client_of("bob")
        await tmux.until(bob.jid)
        tmux.run("send-keys", "/", "b", "o", "b", "Enter")
        assert alice.jid not in await tmux.until("1-1 of 1  filter: bob")
        tmux.run("send-keys", "Escape")
        await tmux.until("1-2 of 2")
        tmux.run("send-keys", "Left")
        await tmux.until("sorted by STATE")
        tmux.run("resize-window", "-x", "60", "-y", "8")
        screen = await tmux.until("1-2 of 2")
        assert len(screen.splitlines()) <= 8
        await served.api.end_sessions("bob")
        await tmux.until("1-1 of 1")
        tmux.run("send-keys", "q")
        async with asyncio.timeout(60):
            await asyncio.to_thread(tmux.wait)
    finally:
        if tmux.running:
            tmux.run("kill-server")
