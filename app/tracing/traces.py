"""Spans: what took how long, for a host that has the API of OpenTelemetry.

Where there is none, all of this does nothing. A span stands for a sign-in, a resumption, a request
of the API, a function of the site, and what these ask of the database; never for a stanza that only
passes. No name, address or text of anybody is in one, no more than in the labels of a metric: what
the log calls the session is.
"""

from collections.abc import Iterable, Mapping

from andiron.tracing.nothing import NOTHING, Span, Tracer, Values

__all__ = ["NOTHING", "Span", "begin", "inner", "of_request", "shared", "traced"]


def _tracer() -> Tracer:
    try:
        from andiron.tracing.recorded import OpenTelemetry  # noqa: PLC0415 - what it needs is an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "opentelemetry":
            raise
        return Tracer()
    return OpenTelemetry()


# Chosen once: whether the host has the API does not change, and who traces is the API's concern.
_TRACER = _tracer()


def begin(name: str, values: Values | None = None) -> Span:
    """Return a span that began now: ``with`` it, or :meth:`Span.end` it.

    It is a part of what the host traces around it, if anything.
    """
    return _TRACER.begin(name, values or {}, None)


def of_request(name: str, headers: Mapping[str, str]) -> Span:
    """Return the span of a request, a part of the trace that the request names (W3C Trace Context).

    The host's own span of it comes first. For requests whose sender may be believed.
    """
    return _TRACER.begin(name, {}, headers)


def inner(name: str) -> Span:
    """Return a span for a part of what a span here stands for; :data:`NOTHING` elsewhere.

    So what each stanza may cause has none.
    """
    return _TRACER.inner(name)


def shared(name: str, among: Iterable[Span], since: int | None = None) -> Span:
    """Return a span for what is done for several spans at once; for none, :data:`NOTHING`.

    It is a part of the first of them, and linked to the others. ``since`` is when it began,
    in Unix nanoseconds, where that was before.
    """
    return _TRACER.shared(name, among, since)


def traced() -> dict[str, str]:
    """Return ``trace`` and ``span``, the ids of what the caller works in, for a line in the log."""
    return _TRACER.ids()
