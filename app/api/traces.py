"""What passes between a session and its client, for an operator to see, without what it says."""

from typing import Final

from andiron.api.checks import MAX_ADDRESS, count_of, text_of, written
from andiron.api.errors import BusyError
from andiron.api.sessions import SessionsApi
from andiron.api.values import Trace, TraceLine
from andiron.sm.manager import SessionManager
from andiron.sm.tracing import TRACES, TracesFullError
from andiron.sm.tracing import Trace as Kept

__all__ = ["TracesApi"]

_LONGEST: Final = 3600
"""Seconds."""
_MAX_LINE: Final = 2**53


class TracesApi:
    """Traces of sessions, by the sessions' ids."""

    def __init__(self, sessions: SessionsApi, manager: SessionManager) -> None:
        self._sessions = sessions
        self._manager = manager

    def start(self, session: str, seconds: int) -> Trace:
        """Trace a session for so long."""
        count_of(seconds, "The time of a trace", 1, _LONGEST)
        stream = self._sessions.find(session)
        try:
            trace = self._manager.traces.start(stream, seconds)
        except TracesFullError:
            raise BusyError(
                f"{TRACES} sessions are traced, which are the most: stop tracing another."
            ) from None
        return self._told(session, trace, len(trace.lines) and trace.lines[-1].number)

    def read(self, session: str, after: int) -> Trace:
        """Return the lines after a number."""
        count_of(after, "The number of a line", 0, _MAX_LINE)
        trace = self._manager.traces.get(self._number(session))
        if trace is None:
            self._sessions.find(session)
            return Trace(session=session, running_for=0.0, lines=(), lost=0)
        return self._told(session, trace, after)

    def stop(self, session: str) -> None:
        """Trace a session no more."""
        self._manager.traces.stop(self._number(session))

    def _number(self, session: str) -> int:
        return self._manager.number_of(text_of(session, "The id", MAX_ADDRESS))

    def _told(self, session: str, trace: Kept, after: int) -> Trace:
        lines = trace.after(after)
        first = trace.lines[0].number if trace.lines else 1
        manager = self._manager
        return Trace(
            session=session,
            running_for=0.0 if trace.is_over() else round(trace.until - manager.clock(), 3),
            lines=tuple(
                TraceLine(
                    number=each.number,
                    time=written(manager.wall(each.at)),
                    way=each.way,
                    text=each.text,
                )
                for each in lines
            ),
            lost=max(0, first - 1 - after),
        )
