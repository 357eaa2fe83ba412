"""What waits at a gate, and when it goes out."""

from collections.abc import Callable

import pytest
from support.journal import head
from support.sessions import MemoryTransport

from andiron.sm.counters import Inbound
from andiron.sm.frozen import Frozen
from andiron.sm.journal.journal import Journal
from andiron.sm.journal.state import State
from andiron.sm.recording import Answer, Promise, Recording
from andiron.xmpp.errors import StreamCondition, StreamError


class Paper:
    """Is written on at once, or when the test says; ``failing`` is why it cannot be."""

    def __init__(self) -> None:
        self.journal = Journal(State())
        self.safe = True
        self.failing = ""
        self.alone = True
        self.waiting: list[Callable[[], object]] = []
        self.batches: list[list[str]] = []

    def flush(self, now: float, done: Callable[[], object] | None = None) -> bool:
        if done is None:
            self.batches.append([str(record[0]) for record in self.journal.take()])
        elif not self.safe:
            self.waiting.append(done)
        return self.safe


class Recorded:
    """A session with a connection."""

    def __init__(self) -> None:
        self.transport: MemoryTransport | None = MemoryTransport()
        self.inbound = Inbound()
        self.answers = 0
        self.head = head("s")
        self.costs: list[float] = []

    def spent(self, began: float) -> float:
        self.costs.append(began)
        return began

    def answered(self) -> None:
        self.answers += 1


class Case:
    def __init__(self) -> None:
        self.paper = Paper()
        self.asked: list[Callable[[], object]] = []
        self.session = Recorded()
        self.recording = Recording(
            self.paper, lambda session: session.head, lambda: 100.0, self.asked.append
        )
        self.gate = self.recording.begin(self.session, Frozen(self.session.head, 0, 0))
        self.turn()
        self.paper.batches.clear()

    @property
    def sent(self) -> list[str]:
        assert self.session.transport is not None
        return self.session.transport.sent

    def turn(self) -> None:
        while self.asked:
            self.asked.pop(0)()

    def over(self) -> None:
        """Have all written that waits for it."""
        self.paper.safe, self.paper.failing = True, ""
        while self.paper.waiting:
            self.paper.waiting.pop(0)()
        self.turn()


@pytest.fixture
def case() -> Case:
    return Case()


def test_what_is_sent_waits_for_the_end_of_the_turn_and_is_written_before(case: Case) -> None:
    case.gate.queued("<message/>", 1.0)
    case.gate.send("<message/>")
    case.session.inbound.arrive()
    case.session.inbound.handle(1)
    case.gate.handled()
    case.gate.send(Promise("<a/>"))
    assert (case.sent, case.paper.batches) == ([], [])
    assert len(case.asked) == 1, "the turn ends once"
    case.turn()
    assert case.paper.batches == [["queued", "handled"]]
    assert case.sent == ["<message/>", "<a/>"]


def test_what_did_not_change_is_not_written_again(case: Case) -> None:
    case.gate.changed()
    case.turn()
    assert case.paper.batches == [[]]
    case.session.head = head("s", jid="juliet@localhost/garden")
    case.gate.changed()
    case.gate.changed()
    case.turn()
    assert case.paper.batches[1:] == [["changed"]]
    assert case.session.costs == [100.0, 100.0], "who changes it pays for that"


def test_while_the_disk_is_slow_each_turn_waits_for_its_own_batch(case: Case) -> None:
    case.paper.safe = False
    for text in ("<one/>", "<two/>", "<three/>"):
        case.gate.send(text)
        case.turn()
    assert case.sent == []
    case.paper.waiting.pop(0)()
    assert case.sent == ["<one/>"]
    case.paper.waiting.pop(0)()
    case.paper.waiting.pop(0)()
    assert case.sent == ["<one/>", "<two/>", "<three/>"]


def test_while_nothing_can_be_written_nothing_is_promised(case: Case) -> None:
    case.paper.safe, case.paper.failing = False, "no space left on device"
    for text in ("<one/>", Promise("<a h='1'/>"), "<two/>"):
        case.gate.send(text)
    case.turn()
    assert case.sent == ["<one/>", "<two/>"]
    assert case.recording.failing == "no space left on device"
    case.gate.send("<three/>")
    case.turn()
    assert case.sent == ["<one/>", "<two/>", "<three/>"]
    case.over()
    assert case.sent[3:] == ["<a h='1'/>"]


