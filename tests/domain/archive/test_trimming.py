"""An archive that is larger than it may be lets go of its oldest messages, and of no others."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.archive import store as archive_store
from andiron.domain.archive.store import ROOMS, ArchiveStore, Filter, Row
from andiron.domain.archive.trimming import Trimming
from andiron.domain.database.database import Database


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_store, "_SWEPT", 3)


def row(owner: str, identity: int, content: str = "x" * 100) -> Row:
    return Row(owner, identity, "romeo@localhost", "", content)


async def kept(store: ArchiveStore, owner: str) -> list[int]:
    return [each.id for each in await store.page(owner, Filter(), 1000)]


async def test_the_oldest_go(database: Database):
    store = ArchiveStore(database, ROOMS)
    await store.add([row("large@c", number) for number in range(1, 21)])
    await store.add([row("small@c", number) for number in range(1, 11)])
    trimming = Trimming(store, 1000)
    await trimming.run()
    assert await kept(store, "large@c") == list(range(11, 21))
    assert await kept(store, "small@c") == list(range(1, 11))
    await store.add([row("small@c", 11)])
    await trimming.run()
    assert await kept(store, "small@c") == list(range(2, 12))


async def test_bytes_are_counted(database: Database):
    store = ArchiveStore(database, ROOMS)
    await store.add([row("wide@c", number, "é" * 50) for number in range(1, 21)])
    await Trimming(store, 1000).run()
    assert len(await kept(store, "wide@c")) == 10


async def test_one_that_is_too_large_alone_goes(database: Database):
    store = ArchiveStore(database, ROOMS)
    await store.add([row("r@c", 1), row("r@c", 2, "x" * 1001)])
    await Trimming(store, 1000).run()
    assert await kept(store, "r@c") == []


async def test_what_was_removed_meanwhile_counts_no_more(database: Database):
    store = ArchiveStore(database, ROOMS)
    await store.add([row("r@c", number) for number in range(1, 11)])
    trimming = Trimming(store, 1000)
    await trimming.run()
    await store.remove_through("r@c", 5)
    await store.add([row("r@c", number) for number in range(11, 16)])
    await trimming.run()
    assert await kept(store, "r@c") == list(range(6, 16))


async def test_only_what_is_new_is_counted(database: Database):
    store = ArchiveStore(database, ROOMS)
    await store.add([row("r@c", number) for number in range(1, 8)])
    trimming = Trimming(store, 1000)
    await trimming.run()

    async def shorten(connection: AsyncConnection) -> None:
        await connection.execute(text("UPDATE room_archive SET text = ''"))

    await database.write(shorten)
    asked = []
    sizes = store.sizes

    async def counted(owner: str, above: int) -> list[tuple[int, int]]:
        asked.append(above)
        return await sizes(owner, above)

    store.sizes = counted  # type: ignore[method-assign]
    await trimming.run()
    assert asked == [7]


async def test_no_bound_asks_for_nothing(database: Database):
    store = ArchiveStore(database, ROOMS)
    await store.add([row("r@c", number) for number in range(1, 8)])
    await Trimming(store, 0).run()
    assert await kept(store, "r@c") == list(range(1, 8))
