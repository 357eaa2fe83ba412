"""The request window: which request is taken when, which is held, and what was answered.

XEP-0124 sections 8 to 15, without a clock, a network or a session: ``now`` is
passed in, requests come as :class:`Body` with a call, whatever stands for the
HTTP request that waits for an answer.
"""

from collections.abc import Sequence
from hashlib import sha1
from hmac import compare_digest
from math import inf
from typing import Final, Generic, TypeVar

from andiron.bosh.body import Body
from andiron.bosh.outbox import stanzas
from andiron.bosh.terms import Terms
from andiron.xmpp.errors import BoshCondition, BoshError

C = TypeVar("C")

_REPORT_AFTER: Final = 1.0
"""Seconds after which an answer that is not acknowledged is reported (section 9.2)."""
_LONGEST_TIME: Final = 65_535
_CROSSING: Final = 0.1
"""Seconds for which stanzas wait while the answer with those before them may be on its way."""
_PAUSES: Final = 2
"""How many answers to pauses are kept."""
_HASTY: Final = 4
"""How many empty requests in a row may come too soon: a page that is reloaded sends one."""


class Early(Generic[C]):
    """A request that came and was not taken yet."""

    __slots__ = ("arrived", "body", "call")

    def __init__(self, body: Body, call: C, arrived: float) -> None:
        self.body = body
        self.call: C | None = call
        self.arrived = arrived


class Held(Generic[C]):
    """A request that was taken and not answered; ``call`` is None once its connection is gone."""

    __slots__ = ("call", "due", "key", "pause", "rid")

    def __init__(self, rid: int, key: str, call: C | None, due: float, *, pause: bool) -> None:
        self.rid = rid
        self.key = key
        self.call = call
        self.due = due
        self.pause = pause


class Answer:
    """What a request was answered with, kept in case it is asked for again."""

    __slots__ = ("at", "attributes", "key", "pause", "payload", "rid")

    def __init__(self, held: "Held[C]", attributes: str, payload: Sequence[str], at: float) -> None:
        self.rid = held.rid
        self.key = held.key
        self.pause = held.pause
        self.attributes = attributes
        self.payload = payload
        self.at = at


