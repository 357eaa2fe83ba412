"""What is out, what is had, and what has come back."""

from typing import Any

from support.domains import Stage

from andiron.domain.messages.mailbox import (
    PAGE_BYTES,
    PAGE_MESSAGES,
    Handed,
    Mailbox,
    is_there,
    page_bounds,
)
from andiron.sm.config import SmConfig

JULIET: Any = object()
NURSE: Any = object()


def out(box: Mailbox, client: Any, identity: int) -> Handed:
    handed = Handed.of(str(identity), identity, 0.0)
    box.hand(client, handed)
    return handed


async def test_what_is_out_is_had_or_comes_back():
    box = Mailbox()
    one, two = (out(box, JULIET, n) for n in (1, 2))
    three = out(box, NURSE, 3)
    assert (box.out, two) == ([1, 2, 3], "2")
    assert box.back(one)
    assert box.is_out(JULIET)
    box.had(two)
    assert not box.is_out(JULIET)
    assert (box.out, box.take_had()) == ([3], {2: two})
    assert not box.back(two), "it may be removed by now"
    assert box.back(three)
    assert (box.out, box.take_had()) == ([], {})


async def test_what_was_had_and_is_not_removed_yet_comes_back():
    box = Mailbox()
    one = out(box, JULIET, 1)
    box.had_all(JULIET)
    box.still_had(box.take_had(), [])
    assert box.back(one)
    assert box.take_had() == {}


async def test_what_is_being_removed_is_with_everybody_until_it_is_gone():
    box = Mailbox()
    one, two = out(box, JULIET, 1), out(box, NURSE, 2)
    box.had(one)
    box.owed.append("key")
    had, keys = box.take_had(), box.take_owed()
    assert (box.arrived, box.out_to(NURSE), box.out_to(JULIET)) == ([one], [two], [])
    box.still_had(had, keys)
    had = box.take_had()
    assert (box.take_owed(), had) == (["key"], {1: one})
    box.gone(had)
    assert box.arrived == []


async def test_a_place_in_the_store_is_used_again():
    """What has it now is another message."""
    box = Mailbox()
    former = out(box, JULIET, 1)
    box.had_all(JULIET)
    box.take_had()
    later = out(box, JULIET, 1)
    assert not box.back(former)
    assert box.back(later)


async def test_who_listens():
    stage = Stage()
    juliet = await stage.come("juliet", "a", sm=True)
    nurse = await stage.come("juliet", "b", -1)
    assert [is_there(each) for each in (juliet.link, nurse.link, None)] == [True, False, False]
    juliet.lose()
    assert not is_there(juliet.link)


async def test_a_page_fits_into_the_queue():
    stage = Stage()
    juliet = await stage.come("juliet", "a", sm=True)
    assert page_bounds(juliet.link) == (PAGE_MESSAGES, PAGE_BYTES)
    stage = Stage(SmConfig(idle_probe=0, queue_stanzas=21, queue_bytes=80_000))
    juliet = await stage.come("juliet", "a", sm=True)
    stanzas, size = page_bounds(juliet.link)
    assert (stanzas, 0 < size < 10_000) == (10, True)
    for number in range(19):
        juliet.session.deliver(f"<message id='{number}'/>", stage.now)
    assert page_bounds(juliet.link)[0] == 1
