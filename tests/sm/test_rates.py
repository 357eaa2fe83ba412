"""Who sends more than a rate is read from the slower, and nobody else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sessions import World, message

from andiron.sm.config import SmConfig
from andiron.sm.payers import Payer
from andiron.sm.rates import Rate
from andiron.sm.session import State
from andiron.xmpp.errors import StreamError

STANZA = 512


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 300)), min_size=1, max_size=200))
def test_no_more_than_burst_and_rate_passes(sent):
    """``sent``: the sizes of stanzas, and the hundredths of a second before each."""
    rate, payer, now, passed = Rate(1000, 20_000, 1e9), Payer("mallory@localhost"), 50.0, 0
    for size, pause in sent:
        now += pause / 100
        early = rate.charge(payer, size, now)
        passed += size + STANZA
        assert early >= 0.0
        now += early  # Nothing is read before.
        assert passed <= 20_000 + 1000 * (now - 50.0) + 1e-6
        if passed <= 20_000:
            assert early == 0.0


def test_who_stays_below_the_rate_never_waits():
    rate, payer = Rate(1000, 5000, 10.0), Payer("juliet@localhost")
    for second in range(1000):
        assert rate.charge(payer, 1000 - STANZA, float(second)) == 0.0


def test_a_rate_of_nothing_bounds_nothing():
    rate, payer = Rate(0, 1_000_000, 10.0), Payer("juliet@localhost")
    assert {rate.charge(payer, 10**9, 1.0) for _ in range(100)} == {0.0}


def flood(rate: Rate, payer: Payer, began: float, until: float) -> float:
    """Send as fast as one is read from; return when that ends."""
    now = began
    while now < until:
        now += rate.charge(payer, 1000, now)
    return now


def test_who_has_no_end_is_ended():
    rate, payer = Rate(1000, 5000, 60.0), Payer("mallory@localhost")
    now = flood(rate, payer, 0.0, 59.0)
    with pytest.raises(StreamError, match="too much for too long") as raised:
        flood(rate, payer, now, 65.0)
    assert raised.value.condition == "policy-violation"


def test_a_pause_is_an_end():
    rate, payer, now = Rate(1000, 5000, 60.0), Payer("juliet@localhost"), 0.0
    for _ in range(20):
        now = flood(rate, payer, now, now + 50.0) + 5.0


def test_those_of_one_network_pay_together_where_names_cost_nothing():
    rate, network = Rate(1000, 5000, 60.0), Payer("192.0.2.1")
    guests = [Payer(f"{number}@localhost") for number in range(10)]
    for guest in guests:
        guest.network = network
    waits = [rate.charge(guest, 1000 - STANZA, 0.0) for guest in guests]
    assert waits == pytest.approx([0, 0, 0, 0, 0, 1, 2, 3, 4, 5])


def test_a_session_is_read_from_the_slower():
    world = World(SmConfig(rate=1000, burst=30_000, patience=600))
    flood, other = world.bind("mallory"), world.bind("juliet")
    while not flood.paused:
        world.receive(flood, message("nobody@localhost", "x" * 900))
    began = world.now
    world.receive(other, message("nobody@localhost", "x"))
    assert not other.paused
    passed = 0
    while passed < 20:
        world.pass_time(0.1)
        if not flood.paused:
            world.receive(flood, message("nobody@localhost", "x" * 900))
            passed += 1
    assert world.now - began > 20.0


def test_what_is_written_in_wide_letters_counts_as_many_bytes_as_it_has():
    sent = []
    for letter in "xé€🌹":
        world = World(SmConfig(rate=1000, burst=30_000, patience=600))
        flood = world.bind("mallory")
        count = 0
        while not flood.paused:
            world.receive(
                flood, message("nobody@localhost", letter * (3600 // len(letter.encode())))
            )
            count += 1
        sent.append(count)
    assert len(set(sent)) == 1


def test_a_slow_session_that_is_resumed_is_read_again():
    world = World(SmConfig(rate=1000, burst=30_000, patience=600))
    flood = world.bind("mallory", "<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    sm_id = flood.take()[-1].partition(" id='")[2].partition("'")[0]
    while not flood.paused:
        world.receive(flood, message("nobody@localhost", "x" * 900))
    session = flood.session
    world.lose(flood)
    again = world.sign_in("mallory")
    world.receive(again, f"<resume xmlns='urn:xmpp:sm:3' previd='{sm_id}' h='0'/>")
    assert again.session is session
    assert not again.paused
    world.receive(again, message("nobody@localhost", "x"))
    assert again.paused


def test_a_stream_without_end_ends():
    world = World(SmConfig(rate=1000, burst=30_000, patience=60))
    flood = world.bind("mallory")
    while world.now < 1200.0 and flood.session.state is not State.CLOSED:
        if not flood.paused:
            world.receive(flood, message("nobody@localhost", "x" * 900))
        world.pass_time(0.1)
    assert isinstance(flood.closed, StreamError)
    assert flood.closed.condition == "policy-violation"
