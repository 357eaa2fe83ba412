"""The command line: ``andiron serve``, ``andiron user …``, ``andiron config …`` and others."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any, TextIO

import click

from andiron.commands.account_file import AccountFileError, read_accounts
from andiron.commands.check import check_database
from andiron.commands.groups import group
from andiron.commands.health import health
from andiron.commands.operating import announce, kick, processes, rooms, sessions
from andiron.commands.portability import export_users, import_users, run
from andiron.commands.progress import Progress
from andiron.commands.token import make_token
from andiron.commands.top import top
from andiron.domain.accounts.accounts import AccountError, Accounts
from andiron.domain.accounts.credentials import check_password
from andiron.domain.database.claims import claim_database
from andiron.domain.database.database import Database, DatabaseError
from andiron.domain.database.transfer import copy_all
from andiron.domain.database.urls import EXAMPLES, problem, require_existing
from andiron.domain.database.urls import check as check_url
from andiron.settings import Settings, SettingsError
from andiron.settings.live import LIVE
from andiron.settings.sources import config_path, origins
from andiron.settings.words import shown_value
from andiron.version import __version__


class Group(click.Group):
    """Says errors that have a sentence for the operator with that sentence, and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except (SettingsError, DatabaseError, AccountError, AccountFileError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="andiron %(version)s")
def main() -> None:
    """XMPP for the web: WebSocket, BOSH and stream management in one ASGI application.

    Settings come from the environment (ANDIRON_DOMAIN=example.org), then from
    andiron.toml in this folder or the file that ANDIRON_CONFIG names, then from
    the one that ANDIRON_DEFAULTS names; 'andiron config show' lists them all.
    """


@main.command()
@click.option("--host", metavar="ADDRESS", help="Listen on this address (setting: host).")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Listen on this port; 0 is any (setting: port)."
)
@click.option(
    "--socket",
    metavar="PATH",
    help="Listen on this socket file instead, for a proxy on this machine (setting: socket).",
)
@click.option(
    "--demo",
    is_flag=True,
    help="Make two accounts with random passwords, serve a chat page at / and print two links"
    " that sign in as them: for trying out, not for a public site (setting: demo).",
)
@click.option(
    "--reload",
    is_flag=True,
    help="Begin anew whenever andiron.toml, *.py below this folder or Andiron's own code changes;"
    " sessions go on. For development.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    help="Serve one chat by so many processes; they meet where the setting cluster says, or beside"
    " the database.",
)
def serve(
    host: str | None,
    port: int | None,
    socket: str | None,
    demo: bool,
    reload: bool,
    workers: int,
) -> None:
    """Serve the domain until SIGTERM or Ctrl-C.

    WebSocket clients connect to /ws, BOSH clients to /http-bind; /healthz
    answers health checks. Passwords need a secure way: put a proxy with TLS in
    front and see the setting trusted_proxies.
    """
    if socket and (host is not None or port is not None):
        raise click.UsageError("Give --socket, or --host and --port.")
    if reload and workers > 1:
        raise click.UsageError("Give --reload, or --workers.")
    try:
        from andiron.serving.listening import ServerError  # noqa: PLC0415
        from andiron.serving.reloading import run_reloading  # noqa: PLC0415
        from andiron.serving.server import run  # noqa: PLC0415
        from andiron.serving.workers import run_workers  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"'andiron serve' needs {error.name}; install it with: pip install 'andiron[server]'"
        ) from None
    if socket is None and (host is not None or port is not None):
        socket = ""
    options: dict[str, Any] = {"host": host, "port": port, "socket": socket, "demo": demo or None}
    given = {name: value for name, value in options.items() if value is not None}
    settings = Settings(**given)
    try:
        if reload:
            run_reloading(settings, given)
        elif workers > 1:
            run_workers(settings, given, workers)
        else:
            run(settings, lambda: Settings(**given))
    except ServerError as error:
        raise click.ClickException(str(error)) from error


@main.group()
def user() -> None:
    """Manage the accounts of the embedded domain.

    A running server sees changes at once. Passwords never stand among a
    command's arguments, where others on the machine could read them.
    """


_password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of stdin."
)


@user.command("add")
@click.argument("name", required=False)
@_password_stdin
@click.option(
    "--from-file",
    "file",
    type=click.File(encoding="utf-8"),
    metavar="FILE",
    help="Make an account of each line in FILE (- is stdin): a name, white space, a password."
    " If a line is wrong none is made.",
)
def add_user(name: str | None, password_stdin: bool, file: TextIO | None) -> None:
    """Make the account NAME, or many with --from-file.

    NAME is the part before the @. The password is asked for, twice.
    """
    if (name is None) == (file is None) or (file is not None and password_stdin):
        raise click.UsageError("Give NAME, or --from-file FILE alone.")
    settings = Settings()
    if file is not None:
        lines = list(_lines(file))

        async def add_all(_database: Database, accounts: Accounts) -> int:
            existing = frozenset(await accounts.names())
            wanted = read_accounts(lines, settings.domain, existing, check_password)
            return len(await accounts.create_many(wanted))

        click.echo(f"Accounts made: {run(settings, add_all, creates=True)}")
    elif name is not None:
        username, password = name, _password(from_stdin=password_stdin)

        async def add_one(_database: Database, accounts: Accounts) -> str:
            return await accounts.create(username, password)

        click.echo(f"Account made: {run(settings, add_one, creates=True)}@{settings.domain}")


