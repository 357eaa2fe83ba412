"""What spans and their tracer can do, and those that tell nobody."""

from collections.abc import Iterable, Mapping
from typing import Self

__all__ = ["NOTHING", "Span", "Tracer", "Values"]

Values = Mapping[str, str | float]


class Span:
    """A piece of work in the trace: ``with`` ends it. This one, the base, tells nobody of it."""

    __slots__ = ()

    def __enter__(self) -> Self:
        """Make what follows a part of it."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End it, as a failure where an exception comes out: its type is told, never its words."""

    def note(self, name: str, value: str | float) -> None:
        """Tell something of it."""

    def fail(self, kind: str) -> None:
        """Tell that it failed, and how that is called."""

    def end(self) -> None:
        """End one that was begun by :func:`begin`. To do so again changes nothing."""

    def work(self) -> "Span":
        """Return what makes the work of a block a part of it, and does not end it."""
        return NOTHING


NOTHING = Span()


class Tracer:
    """Begins spans; this one, the base, those that tell nobody."""

    __slots__ = ()

    def begin(self, _name: str, _values: Values, _headers: Mapping[str, str] | None) -> Span:
        """Return a new span."""
        return NOTHING

    def inner(self, _name: str) -> Span:
        """Return a new span in one of ours."""
        return NOTHING

    def shared(self, _name: str, _among: Iterable[Span], _since: int | None) -> Span:
        """Return a new span in some of ours."""
        return NOTHING

    def ids(self) -> dict[str, str]:
        """Return the names of the trace and the span that the caller works in."""
        return {}
