"""Percentiles, medians, and the shares of a processor between two moments."""

import math

import pytest
from load.figures import Snapshot, between, medians, percentile, scaled


def test_percentiles():
    assert percentile(range(100), 50) == 50
    assert percentile(range(100), 99) == 99
    assert percentile([3], 99) == 3
    assert math.isnan(percentile([], 50))


def test_medians_of_the_runs_that_have_a_figure():
    runs = [{"a": 1.0, "b": None}, {"a": 5.0, "b": 2.0}, {"a": 2.0}]
    assert medians(runs) == {"a": 2.0, "b": 2.0}


def test_nothing_scaled_is_nothing():
    assert scaled(None, 3) is None
    assert scaled(2, 3) == 6


@pytest.mark.parametrize(
    ("server", "machine", "other"), [(1.5, 3.0, 50), (1.5, 1.0, 0), (None, 3.0, 125)]
)
def test_shares(server: float | None, machine: float, other: float):
    begin = None if server is None else 0.0
    before = Snapshot(10, 5, 1, begin, 0, 0)
    after = Snapshot(12, 9, 3, server, 0.5, machine)
    since = between(before, after, [1, 2, 3, 4])
    assert (since.seconds, since.delivered, since.latencies) == (2, 4, [2, 3])
    assert since.shares == {
        "server_cpu_pct": None if server is None else 75,
        "generator_cpu_pct": 25,
        "other_cpu_pct": other,
    }
