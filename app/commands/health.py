"""``andiron health``: asks the server that the settings describe whether it is well."""

import http.client
from typing import Final

import click

from andiron.commands.there import Place
from andiron.settings import Settings

__all__ = ["health"]

_PATIENCE: Final = 5.0
"""Seconds."""


@click.command("health")
def health() -> None:
    """Tell whether the server that runs with these settings serves; if not, with exit code 1.

    It is asked at its own address, for health checks of containers and the like.
    """
    place = Place(Settings())
    status, _, _ = place.request("GET", "/healthz", patience=_PATIENCE)
    if status != http.client.OK:
        raise click.ClickException(f"The server at {place} does not serve (it answers {status}).")
    click.echo("ok")