def test_where_another_may_go_on_nothing_goes_out_that_he_would_not_know(case: Case) -> None:
    transport = case.session.transport
    assert transport is not None
    case.paper.safe, case.paper.failing, case.paper.alone = False, "out of reach", False
    for text in ("<one/>", Promise("<a h='1'/>"), "<two/>"):
        case.gate.send(text)
    case.turn()
    case.gate.send("<three/>")
    case.gate.end(transport, None)
    case.turn()
    assert case.sent == []
    assert transport.closed is False
    case.over()
    assert case.sent == ["<one/>", "<a h='1'/>", "<two/>", "<three/>"]
    assert transport.closed is True


def test_nothing_goes_before_the_answer_to_a_resumption(case: Case) -> None:
    case.paper.safe, case.paper.failing = False, "no space left on device"
    case.gate.send(Answer("<resumed/>"))
    case.gate.send("<message/>")
    case.turn()
    assert (case.sent, case.gate.waits, case.session.answers) == ([], True, 0)
    case.over()
    assert case.sent == ["<resumed/>", "<message/>"]
    assert (case.gate.waits, case.session.answers) == (False, 1)


def test_what_was_for_a_lost_connection_is_for_no_other(case: Case) -> None:
    case.gate.send("<one/>")
    case.gate.drop()
    case.session.transport = MemoryTransport()
    case.gate.send("<two/>")
    case.turn()
    assert case.sent == ["<two/>"]


def test_a_session_that_ends_has_its_last_words_first(case: Case) -> None:
    transport = case.session.transport
    assert transport is not None
    error = StreamError(StreamCondition.CONFLICT)
    case.gate.send("<one/>")
    case.session.transport = None
    case.gate.end(transport, error)
    assert transport.closed is False
    case.turn()
    assert case.paper.batches == [["ended"]]
    assert transport.sent == ["<one/>"]
    assert transport.closed is error


def test_a_session_ends_though_nothing_can_be_written(case: Case) -> None:
    transport = case.session.transport
    assert transport is not None
    case.paper.safe, case.paper.failing = False, "no space left on device"
    case.gate.send("<one/>")
    case.gate.send(Promise("<a/>"))
    case.session.transport = None
    case.gate.end(transport, None)
    case.turn()
    assert transport.sent == ["<one/>"]
    assert transport.closed is True


@pytest.mark.parametrize("failing", ["no space left on device", ""])
def test_who_asks_again_and_again_while_nothing_is_written_fills_no_memory(
    case: Case, failing: str
) -> None:
    case.paper.safe, case.paper.failing = False, failing
    others = 1000
    for number in range(3 * others):
        case.gate.send(Promise(f"<a h='{number}'/>"))
        case.turn()
    assert case.gate.mark - case.gate.passed == (1 if failing else others + 1)
    assert len(case.paper.waiting) == (1 if failing else others + 1)
    case.over()
    assert case.sent[-1] == "<a h='2999'/>"
    assert case.sent[:-1] == ([] if failing else [f"<a h='{n}'/>" for n in range(others)])


def test_who_asks_again_and_again_behind_an_answer_fills_no_memory(case: Case) -> None:
    case.paper.safe, case.paper.failing = False, "no space left on device"
    case.gate.send(Answer("<resumed/>"))
    for number in range(1000):
        case.gate.send(Promise(f"<a h='{number}'/>"))
        case.turn()
    assert case.gate.mark - case.gate.passed == 2
    case.over()
    assert case.sent == ["<resumed/>", "<a h='999'/>"]


def test_what_fails_of_one_keeps_nobody_elses(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    broken = Recorded()
    gate = case.recording.begin(broken, Frozen(head("b"), 0, 0))
    case.turn()
    broken.head = None  # type: ignore[assignment]
    for each in (gate, case.gate):
        each.changed()
        each.send("<one/>")
    broken.transport.send = None  # type: ignore[assignment, union-attr, method-assign]
    case.turn()
    assert case.sent == ["<one/>"]
    case.gate.send("<two/>")
    case.turn()
    assert case.sent == ["<one/>", "<two/>"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
