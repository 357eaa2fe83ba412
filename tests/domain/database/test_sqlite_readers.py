import asyncio
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.database.database import Database


async def test_an_operation_that_waits_for_something_else_is_refused(tmp_path: Path):
    database = await Database.open(f"sqlite:///{tmp_path}/andiron.db")

    async def waits(connection: AsyncConnection) -> None:
        await asyncio.sleep(0)

    for _ in range(3):
        with pytest.raises(RuntimeError, match="its connection only"):
            await database.read(waits)
    assert await database.get_meta("colour") is None
    await database.close()


async def test_a_cancelled_read_harms_no_other(tmp_path: Path):
    database = await Database.open(f"sqlite:///{tmp_path}/andiron.db")
    await database.set_meta("colour", "red")
    reads = [asyncio.create_task(database.get_meta("colour")) for _ in range(20)]
    await asyncio.sleep(0)
    for read in reads[::2]:
        read.cancel()
    outcomes = await asyncio.gather(*reads, return_exceptions=True)
    assert outcomes[1::2] == ["red"] * 10
    await database.close()


async def test_closing_waits_for_the_reads_that_run(tmp_path: Path):
    database = await Database.open(f"sqlite:///{tmp_path}/andiron.db")
    await database.set_meta("colour", "red")
    reads = [asyncio.create_task(database.get_meta("colour")) for _ in range(20)]
    await asyncio.sleep(0)
    await database.close()
    assert await asyncio.gather(*reads) == ["red"] * 20
