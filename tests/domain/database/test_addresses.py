"""What was stored by other rules is found, with a statement that mends it where there is one."""

import re
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.accounts.accounts import Accounts, InvalidName
from andiron.domain.database import addresses
from andiron.domain.database.addresses import AddressCheck
from andiron.domain.database.database import Database
from andiron.domain.database.transfer import _tables

SNOW = "\N{SNOWMAN}"
NIKOS = "\u03bd\u03b9\u03ba\u03bf\u03c3"
CYRILLIC = "\N{CYRILLIC SMALL LETTER A}l"
TABLES: dict[str, list[Any]] = {}
"""Of each kind of database; to find them out takes longer than most of these tests."""
EMPTY: dict[type, Any] = {bool: False, int: 0, float: 0.0, bytes: b"", str: ""}


class Storage:
    """A database into which rows are put as they once may have been."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.progress: list[tuple[str, int]] = []

    async def put(self, name: str, *rows: dict[str, Any]) -> None:
        """Put rows into a table; columns that are not named are empty."""

        async def operation(connection: AsyncConnection) -> None:
            kind = connection.dialect.name
            if kind not in TABLES:
                TABLES[kind] = await connection.run_sync(_tables)
            (clause,) = (each.clause for each in TABLES[kind] if each.clause.name == name)
            empty = {
                each.name: None if each.name == "username" else EMPTY[each.type.python_type]
                for each in clause.columns
            }
            await connection.execute(insert(clause), [empty | row for row in rows])

        await self.database.write(operation)

    async def accounts(self, *names: str) -> None:
        await self.put("accounts", *({"username": name} for name in names))

    async def check(self) -> list[str]:
        """Return the lines that are told."""
        check = AddressCheck(self.database, "localhost", "conference.localhost", self._looked)
        return [str(finding) async for finding in check.run()]

    def _looked(self, table: str, count: int) -> None:
        self.progress.append((table, count))

    async def mend(self, lines: list[str]) -> None:
        """Run the statements that the lines end in."""

        async def operation(connection: AsyncConnection) -> None:
            for line in lines:
                statement = re.search("(?:UPDATE|DELETE) .*;$", line)
                assert statement, line
                await connection.execute(text(statement[0].replace(":", "\\:")))

        await self.database.write(operation)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async def operation(connection: AsyncConnection) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await connection.execute(text(query))]

        return await self.database.read(operation)


@pytest.fixture
def storage(database: Database) -> Storage:
    return Storage(database)


async def test_nothing_is_found_where_nothing_is_stored(storage: Storage):
    assert await storage.check() == []


async def test_what_is_stored_today_is_sound(storage: Storage):
    await storage.accounts("alice", "\u0645\u062d\u0645\u062f99")
    await storage.put("contacts", {"username": "alice", "jid": "bob@m\xfcnchen.de"})
    await storage.put("blocked", {"username": "alice", "jid": "localhost/a \U0001f40e"})
    await storage.put("archive", {"owner": "alice", "id": 1, "peer": "bob@localhost"})
    await storage.put("rooms", {"name": "garden", "created_by": "alice@localhost"})
    await storage.put("room_affiliations", {"room": "garden", "jid": "a@x", "nick": "Al"})
    assert await storage.check() == []
    assert set(storage.progress) == {
        (table, 2 if table == "accounts" else 1)
        for table in ("accounts", "contacts", "blocked", "archive", "rooms", "room_affiliations")
    }


async def test_accounts(storage: Storage):
    await storage.accounts("alice", SNOW, NIKOS)
    sigma, snow = await storage.check()
    assert sigma == (
        f"account: '{NIKOS}' is written with a final sigma, which is another address,"
        f" '{NIKOS[:-1]}\u03c2'. Who has it signs in as {NIKOS}. 'andiron user export {NIKOS}' and"
        f" 'andiron user import' take it to another name, 'andiron user remove {NIKOS}' removes it."
    )
    assert snow.startswith(
        f"account: '{SNOW}' is no address: the localpart has U+2603 SNOWMAN, a symbol."
        " Nobody can sign in to it. 'andiron user export"
    )


@pytest.mark.parametrize(
    ("table", "owner", "where"),
    [
        ("contacts", "username", "contact of alice"),
        ("blocked", "username", "address blocked by alice"),
        ("room_affiliations", "room", "address in the lists of the room alice"),
    ],
)
async def test_addresses_that_are_kept(storage: Storage, table: str, owner: str, where: str):
    await storage.accounts("alice")
    await storage.put("rooms", {"name": "alice", "created_by": "alice@localhost"})
    kept = ["al@x", "bo@x.", "it's@xn--mnchen-3ya.de", "it's@x.", "o@y", "o@y.", f"{SNOW}@x"]
    await storage.put(table, *({owner: "alice", "jid": jid} for jid in kept))
    found = await storage.check()
    condition = f"WHERE {owner} = 'alice' AND jid ="
    assert found == [
        f"{where}: 'bo@x.' is prepared to another form, 'bo@x'."
        f" UPDATE {table} SET jid = 'bo@x' {condition} 'bo@x.';",
        f'{where}: "it\'s@x." is no address: the localpart has U+0027 APOSTROPHE.'
        f" DELETE FROM {table} {condition} 'it''s@x.';",
        f'{where}: "it\'s@xn--mnchen-3ya.de" is no address: the localpart has U+0027 APOSTROPHE.'
        f" DELETE FROM {table} {condition} 'it''s@xn--mnchen-3ya.de';",
        f"{where}: 'o@y.' is prepared to another form, 'o@y'."
        f" DELETE FROM {table} {condition} 'o@y.';",
        f"{where}: '{SNOW}@x' is no address: the localpart has U+2603 SNOWMAN, a symbol."
        f" DELETE FROM {table} {condition} '{SNOW}@x';",
    ]
    assert await storage.rows(f"SELECT count(*) FROM {table}") == [(7,)]
    await storage.mend(found)
    assert await storage.check() == []
    rows = await storage.rows(f"SELECT jid FROM {table} ORDER BY jid")
    assert rows == [("al@x",), ("bo@x",), ("o@y",)]


async def test_preferences(storage: Storage):
    await storage.accounts("alice")
    kept = {"always": "al@x\nbo@x.", "never": SNOW}
    await storage.put("archive_preferences", {"username": "alice", "policy": "always", **kept})
    found = await storage.check()
    assert [each.partition(". It holds")[0] for each in found] == [
        "archive preferences of alice: 'bo@x.' is prepared to another form, 'bo@x'",
        f"archive preferences of alice: '{SNOW}' is no address: the domainpart is not a domain"
        " name: Codepoint U+2603 at position 1 of '\u2603' not allowed",
    ]


async def test_archives(storage: Storage):
    await storage.accounts("alice", "bob")
    peers = ["al@x", "bo@x.", "bo@x.", f"{SNOW}@x", "zoe@x"]
    rows = [
        {"owner": owner, "id": number, "peer": peer}
        for owner in ("alice", "bob")
        for number, peer in enumerate(peers)
    ]
    await storage.put("archive", *rows)
    found = await storage.check()
    assert [each.partition(" is ")[0] for each in found] == [
        f"messages in the archive of {owner} with: '{peer}'"
        for owner in ("alice", "bob")
        for peer in ("bo@x.", f"{SNOW}@x")
    ]
    assert storage.progress[-1] == ("archive", 8)
    await storage.mend([each for each in found if "UPDATE" in each])
    assert len(await storage.check()) == 2
    peers_now = "SELECT count(*) FROM archive WHERE peer = 'bo@x'"
    assert await storage.rows(peers_now) == [(4,)]


async def test_entities_of_nodes(storage: Storage):
    await storage.accounts("alice")
    await storage.put("pubsub_nodes", {"id": 7, "username": "alice", "node": "urn:x"})
    await storage.put("pubsub_entities", {"node_id": 7, "jid": "bo@x./y"})
    found = await storage.check()
    assert found == [
        "address in the lists of the node urn:x of alice: 'bo@x./y' is prepared to another form,"
        " 'bo@x/y'. UPDATE pubsub_entities SET jid = 'bo@x/y'"
        " WHERE node_id = 7 AND jid = 'bo@x./y';"
    ]
    await storage.mend(found)
    assert await storage.check() == []


async def test_rooms(storage: Storage):
    await storage.put(
        "rooms",
        {"name": SNOW, "created_by": f"{SNOW}@localhost"},
        {"name": "garden", "created_by": "al@x."},
        {"name": NIKOS, "created_by": "al@x"},
    )
    creator, sigma, snow = await storage.check()
    assert creator == (
        "who made the room garden: 'al@x.' is prepared to another form, 'al@x'."
        " UPDATE rooms SET created_by = 'al@x' WHERE name = 'garden';"
    )
    assert sigma.endswith(f"{NIKOS[:-1]}\u03c2'. Who wants to enter it writes {NIKOS}.")
    assert snow.endswith(f"Nobody can enter it: DELETE FROM rooms WHERE name = '{SNOW}';")


async def test_reserved_nicknames(storage: Storage):
    await storage.put("rooms", {"name": "garden"}, {"name": "hall"})
    nicks = {"a@x": "al", "b@x": "AL", "c@x": CYRILLIC, "d@x": "bo", "e@x": "a\u200bl", "f@x": ""}
    await storage.put(
        "room_affiliations",
        *({"room": "garden", "jid": jid, "nick": nick} for jid, nick in nicks.items()),
        {"room": "garden", "jid": "g@x", "nick": "jo\u0308rg"},
        {"room": "hall", "jid": "a@x", "nick": "Al"},
    )
    found = await storage.check()
    mend = "UPDATE room_affiliations SET nick = {} WHERE room = 'garden' AND jid = '{}';".format
    assert found == [
        "nickname of b@x in the room garden: 'AL' is one to people with 'al',"
        f" which is that of a@x. {mend(chr(39) * 2, 'b@x')}",
        f"nickname of c@x in the room garden: '{CYRILLIC}' is one to people with 'AL',"
        f" which is that of b@x. {mend(chr(39) * 2, 'c@x')}",
        "nickname of e@x in the room garden: 'a\\u200bl' can be no nickname: it has U+200B"
        f" ZERO WIDTH SPACE, an invisible character. {mend(chr(39) * 2, 'e@x')}",
        "nickname of g@x in the room garden: 'jo\u0308rg' is prepared to another form, 'j\xf6rg'. "
        + mend("'j\xf6rg'", "g@x"),
    ]
    await storage.mend(found)
    assert await storage.check() == []


async def test_however_much_there_is_it_is_read_by_pages(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(addresses, "_CHUNK", 3)
    await storage.accounts("alice", "bob")
    for table, owner in (("contacts", "username"), ("archive", "owner")):
        rows = [
            {owner: whose, "jid": jid, "peer": jid, "id": number}
            for whose in ("alice", "bob")
            for number, jid in enumerate(f"{each}@x." for each in "abcde")
        ]
        columns = ("username", "jid") if table == "contacts" else ("owner", "peer", "id")
        await storage.put(table, *({name: row[name] for name in columns} for row in rows))
    assert len(await storage.check()) == 20
    assert [count for table, count in storage.progress if table == "contacts"] == [3, 6, 9, 10]
    assert [count for table, count in storage.progress if table == "archive"] == [3, 6, 9, 10]


async def test_an_account_that_nobody_can_name_any_more_can_be_removed(storage: Storage):
    await storage.accounts(SNOW)
    accounts = Accounts(storage.database, "localhost")
    assert await accounts.stored_username(SNOW) == SNOW
    assert await accounts.remove(SNOW) == SNOW
    with pytest.raises(InvalidName):
        await accounts.remove(SNOW)
    for name in ("\udc80", "\0"):
        with pytest.raises(InvalidName):
            await accounts.remove(name)


def test_a_line_does_nothing_to_a_terminal():
    finding = addresses.Finding("account", "a\x1b[2J\n\u202e", "is wrong", "Look.")
    assert str(finding) == "account: 'a\\x1b[2J\\n\\u202e' is wrong. Look."
