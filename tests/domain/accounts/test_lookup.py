import pytest
from sqlalchemy import delete

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.accounts.credentials import MECHANISMS, decoy
from andiron.domain.accounts.lookup import CREDENTIALS, keys_or
from andiron.domain.database.database import Database

MADE_UP = decoy(b"secret", "somebody", 5000).keys


@pytest.fixture
async def accounts(database: Database) -> Accounts:
    return Accounts(database, "localhost", 4096)


async def look_up(database: Database, username: str):
    return await keys_or(database.look_up, username, MADE_UP)


async def test_an_account_has_its_own_keys(database: Database, accounts: Accounts):
    await accounts.create("alice", "pencil")
    await accounts.create("bob", "crayon")
    keys, own = await look_up(database, "alice")
    assert own == set(MECHANISMS) == set(keys)
    for mechanism in MECHANISMS:
        assert keys[mechanism].iterations == 4096
        assert keys[mechanism].salt != MADE_UP[mechanism].salt
    assert (await look_up(database, "bob"))[0] != keys


@pytest.mark.parametrize("others", [True, False])
async def test_a_name_without_account_has_those_made_up(
    database: Database, accounts: Accounts, others: bool
):
    if others:
        await accounts.create("alice", "pencil")
    assert await look_up(database, "nobody") == (dict(MADE_UP), set())


async def test_what_an_account_lacks_is_made_up(database: Database, accounts: Accounts):
    await accounts.create("alice", "pencil")
    missing = CREDENTIALS.c.mechanism == "SCRAM-SHA-512"
    await database.write(lambda connection: connection.execute(delete(CREDENTIALS).where(missing)))
    keys, own = await look_up(database, "alice")
    assert own == {"SCRAM-SHA-256", "SCRAM-SHA-1"}
    assert keys["SCRAM-SHA-512"] == MADE_UP["SCRAM-SHA-512"]
    assert keys["SCRAM-SHA-1"] != MADE_UP["SCRAM-SHA-1"]


async def test_the_work_is_the_same_whoever_is_looked_up(database: Database, accounts: Accounts):
    await accounts.create("alice", "pencil")
    done = []

    async def watched(statement, values):
        rows = await database.look_up(statement, values)
        done.append((str(statement), len(rows)))
        return rows

    for username in ("alice", "nobody"):
        await keys_or(watched, username, MADE_UP)
    assert done[0] == done[1]
    assert done[0][1] == len(MECHANISMS)
