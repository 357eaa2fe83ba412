"""``andiron sessions``, ``rooms``, ``processes``, ``kick``, ``announce``: a look, and acts."""

import sys
from collections.abc import Iterator
from typing import Any, Final

import click
from pydantic import TypeAdapter

from andiron.api.api import Api
from andiron.api.values import RoomInfo
from andiron.commands.columns import PROCESSES, SESSIONS, SESSIONS_OF_SEVERAL, counted
from andiron.commands.table import Column, laid_out
from andiron.commands.there import There, at_url
from andiron.http_api.operations import operation_of
from andiron.settings import Settings

__all__ = ["announce", "kick", "processes", "rooms", "sessions"]

_as_json = click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")


@click.command("sessions")
@click.argument("account", default="")
@_as_json
@at_url
def sessions(account: str, as_json: bool, url: str) -> None:
    """Print the sessions of ACCOUNT, or of all who are signed in, oldest first.

    H-IN is how many stanzas of the client were handled and H-OUT how many it
    has acknowledged, the h of stream management in both directions; UNACKED and
    BYTES are what it has not. IDLE is since it was last heard of, LEFT for how
    long one without a connection waits to be resumed. PROCESS, where several
    serve the chat, is by which it came last, and SESSION what the log knows it by.
    """
    found = There(Settings(), url).ask(Api.sessions, account)
    if as_json:
        _print_json(operation_of(Api.sessions).result, found)
    else:
        several = any(each.process not in ("", each.home) for each in found)
        _print(laid_out(SESSIONS_OF_SEVERAL if several else SESSIONS, found))
        click.echo(f"Sessions: {len(found)}", err=True)


@click.command("processes")
@_as_json
@at_url
def processes(as_json: bool, url: str) -> None:
    """Print the processes that serve the chat, the one first that is home.

    RELAYED is how many requests and WebSockets a door relays to the home now,
    LAG how late its event loop was at worst in the last ten seconds, SILENT
    since when it has given no sign of life.
    """
    there = There(Settings(), url)
    found = there.ask(Api.processes)
    if as_json:
        _print_json(operation_of(Api.processes).result, found)
    else:
        sessions = there.ask(Api.session_page, size=1).processes
        _print(laid_out(PROCESSES, counted(found, sessions)))


@click.command("kick")
@click.argument("who", metavar="ACCOUNT|JID")
@click.option("--reason", default="", help="What the client is told.")
@at_url
def kick(who: str, reason: str, url: str) -> None:
    """End the sessions of ACCOUNT, or the one with the address JID (account@domain/resource).

    The account may sign in again at once; see 'andiron user disable'. With
    nobody to end the exit code is 1.
    """
    ended = There(Settings(), url).ask(Api.end_sessions, who, reason=reason)
    click.echo(f"Sessions ended: {ended}")
    if not ended:
        raise click.exceptions.Exit(1)


@click.command("announce")
@click.argument("text")
@click.option("--subject", default="", help="What it is about.")
@at_url
def announce(text: str, subject: str, url: str) -> None:
    """Send TEXT to all who are online, as the domain; - reads it from standard input.

    It is a headline: clients show it, nothing keeps it.
    """
    body = sys.stdin.read().strip() if text == "-" else text
    told = There(Settings(), url).ask(Api.announce, body, subject=subject)
    click.echo(f"Sessions told: {told}")


@click.command("rooms")
@_as_json
@at_url
def rooms(as_json: bool, url: str) -> None:
    """Print the rooms, in the order of their addresses."""
    found = list(_rooms(There(Settings(), url)))
    if as_json:
        _print_json(TypeAdapter(list[RoomInfo]), found)
    else:
        _print(laid_out(_ROOMS, found))
        click.echo(f"Rooms: {len(found)}", err=True)


def _rooms(there: There) -> Iterator[RoomInfo]:
    after, complete = "", False
    while not complete:
        page = there.ask(Api.rooms, after=after, size=1000)
        yield from page.rooms
        complete = page.complete or not page.rooms
        after = page.rooms[-1].address if page.rooms else ""


def _kind(room: RoomInfo) -> str:
    kinds = (
        ("public" if room.public else "hidden", True),
        ("persistent", room.persistent),
        ("members-only", room.members_only),
        ("moderated", room.moderated),
        ("password", room.has_password),
        ("archived", room.archived),
    )
    return " ".join(word for word, holds in kinds if holds)


_ROOMS: Final[tuple[Column[RoomInfo], ...]] = (
    Column("ADDRESS", lambda one: one.address),
    Column("IN IT", lambda one: str(one.occupants), lambda one: one.occupants),
    Column("KIND", _kind),
    Column("NAME", lambda one: one.name),
)


def _print(lines: list[str]) -> None:
    for line in lines:
        click.echo(line)


def _print_json(adapter: TypeAdapter[Any], found: Any) -> None:
    click.echo(adapter.dump_json(found, indent=2))
