"""Nodes and items on each kind of database, against a model of what they should be."""

import random

import pytest
from sqlalchemy import text

from andiron.domain.by_name import forget_entity
from andiron.domain.pubsub.config import AccessModel, NodeConfig
from andiron.domain.pubsub.items import (
    Item,
    add_item,
    item_ids,
    items_by_id,
    last_items,
    newest_items,
    page_of_items,
    remove_items,
    trim,
)
from andiron.domain.pubsub.nodes import (
    Affiliation,
    count_nodes,
    delete_node,
    find_node,
    find_nodes,
    insert_node,
    set_entity,
    update_node,
    used_bytes,
)
from andiron.xmpp.rsm import PageRequest


@pytest.fixture
async def accounts(database):
    async def operation(connection):
        for name in ("juliet", "romeo"):
            await connection.execute(
                text("insert into accounts (username) values (:n)"), {"n": name}
            )

    await database.write(operation)


class Table:
    """Runs one function after the other on a database."""

    def __init__(self, database):
        self.database = database

    async def __call__(self, function, *arguments, **options):
        async def operation(connection):
            return await function(connection, *arguments, **options)

        return await self.database.write(operation)

    async def node(self, username="juliet", name="n", config=NodeConfig()):  # noqa: B008
        return await self(insert_node, username, name, config)

    async def add(self, node, item, limit=1000, room=10**9):
        node = await self(find_node, node.username, node.name)
        return await self(add_item, node, item, limit, room)


@pytest.fixture
def table(database, accounts):
    return Table(database)


def item(identity, size=0):
    return Item(identity, "juliet@localhost/balcony", 1.5, "x" * size)


async def test_nodes(table):
    config = NodeConfig(
        access_model=AccessModel.ROSTER, roster_groups_allowed=("A", "B"), max_items=0, title="ä"
    )
    await table.node(name="b", config=config)
    await table.node(name="a")
    await table.node("romeo", "a")
    found = await table(find_nodes, "juliet")
    assert [(node.name, node.config) for node in found] == [("a", NodeConfig()), ("b", config)]
    assert await table(count_nodes, "juliet") == 2
    assert await table(find_node, "juliet", "c") is None
    await table(update_node, found[0], config=config.to_json())
    assert (await table(find_node, "juliet", "a")).config == config
    await table(delete_node, found[0])
    assert [node.name for node in await table(find_nodes, "juliet")] == ["b"]
    assert [node.name for node in await table(find_nodes, "romeo")] == ["a"]


@pytest.mark.parametrize("seed", range(3))
async def test_a_walk(table, seed):
    """Publish, publish again, retract and trim at random; the model is a list."""
    chance = random.Random(seed)
    node, other = await table.node(), await table.node(name="other")
    await table.add(other, item("1", 7))
    model = []
    for _ in range(60):
        current = await table(find_node, "juliet", "n")
        sizes = [len(each.payload) for each in model]
        assert (current.items, current.bytes) == (len(model), sum(sizes))
        assert await table(used_bytes, "juliet") == sum(sizes) + 7
        assert await table(item_ids, current) == [each.id for each in model]
        identity = str(chance.randrange(8))
        match chance.randrange(6):
            case 0:
                there = [each.id for each in model if each.id == identity]
                assert await table(remove_items, current, [identity, "none"]) == there
                model = [each for each in model if each.id != identity]
            case 1 if chance.random() < 0.3:
                left = chance.randrange(5)
                await table(trim, current, left)
                model = model[len(model) - left :] if left < len(model) else model
            case _:
                new, limit = item(identity, chance.randrange(50)), chance.choice([2, 5, 100])
                wanted = [*(each for each in model if each.id != identity), new][-limit:]
                room = chance.choice([100, 10_000])
                fits = sum(len(each.payload) for each in wanted) <= room
                assert await table.add(node, new, limit, room) is fits
                model = wanted if fits else model
    current = await table(find_node, "juliet", "n")
    for limit in (1, 3, 100):
        assert await table(newest_items, current, limit) == model[-limit:]
    everything = [each.id for each in model]
    assert await table(items_by_id, current, [*reversed(everything), "none"]) == model
    for place, each in enumerate(model):
        after = await table(page_of_items, current, PageRequest(after=each.id), 2)
        assert after == (model[place + 1 : place + 3], place + 1 if model[place + 1 :] else 0)
        before = await table(page_of_items, current, PageRequest(before=each.id), 2)
        first = max(0, place - 2)
        assert before == (model[first:place], first)


async def test_entities(table):
    node = await table.node()
    await table(set_entity, node, "romeo@localhost", affiliation=Affiliation.MEMBER)
    await table(set_entity, node, "romeo@localhost/x", subscribed=True)
    await table(set_entity, node, "romeo@localhost0", subscribed=True)
    await table(set_entity, node, "romeo@localhos", affiliation=Affiliation.OUTCAST)
    found = await table(find_node, "juliet", "n")
    assert found.affiliations == {"romeo@localhost": "member", "romeo@localhos": "outcast"}
    assert found.subscribers == ["romeo@localhost/x", "romeo@localhost0"]
    await table(set_entity, found, "romeo@localhost", subscribed=True)
    await table(forget_entity, "romeo@localhost")
    found = await table(find_node, "juliet", "n")
    assert found.affiliations == {"romeo@localhos": "outcast"}
    assert found.subscribers == ["romeo@localhost0"]


async def test_the_last_items_of_many(table, database):
    for username in ("juliet", "romeo"):
        for name in ("n", "m", "unwanted"):
            node = await table.node(username, name)
            for identity in ("1", "2"):
                await table.add(node, item(username + name + identity))
    await table.node("romeo", "empty")
    node = await table(find_node, "romeo", "m")
    await table(set_entity, node, "juliet@localhost", affiliation=Affiliation.MEMBER)
    await table(set_entity, node, "other@localhost", affiliation=Affiliation.OUTCAST)
    wanted = ["n", "m", "empty"]
    usernames = ["juliet", "romeo", "nobody"]
    found = await table(last_items, usernames, wanted, "juliet@localhost")
    assert sorted(last.item.id for last in found) == ["julietm2", "julietn2", "romeom2", "romeon2"]
    affiliations = {last.item.id: last.node.affiliations for last in found}
    assert affiliations["romeom2"] == {"juliet@localhost": "member"}
    assert affiliations["romeon2"] == {}


async def test_what_is_an_accounts_goes_with_it(table, database):
    node = await table.node()
    await table.add(node, item("1", 5))
    await table(set_entity, node, "romeo@localhost", subscribed=True)

    async def remove(connection):
        await connection.execute(text("delete from accounts where username = 'juliet'"))
        names = ("pubsub_nodes", "pubsub_items", "pubsub_entities")
        return [await connection.scalar(text(f"select count(*) from {name}")) for name in names]

    assert await database.write(remove) == [0, 0, 0]
