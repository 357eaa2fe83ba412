"""Runs that are repeated, runs that fail, and one against a real server."""

import json
from pathlib import Path

from compare.measuring import Measuring, generate, read
from compare.results import Measurement
from compare.rows import ANDIRON, Row
from compare.servers import Servers

KINDS = ("ws", "bosh")
PAIRS = Row("pairs", "pairs", "ws", "pingpong", users=4)
CALM, LOUD, LOUDER = ({"msgs_per_s": 1.0, "other_cpu_pct": share} for share in (1.0, 30.0, 60.0))


class Scripted(Measuring):
    """Has its runs from a list."""

    def __init__(self, *runs: tuple[dict[str, float], list[str]], tries: int = 3) -> None:
        super().__init__(Servers(Path("/nowhere")), quick=True, tries=tries)
        self.runs = list(runs)

    def _run(
        self, row: Row, server: str, *, again: bool = True
    ) -> tuple[dict[str, float], list[str]]:
        return self.runs.pop(0)


def measured(*runs: tuple[dict[str, float], list[str]], tries: int = 3) -> Measurement:
    measuring = Scripted(*runs, tries=tries)
    made = measuring.measure(PAIRS, ANDIRON, 1)
    assert measuring.runs == []
    return made


def test_one_that_was_not_disturbed_is_enough():
    assert measured((CALM, [])) == Measurement("pairs", ANDIRON, 1, CALM, [], 1)


def test_a_disturbed_one_is_repeated():
    assert measured((LOUD, []), (CALM, [])).tries == 2


def test_the_least_disturbed_counts_in_the_end():
    made = measured((LOUDER, []), (LOUD, []), (LOUDER, []))
    assert made.figures == LOUD
    assert made.disturbed


def test_what_a_check_found_is_not_repeated_away():
    made = measured((LOUD, []), (CALM, ["duplicate"]))
    assert made.errors == ["duplicate"]


def test_an_answer_is_read():
    answer = {"medians": {"msgs_per_s": 5.0}, "errors": [{"b": 2}, {"a": 1, "b": 1}]}
    assert read(answer, PAIRS) == ({"msgs_per_s": 5.0}, ["a", "b"])
    assert read({"medians": {}, "errors": []}, PAIRS) == ({}, ["no figure msgs_per_s"])


def test_rows_on_a_real_server(tmp_path: Path):
    short = ("--warmup", "0.05", "--duration", "0.1", "--sm")
    rows = [Row("tiny", "", transport, "pingpong", users=4, options=short) for transport in KINDS]
    with Servers(tmp_path, pin=False).running(ANDIRON, rows[0]) as running:
        for row in rows:
            answer = tmp_path / row.transport
            options = [*running.target(row), *row.arguments(ANDIRON, quick=False)]
            said = generate(options, answer, pin=False)
            assert said.returncode == 0, said.stdout + said.stderr
            figures, errors = read(json.loads(answer.read_text()), row)
            assert errors == []
            assert figures["msgs_per_s"] > 0
            assert figures["server_cpu_pct"] > 0
