"""``andiron user export`` and ``andiron user import``: XEP-0227."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TextIO, TypeVar

import click

from andiron.commands.progress import Progress
from andiron.domain.accounts.accounts import Accounts, NoSuchAccount
from andiron.domain.database.database import Database
from andiron.domain.database.urls import require_existing
from andiron.domain.portability.export import Exporter
from andiron.domain.portability.importing import Importer, Report
from andiron.settings import Settings

__all__ = ["export_users", "import_users", "run"]

T = TypeVar("T")


@click.command("export")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to this file, which must not exist, instead of standard output.",
)
def export_users(names: tuple[str, ...], output: Path | None) -> None:
    """Write the accounts NAME, or all, with what they keep: one document of XEP-0227.

    Whoever reads it can try passwords on its keys, and sees every message:
    keep it as safe as the database. Uploaded files and rooms are no part of it.
    """
    settings = Settings()

    async def write(database: Database, accounts: Accounts) -> int:
        usernames = [await accounts.stored_username(name) for name in names]
        existing = await accounts.existing(usernames)
        for username in usernames:
            if username not in existing:
                raise NoSuchAccount(f"There is no account {username}.")
        usernames = sorted(existing) or await accounts.names()
        with ExitStack() as stack:
            file = sys.stdout if output is None else _open(output, stack)

            def named() -> Iterator[str]:
                for done, username in enumerate(usernames):
                    progress.say("Accounts", done, len(usernames))
                    yield username

            await Exporter(database, settings.domain).write(named(), file.write)
        return len(usernames)

    with Progress() as progress:
        count = run(settings, write)
    click.echo(f"Accounts exported: {count}", err=output is None)


@click.command("import")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--merge",
    is_flag=True,
    help="Add to accounts that exist what they lack; their passwords stay. Without this they"
    " are refused.",
)
def import_users(files: tuple[Path, ...], merge: bool) -> None:
    """Make the accounts in FILE, which this or another XMPP server exported (XEP-0227).

    Each account is taken over whole or not at all; what is wrong with one is
    said in a sentence, and the others follow.
    """
    settings = Settings()

    async def read(database: Database, accounts: Accounts) -> Report:
        importer = Importer(
            database,
            accounts,
            settings.domain_config(),
            settings.max_stanza_size,
            merge=merge,
            problem=lambda sentence: tell(f"Error: {sentence}"),
            note=lambda sentence: tell(f"Note: {sentence}"),
            progress=lambda report: progress.say("Accounts", report.made + report.merged),
        )
        return await importer.read(files)

    def tell(sentence: str) -> None:
        progress.clear()
        click.echo(sentence, err=True)

    with Progress() as progress:
        report = run(settings, read, creates=True)
    if merge:
        click.echo(f"Accounts added to: {report.merged}")
    click.echo(
        f"Accounts made: {report.made} (contacts: {report.counts['contacts']},"
        f" messages: {report.counts['messages']}, nodes: {report.counts['nodes']})"
    )
    if report.problems:
        raise click.exceptions.Exit(1)


def run(
    settings: Settings,
    work: Callable[[Database, Accounts], Awaitable[T]],
    *,
    creates: bool = False,
) -> T:
    """Do something with the configured database.

    A file that is not there is made where the work ``creates`` what it keeps;
    any other work has nothing to find in a new one, and was meant for another.
    """
    if not creates:
        require_existing(
            settings.database,
            "let ANDIRON_DATABASE name the one that is served, or make one by"
            " 'andiron user add' or 'andiron serve'",
        )

    async def with_database() -> T:
        with Progress() as progress:
            database = await Database.open(settings.database, partial(progress.say, "Migrating"))
        try:
            accounts = Accounts(database, settings.domain, settings.auth_iterations)
            return await work(database, accounts)
        finally:
            await database.close()

    return asyncio.run(with_database())


def _open(path: Path, stack: ExitStack) -> TextIO:
    """Make a file that only its owner can read; it is removed again if not all was written."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be made: {error.strerror}.") from None

    def remove(failed: type[BaseException] | None, *_rest: object) -> None:
        if failed is not None:
            path.unlink(missing_ok=True)

    stack.push(remove)
    return stack.enter_context(os.fdopen(number, "w", encoding="utf-8", newline="\n"))
