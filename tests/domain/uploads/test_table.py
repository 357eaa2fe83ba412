"""The table of files, on each kind of database."""

import pytest

from andiron.domain.accounts.accounts import Accounts, NoSuchAccount
from andiron.domain.uploads.table import QuotaExceeded, Upload, UploadTable


def upload(number, username="romeo", size=10_000, stamp=1000.5):
    return Upload(f"{number:064x}", username, "très cool.jpg", "image/jpeg", size, stamp)


@pytest.fixture
async def table(database):
    accounts = Accounts(database, "localhost", 4096)
    await accounts.create_many([("romeo", "x"), ("juliet", "x")])
    table = UploadTable(database)
    table.accounts = accounts
    return table


async def test_a_file_is_found(table):
    await table.add(upload(1), 10_000)
    assert await table.find(upload(1).id) == upload(1)
    assert await table.find(upload(2).id) is None


async def test_the_quota_is_that_of_each_account(table):
    await table.add(upload(1, size=9_000), 19_000)
    await table.add(upload(2), 19_000)
    with pytest.raises(QuotaExceeded):
        await table.add(upload(3, size=1), 19_000)
    await table.add(upload(3, "juliet"), 19_000)
    assert [await table.used(name) for name in ("romeo", "juliet", "nobody")] == [19_000, 10_000, 0]


async def test_a_small_file_counts_as_a_block(table):
    await table.add(upload(1, size=1), 8192)
    await table.add(upload(2, size=4096), 8192)
    assert await table.used("romeo") == 8192
    with pytest.raises(QuotaExceeded):
        await table.add(upload(3, size=1), 8192)


async def test_large_sizes(table):
    await table.add(upload(1, size=2**40), 2**50)
    await table.add(upload(2, size=2**40), 2**50)
    assert await table.used("romeo") == 2**41


async def test_nobody_has_no_files(table):
    with pytest.raises(NoSuchAccount):
        await table.add(upload(1, "nobody"), 10_000)


async def test_files_go_with_their_account(table):
    await table.add(upload(1), 10_000)
    await table.add(upload(2, "juliet"), 10_000)
    await table.accounts.remove("romeo")
    assert await table.known([upload(1).id, upload(2).id]) == {upload(2).id}
    assert [await table.is_nobodys(name) for name in ("romeo", "juliet")] == [True, False]


async def test_old_files_are_taken_in_parts(table):
    assert await table.oldest("romeo") is None
    for number in range(503):
        await table.add(upload(number, stamp=1000.0 + number, size=1), 2**30)
    assert await table.oldest("romeo") == 1000.0
    taken = []
    while some := await table.take_older(1502):
        taken.append(len(some))
    assert taken == [500, 2]
    assert await table.oldest("romeo") == 1502.0


async def test_many_ids_are_asked_for_at_once(table):
    await table.add(upload(1_200), 10_000)
    assert await table.known([upload(number).id for number in range(1_201)]) == {upload(1_200).id}
    assert await table.known([]) == set()
