import os
import sys

import pytest

from andiron.domain.database.holders import UNKNOWN, Holder, has_fellows


def test_it_is_read_as_it_was_written():
    own = Holder.own()
    assert (own.process, own.parent) == (os.getpid(), os.getppid())
    assert Holder.read(own.text()) == own
    longest = Holder(9_999_999_999, 9_999_999_999, "m" * 32)
    assert Holder.read(longest.text()) == longest
    assert len(longest.text()) <= 63


@pytest.mark.parametrize("name", ["häus.example", "a b", "m" * 64])
def test_a_machine_of_any_name(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setattr("socket.gethostname", lambda: name)
    assert Holder.read(Holder.own().text()) == Holder.own()


@pytest.mark.parametrize("text", [None, "", "andiron", "psql", "andiron 1/2@a b", "x" * 1000])
def test_what_is_not_understood_is_another_process(text: str | None):
    assert Holder.read(text) == UNKNOWN
    assert UNKNOWN.refusal().startswith("another process serves it already, and only one can")


def test_this_process():
    assert Holder.own().refusal().startswith("this process serves it already; give each")
    assert not Holder.own().is_fellow_worker()


def test_another_process_here_and_elsewhere():
    own = Holder.own()
    here = Holder(own.process + 1, own.parent + 1, own.machine)
    assert here.refusal().startswith(f"process {own.process + 1} serves it already")
    assert Holder(7, 1, "web2").refusal() == (
        "process 7 on web2 serves it already, and only one can; stop that one, or let"
        " ANDIRON_DATABASE name another database"
    )


@pytest.mark.parametrize(
    ("arguments", "concurrency", "several"),
    [
        (["uvicorn", "app:app"], None, False),
        (["uvicorn", "app:app"], "1", False),
        (["uvicorn", "app:app"], "2", True),
        (["uvicorn", "app:app", "--workers", "2"], None, True),
        (["uvicorn", "--workers=2", "app:app"], None, True),
        (["uvicorn", "--workers", "1", "app:app"], "4", False),
        (["gunicorn", "-w", "12", "app:app"], None, True),
        (["gunicorn", "-w4", "app:app"], None, True),
        (["hypercorn", "--workers", "0", "app:app"], None, False),
        (["x", "--workers-lifetime", "2"], None, False),
    ],
)
def test_workers_that_a_server_was_told_to_start(
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    concurrency: str | None,
    several: bool,
):
    monkeypatch.setattr(sys, "argv", arguments)
    if concurrency is None:
        monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    else:
        monkeypatch.setenv("WEB_CONCURRENCY", concurrency)
    assert has_fellows() is several
    own = Holder.own()
    fellow = Holder(own.process + 1, own.parent, own.machine)
    assert fellow.is_fellow_worker() is several
    assert ("start the server with one worker" in fellow.refusal()) is several
    assert not Holder(own.process + 1, own.parent, "web2").is_fellow_worker()
