"""Which items answer a request for them (XEP-0060 section 6.5, XEP-0059)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slixmpp.plugins.xep_0059.stanza import Set
from support.domains import Stage, condition
from support.pep import Person, ids

from andiron.domain.pubsub.items import Item
from andiron.domain.pubsub.pages import _PAGE_BYTES, _fitting
from andiron.xmpp import namespaces as ns

SET = f"{{{ns.RSM}}}set"


@pytest.fixture
async def ten():
    """A node of ten items, with one deleted, one published again and another node between."""
    stage = Stage()
    juliet = Person(await stage.come("juliet", "balcony"))
    for item in ("x", "9", *"012345678", "9"):
        await juliet.publish("n", item, "", max_items="max")
        await juliet.publish("m", item, "", max_items="max")
    await juliet.ask("set", "<retract node='n'><item id='x'/></retract>")
    yield juliet
    await stage.domain.stop()


async def page(juliet, inner):
    answer = await juliet.items("n", inner=f"<set xmlns='{ns.RSM}'>{inner}</set>")
    result_set = Set(xml=answer[0].find(SET)) if answer.get("type") == "result" else None
    return "".join(filter(None, ids(answer))), result_set


@pytest.mark.parametrize(
    ("inner", "items", "index"),
    [
        ("", "0123456789", "0"),
        ("<max>3</max>", "012", "0"),
        ("<max>3</max><after>2</after>", "345", "3"),
        ("<max>3</max><after>7</after>", "89", "8"),
        ("<max>3</max><before/>", "789", "7"),
        ("<max>3</max><before>7</before>", "456", "4"),
        ("<max>3</max><before>1</before>", "0", "0"),
        ("<max>3</max><index>5</index>", "567", "5"),
        ("<max>30</max><index>8</index>", "89", "8"),
        ("<after>3</after>", "456789", "4"),
    ],
)
async def test_pages(ten, inner, items, index):
    found, result_set = await page(ten, inner)
    assert found == items
    assert (result_set["first"], result_set["last"]) == (items[0], items[-1])
    assert (result_set["first_index"], result_set["count"]) == (index, "10")


@pytest.mark.parametrize(
    "inner", ["<max>0</max>", "<after>9</after>", "<before>0</before>", "<index>10</index>"]
)
async def test_empty_pages(ten, inner):
    found, result_set = await page(ten, inner)
    assert (found, result_set["count"], result_set["first"]) == ("", "10", "")


@pytest.mark.parametrize("inner", ["<after>x</after>", "<before>x</before>"])
async def test_a_page_at_an_item_that_is_gone(ten, inner):
    answer = await ten.items("n", inner=f"<set xmlns='{ns.RSM}'>{inner}</set>")
    assert condition(answer) == "item-not-found"


@pytest.mark.parametrize("inner", ["<max>x</max>", "<after>1</after><index>1</index>"])
async def test_a_page_that_is_none(ten, inner):
    answer = await ten.items("n", inner=f"<set xmlns='{ns.RSM}'>{inner}</set>")
    assert condition(answer) == "bad-request"


@pytest.mark.parametrize(
    ("most", "items"), [("1", "9"), ("3", "789"), ("99", "0123456789"), ("0", "0123456789")]
)
async def test_the_most_recent(ten, most, items):
    answer = await ten.items("n", attributes=f" max_items='{most}'")
    assert "".join(ids(answer)) == items
    assert answer[0].find(SET) is None


@pytest.mark.parametrize("most", ["x", "-1", "", "1" * 5000])
async def test_a_number_that_is_none(ten, most):
    assert condition(await ten.items("n", attributes=f" max_items='{most}'")) == "bad-request"


@pytest.mark.parametrize(("wanted", "items"), [("5", "5"), ("953", "359"), ("x5y", "5"), ("x", "")])
async def test_items_by_their_ids(ten, wanted, items):
    inner = "".join(f"<item id='{item}'/>" for item in wanted)
    answer = await ten.ask("get", f"<items node='n'>{inner}</items>")
    assert "".join(ids(answer)) == items


async def test_too_many_ids(ten):
    inner = "".join(f"<item id='{item}'/>" for item in range(101))
    assert condition(await ten.ask("get", f"<items node='n'>{inner}</items>")) == "not-acceptable"


async def test_what_does_not_fit_is_paged(ten):
    payload = f"<x xmlns='urn:x'>{'x' * (_PAGE_BYTES // 4)}</x>"
    for item in "abcde":
        assert (await ten.publish("big", item, payload, max_items="max")).get("type") == "result"
    answer = await ten.items("big")
    assert "".join(ids(answer)) == "cde"
    result_set = Set(xml=answer[0].find(SET))
    assert (result_set["first"], result_set["first_index"], result_set["count"]) == ("c", "2", "5")
    inner = f"<set xmlns='{ns.RSM}'>{{}}</set>"
    for asked, items, index in (
        ("<before>c</before>", "ab", "0"),
        ("<before/>", "cde", "2"),
        ("", "abc", "0"),
        ("<after>c</after>", "de", "3"),
    ):
        answer = await ten.items("big", inner=inner.format(asked))
        assert "".join(ids(answer)) == items
        assert Set(xml=answer[0].find(SET))["first_index"] == index


@given(st.lists(st.integers(0, _PAGE_BYTES * 2), max_size=8), st.booleans())
def test_a_page_is_as_much_as_fits(sizes, backwards):
    items = [Item(str(place), "", 0.0, "x" * size) for place, size in enumerate(sizes)]
    found = _fitting(items, backwards=backwards)
    assert found == (items[len(items) - len(found) :] if backwards else items[: len(found)])
    assert bool(found) == bool(items)
    total = sum(len(item.payload) for item in found)
    assert total <= _PAGE_BYTES or len(found) == 1
    if len(found) < len(items):
        after = items[len(items) - len(found) - 1] if backwards else items[len(found)]
        assert total + len(after.payload) > _PAGE_BYTES
