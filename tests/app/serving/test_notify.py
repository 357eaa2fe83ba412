"""What a service manager hears: a socket of the test's own stands for systemd's."""

import socket

import pytest

from andiron.serving.notify import notify


@pytest.fixture(params=["notify.sock", "@andiron-test-notify"])
def manager(request, tmp_path, monkeypatch):
    place = request.param if request.param[0] == "@" else str(tmp_path / request.param)
    monkeypatch.setenv("NOTIFY_SOCKET", place)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + place[1:] if place[0] == "@" else place)
        listener.setblocking(False)
        yield listener


def test_states_are_told(manager):
    notify("READY=1", "STATUS=Serving \N{SNOWMAN}")
    assert manager.recv(4096).decode() == "READY=1\nSTATUS=Serving \N{SNOWMAN}"


def test_nobody_is_told_where_there_is_nobody(monkeypatch, caplog):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "vsock:2:1234")
    notify("READY=1")
    assert not caplog.records
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/notify")
    notify("READY=1")
    assert "could not be told" in caplog.text
