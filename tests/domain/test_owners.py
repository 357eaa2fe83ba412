"""What is known of accounts in memory: read once, and never behind the database."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.domains import settle

from andiron.domain import owners as module
from andiron.domain.accounts.accounts import NoSuchAccount
from andiron.domain.client import Owner
from andiron.domain.database.database import DatabaseError
from andiron.domain.owners import Birth, Effect, Owners

JULIET = "juliet@localhost"


class World:
    """A number for each account in a table, read by a loader that can be stopped."""

    def __init__(self) -> None:
        self.rows = {"juliet": 1}
        self.reads = 0
        self.read_together: list[list[str]] = []
        self.error: Exception | None = None
        self.before = asyncio.Event()
        self.after = asyncio.Event()
        self.before.set()
        self.after.set()
        database: Any = self
        self.born = "the first"
        self.left: set[str] = set()
        """Names of which a former account is not forgotten yet."""
        self.owners = Owners(database, self.births)
        self.owners.add_loader(self.load)

    async def births(self, _connection: Any, usernames: Sequence[str]) -> dict[str, Birth]:
        return {
            name: Birth(f"{name} {self.born}", name in self.left)
            for name in usernames
            if name in self.rows
        }

    async def read(self, operation: Callable[[Any], Awaitable[Any]]) -> Any:
        self.reads += 1
        if self.error is not None:
            raise self.error
        await self.before.wait()
        found = await operation(None)
        await self.after.wait()
        return found

    async def load(self, _connection: Any, usernames: Sequence[str]) -> Effect:
        self.read_together.append(list(usernames))
        found = {username: self.rows.get(username, 0) for username in usernames}

        def effect(owner: Owner) -> None:
            owner.parts[int] = found[owner.username]

        return effect

    async def commit(self, number: int) -> None:
        """Change the table, then tell."""
        self.rows["juliet"] = number
        await asyncio.sleep(0)
        self.owners.change(JULIET, knowing(number))


def knowing(number: int) -> Effect:
    def effect(owner: Owner) -> None:
        owner.parts[int] = number

    return effect


async def test_an_account_is_read_once():
    world = World()
    owner = await world.owners.load(JULIET)
    assert (owner.jid, owner.username, owner.registered) == (JULIET, "juliet", True)
    assert owner.parts == {int: 1}
    assert await world.owners.load(JULIET) is owner
    assert world.owners.get(JULIET) is owner
    assert world.reads == 1


async def test_who_asks_at_once_reads_once():
    world = World()
    found = await asyncio.gather(*(world.owners.load(JULIET) for _ in range(5)))
    assert len(set(map(id, found))) == 1
    assert world.reads == 1


async def test_one_who_gives_up_stops_nobody():
    world = World()
    world.before.clear()
    gone, stays = (asyncio.create_task(world.owners.load(JULIET)) for _ in range(2))
    await settle()
    gone.cancel()
    await settle()
    world.before.set()
    assert (await stays).parts == {int: 1}
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_the_account_is_there_when_all_who_asked_gave_up():
    world = World()
    world.before.clear()
    only = asyncio.create_task(world.owners.load(JULIET))
    await settle()
    only.cancel()
    world.before.set()
    await settle()
    assert world.owners.get(JULIET) is not None


async def test_who_comes_while_others_are_read_is_read_with_the_next(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    world = World()
    world.rows = {name: number for number, name in enumerate("abcdef")}
    world.before.clear()
    loads = []
    for name in "abcdef":
        loads.append(asyncio.create_task(world.owners.load(f"{name}@localhost")))
        await settle()
    world.before.set()
    owners = await asyncio.gather(*loads)
    assert [owner.parts[int] for owner in owners] == list(range(6))
    assert world.read_together == [["a"], ["b", "c", "d"], ["e", "f"]]
    await world.owners.load("a@localhost")
    assert world.reads == 3


async def test_a_read_that_fails_fails_for_those_in_it_alone():
    world = World()
    world.rows = {name: number for number, name in enumerate("abc")}
    world.error = DatabaseError("The disk is full.")
    loads = [asyncio.create_task(world.owners.load(f"{name}@localhost")) for name in "ab"]
    failed = await asyncio.gather(*loads, return_exceptions=True)
    assert [str(error) for error in failed] == ["The disk is full."] * 2
    world.error = None
    assert (await world.owners.load("c@localhost")).parts == {int: 2}


async def test_many_are_read_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    world = World()
    world.rows = {name: number for number, name in enumerate("abc")}
    found = await world.owners.load_all(f"{name}@localhost" for name in "abcd")
    assert {jid: owner.parts[int] for jid, owner in found.items()} == {
        "a@localhost": 0,
        "b@localhost": 1,
        "c@localhost": 2,
    }
    assert world.read_together == [["a", "b"], ["c", "d"]]
    assert await world.owners.load("b@localhost") is found["b@localhost"]


async def test_an_account_that_does_not_exist():
    world = World()
    for _ in range(2):
        with pytest.raises(NoSuchAccount):
            await world.owners.load("nobody@localhost")
    assert world.read_together == []
    world.rows["nobody"] = 7
    assert (await world.owners.load("nobody@localhost")).parts == {int: 7}


async def test_a_database_that_fails_is_asked_again():
    world = World()
    world.error = DatabaseError("The disk is full.")
    for _ in range(2):
        with pytest.raises(DatabaseError):
            await world.owners.load(JULIET)
    assert world.owners.get(JULIET) is None
    world.error = None
    assert (await world.owners.load(JULIET)).parts == {int: 1}


@pytest.mark.parametrize("late", ["before", "after"])
async def test_a_change_while_it_is_read_is_known(late: str):
    """Whether the rows were read before or after the commit."""
    world = World()
    gate: asyncio.Event = getattr(world, late)
    gate.clear()
    task = asyncio.create_task(world.owners.load(JULIET))
    await settle()
    await world.commit(2)
    await world.commit(3)
    gate.set()
    assert (await task).parts == {int: 3}


async def test_a_change_of_an_account_that_is_there_is_known():
    world = World()
    owner = await world.owners.load(JULIET)
    await world.commit(2)
    assert owner.parts == {int: 2}


async def test_a_change_of_an_account_that_is_not_there_is_read_later():
    world = World()
    await world.commit(2)
    assert world.owners.get(JULIET) is None
    assert (await world.owners.load(JULIET)).parts == {int: 2}


@given(
    st.lists(
        st.tuples(st.sampled_from(["load", "commit", "forget", "before", "after", "step"])),
        max_size=30,
    )
)
async def test_whatever_comes_in_between_the_last_word_is_known(steps: list[tuple[str]]):
    world = World()
    number = 1
    loads = []
    for (step,) in steps:
        match step:
            case "load":
                loads.append(asyncio.create_task(world.owners.load(JULIET)))
            case "commit":
                number += 1
                await world.commit(number)
            case "forget":
                if world.owners.get(JULIET) is not None:
                    world.owners.forget(JULIET)
                    loads.clear()
            case "step":
                await asyncio.sleep(0)
            case gate:
                event: asyncio.Event = getattr(world, gate)
                if event.is_set():
                    event.clear()
                else:
                    event.set()
    world.before.set()
    world.after.set()
    await asyncio.gather(*loads)
    assert (await world.owners.load(JULIET)).parts == {int: number}
    known = world.owners.get(JULIET)
    assert all(load.result() is known for load in loads[-1:])


async def test_all_loaders_are_asked():
    world = World()

    async def more(_connection: Any, usernames: Sequence[str]) -> Effect:
        assert usernames == ["juliet"]

        def effect(owner: Owner) -> None:
            owner.parts[str] = owner.username

        return effect

    world.owners.add_loader(more)
    assert (await world.owners.load(JULIET)).parts == {int: 1, str: "juliet"}
    assert world.reads == 1


async def test_who_was_asked_for_longest_ago_is_forgotten_first(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, "_KEPT", 2)
    world = World()
    world.rows = {"a": 1, "b": 2, "c": 3}
    for name in ("a", "b", "a", "c"):
        await world.owners.load(f"{name}@localhost")
    gc.collect()
    known = {name for name in "abc" if world.owners.get(f"{name}@localhost") is not None}
    assert known == {"a", "c"}


async def test_an_account_in_use_is_known_as_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_KEPT", 1)
    world = World()
    world.rows = {"juliet": 1, "b": 2}
    held = await world.owners.load(JULIET)
    await world.owners.load("b@localhost")
    assert world.owners.get(JULIET) is held
    assert await world.owners.load(JULIET) is held
    assert world.reads == 2


async def test_a_removed_account_is_forgotten():
    world = World()
    held = await world.owners.load(JULIET)
    world.owners.forget(JULIET)
    world.owners.forget(JULIET)
    assert world.owners.get(JULIET) is None
    del world.rows["juliet"]
    with pytest.raises(NoSuchAccount):
        await world.owners.load(JULIET)
    assert held.jid == JULIET


async def test_an_anonymous_user_is_known_while_there():
    world = World()
    guest = Owner("guest@localhost", registered=False)
    assert world.owners.add(guest) is guest
    again = Owner("guest@localhost", registered=False)
    assert world.owners.add(again) is guest
    assert await world.owners.load("guest@localhost") is guest
    world.owners.forget("guest@localhost")
    del guest, again
    gc.collect()
    assert world.owners.get("guest@localhost") is None


async def test_who_is_forgotten_for_a_while_has_sent_what_he_sent(monkeypatch):
    monkeypatch.setattr(module, "_KEPT", 1)
    world = World()
    world.rows["romeo"] = 1
    payer = (await world.owners.load(JULIET)).payer
    await world.owners.load("romeo@localhost")
    gc.collect()
    assert world.owners.get(JULIET) is None
    assert (await world.owners.load(JULIET)).payer is payer


@pytest.mark.parametrize("late", ["before", "after"])
async def test_who_is_removed_while_he_is_read_does_not_come_back(late: str):
    world = World()
    gate: asyncio.Event = getattr(world, late)
    gate.clear()
    task = asyncio.create_task(world.owners.load(JULIET))
    await settle()
    del world.rows["juliet"]
    world.owners.forget(JULIET)
    gate.set()
    with pytest.raises(NoSuchAccount):
        await task
    assert world.owners.get(JULIET) is None


@pytest.mark.parametrize("late", ["before", "after"])
async def test_who_is_made_anew_while_the_former_is_read_is_read_himself(late: str):
    world = World()
    gate: asyncio.Event = getattr(world, late)
    gate.clear()
    task = asyncio.create_task(world.owners.load(JULIET))
    await settle()
    world.owners.change(JULIET, knowing(7))  # The former's.
    world.rows["juliet"], world.born = 2, "the second"
    world.owners.forget(JULIET)
    gate.set()
    owner = await task
    assert (owner.born, owner.parts) == ("juliet the second", {int: 2})
    assert world.owners.get(JULIET) is owner


async def test_what_tells_an_account_from_others_is_read_before_its_rows():
    """Who is made anew in between must not be taken for the one whose rows are read."""
    world = World()
    load = world.load

    async def replaced(connection: Any, usernames: Sequence[str]) -> Effect:
        world.born = "the second"
        return await load(connection, usernames)

    world.owners._loaders[:] = [replaced]
    assert (await world.owners.load(JULIET)).born == "juliet the first"


async def test_nobody_is_loaded_before_a_former_account_of_the_name_is_forgotten():
    world = World()
    world.left = {"juliet", "romeo"}
    world.rows["romeo"] = 5
    forgotten = asyncio.Event()

    async def forget(username: str) -> None:
        if username == "romeo":
            raise DatabaseError("Not yet.")
        await forgotten.wait()
        world.rows["juliet"] = 2
        world.left.discard(username)

    world.owners.settle = forget
    tasks = [asyncio.create_task(world.owners.load(JULIET)) for _ in range(2)]
    await settle()
    assert world.owners.get(JULIET) is None
    forgotten.set()
    first, second = await asyncio.gather(*tasks)
    assert (first is second, first.parts) == (True, {int: 2})
    with pytest.raises(DatabaseError, match="Not yet"):
        await world.owners.load("romeo@localhost")
    world.left.add("juliet")
    world.owners.forget(JULIET)
    found = await world.owners.load_all([JULIET, "romeo@localhost", "nobody@localhost"])
    assert list(found) == [JULIET]
