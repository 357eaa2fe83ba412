"""``andiron health`` against servers that are well, ill, or not there."""

import contextlib
import socket
import threading

import pytest
from click.testing import CliRunner

from andiron.commands.cli import main


class Answering:
    """A server that answers whoever connects with the same bytes."""

    def __init__(self, listener, answer):
        self.asked = b""
        self._listener = listener
        self._answer = answer
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            with connection:
                self.asked = connection.recv(4096)
                connection.sendall(self._answer)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exc):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


WELL = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n"
ILL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"


def ask():
    result = CliRunner().invoke(main, ["health"])
    return result.exit_code, result.output


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_server_that_is_well(monkeypatch, host):
    listener = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setenv("ANDIRON_HOST", host)
    monkeypatch.setenv("ANDIRON_PORT", str(listener.getsockname()[1]))
    with Answering(listener, WELL) as server:
        assert ask() == (0, "ok\n")
    assert server.asked.startswith(b"GET /healthz HTTP/1.1\r\n")


def test_a_server_on_a_socket_file(monkeypatch):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("andiron.sock")
    listener.listen()
    monkeypatch.setenv("ANDIRON_SOCKET", "andiron.sock")
    with Answering(listener, WELL):
        assert ask() == (0, "ok\n")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (ILL, "does not serve (it answers 503)"),
        (b"220 mail.example ESMTP\r\n", "is no web server"),
        (b"", "Nobody answers"),
    ],
)
def test_a_server_that_is_ill_or_another(monkeypatch, answer, sentence):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    monkeypatch.setenv("ANDIRON_PORT", str(port))
    with Answering(listener, answer):
        code, output = ask()
    assert code == 1
    assert output.startswith("Error: ")
    assert f"127.0.0.1 port {port}" in output
    assert sentence in output


@pytest.mark.parametrize(
    ("variable", "place"), [("ANDIRON_PORT", "127.0.0.1 port 1"), ("ANDIRON_SOCKET", "1")]
)
def test_nobody(monkeypatch, variable, place):
    monkeypatch.setenv(variable, "1")
    code, output = ask()
    assert code == 1
    assert output.startswith(f"Error: Nobody answers at {place} (")
