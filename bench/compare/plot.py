"""Pictures of figures, as SVG of a few shapes."""

import dataclasses
import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

WIDTH, LABELS, RIGHT = 940, 410, 60
BAR, GAP, TOP = 9, 12, 44
INK, FAINT, PAPER = "#333", "#ddd", "#fff"
COLOURS = ("#1b6ca8", "#7fb3d5", "#c9a227", "#a8553a")
STYLE = f"<style>text{{font:12px system-ui,sans-serif;fill:{INK}}}.s{{font-size:10px}}</style>"


@dataclasses.dataclass(frozen=True, slots=True)
class Bars:
    """One row of a picture: a value for each of the names, None where there is none."""

    label: str
    values: tuple[float | None, ...]
    goal: float | None = None


def _svg(height: float, shapes: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'width="{WIDTH}" height="{height:.0f}">'
    )
    paper = f'<rect width="{WIDTH}" height="{height:.0f}" fill="{PAPER}"/>'
    return "\n".join([head, STYLE, paper, *shapes, "</svg>", ""])


def _text(x: float, y: float, said: str, anchor: str = "start", small: bool = False) -> str:
    kind = ' class="s"' if small else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(said)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{width:g}"/>'
    )


def _legend(names: Sequence[str], x: float = LABELS) -> list[str]:
    made = []
    for name, colour in zip(names, COLOURS, strict=False):
        made.append(f'<rect x="{x:.0f}" y="10" width="10" height="10" fill="{colour}"/>')
        made.append(_text(x + 14, 19, name))
        x += 30 + 7 * len(name)
    return made


def bars(names: Sequence[str], rows: Sequence[Bars], unit: str = "×") -> str:
    """Draw values from zero on, those of a row beside each other, a goal as a stroke."""
    found = [value for row in rows for value in (*row.values, row.goal) if value is not None]
    most = max(1.0, *found) if found else 1.0
    scale = (WIDTH - LABELS - RIGHT) / most
    each = BAR * len(names)
    height = TOP + len(rows) * (each + GAP)
    shapes = _legend(names)
    for mark in steps(most):
        x = LABELS + mark * scale
        shapes.append(_line(x, TOP - 6, x, height - GAP + 4, FAINT))
        shapes.append(_text(x, TOP - 9, f"{mark:g} {unit}".strip(), "middle", small=True))
    y: float = TOP
    for row in rows:
        shapes.append(_text(LABELS - 8, y + each / 2 + 4, row.label, "end"))
        for place, value in enumerate(row.values):
            if value is None:
                continue
            top = y + place * BAR
            shapes.append(
                f'<rect x="{LABELS}" y="{top:.1f}" width="{max(0.5, value * scale):.1f}" '
                f'height="{BAR - 1}" fill="{COLOURS[place]}"/>'
            )
            shapes.append(_text(LABELS + value * scale + 4, top + 8, f"{value:.2g}", small=True))
        if row.goal is not None:
            x = LABELS + row.goal * scale
            shapes.append(_line(x, y - 3, x, y + each + 2, INK, 2))
        y += each + GAP
    return _svg(height, shapes)


def steps(most: float) -> list[float]:
    """Return about six round numbers from zero to the most."""
    rough = most / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [step * count for count in range(int(most / step + 1e-9) + 1)]


def curves(lines: dict[str, list[tuple[float, float]]], x_title: str) -> str:
    """Draw how values grow over powers of ten; each curve begins at one."""
    height, top, bottom, left = 320, TOP, 50, 60
    points = [point for line in lines.values() for point in line]
    low = math.floor(math.log10(min(x for x, _ in points)))
    high = math.ceil(math.log10(max(x for x, _ in points)))
    most = max(2.0, *(y for _, y in points))
    width = WIDTH - left - RIGHT

    def at(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - low) / max(1, high - low)
        return left + across * width, height - bottom - y / most * (height - top - bottom)

    shapes = _legend(list(lines), left)
    for power in range(low, high + 1):
        x, y = at(10**power, 0)
        shapes += [_line(x, top, x, y, FAINT), _text(x, y + 16, f"{10**power:,}", "middle")]
    for mark in steps(most):
        x, y = at(10**low, mark)
        shapes += [_line(x, y, WIDTH - RIGHT, y, FAINT), _text(x - 6, y + 4, f"{mark:g} ×", "end")]
    shapes.append(_text(left + width / 2, height - 12, x_title, "middle"))
    for line, colour in zip(lines.values(), COLOURS, strict=False):
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in line))
        shapes.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for point in line:
            x, y = at(*point)
            shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
    return _svg(height, shapes)
