"""Where ``andiron serve`` listens: every address of a host name, or a socket file."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["BACKLOG", "ServerError", "listen", "listening_at_file"]

BACKLOG: Final = 2048
"""Connections that may wait to be accepted: many clients come back at one time."""

_NOT_HERE: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Errors of an address that this machine lacks, such as ``::1`` where there is no IPv6."""


class ServerError(Exception):
    """The server cannot start; the sentence says why and what to do."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen on every address of ``host``, all on one port.

    ``::`` is every address of both families. Raises :class:`ServerError`.
    """
    listeners: list[socket.socket] = []
    failure: OSError | None = None
    try:
        for family, address in _addresses(host, port):
            taken = listeners[0].getsockname()[1] if listeners else port
            try:
                listeners.append(_listen(family, (address[0], taken, *address[2:])))
            except OSError as error:
                failure = error
                if error.errno not in _NOT_HERE:
                    raise
        if not listeners and failure is not None:
            raise failure
    except OSError as error:
        for listener in listeners:
            listener.close()
        raise ServerError(
            f"Cannot listen on {host} port {port} ({_reason(error)});"
            " choose another with --host and --port, or stop what listens there."
        ) from None
    return listeners


def _reason(error: OSError) -> str:
    # What asyncio and socket add to it says the address once more; resolvers have their own.
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error.strerror or error)


def _addresses(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _listen(family: int, address: tuple[Any, ...]) -> socket.socket:
    both = family == socket.AF_INET6 and address[0] == "::" and socket.has_dualstack_ipv6()
    listener = socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=both)
    listener.set_inheritable(True)
    # What it accepts has it from here: asyncio does not know these for TCP, and two small
    # writes in a row would have the second wait for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


@contextlib.contextmanager
def listening_at_file(path: str, mode: int) -> Iterator[socket.socket]:
    """Listen on a socket file with the permissions ``mode``; it is gone when the block ends.

    One that a server left which did not end properly is replaced. Raises
    :class:`ServerError`, also where another server listens.
    """
    try:
        _remove_stale(path)
        listener, file = _bind(path, mode)
    except OSError as error:
        raise ServerError(
            f"Cannot listen on the socket file {path} ({error.strerror or error}); choose another"
            " with --socket, in a folder that exists and that the server may write to."
        ) from None
    with listener:
        try:
            yield listener
        finally:
            with contextlib.suppress(OSError):
                if os.path.samestat(os.lstat(path), file):
                    os.unlink(path)


def _bind(path: str, mode: int) -> tuple[socket.socket, os.stat_result]:
    listener = socket.socket(socket.AF_UNIX)
    # Nobody may connect until the file has its permissions.
    former = os.umask(0o777)
    try:
        listener.bind(path)
        file = os.lstat(path)
        os.chmod(path, mode)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(former)
    return listener, file


def _remove_stale(path: str) -> None:
    try:
        found = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found):
        raise FileExistsError(errno.EEXIST, "there is something else of that name")
    with socket.socket(socket.AF_UNIX) as asking:
        # Who listens and accepts nothing would keep waiting whoever waits for him.
        asking.setblocking(False)
        try:
            asking.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except BlockingIOError:
            raise FileExistsError(
                errno.EADDRINUSE, "another server listens there and accepts nobody; end it"
            ) from None
        else:
            raise FileExistsError(errno.EADDRINUSE, "another server listens there")
