"""What a service manager is told over ``NOTIFY_SOCKET``, as systemd has it (sd_notify(3))."""

import logging
import os
import socket

__all__ = ["notify"]

logger = logging.getLogger("andiron")


def notify(*states: str) -> None:
    """Tell the service manager some states, such as ``READY=1``; nobody where there is none.

    One that does not take them changes nothing here but a line in the log.
    """
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place.startswith(("/", "@")):
        return
    # An address with @ before it is in Linux's own space of names, which begin with a zero.
    address = "\0" + place[1:] if place.startswith("@") else place
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way:
            way.connect(address)
            way.send("\n".join(states).encode())
    except OSError as error:
        logger.warning("The service manager at %s could not be told: %s", place, error)
