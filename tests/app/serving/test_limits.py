import socket

import pytest

from andiron.serving import limits

resource = pytest.importorskip("resource")


def test_as_many_files_as_allowed():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        limits.allow_open_files()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert soft == hard == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("error", [OSError, ValueError])
def test_a_system_that_does_not_allow_it(monkeypatch, error):
    def refuse(_kind, _limits):
        raise error

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(resource, "setrlimit", refuse)
    limits.allow_open_files()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
@pytest.mark.parametrize(("seconds", "kernels"), [(0.0, 0), (1.5, 1500), (30, 30_000)])
def test_connections_inherit_the_kernels_patience(seconds, kernels):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        limits.drop_stalled(listener, seconds)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            option = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert option == kernels


def test_a_socket_file_knows_no_tcp(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        limits.drop_stalled(listener, 1.0)
        assert listener.getsockname()
