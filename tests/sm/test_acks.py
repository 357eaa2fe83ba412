"""When a client is told what is handled."""

import pytest

from andiron.sm.acks import Acks
from andiron.sm.counters import Inbound


def handle(inbound, count):
    for _ in range(count):
        inbound.handle(inbound.arrive())


@pytest.mark.parametrize(("frequency", "told_after"), [(0, []), (1, [1, 2, 3, 4]), (3, [3])])
def test_unasked_after_every_so_many(frequency, told_after):
    inbound = Inbound()
    acks = Acks(inbound, frequency)
    told = []
    for _ in range(4):
        handle(inbound, 1)
        if acks.due():
            told.append(acks.tell())
    assert told == told_after


def test_what_was_asked_for_is_owed_until_it_is_handled():
    inbound = Inbound()
    acks = Acks(inbound, 0)
    tickets = [inbound.arrive() for _ in range(3)]
    acks.ask()
    assert acks.tell() == 0
    assert acks.watching
    inbound.arrive()
    for ticket in tickets[:2]:
        inbound.handle(ticket)
        assert not acks.due()
    inbound.handle(tickets[2])
    assert acks.due()
    assert acks.tell() == 3
    assert not acks.watching
    assert not acks.due()


def test_nothing_is_owed_after_a_new_beginning():
    inbound = Inbound()
    acks = Acks(inbound, 2)
    inbound.arrive()
    acks.ask()
    acks.begin()
    inbound.handle(1)
    assert not acks.due()
    handle(inbound, 1)
    assert acks.due()
