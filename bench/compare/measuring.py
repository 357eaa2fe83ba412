"""One measurement: a fresh server, one run of the generator, what it says."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from compare.results import Measurement
from compare.rows import Row
from compare.servers import HERE, Servers, UnavailableError, pinned

GENERATOR = Path(os.environ.get("XMPPLOAD", HERE / "xmppload.py"))
PATIENCE = 400
"""Seconds that a run of the generator may take."""


class Measuring:
    """Measures, and again where something else ran meanwhile."""

    def __init__(self, servers: Servers, *, quick: bool, tries: int) -> None:
        self.servers, self.quick, self.tries = servers, quick, tries

    def measure(self, row: Row, server: str, turn: int) -> Measurement:
        """Return a run that was not disturbed, or after so many tries the least disturbed."""
        best: Measurement | None = None
        for number in range(1, self.tries + 1):
            figures, errors = self._run(row, server)
            made = Measurement(row.name, server, turn, figures, errors, number)
            if best is None or made.errors or made.other < best.other:
                best = made
            if made.errors or not made.disturbed:
                break
        assert best is not None
        return best

    def _run(
        self, row: Row, server: str, *, again: bool = True
    ) -> tuple[dict[str, float], list[str]]:
        with tempfile.NamedTemporaryFile(suffix=".json") as answer:
            try:
                with self.servers.running(server, row) as running:
                    options = [*running.target(row), *row.arguments(server, quick=self.quick)]
                    said = generate(options, Path(answer.name))
            except UnavailableError as error:
                # Once more: that it did not start may be chance.
                return self._run(row, server, again=False) if again else ({}, [str(error)])
            except subprocess.TimeoutExpired:
                return {}, [f"no end after {PATIENCE} s"]
            text = Path(answer.name).read_text()
        if not text:
            return {}, [said.stderr.strip()[-300:] or "the generator said nothing"]
        return read(json.loads(text), row)


def generate(
    options: list[str], answer: Path, *, pin: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the generator, on the last processor; its answer is appended to a file."""
    command = [
        *(pinned(-1) if pin else ()),
        sys.executable,
        str(GENERATOR),
        *options,
        "--json",
        str(answer),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)


def read(
    answer: dict[str, dict[str, float] | list[dict[str, int]]], row: Row
) -> tuple[dict[str, float], list[str]]:
    """Return the figures of the generator's answer, and what its checks found."""
    medians, errors = answer["medians"], answer["errors"]
    assert isinstance(medians, dict)
    assert isinstance(errors, list)
    found = sorted({kind for run in errors for kind in run})
    if not found and row.figure not in medians:
        found = [f"no figure {row.figure}"]
    return medians, found
