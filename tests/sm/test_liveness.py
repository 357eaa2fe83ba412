"""Until when a client must have spoken."""

from math import inf

import pytest

from andiron.sm.config import SmConfig
from andiron.sm.liveness import Liveness

CONFIG = SmConfig(
    negotiation_timeout=30, idle_probe=60, idle_timeout=20, request_timeout=45, request_quiet=1
)


@pytest.fixture
def life():
    return Liveness(CONFIG, 100.0)


def test_a_new_one_waits_for_the_negotiation_only(life):
    assert life.negotiate_by == 130
    assert (life.quiet_at, life.request_by) == (inf, inf)
    assert not life.is_dead(1e9)


def test_what_was_sent_is_asked_for_and_answered(life):
    life.sent(200.0)
    assert life.quiet_at == 201
    life.asked(201.0)
    assert (life.quiet_at, life.request_by) == (inf, 246)
    assert not life.is_dead(245.9)
    assert life.is_dead(246.0)
    life.answered()
    assert not life.is_dead(1e9)


def test_a_silent_client_is_probed_and_given_up(life):
    assert life.idle_deadline() == inf, "it negotiates"
    life.negotiate_by = inf
    assert life.idle_deadline() == 160
    life.probed(160.0)
    assert life.idle_deadline() == 180
    assert not life.is_dead(179.9)
    assert life.is_dead(180.0)
    life.heard_at = 179.0
    assert not life.is_dead(1e9)
    assert life.idle_deadline() == 239


def test_an_answer_at_the_very_time_of_the_probe_counts(life):
    life.probed(160.0)
    life.heard_at = 160.0
    assert not life.is_dead(1e9)


def test_without_probing_silence_is_no_sign():
    life = Liveness(SmConfig(idle_probe=0), 0.0)
    life.negotiate_by = inf
    assert life.next_deadline() == inf


@pytest.mark.parametrize(("away", "request_by"), [(False, 146), (True, 345)])
def test_a_transport_vouches(life, away, request_by):
    life.negotiate_by = inf
    life.asked(101.0)
    life.vouch(300.0, away=away)
    assert life.idle_deadline() == 360
    assert life.request_by == request_by
    life.vouch(200.0, away=away)
    assert life.heard_at == 300


def test_a_lost_connection_owes_nothing(life):
    life.sent(101.0)
    life.asked(102.0)
    life.probed(160.0)
    life.lost()
    assert life.next_deadline() == inf
    assert not life.is_dead(1e9)


def test_a_lost_client_may_come_back_for_so_long(life):
    life.lost()
    life.expires_at = 700.0
    assert life.next_deadline() == 700
    life.found(300.0)
    assert life.next_deadline() == life.idle_deadline() == 360
