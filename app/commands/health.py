"""``andiron health``: asks the server that the settings describe whether it is well."""

import http.client
import socket

import click

from andiron.settings import Settings

__all__ = ["health"]

_PATIENCE = 5.0
"""Seconds."""
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked by loopback


@click.command("health")
def health() -> None:
    """Tell whether the server that runs with these settings serves; if not, with exit code 1.

    It is asked at its own address, for health checks of containers and the like.
    """
    settings = Settings()
    place = settings.socket or f"{settings.host} port {settings.port}"
    try:
        status = _ask(settings)
    except OSError as error:
        raise click.ClickException(
            f"Nobody answers at {place} ({error.strerror or error})."
        ) from None
    except http.client.HTTPException as error:
        raise click.ClickException(f"What answers at {place} is no web server ({error}).") from None
    if status != http.client.OK:
        raise click.ClickException(f"The server at {place} does not serve (it answers {status}).")
    click.echo("ok")


def _ask(settings: Settings) -> int:
    host = _EVERY_ADDRESS.get(settings.host, settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=_PATIENCE)
    try:
        if settings.socket:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(_PATIENCE)
            connection.sock.connect(settings.socket)
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    finally:
        connection.close()
