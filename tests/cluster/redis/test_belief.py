"""Nobody believes to hold what another may have, whatever becomes of what is asked and answered."""

from dataclasses import dataclass, field
from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.thorough import examples

from andiron.cluster.redis.belief import Belief, Standing, Timing

TIMING = Timing(ttl=9.0, margin=1.0, pause=0.5, patience=2.0)


def held() -> Belief:
    belief = Belief(TIMING)
    assert belief.granted(sent=10.0, now=10.5)
    return belief


def test_it_counts_from_what_was_sent() -> None:
    belief = held()
    assert belief.next_deadline() == 13.0
    assert belief.held(17.9)
    assert belief.left(17.5) == 0.5
    assert not belief.held(18.0)
    assert belief.standing is Standing.LOST
    assert belief.next_deadline() == inf
    assert belief.left(18.0) == 0


def test_a_renewal_moves_it_on() -> None:
    belief = held()
    assert belief.granted(sent=13.0, now=14.0)
    assert belief.held(20.9)
    assert not belief.held(21.0)


def test_an_answer_to_what_was_sent_before_takes_nothing_back() -> None:
    belief = held()
    assert belief.granted(sent=14.0, now=14.5)
    assert belief.granted(sent=13.0, now=15.0)
    assert belief.held(21.9)


def test_an_answer_that_comes_too_late_gives_nothing() -> None:
    belief = Belief(TIMING)
    assert not belief.granted(sent=10.0, now=18.0)
    assert belief.standing is Standing.FREE
    assert belief.granted(sent=18.0, now=18.1), "it may ask again"


def test_what_was_not_answered_is_asked_again_soon() -> None:
    belief = held()
    belief.unanswered(now=15.0)
    assert belief.next_deadline() == 15.5
    belief.unanswered(now=17.9)
    assert belief.next_deadline() == 18.0, "when it is lost"


def test_what_is_lost_is_not_taken_again_before_all_is_let_go() -> None:
    belief = held()
    belief.refused()
    assert not belief.held(10.6)
    assert not belief.granted(sent=11.0, now=11.1)
    belief.let_go()
    assert belief.granted(sent=12.0, now=12.1)


def test_who_never_had_it_loses_nothing() -> None:
    belief = Belief(TIMING)
    belief.refused()
    assert belief.standing is Standing.FREE


@pytest.mark.parametrize("margin", [0, -1, 4])
def test_margins_that_leave_no_room(margin: float) -> None:
    with pytest.raises(ValueError, match="a third"):
        Timing(ttl=9, margin=margin)


@dataclass
class Holder:
    name: str
    belief: Belief = field(default_factory=lambda: Belief(TIMING))
    incarnation: int = 1
    fence: int = 0
    calls: list[tuple[float, str, int]] = field(default_factory=list)
    """What is on its way to the server: when it was sent, with which token and fence."""
    answers: list[tuple[float, str, int]] = field(default_factory=list)
    """What is on its way back: when that was sent, its token, and the fence or 0."""

    @property
    def token(self) -> str:
        return f"{self.name}{self.incarnation}"


class Leases(RuleBasedStateMachine):
    """The server as the script says it, three processes, and a network that delays and loses."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.token = ""
        self.fence = self.last = 0
        self.expires = self.started = -inf
        self.holders = [Holder(name) for name in "abc"]
        self.fences: list[int] = []

    some = st.integers(0, 2)
    which = st.integers(0, 5)

    @rule(seconds=st.sampled_from([0.01, 0.5, 1.0, 2.9, 7.99, 8.0, 9.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(number=some)
    def asks(self, number: int) -> None:
        holder = self.holders[number]
        if holder.belief.standing is not Standing.LOST:
            holder.calls.append((self.now, holder.token, holder.fence))

    @rule(number=some, which=which)
    def the_server_does_one(self, number: int, which: int) -> None:
        """In any order: connections break, and what was sent by them arrives later."""
        holder = self.holders[number]
        if not holder.calls:
            return
        sent, token, mine = holder.calls.pop(which % len(holder.calls))
        if self.now >= self.expires:
            self.token = ""
        if self.token != token:
            had_since = mine and self.last and mine != self.last
            soon = not mine and not self.last and self.now < self.started + TIMING.ttl
            if self.token or had_since or soon:
                holder.answers.append((sent, token, 0))
                return
            self.fence = mine or max(round(self.now * 1000), self.last + 1)
            self.token = token
            if not mine:
                self.fences.append(self.fence)
        self.last = self.fence
        self.expires = self.now + TIMING.ttl
        holder.answers.append((sent, token, self.fence))

    @rule(number=some, which=which)
    def an_answer_comes(self, number: int, which: int) -> None:
        holder = self.holders[number]
        if not holder.answers:
            return
        sent, token, fence = holder.answers.pop(which % len(holder.answers))
        if token != holder.token:
            return  # Its client is gone: nobody waits for this answer any more.
        if not fence:
            holder.belief.refused()
        elif holder.belief.granted(sent, self.now):
            holder.fence = fence

    @rule(number=some, which=which)
    def one_is_lost(self, number: int, which: int) -> None:
        holder = self.holders[number]
        if holder.calls:
            holder.calls.pop(which % len(holder.calls))
            holder.belief.unanswered(self.now)

    @rule(number=some, told=st.booleans())
    def lets_go(self, number: int, told: bool) -> None:
        holder = self.holders[number]
        if told and self.token == holder.token:
            self.token = ""
        holder.belief.let_go()
        holder.incarnation += 1
        holder.fence = 0

    @rule()
    def the_server_loses_all(self) -> None:
        """It was started again. What gives numbers then is its clock."""
        self.now += 0.01
        self.started = self.now
        self.token, self.last = "", 0

    @invariant()
    def at_most_one_believes(self) -> None:
        assert sum(each.belief.held(self.now) for each in self.holders) <= 1

    @invariant()
    def what_is_believed_is_so(self) -> None:
        for holder in self.holders:
            if holder.belief.held(self.now) and self.token:
                assert self.token == holder.token
                assert self.now < self.expires
        assert self.fences == sorted(set(self.fences))


TestLeases = Leases.TestCase
TestLeases.settings = settings(max_examples=examples(150), stateful_step_count=60)
