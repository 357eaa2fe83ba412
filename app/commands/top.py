"""``andiron top``: the sessions of a server that runs, live in the terminal."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import click

from andiron.api.api import Api
from andiron.api.values import Process, Session
from andiron.commands.columns import PROCESSES, SESSIONS, SESSIONS_OF_SEVERAL, counted
from andiron.commands.table import Column, cut, laid_out, printable, size
from andiron.commands.there import There, at_url
from andiron.settings import Settings

if TYPE_CHECKING:
    import curses

__all__ = ["Line", "Seen", "Style", "View", "Watch", "top"]

Ask = Callable[[], tuple[Sequence[Session], Sequence[Process]]]

_KEYS: Final = "←→ sort  r reverse  / filter  ↑↓ PgUp PgDn scroll  q quit"
_TICK: Final = 100
"""Milliseconds that a key is waited for before it is looked whether there is news."""
_ABOVE: Final = 3
_BELOW: Final = 1
"""Lines around those of sessions and processes."""
_PART: Final = 3
"""Of how many lines of the screen one may be about processes."""


class Style(StrEnum):
    """How a line looks."""

    PLAIN = "plain"
    HEAD = "head"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the screen."""

    text: str
    style: Style = Style.PLAIN


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of the server last."""

    sessions: tuple[Session, ...] | None = None
    """None before the first answer."""
    at: str = ""
    """When that was, by the clock of this machine."""
    fault: str = ""
    """Why nothing newer is known; empty where all is well."""
    processes: tuple[Process, ...] = ()

    @property
    def several(self) -> bool:
        """Whether several processes serve the chat."""
        return len(self.processes) > 1


class View:
    """What of the sessions is shown, and how; keys change it."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._columns: Sequence[Column[Session]] = SESSIONS
        self._sorted = "UNACKED"
        self._reversed = False
        self._filter = ""
        self._typing = False
        self._first = 0
        self._page = 1

    def press(self, key: str) -> bool:
        """Take a key: a character, or the name of one as curses has it; False ends it all."""
        if self._typing:
            self._type(key)
            return True
        match key:
            case "q" | "Q":
                return False
            case "KEY_LEFT" | "<":
                self._sort_beside(-1)
            case "KEY_RIGHT" | ">":
                self._sort_beside(1)
            case "r" | "R":
                self._reversed = not self._reversed
            case "/":
                self._typing = True
            case "\x1b":
                self._filter = ""
            case "KEY_UP" | "KEY_DOWN" | "KEY_PPAGE" | "KEY_NPAGE" | "KEY_HOME" | "KEY_END":
                self._scroll(key)
        return True

    def lines(self, seen: Seen, height: int, width: int) -> list[Line]:
        """Return what fills a screen of this size."""
        self._columns = SESSIONS_OF_SEVERAL if seen.several else SESSIONS
        found = [each for each in seen.sessions or () if self._shows(each)]
        column = self._columns[self._column()]
        found.sort(key=column.key, reverse=column.number is not self._reversed)
        processes = _processes(seen, height // _PART) if seen.several else []
        self._page = max(1, height - _ABOVE - len(processes) - _BELOW)
        self._first = max(0, min(self._first, len(found) - self._page))
        shown = found[self._first : self._first + self._page]
        head, *rows = laid_out(self._columns, shown)
        arrow = "↓" if column.number is not self._reversed else "↑"
        lines = [
            Line(f"{self._place}  {seen.at}  sorted by {column.title} {arrow}"),
            Line(seen.fault, Style.FAULT) if seen.fault else Line(_summary(seen.sessions)),
            *processes,
            Line(head, Style.HEAD),
            *map(Line, rows),
        ]
        lines += [Line("")] * (height - _BELOW - len(lines))
        lines = [*lines[: max(0, height - _BELOW)], Line(self._foot(len(found)), Style.HEAD)]
        return [Line(cut(each.text, width), each.style) for each in lines]

    def _column(self) -> int:
        """Return by which column sessions are sorted; that of processes may be gone."""
        titles = [each.title for each in self._columns]
        return titles.index(self._sorted) if self._sorted in titles else 0

    def _sort_beside(self, step: int) -> None:
        column = (self._column() + step) % len(self._columns)
        self._sorted = self._columns[column].title
        self._reversed = False

    def _type(self, key: str) -> None:
        if key in {"\n", "\r", "KEY_ENTER"}:
            self._typing = False
        elif key == "\x1b":
            self._typing, self._filter = False, ""
        elif key in {"KEY_BACKSPACE", "\x7f", "\b"}:
            self._filter = self._filter[:-1]
        elif len(key) == 1 and key.isprintable():
            self._filter += key
        self._first = 0

    def _scroll(self, key: str) -> None:
        step = {
            "KEY_UP": -1,
            "KEY_DOWN": 1,
            "KEY_PPAGE": -self._page,
            "KEY_NPAGE": self._page,
            "KEY_HOME": -self._first,
            "KEY_END": sys.maxsize,
        }[key]
        self._first = max(0, self._first + step)

    def _shows(self, session: Session) -> bool:
        wanted = self._filter.casefold()
        return not wanted or any(wanted in each.text(session).casefold() for each in self._columns)

    def _foot(self, found: int) -> str:
        if self._typing:
            return f"Filter: {printable(self._filter)}▏ (Enter keeps it, Escape shows all)"
        last = min(found, self._first + self._page)
        filtered = f"  filter: {printable(self._filter)}" if self._filter else ""
        return f"{self._first + 1 if found else 0}-{last} of {found}{filtered}  {_KEYS}"


class Watch:
    """Asks the server again and again, beside the terminal, which answers keys meanwhile."""

    def __init__(self, ask: Ask, interval: float) -> None:
        self._ask = ask
        self._interval = interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="andiron-top", daemon=True)
        self.seen = Seen()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; what was asked last is not waited for."""
        self._ended.set()

    def look(self) -> None:
        """Ask once. What goes wrong is told on the screen, where the server may come back."""
        try:
            sessions, processes = self._ask()
        except click.ClickException as error:
            self.seen = replace(self.seen, fault=error.message)
        else:
            at = time.strftime("%H:%M:%S")
            self.seen = Seen(tuple(sessions), at, processes=tuple(processes))

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            self.look()


@click.command("top")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.2),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How often the server is asked.",
)
@at_url
def top(interval: float, url: str) -> None:
    """Show the sessions live, those with most unacknowledged first; q quits.

    The columns are those of 'andiron sessions'; where several processes serve
    the chat, what 'andiron processes' tells stands above. Left and right choose
    by which sessions are sorted, r turns that round, / filters by whatever
    stands in a line.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.ClickException("This needs a terminal; 'andiron sessions' prints them once.")
    try:
        import curses  # noqa: PLC0415 - Windows has none
    except ModuleNotFoundError:
        raise click.ClickException("This needs curses, which this Python lacks.") from None
    there = There(Settings(), url)
    watch = Watch(lambda: (there.ask(Api.sessions), there.ask(Api.processes)), interval)
    # What is wrong from the beginning is said as by any command.
    watch.look()
    if watch.seen.fault:
        raise click.ClickException(watch.seen.fault)
    watch.start()
    try:
        curses.wrapper(_show, View(str(there.place)), watch)
    except KeyboardInterrupt:
        pass
    except curses.error as error:
        raise click.ClickException(f"The terminal cannot be used: {error}.") from None
    finally:
        watch.stop()


