"""Finding people by names, on each kind of database."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.database.database import Database
from andiron.domain.profile.directory import Directory, Found, folded, list_names
from andiron.xmpp import namespaces as ns


def card(*names):
    inner = "".join(
        f"<{tag}>{name}</{tag}>" for tag, name in zip(("FN", "NICKNAME"), names, strict=False)
    )
    return f"<vCard xmlns='{ns.VCARD}'>{inner}</vCard>"


@pytest.fixture
async def accounts(database: Database) -> Accounts:
    made = Accounts(database, "localhost")
    for name in ("juliet", "romeo", "nurse", "jürgen"):
        await made.provide(name)
    return made


@pytest.fixture
async def directory(database: Database, accounts: Accounts) -> Directory:
    async def operation(connection: AsyncConnection) -> None:
        await list_names(connection, "juliet", card("Juliet Capulet", "Jule"))
        await list_names(connection, "nurse", card("Angelica of the House of Capulet"))

    await database.write(operation)
    return Directory(database)


JULIET = Found("juliet", "Juliet Capulet")
NURSE = Found("nurse", "Angelica of the House of Capulet")


@pytest.mark.parametrize(
    ("beginning", "found"),
    [
        ("ju", [JULIET]),
        ("jü", [Found("jürgen", "")]),
        ("jule", [JULIET]),
        ("capu", [JULIET, NURSE]),
        ("juliet cap", [JULIET]),
        ("house of", [NURSE]),
        ("liet", []),
        (folded("(the"), [NURSE]),
        ("%", []),
        ("_u", []),
        ("rom", [Found("romeo", "")]),
        ("' or 1=1", []),
    ],
)
async def test_a_name_is_found_by_the_beginning_of_a_word(directory, beginning, found):
    assert await directory.find(beginning) == found


async def test_pages_follow_each_other(directory):
    assert await directory.find("capu", limit=1) == [JULIET]
    assert await directory.find("capu", after="juliet", limit=1) == [NURSE]
    assert await directory.find("capu", after="nurse") == []


async def test_disabled_and_removed_accounts_are_not_found(directory, accounts):
    await accounts.disabled.disable("juliet")
    await accounts.remove("nurse")
    assert await directory.find("capu") == []


async def test_a_name_that_was_changed_is_not_found_by_the_former(directory, database):
    await database.write(lambda connection: list_names(connection, "juliet", card("Juliet M.")))
    assert await directory.find("capu") == [NURSE]
    await database.write(lambda connection: list_names(connection, "nurse", ""))
    assert await directory.find("angel") == []


async def test_cards_from_before_there_was_a_directory_are_taken_in(directory, database):
    async def operation(connection: AsyncConnection) -> None:
        await connection.execute(text("delete from directory"))
        query = "insert into vcards (username, text, photo) values ('romeo', :card, '')"
        await connection.execute(text(query), {"card": card("Romeo Montague")})

    await database.write(operation)
    await directory.complete()
    assert await directory.find("monta") == [Found("romeo", "Romeo Montague")]
    await database.write(lambda connection: list_names(connection, "romeo", ""))
    await directory.complete()
    assert await directory.find("monta") == []


def test_what_names_are_compared_by():
    assert folded("  Straße\u00a0XII \x00 ") == folded("STRASSE Ⅻ")
    assert folded("\x00") == ""
