"""Tables and pictures of figures, and the page that they are written into."""

import datetime
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from compare import growth, page
from compare.plot import Bars, bars, steps
from compare.results import Measurement, Results
from compare.rows import ANDIRON, EJABBERD, PROSODY, ROWS, Row
from compare.table import Table, number
from support.pages import ROOT

PAIRS = next(row for row in ROWS if row.name == "ws-pairs")
ANONYMOUS = next(row for row in ROWS if row.name == "ws-anonymous")
RESUME = next(row for row in ROWS if row.name == "ws-resume")
SHOWN = [PAIRS, ANONYMOUS, RESUME]
ABOUT = {"machine": "a machine", "andiron": "1.0", "python": "3.13", "ejabberd": "23"}
DAY = datetime.date(2026, 11, 29)


def run(row: Row, server: str, value: float, **shares: float) -> Measurement:
    return Measurement(row.name, server, 1, {row.figure: value, **shares}, [])


def some() -> Results:
    failed = Measurement(RESUME.name, PROSODY, 1, {}, ["no answer"])
    return Results(
        ABOUT,
        [
            run(PAIRS, ANDIRON, 12_345, generator_cpu_pct=99),
            run(PAIRS, EJABBERD, 3_000, other_cpu_pct=40),
            run(ANONYMOUS, ANDIRON, 500),
            run(ANONYMOUS, EJABBERD, 500),
            failed,
        ],
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (12_345, "12\N{NARROW NO-BREAK SPACE}300"),
        (999.9, "1\N{NARROW NO-BREAK SPACE}000.0"),
        (345.6, "346"),
        (0.1234, "0.123"),
        (0, "0"),
        (-18.26, "-18.3"),
        (float("nan"), "?"),
    ],
)
def test_numbers(value: float, written: str):
    assert number(value).replace(".0", "") == written.replace(".0", "")


def test_the_table():
    lines = Table(some(), SHOWN).lines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == [
        "",
        "`andiron serve`",
        "Prosody",
        "ejabberd",
        "× Prosody",
        "× ejabberd",
        "goal",
    ]
    assert cells[2][1:] == [
        "≥ " + number(12_345),
        "",
        number(3_000) + "*",
        "",
        "4.12",
        "3 × ejabberd: reached",
    ]
    assert cells[3][-1] == "1.5 × ejabberd: **1.00**"
    assert cells[4][1:4] == ["", "fails", ""]


def test_the_notes():
    notes = "\n".join(Table(some(), SHOWN).notes())
    assert "without a message in the gap" in notes
    assert "Prosody, failed 1 ×: `no answer`" in notes
    assert "up to 40 % of a processor" in notes
    assert "The generator was the limit" in notes


def test_pictures_are_xml_with_a_bar_for_each_value():
    pictures = page.pictures(some(), SHOWN)
    assert set(pictures) == {"messages", "sign-ins"}
    svg = "{http://www.w3.org/2000/svg}"
    root = fromstring(pictures["messages"])
    colours = [rect.get("fill") for rect in root.iter(f"{svg}rect")]
    # The paper, four in the legend, Andiron's and ejabberd's.
    assert len(colours) == 7
    strokes = [line for line in root.iter(f"{svg}line") if line.get("stroke-width") == "2"]
    assert len(strokes) == 1


def test_a_label_is_escaped_and_a_picture_of_nothing_is_one():
    assert "a &lt; b" in bars(["x"], [Bars("a < b", (1.0,))])
    assert fromstring(bars([], [])).tag.endswith("svg")


@pytest.mark.parametrize(("most", "last"), [(1, 1), (4.4, 4), (37, 30), (0.3, 0.3)])
def test_steps_are_round(most: float, last: float):
    marks = steps(most)
    assert marks[0] == 0
    assert marks[-1] == pytest.approx(last)
    assert 3 <= len(marks) <= 8


GROWTH: growth.Growth = {"sessions": [(100, 30.0), (1_000, 33.0)], "queued": [(100, 10.0)]}


def test_growth_as_a_table_and_a_picture():
    _, _, sessions, queued = growth.table(GROWTH)
    assert sessions.split("|")[2:4] == [" 100: 30.0 ", " 1,000: 33.0 "]
    assert sessions.endswith(" 1.10 |")
    assert queued.endswith(" 1.00 |")
    assert "polyline" in growth.picture(GROWTH)


def test_growth_is_kept_for_the_same_versions(tmp_path: Path):
    file = tmp_path / "x" / "growth.json"
    assert growth.read(file, ABOUT) is None
    growth.write(file, ABOUT, {"sessions": []})
    assert growth.read(file, ABOUT) == {"sessions": []}
    assert growth.read(file, {}) is None


def test_the_part_says_what_it_was_made_of_and_its_pictures_are_told_in_words():
    text = page.section(some(), SHOWN, DAY, GROWTH)
    assert "2026-11-29: a machine; Andiron 1.0 (python 3.13) beside ejabberd 23." in text
    for name in ("messages", "sign-ins", "growth"):
        assert f"](images/bench-{name}.svg)" in text


def test_what_is_around_the_markers_stays(tmp_path: Path):
    file = tmp_path / "performance.md"
    file.write_text(f"# Title\n\n{page.BEGIN}\n\nold\n\n{page.END}\n\n## More\n")
    page.write(file, "new\n")
    assert file.read_text() == f"# Title\n\n{page.BEGIN}\n\nnew\n\n{page.END}\n\n## More\n"


def test_a_page_without_markers_is_left_alone(tmp_path: Path):
    file = tmp_path / "performance.md"
    file.write_text(f"{page.BEGIN} and no end")
    with pytest.raises(ValueError, match="has no lines"):
        page.write(file, "new")
    assert file.read_text() == f"{page.BEGIN} and no end"


def test_the_page_has_the_markers():
    text = (ROOT / "docs" / "performance.md").read_text()
    assert text.count(page.BEGIN) == text.count(page.END) == 1
    assert text.index(page.BEGIN) < text.index(page.END)
