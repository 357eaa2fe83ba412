"""A way to a server that is cut off, silently: the kernels of both ends find out within seconds.

Else it takes a quarter of an hour where something was sent, and two hours where an answer is
waited for; a statement may take as long as it does, so that it takes long tells nothing.
"""

import socket
from typing import Any, Final

__all__ = ["SERVER_SETTINGS", "watch"]

_IDLE: Final = 5
"""Seconds without anything after which the other end is asked whether it is there."""
_INTERVAL: Final = 2
"""Seconds between two such questions."""
_COUNT: Final = 3
"""How many are asked."""
_UNACKNOWLEDGED: Final = 10_000
"""Milliseconds in which what is sent must have arrived."""

SERVER_SETTINGS: Final = {
    "tcp_keepalives_idle": str(_IDLE),
    "tcp_keepalives_interval": str(_INTERVAL),
    "tcp_keepalives_count": str(_COUNT),
}
"""What PostgreSQL is told, so that its end keeps no locks for long."""
_OPTIONS: Final = (
    (("TCP_KEEPIDLE", "TCP_KEEPALIVE"), _IDLE),
    (("TCP_KEEPINTVL",), _INTERVAL),
    (("TCP_KEEPCNT",), _COUNT),
    (("TCP_USER_TIMEOUT",), _UNACKNOWLEDGED),
)
"""By the names that systems have for them, as far as they have any."""


def watch(connection: Any) -> None:
    """Have the kernel look after this end of a connection of asyncpg's."""
    transport = getattr(connection, "_transport", None)
    way = None if transport is None else transport.get_extra_info("socket")
    if way is None or way.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    way.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for names, value in _OPTIONS:
        option = next((getattr(socket, name) for name in names if hasattr(socket, name)), None)
        if option is not None:
            way.setsockopt(socket.IPPROTO_TCP, option, value)
