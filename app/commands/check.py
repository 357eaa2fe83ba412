"""``andiron database check``: what is stored, held against the rules of today."""

import click

from andiron.commands.portability import run
from andiron.commands.progress import Progress
from andiron.domain.accounts.accounts import Accounts
from andiron.domain.database.addresses import AddressCheck
from andiron.domain.database.database import Database
from andiron.settings import Settings

__all__ = ["check_database"]


@click.command("check")
def check_database() -> None:
    """Find addresses and nicknames that were stored by other rules; nothing is changed.

    Each is told in a line, with what to do about it. With any the exit code is 1.
    A server may run meanwhile.
    """
    settings = Settings()

    async def look(database: Database, _accounts: Accounts) -> int:
        rooms = settings.rooms_host or f"conference.{settings.domain}"
        found = 0
        async for finding in AddressCheck(database, settings.domain, rooms, progress.say).run():
            found += 1
            progress.clear()
            click.echo(str(finding))
        return found

    with Progress() as progress:
        found = run(settings, look)
    click.echo(f"Found: {found}", err=True)
    if found:
        raise click.exceptions.Exit(1)
