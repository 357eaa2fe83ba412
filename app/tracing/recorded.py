"""Spans by ``opentelemetry-api``, to whatever tracer the host has set up."""

from collections.abc import Iterable, Mapping
from contextvars import ContextVar, Token
from typing import Any, Final, Self

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Link, StatusCode

from andiron.tracing.nothing import NOTHING, Span, Tracer, Values
from andiron.version import __version__

__all__ = ["OpenTelemetry"]

_OWN: Final[ContextVar[trace.Span | None]] = ContextVar("andiron_span", default=None)
"""The innermost span of ours that the work here is a part of."""


class _Work(Span):
    """Work within a span, that does not end it."""

    __slots__ = ("_context", "_own", "span")

    def __init__(self, span: trace.Span) -> None:
        self.span = span
        self._own: Token[trace.Span | None]
        self._context: Token[context.Context]

    def __enter__(self) -> Self:
        self._own = _OWN.set(self.span)
        self._context = context.attach(trace.set_span_in_context(self.span))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        context.detach(self._context)
        _OWN.reset(self._own)

    def note(self, name: str, value: str | float) -> None:
        if self.span.is_recording():
            self.span.set_attribute(name, value)

    def fail(self, kind: str) -> None:
        self.note("error.type", kind)
        if self.span.is_recording():
            self.span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        if self.span.is_recording():
            self.span.end()

    def work(self) -> Span:
        return _Work(self.span)


class _Whole(_Work):
    """Work that a span stands for from its beginning to its end."""

    __slots__ = ()

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        super().__exit__(kind, *rest)
        if kind is not None:
            self.fail(kind.__name__)
        self.end()


class OpenTelemetry(Tracer):
    """Begins spans of the tracer ``andiron``; where nobody records them, they cost no more."""

    __slots__ = ("_tracer",)

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        """Take where tracers come from; None for what the host sets up, be it later on."""
        self._tracer = trace.get_tracer("andiron", __version__, provider)

    def begin(self, name: str, values: Values, headers: Mapping[str, str] | None) -> Span:
        """Return a new span: below the host's own, else below what the headers name."""
        above = None
        if headers is not None and not trace.get_current_span().get_span_context().is_valid:
            above = propagate.extract(headers)
        return self._begun(name, above, attributes=values)

    def inner(self, name: str) -> Span:
        """Return a new span in one of ours that is going on."""
        own = _OWN.get()
        # A task that outlives the work it was begun in has it still.
        if own is None or not own.is_recording():
            return NOTHING
        return self._begun(name, trace.set_span_in_context(own))

    def shared(self, name: str, among: Iterable[Span], since: int | None) -> Span:
        """Return a new span in the first of some, with links to the others."""
        spans = [each.span for each in among if isinstance(each, _Work)]
        if not spans:
            return NOTHING
        links = [Link(each.get_span_context()) for each in spans[1:]]
        return self._begun(name, trace.set_span_in_context(spans[0]), links=links, start_time=since)

    def ids(self) -> dict[str, str]:
        """Return the names of the current trace and span as hexadecimals."""
        there = trace.get_current_span().get_span_context()
        if not there.is_valid:
            return {}
        return {
            "trace": trace.format_trace_id(there.trace_id),
            "span": trace.format_span_id(there.span_id),
        }

    def _begun(self, name: str, above: context.Context | None, **options: Any) -> Span:
        span = self._tracer.start_span(name, above, **options)
        # One that is not sampled is no more told of, and what is a part of it neither.
        return _Whole(span) if span.get_span_context().is_valid else NOTHING