def _show(window: "curses.window", view: View, watch: Watch) -> None:
    """Draw until it is quit."""
    import curses  # noqa: PLC0415 - as above

    curses.use_default_colors()
    curses.curs_set(0)
    curses.set_escdelay(25)
    window.timeout(_TICK)
    looks = {Style.PLAIN: curses.A_NORMAL, Style.HEAD: curses.A_REVERSE, Style.FAULT: curses.A_BOLD}
    drawn, key = None, ""
    while view.press(key):
        height, width = window.getmaxyx()
        if key or watch.seen is not drawn:
            drawn = watch.seen
            _draw(window, view.lines(drawn, height, width), width, looks)
        key = _key(window)


def _draw(
    window: "curses.window", lines: Sequence[Line], width: int, looks: dict[Style, int]
) -> None:
    import curses  # noqa: PLC0415 - as above

    window.erase()
    for row, line in enumerate(lines):
        text = line.text + " " * (width - len(line.text)) if line.style is Style.HEAD else line.text
        try:
            window.addstr(row, 0, cut(text, width), looks[line.style])
        except curses.error:
            # The last cell of the screen is written all the same, or it has just shrunk.
            continue
    window.refresh()


def _key(window: "curses.window") -> str:
    """Return the key that was pressed, as :meth:`View.press` takes it; empty for none."""
    import curses  # noqa: PLC0415 - as above

    try:
        key = window.get_wch()
    except curses.error:
        return ""
    return key if isinstance(key, str) else curses.keyname(key).decode()


def _processes(seen: Seen, most: int) -> list[Line]:
    """Return the lines about processes, no more than ``most``."""
    there = (each.process for each in seen.sessions or () if each.state != "detached")
    shown = seen.processes if len(seen.processes) < most else seen.processes[: max(0, most - 2)]
    head, *lines = laid_out(PROCESSES, counted(shown, Counter(there)))
    left = len(seen.processes) - len(shown)
    lines += [f"and {left} more: andiron processes"] if left else []
    return [Line(head, Style.HEAD), *map(Line, lines)][:most]


def _summary(sessions: Sequence[Session] | None) -> str:
    there = sessions or ()
    kinds = Counter(each.transport for each in there)
    away = sum(each.state == "detached" for each in there)
    stanzas = sum(each.unacknowledged for each in there)
    held = size(sum(each.unacknowledged_bytes for each in there))
    told = "  ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    parts = [
        f"Sessions {len(there)}",
        told,
        f"detached {away}",
        f"unacknowledged {stanzas} ({held})",
    ]
    return "   ".join(filter(None, parts))