@user.command("password")
@click.argument("name")
@_password_stdin
def change_password(name: str, password_stdin: bool) -> None:
    """Give the account NAME another password, which is asked for, twice.

    Streams that are open go on.
    """
    settings = Settings()
    password = _password(from_stdin=password_stdin)

    async def change(_database: Database, accounts: Accounts) -> None:
        await accounts.set_password(name, password)

    run(settings, change)
    click.echo("Password changed.")


@user.command("list")
def list_users() -> None:
    """Print the address of every account, one on a line; disabled ones are marked."""
    settings = Settings()

    async def lines(_database: Database, accounts: Accounts) -> list[str]:
        names = await accounts.names()
        disabled = set(await accounts.disabled.names())
        return [
            f"{name}@{settings.domain}" + ("\tdisabled" if name in disabled else "")
            for name in names
        ]

    for line in run(settings, lines):
        click.echo(line)


@user.command("disable")
@click.argument("name")
def disable_user(name: str) -> None:
    """Let nobody sign in to the account NAME; all that it has stays.

    A running server ends its streams within half a minute.
    """

    async def disable(_database: Database, accounts: Accounts) -> None:
        await accounts.disabled.disable(await accounts.stored_username(name))

    run(Settings(), disable)
    click.echo("Account disabled.")


@user.command("enable")
@click.argument("name")
def enable_user(name: str) -> None:
    """Let the owner of the account NAME sign in again."""

    async def enable(_database: Database, accounts: Accounts) -> None:
        await accounts.disabled.enable(await accounts.stored_username(name))

    run(Settings(), enable)
    click.echo("Account enabled.")


@user.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove_user(name: str, yes: bool) -> None:
    """Remove the account NAME, and the messages that wait for it.

    A running server ends its streams within half a minute.
    """
    settings = Settings()
    if not yes:
        click.confirm(f"Remove {name}@{settings.domain} and its messages?", abort=True)

    async def remove(_database: Database, accounts: Accounts) -> None:
        await accounts.remove(name)

    run(settings, remove)
    click.echo("Account removed.")


@main.group()
def database() -> None:
    """Move what is stored, or look at it."""


@database.command("import")
@click.argument("url")
def import_database(url: str) -> None:
    """Copy everything from the database at URL into the configured one, which must be empty.

    Nothing may be running on either. The one at URL must exist.
    """
    if wrong := problem(url):
        raise click.BadParameter(f"it must be one such as {EXAMPLES}: {wrong}", param_hint="URL")
    settings = Settings()
    require_existing(url, "correct the URL to copy from")

    async def copy() -> int:
        async with AsyncExitStack() as opened:
            databases = []
            for name in (url, settings.database):
                claim = await claim_database(name)
                opened.push_async_callback(claim.release)
                databases.append(await Database.open(name))
                opened.push_async_callback(databases[-1].close)
            source, target = databases
            return await copy_all(source, target, progress.say)

    with Progress() as progress:
        copied = asyncio.run(copy())
    click.echo(f"Rows copied: {copied}")


for each in (announce, group, health, kick, make_token, processes, rooms, sessions, top):
    main.add_command(each)
database.add_command(check_database)
user.add_command(export_users)
user.add_command(import_users)


@main.group()
def config() -> None:
    """Look at the settings."""


@config.command("check")
def check_config() -> None:
    """Tell whether every setting is known and usable; if not, which, with exit code 1.

    That the database could be opened or made is part of it, and whether sessions
    can be taken up and written down, and processes meet; nothing is done, and no
    PostgreSQL server is asked.
    """
    from andiron import continuity  # noqa: PLC0415 - others need none of it
    from andiron.creating import create_app  # noqa: PLC0415
    from andiron.fellows import meeting  # noqa: PLC0415

    settings = Settings()
    check_url(settings.database)
    continuity.check(settings)
    meeting.check(settings)
    create_app(settings)
    path = config_path()
    click.echo(f"The settings are sound ({path or 'no andiron.toml'}, and the environment).")
    click.echo(
        f"These take effect on SIGHUP: {', '.join(sorted(LIVE))}. All others need a restart."
    )


@config.command("show")
def show_config() -> None:
    """Print every setting with its value and where that comes from; secrets are masked."""
    settings = Settings()
    spelled = origins(Settings)
    for name in Settings.model_fields:
        origin = spelled.get(name, "default")
        click.echo(f"{name} = {shown_value(settings, name)}  # {origin}")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not _on_terminal():
        raise click.UsageError("Standard input is no terminal to ask on: use --password-stdin.")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt="Once more"))


def _lines(file: TextIO) -> Iterator[str]:
    try:
        yield from file
    except UnicodeDecodeError as error:
        raise AccountFileError(
            f"The file is not UTF-8: {error.reason}. No account was made."
        ) from None


def _on_terminal() -> bool:
    return sys.stdin.isatty()
