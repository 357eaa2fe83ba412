"""What ``andiron serve`` asks of the operating system."""

import contextlib
import socket
import sys

if sys.platform != "win32":
    import resource


def allow_open_files() -> None:
    """Raise the number of files that this process may open as far as it may by itself.

    Every client is one; the usual 1024 serve old programs that cannot count further.
    """
    if sys.platform == "win32":
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def drop_stalled(listener: socket.socket, seconds: float) -> None:
    """Let the kernel drop connections whose clients take nothing of what waits for so long.

    Without it a connection that the server has closed stays, with all that was
    to be sent, for as long as its client likes. 0 leaves the kernel's own time.
    """
    if listener.family in (socket.AF_INET, socket.AF_INET6) and hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))
