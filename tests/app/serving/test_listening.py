"""Where ``andiron serve`` listens: addresses of both families, socket files."""

import contextlib
import os
import socket
import stat
import sys

import pytest

from andiron.serving.listening import ServerError, listen, listening_at_file


@contextlib.contextmanager
def listening(host, port=0):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(listener) for listener in listen(host, port)]


def connects(host, port):
    with contextlib.suppress(OSError), socket.create_connection((host, port), 5):
        return True
    return False


def has_ipv6():
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


def test_an_address_in_use_is_named():
    with listening("127.0.0.1") as (listener,):
        port = listener.getsockname()[1]
        with pytest.raises(
            ServerError,
            match=rf"Cannot listen on 127.0.0.1 port {port} \(Address already in use\); .*--port",
        ):
            listen("127.0.0.1", port)


def test_an_address_that_is_none():
    with pytest.raises(ServerError, match=r"Cannot listen on host\.invalid port 1"):
        listen("host.invalid", 1)


def test_an_address_of_another_machine():
    with pytest.raises(
        ServerError,
        match=r"Cannot listen on 192\.0\.2\.1 port 0 \(Cannot assign requested address\);",
    ):
        listen("192.0.2.1", 0)


@ipv6
def test_ipv6():
    with listening("::1") as (listener,):
        port = listener.getsockname()[1]
        assert connects("::1", port)
        assert not connects("127.0.0.1", port)


@ipv6
def test_every_address_means_both_families():
    with listening("::") as (listener,):
        port = listener.getsockname()[1]
        assert connects("::1", port)
        assert connects("127.0.0.1", port)


def resolves(monkeypatch, *found):
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, port, **_more: [
            (family, socket.SOCK_STREAM, 6, "", (address, port)) for family, address in found
        ],
    )


def test_a_name_means_all_of_its_addresses_on_one_port(monkeypatch):
    resolves(
        monkeypatch,
        *((socket.AF_INET, address) for address in ("127.0.0.1", "127.0.0.2", "127.0.0.1")),
    )
    with listening("localhost") as listeners:
        names = [listener.getsockname() for listener in listeners]
    assert [address for address, _ in names] == ["127.0.0.1", "127.0.0.2"]
    assert len({port for _, port in names}) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="what is accepted inherits nothing there")
def test_no_small_answer_waits_for_an_acknowledgement():
    """asyncio sees to that only where it made the socket, or knows it for TCP."""
    (listener,) = listen("127.0.0.1", 0)
    with listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_that_the_machine_lacks_is_left_out_where_there_are_others(monkeypatch):
    resolves(monkeypatch, (socket.AF_INET, "192.0.2.1"), (socket.AF_INET, "127.0.0.1"))
    with listening("localhost") as (listener,):
        assert listener.getsockname()[0] == "127.0.0.1"


def test_nothing_stays_open_where_one_address_is_taken(monkeypatch):
    with listening("127.0.0.2") as (taken,):
        port = taken.getsockname()[1]
        resolves(monkeypatch, (socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.2"))
        with pytest.raises(ServerError, match="Address already in use"):
            listen("localhost", port)
        monkeypatch.undo()
        with listening("127.0.0.1", port):
            pass


@pytest.fixture
def path(monkeypatch, tmp_path):
    # The path of a socket file must be short.
    monkeypatch.chdir(tmp_path)
    return "andiron.sock"


def asks(path):
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        return True
    return False


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_a_socket_file_has_its_permissions_and_goes_with_the_server(path, mode):
    former = os.umask(0o027)
    try:
        with listening_at_file(path, mode):
            assert stat.S_IMODE(os.stat(path).st_mode) == mode
            assert asks(path)
            assert os.umask(0o027) == 0o027
    finally:
        os.umask(former)
    assert not os.path.exists(path)


def test_a_file_that_a_dead_server_left_is_replaced(path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    assert not asks(path)
    with listening_at_file(path, 0o660):
        assert asks(path)


def test_a_file_on_which_another_listens_is_left_alone(path):
    with listening_at_file(path, 0o660):
        with (
            pytest.raises(ServerError, match=r"andiron\.sock \(another server listens .* --socket"),
            listening_at_file(path, 0o660),
        ):
            pass
        assert asks(path)


@pytest.mark.timeout(30)
def test_whoever_listens_and_accepts_nobody_is_not_waited_for(path):
    with contextlib.ExitStack() as stack:
        stuck = stack.enter_context(socket.socket(socket.AF_UNIX))
        stuck.bind(path)
        stuck.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                client.connect(path)
        with (
            pytest.raises(ServerError, match=r"listens there and accepts nobody; end it\); choose"),
            listening_at_file(path, 0o660),
        ):
            pass
        assert os.path.exists(path)


def test_a_file_that_is_no_socket_is_left_alone(path):
    with open(path, "w") as file:
        file.write("letters")
    with (
        pytest.raises(ServerError, match="something else of that name"),
        listening_at_file(path, 0o660),
    ):
        pass
    with open(path) as file:
        assert file.read() == "letters"


def test_a_file_that_another_server_made_since_is_left_alone(path):
    with listening_at_file(path, 0o660):
        os.unlink(path)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
    assert os.path.exists(path)


@pytest.mark.parametrize(
    ("where", "reason"), [("nowhere/at/all", "No such file"), ("x" * 200, "path too long")]
)
def test_a_place_where_there_can_be_none(path, where, reason):
    with (
        pytest.raises(ServerError, match=rf"Cannot listen on the socket file .*{reason}.*--socket"),
        listening_at_file(where, 0o660),
    ):
        pass
