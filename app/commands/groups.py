"""``andiron group``: shared groups, whose members are in each other's contact lists."""

import click

from andiron.commands.portability import run
from andiron.domain.accounts.accounts import Accounts
from andiron.domain.contacts.group_store import GroupStore
from andiron.domain.database.database import Database
from andiron.domain.person import MAX_NAME, is_shown
from andiron.settings import Settings

__all__ = ["group"]


@click.group()
def group() -> None:
    """Manage shared groups: the members of one are in each other's contact lists.

    A running server sees changes within half a minute. A group is there as
    long as somebody is in it.
    """


def _named(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not is_shown(value):
        raise click.BadParameter(
            f"a group's name is of 1 to {MAX_NAME} characters that can be seen, on one line"
        )
    return value


_GROUP = click.argument("group", callback=_named)


@group.command("add")
@_GROUP
@click.argument("names", metavar="NAME…", nargs=-1, required=True)
def add_members(group: str, names: tuple[str, ...]) -> None:
    """Put accounts into GROUP, which is made where there is none."""

    async def add(database: Database, accounts: Accounts) -> None:
        usernames = [await accounts.stored_username(name) for name in names]
        await GroupStore(database).add(group, usernames)

    run(Settings(), add)
    click.echo(f"In {group} now: {', '.join(names)}")


@group.command("remove")
@_GROUP
@click.argument("names", metavar="NAME…", nargs=-1, required=True)
def remove_members(group: str, names: tuple[str, ...]) -> None:
    """Take accounts out of GROUP."""

    async def remove(database: Database, accounts: Accounts) -> None:
        usernames = [await accounts.stored_username(name) for name in names]
        await GroupStore(database).remove(group, usernames)

    run(Settings(), remove)
    click.echo(f"Not in {group} any more: {', '.join(names)}")


@group.command("delete")
@_GROUP
def delete_group(group: str) -> None:
    """Take everybody out of GROUP."""

    async def delete(database: Database, _accounts: Accounts) -> None:
        await GroupStore(database).delete(group)

    run(Settings(), delete)
    click.echo("Group deleted.")


@group.command("list")
@click.argument("group", required=False)
def list_groups(group: str | None) -> None:
    """Print the groups, one on a line with the number of members; or the members of GROUP."""
    settings = Settings()

    async def lines(database: Database, _accounts: Accounts) -> list[str]:
        store = GroupStore(database)
        if group is None:
            return [f"{name}\t{count}" for name, count in await store.names()]
        members = (await store.members([group]))[group]
        return [f"{username}@{settings.domain}" for username in sorted(members)]

    for line in run(settings, lines):
        click.echo(line)
