"""Connections on which a request is waited for: few of them, each not for long."""

import asyncio

import pytest
from support.waiting import until

from andiron.serving import silent
from andiron.serving.silent import Silent
from andiron.sm.strangers import Newcomers, Strangers


class Connection:
    """One that notes when it is dropped."""

    def __init__(self, number, network="192.0.2.1"):
        self.number = number
        self.network = network
        self.client = (network, number)
        self.loop = asyncio.get_running_loop()
        self.transport = self
        self.dropped = self.closed = False

    def abort(self):
        self.dropped = True

    def close(self):
        self.closed = True


def bounded(most=100, most_per_address=100, patience=60.0, idle=60.0):
    strangers = Strangers(most, most_per_address)
    return Silent(
        strangers,
        Newcomers(strangers),
        patience=patience,
        idle=idle,
        is_proxy="127.0.0.1".__eq__,
    )


def dropped(connections):
    return [each.number for each in connections if each.dropped]


async def test_one_that_says_nothing_is_dropped(caplog):
    caplog.set_level("INFO", "andiron")
    waiting = bounded(patience=0.0)
    connection = Connection(1)
    waiting.add(connection)
    await until(lambda: connection.dropped)
    assert len(waiting) == 0
    assert "192.0.2.1 dropped: no request came" in caplog.text


async def test_one_that_was_answered_may_be_idle_for_longer():
    waiting = bounded(patience=0.0)
    connection, other = Connection(1), Connection(2)
    waiting.add(connection, idle=True)
    waiting.add(other)
    await until(lambda: other.dropped)
    assert len(waiting) == 1
    assert not connection.dropped
    assert not connection.closed
    waiting.remove(connection)
    waiting.remove(connection)
    assert len(waiting) == 0


async def test_those_idle_for_too_long_are_closed_and_others_are_not():
    waiting = bounded(idle=0.05)
    first, asking, second, last = (Connection(number) for number in range(4))
    waiting.add(first, idle=True)
    waiting.add(asking)
    waiting.add(second, idle=True)
    waiting.add(last, idle=True)
    waiting.remove(second)  # It asks.
    await until(lambda: last.closed)
    assert first.closed
    assert not asking.closed
    assert not second.closed
    waiting.add(second, idle=True)  # It has been answered.
    await until(lambda: second.closed)
    assert len(waiting) == 1
    assert not dropped([first, asking, second, last])


async def test_those_too_many_go_after_a_grace(monkeypatch):
    monkeypatch.setattr(silent, "_GRACE", 0.0)
    waiting = bounded(most=3)
    connections = [Connection(number) for number in range(5)]
    for connection in connections:
        waiting.add(connection)
    assert dropped(connections) == []
    await until(lambda: len(waiting) == 3)
    assert dropped(connections) == [0, 1]


async def test_those_who_have_begun_go_at_once():
    waiting = bounded(most_per_address=2)
    connections = [Connection(number) for number in range(4)]
    for connection in connections:
        waiting.begin(connection)
        waiting.begin(connection)
    assert dropped(connections) == [0, 1]
    assert len(waiting) == 2


async def test_beginning_gives_the_full_time_once(monkeypatch):
    waiting = bounded(patience=60.0)
    connection = Connection(1)
    waiting.add(connection, idle=True)
    waiting.begin(connection)
    timer = waiting._timers[connection]
    assert timer is not None
    waiting.begin(connection)
    assert waiting._timers[connection] is timer


@pytest.mark.parametrize(
    ("address", "network"), [("127.0.0.1", ""), ("192.0.2.7", "192.0.2.7"), ("", "")]
)
async def test_a_proxy_counts_for_nobody(address, network):
    assert bounded().network(address) == network
