"""The demonstration's accounts, and the accounts that it must leave alone."""

import pytest

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.accounts.credentials import verify_password
from andiron.domain.database.database import Database
from andiron.web.demo import demo_names, make_demo_accounts


@pytest.fixture
async def database():
    opened = await Database.open("sqlite://")
    yield opened
    await opened.close()


@pytest.fixture
def accounts(database):
    return Accounts(database, "localhost", 4096)


async def signs_in(accounts, name, password):
    return verify_password(await accounts.credentials(name), password)


async def test_two_accounts_with_random_passwords(database, accounts):
    made = dict(await make_demo_accounts(database, accounts))
    assert list(made) == ["alice", "bob"]
    assert made["alice"] != made["bob"]
    assert len(made["alice"]) >= 16
    for name, password in made.items():
        assert password.replace("-", "").replace("_", "").isalnum(), "it stands in a link"
        assert await signs_in(accounts, name, password)
    assert await demo_names(database) == ["alice", "bob"]


async def test_again_it_is_the_same_accounts_and_links(database, accounts):
    first = await make_demo_accounts(database, accounts)
    assert await make_demo_accounts(database, accounts) == first
    assert await accounts.names() == ["alice", "bob"]
    assert await signs_in(accounts, *first[0])


async def test_elsewhere_the_passwords_are_others(database, accounts):
    first = dict(await make_demo_accounts(database, accounts))
    other = await Database.open("sqlite://")
    second = dict(await make_demo_accounts(other, Accounts(other, "localhost", 4096)))
    await other.close()
    assert not set(first.values()) & set(second.values())


async def test_accounts_of_a_former_version_get_such_passwords(database, accounts):
    await make_demo_accounts(database, accounts)
    await database.set_meta("demo_secret", "another")
    made = dict(await make_demo_accounts(database, accounts))
    assert list(made) == ["alice", "bob"]
    assert await signs_in(accounts, "alice", made["alice"])


async def test_somebody_elses_account_is_not_touched(database, accounts):
    await accounts.create_many([("alice", "hers"), ("alice2", "hers too")])
    made = dict(await make_demo_accounts(database, accounts))
    assert list(made) == ["alice3", "bob"]
    assert await signs_in(accounts, "alice", "hers")
    assert await signs_in(accounts, "alice2", "hers too")
    assert list(dict(await make_demo_accounts(database, accounts))) == ["alice3", "bob"]


async def test_an_account_whose_password_was_changed_is_somebodys_now(database, accounts):
    await make_demo_accounts(database, accounts)
    await accounts.set_password("alice", "hers")
    assert list(dict(await make_demo_accounts(database, accounts))) == ["alice2", "bob"]
    assert await signs_in(accounts, "alice", "hers")
    assert await demo_names(database) == ["alice2", "bob"]


async def test_an_account_that_was_made_anew_is_somebodys_now(database, accounts):
    await make_demo_accounts(database, accounts)
    await accounts.remove("bob")
    await accounts.create("bob", "his")
    assert list(dict(await make_demo_accounts(database, accounts))) == ["alice", "bob2"]
    assert await signs_in(accounts, "bob", "his")


async def test_an_account_that_was_removed_is_made_again(database, accounts):
    await make_demo_accounts(database, accounts)
    await accounts.remove("bob")
    made = dict(await make_demo_accounts(database, accounts))
    assert await signs_in(accounts, "bob", made["bob"])