class Window(Generic[C]):
    """One session's requests and answers, in the order of their ``rid``.

    Call :meth:`arrive` with each request, then :meth:`next` and :meth:`take`
    until there is none, then :meth:`due` and :meth:`answer` until none is due;
    the last two again when there is something to send and at
    :meth:`next_deadline`.
    """

    __slots__ = (
        "_acks",
        "_answers",
        "_arrived",
        "_crossing",
        "_crossing_until",
        "_eager",
        "_early",
        "_empty",
        "_hasty",
        "_idle_since",
        "_key",
        "_patience",
        "_release",
        "_repeats",
        "_report",
        "_terms",
        "confirmed",
        "held",
        "last",
    )

    def __init__(self, terms: Terms, body: Body, call: C, now: float) -> None:
        """Take the session creation request."""
        self._terms = terms
        self.last = body.rid
        """The highest ``rid`` taken; all lower ones were taken, too."""
        self.held: list[Held[C]] = [Held(body.rid, "", call, now + terms.wait, pause=False)]
        self.confirmed = body.rid - 1
        """The client has the answers up to this ``rid``."""
        self._early: dict[int, Early[C]] = {}
        self._answers: dict[int, Answer] = {}
        self._key = body.newkey
        self._acks = terms.acks
        self._eager = False
        self._empty = False
        self._hasty = 0
        self._arrived = now
        self._crossing = 0
        self._crossing_until = 0.0
        self._idle_since = now
        self._patience = float(terms.inactivity)
        self._release = 0
        self._repeats = 0
        self._report: Answer | None = None

    # Requests

    def arrive(
        self, body: Body, call: C, now: float, max_repeats: int
    ) -> tuple[C, Answer | None] | None:
        """Note that a request came, in whatever order.

        Returns a call to answer at once, with the answer it had before, or
        None for the recoverable condition: a newer copy takes its place.
        Raises :class:`BoshError` for what ends the session.
        """
        rid = body.rid
        if rid <= self.last:
            return self._repeat(body, call, now, max_repeats)
        early = self._early.get(rid)
        if early is not None:
            self._count_repeat(max_repeats)
            older, early.call = early.call, call
            return None if older is None else (older, None)
        leaving = body.pause is not None or body.terminate
        if rid > self.last + self._terms.requests + leaving:
            raise BoshError(BoshCondition.ITEM_NOT_FOUND, "rid beyond the window")
        if not leaving and self._unanswered() >= self._terms.requests:
            raise BoshError(BoshCondition.POLICY_VIOLATION, "too many simultaneous requests")
        self._repeats = 0
        self._early[rid] = Early(body, call, now)
        return None

    def next(self) -> Early[C] | None:
        """Return the request that is to be taken next, where it has come."""
        return self._early.get(self.last + 1)

    def take(self, early: Early[C], now: float) -> Body:
        """Take the next request in order: hold it, and learn what it confirms.

        Raises :class:`BoshError` for one that must not be processed.
        """
        body, terms = early.body, self._terms
        if self._key:
            self._check_key(body)
        if body.pause is not None and body.pause > terms.maxpause:
            raise BoshError(BoshCondition.POLICY_VIOLATION, f"pause over {terms.maxpause}")
        self._check_activity(early)
        self._confirm(body, now)
        rid = self.last = body.rid
        self._early.pop(rid, None)
        if self._key:
            self._key = (body.newkey or body.key).lower()
        self._arrived = early.arrived
        self._empty = body.empty
        pause = body.pause
        self._patience = float(terms.inactivity if pause is None else pause)
        if pause is not None:
            self._release = rid
        self.held.append(
            Held(rid, body.key, early.call, early.arrived + terms.wait, pause=pause is not None)
        )
        return body

    def gone(self, call: C, now: float) -> None:
        """Note that a call's connection is gone; the client may repeat the request."""
        for held in self.held:
            if held.call is call:
                held.call = None
        for early in self._early.values():
            if early.call is call:
                early.call = None
        if not self._unanswered():
            self._idle_since = now

    def _repeat(
        self, body: Body, call: C, now: float, max_repeats: int
    ) -> tuple[C, Answer | None] | None:
        """Answer a repeated request as before, or hold it in place of the former (section 14.3)."""
        self._count_repeat(max_repeats)
        known = self._answers.get(body.rid)
        if known is not None:
            _same_key(known.key, body.key)
            if not self._unanswered():
                self._idle_since = now
            return call, known
        for held in self.held:
            if held.rid == body.rid:
                _same_key(held.key, body.key)
                older, held.call = held.call, call
                held.due = now + self._terms.wait
                return None if older is None else (older, None)
        raise BoshError(BoshCondition.ITEM_NOT_FOUND, "the answer is not kept any more")

    def _count_repeat(self, max_repeats: int) -> None:
        self._repeats += 1
        if self._repeats > max_repeats:
            raise BoshError(BoshCondition.POLICY_VIOLATION, "too many repeated requests")

    def _unanswered(self) -> int:
        count = 0
        for held in self.held:
            count += held.call is not None
        for early in self._early.values():
            count += early.call is not None
        return count

    def _check_key(self, body: Body) -> None:
        """Check that the key is the one before the last in its sequence (section 15)."""
        expected = sha1(body.key.lower().encode(), usedforsecurity=False).hexdigest()
        if not compare_digest(expected.encode(), self._key.lower().encode()):
            raise BoshError(BoshCondition.ITEM_NOT_FOUND, "not the next key")

    def _check_activity(self, early: Early[C]) -> None:
        """Refuse clients that go on to send empty requests too fast (sections 11 and 12).

        A page that is reloaded goes on from where it was, and the request of
        the page before may seem to be held still. So the older is answered, as
        section 8 has it, and the session ends only for who makes it a habit. A
        request that carried something does not count, which some clients send
        together with an empty one.
        """
        terms = self._terms
        if not (self._empty and early.body.empty):
            self._hasty = 0
            return
        if early.arrived - self._arrived >= terms.overactive_within():
            self._hasty = 0
            return
        if terms.polls:
            before = self._answers.get(self.last)
            overactive = before is not None and not before.payload
        else:
            live = sum(held.call is not None for held in self.held)
            overactive = live + 1 >= terms.requests
        self._hasty += overactive
        if self._hasty > _HASTY:
            raise BoshError(BoshCondition.POLICY_VIOLATION, "requests too frequent")

    def _confirm(self, body: Body, now: float) -> None:
        """Learn which answers the client has, by ``ack`` or by its keeping to ``requests``.

        A client sends no more requests than that at a time, and an empty one
        only where it may be held, which is at least one less; one that was
        seen to do otherwise is not trusted with the latter. One that ends its
        session has had what it was answered, unless its ``ack`` says otherwise.
        """
        waiting = bool(self.held)
        if self._acks and body.ack is not None:
            confirmed = min(body.ack, self.last)
            missing = self._answers.get(confirmed + 1)
            if missing is not None and now - missing.at >= _REPORT_AFTER:
                self._report = missing
        elif body.terminate or (self._acks and not waiting):
            confirmed = self.last
        else:
            confirmed = body.rid - self._terms.requests
            if body.empty:
                self._eager |= waiting
                confirmed += not self._eager and self._terms.requests > 1
        if waiting:
            confirmed = min(confirmed, self.held[0].rid - 1)
        self.confirmed = max(self.confirmed, confirmed)

    # Answers

    def due(self, now: float, *, ready: bool) -> Held[C] | None:
        """Return the oldest request if it must be answered now; ``ready``: something waits.

        Give its ``call`` what waits, unless that is None or a ``pause``.

        Each answer comes over a connection of its own, and some clients read
        them as they come, not by ``rid``. So what waits lets an answer with
        stanzas that was given while this request was out already, as far as is
        known, go ahead until the client is seen to have it or for a tenth of a second.
        """
        held = self.held
        if not held:
            return None
        first = held[0]
        if len(held) > self._terms.hold or self._release or self._report is not None:
            return first
        # One that nobody waits for any more goes, empty, before a later one can be answered.
        waiting = next((other for other in held if other.call is not None), None)
        if ready and waiting is not None:
            if self._crossing <= self.confirmed:
                return first
            waiting.due = min(waiting.due, self._crossing_until)
        return first if any(other.due <= now for other in held) else None

    def answer(self, held: Held[C], payload: Sequence[str], now: float, attributes: str) -> Answer:
        """Answer the oldest request, which :meth:`due` returned; and keep the answer."""
        self.held.pop(0)
        if self._release == held.rid:
            self._release = 0
        if self._terms.acks and self.last != held.rid and not attributes:
            attributes = f" ack='{self.last}'"
        if self._report is not None:
            missing, self._report = self._report, None
            passed = min(round((now - missing.at) * 1000), _LONGEST_TIME)
            attributes += f" report='{missing.rid}' time='{passed}'"
        kept = Answer(held, attributes, payload, now)
        self._answers[held.rid] = kept
        # Without acknowledgements, of a request that comes later nobody knows when it was sent.
        if (self.held or self._acks) and held.call is not None and stanzas(payload):
            self._crossing = held.rid
            self._crossing_until = now + _CROSSING
        self._forget()
        if held.call is not None and not self._unanswered():
            self._idle_since = now
        return kept

    def _forget(self) -> None:
        """Keep the last ``requests`` answers; those to a pause stand beside them (section 14.3).

        Of these there are two at most: whoever pauses again and again has had the earlier ones.
        """
        answers, requests = self._answers, self._terms.requests
        if len(answers) <= requests:
            return
        ordinary = sum(not kept.pause for kept in answers.values())
        while ordinary > requests or len(answers) > requests + _PAUSES:
            ordinary -= not answers.pop(next(iter(answers))).pause

    def lapsed(self, now: float) -> list[C]:
        """Give up waiting for what should have come before those that came early.

        Returns their calls, to answer with the recoverable condition; the
        client is to repeat them with all before.
        """
        calls: list[C] = []
        for rid, early in list(self._early.items()):
            if early.arrived + self._terms.inactivity <= now and rid != self.last + 1:
                del self._early[rid]
                if early.call is not None:
                    calls.append(early.call)
        if calls and not self._unanswered():
            self._idle_since = now
        return calls

    def unconfirmed(self) -> list[str]:
        """Return what was sent in answers that the client may not have, in order."""
        return [
            text
            for rid, kept in self._answers.items()
            if rid > self.confirmed
            for text in kept.payload
        ]

    def calls(self) -> list[C]:
        """Return all that waits for an answer, by ``rid``, and let it go: the session ends."""
        calls = [held.call for held in self.held]
        calls += [self._early[rid].call for rid in sorted(self._early)]
        self.held.clear()
        self._early.clear()
        self._answers.clear()
        return [call for call in calls if call is not None]

    # Time

    def expired(self, now: float) -> bool:
        """Tell whether the client has been inactive for too long (section 10)."""
        return not self._unanswered() and now >= self._idle_since + self._patience

    def next_deadline(self) -> float:
        """Return when an answer is due, or the client counts as gone."""
        at = inf
        for held in self.held:
            if held.call is not None and held.due < at:
                at = held.due
        for rid, early in self._early.items():
            if early.call is not None and rid != self.last + 1:
                at = min(at, early.arrived + self._terms.inactivity)
        if at == inf and not self._unanswered():
            return self._idle_since + self._patience
        return at

    def silence(self) -> float:
        """Return for how long the client may say nothing: held to the end, then inactive."""
        return self._terms.wait + self._patience


def _same_key(known: str, given: str) -> None:
    if (known or given) and not compare_digest(known.lower().encode(), given.lower().encode()):
        raise BoshError(BoshCondition.ITEM_NOT_FOUND, "not the key of that request")
