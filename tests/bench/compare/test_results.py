"""What is kept of measurements, and what is made of it."""

from pathlib import Path

import pytest
from compare.results import Measurement, Results
from compare.rows import ANDIRON, BEST_PEER, EJABBERD, ITSELF, PROSODY, Goal, Row

PAIRS = Row("pairs", "pairs", "ws", "pingpong", (Goal(3, EJABBERD),))
IDLE = Row("idle", "idle", "ws", "idle", (Goal(8),))
ROWS = [PAIRS, IDLE]
ABOUT = {"machine": "one"}


def results(*measured: tuple[Row, str, float]) -> Results:
    made = Results(dict(ABOUT))
    for row, server, value in measured:
        turn = len(made.of(row.name, server)) + 1
        made.add(Measurement(row.name, server, turn, {row.figure: value}, []))
    return made


def test_medians_and_ratios_within_a_turn():
    made = results(
        *((PAIRS, ANDIRON, value) for value in (10, 90, 30)),
        *((PAIRS, EJABBERD, value) for value in (5, 30, 30)),
    )
    assert made.median(PAIRS, ANDIRON) == 30
    assert made.ratio(PAIRS, ANDIRON, EJABBERD) == 2
    assert made.median(PAIRS, PROSODY) is None
    assert made.ratio(PAIRS, ANDIRON, PROSODY) is None


def test_of_less_is_better_less_is_more():
    made = results((IDLE, ANDIRON, 10), (IDLE, EJABBERD, 40))
    assert made.ratio(IDLE, ANDIRON, EJABBERD) == 4


@pytest.mark.parametrize(
    ("goal", "row", "reached"),
    [
        (Goal(3, EJABBERD), PAIRS, (3.0, True)),
        (Goal(3.1, EJABBERD), PAIRS, (3.0, False)),
        (Goal(1, BEST_PEER), PAIRS, (1.5, True)),
        (Goal(8), IDLE, (9.0, False)),
        (Goal(9), IDLE, (9.0, True)),
        (Goal(0.5, ITSELF, "pairs"), PAIRS, (1.0, True)),
        (Goal(2, "uvicorn"), PAIRS, None),
    ],
)
def test_goals(goal: Goal, row: Row, reached: tuple[float, bool] | None):
    made = results(
        (PAIRS, ANDIRON, 30), (PAIRS, EJABBERD, 10), (PAIRS, PROSODY, 20), (IDLE, ANDIRON, 9)
    )
    assert made.reached(goal, row, ANDIRON, ROWS) == reached


def test_what_failed_is_no_figure_and_not_tried_for_ever():
    made = results()
    made.add(Measurement("pairs", PROSODY, 1, {}, ["no answer"]))
    assert made.median(PAIRS, PROSODY) is None
    assert made.failures("pairs", PROSODY) == ["no answer"]
    assert made.is_done("pairs", PROSODY, 3)
    made.add(Measurement("pairs", EJABBERD, 1, {PAIRS.figure: 1}, []))
    made.add(Measurement("pairs", EJABBERD, 2, {}, ["no answer"]))
    assert made.is_done("pairs", EJABBERD, 2)
    assert not made.is_done("pairs", EJABBERD, 3)


def test_it_is_kept_for_the_same_machine_and_versions(tmp_path: Path):
    file = tmp_path / "bench" / "results.json"
    made = results((PAIRS, ANDIRON, 3), (IDLE, ANDIRON, 4))
    made.write(file)
    assert Results.read(file, ABOUT).measurements == made.measurements
    assert Results.read(file, {"machine": "another"}).measurements == []
    assert Results.read(tmp_path / "none.json", ABOUT).measurements == []


def test_rows_are_forgotten():
    made = results((PAIRS, ANDIRON, 3), (IDLE, ANDIRON, 4))
    made.forget([PAIRS])
    assert [each.row for each in made.measurements] == ["idle"]


def test_what_disturbs_and_what_binds():
    shares = {"server_cpu_pct": 70.0, "generator_cpu_pct": 99.0, "other_cpu_pct": 6.0}
    run = Measurement("pairs", ANDIRON, 1, shares, [])
    assert run.disturbed
    assert run.bound_by_generator
    calm = Measurement("pairs", ANDIRON, 1, shares | {"server_cpu_pct": 99.0}, [])
    assert not calm.bound_by_generator
