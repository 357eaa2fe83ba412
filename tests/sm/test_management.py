"""What is recorded, sent, confirmed and told, without a session."""

from math import inf

import pytest
from support.sessions import GUARD, MemoryTransport, message

from andiron.sm.config import SmConfig
from andiron.sm.counters import Inbound
from andiron.sm.liveness import Liveness
from andiron.sm.management import Asked, Management, QueueFullError
from andiron.sm.payers import Payer
from andiron.sm.queue import UnackedQueue
from andiron.xmpp.errors import StreamError

SM = "xmlns='urn:xmpp:sm:3'"
CONFIG = SmConfig(
    request_every=3, request_quiet=1, request_timeout=60, queue_stanzas=4, queue_bytes=1000, max=600
)
STANZAS = [message("juliet@localhost", str(number)) for number in range(5)]


class Case:
    """Stream management over a transport in memory."""

    def __init__(self, enable: str = "resume='true'") -> None:
        self.life = Liveness(CONFIG, 100.0)
        self.inbound = Inbound()
        self.transport = MemoryTransport()
        self.management = Management(
            Asked.by(GUARD.read(f"<enable {SM} {enable}/>"), CONFIG.max),
            self.inbound,
            self.life,
            CONFIG,
            UnackedQueue(0, Payer("juliet@localhost")),
            self.transport,
        )

    def confirm(self, h: str, now: float = 100.0) -> None:
        self.management.confirm(GUARD.read(f"<a {SM} {h}/>"), now)


@pytest.fixture
def case():
    return Case()


@pytest.mark.parametrize(
    ("enable", "resumable", "seconds"),
    [
        ("", False, 600),
        ("resume='true'", True, 600),
        ("resume='1' max='30'", True, 30),
        ("resume='true' max='9999'", True, 600),
        ("resume='true' max='0'", False, 0),
        ("resume='true' max='x'", True, 600),
        ("resume='TRUE'", False, 600),
    ],
)
def test_what_the_client_wished(enable, resumable, seconds):
    management = Case(enable).management
    management.id = "id" * resumable
    assert (management.resumable, management.max) == (resumable, seconds)
    told = f" id='id' resume='true' max='{seconds}'" if resumable else ""
    assert management.enabled() == f"<enabled {SM}{told}/>"


def test_stanzas_are_sent_and_asked_about(case):
    deliver = case.management.deliver
    assert [deliver(text, 100.0) for text in STANZAS[:3]] == [101, 101, 160]
    assert case.transport.take() == [*STANZAS[:3], f"<r {SM}/>"]
    assert deliver(STANZAS[3], 101.0) == inf, "one question at a time"
    case.confirm("h='2'", 102.0)
    assert (case.life.quiet_at, case.life.request_by) == (103, inf)
    case.confirm("h='4'", 103.0)
    assert (case.life.quiet_at, case.life.request_by) == (inf, inf)


@pytest.mark.parametrize("h", ["h='2'", "h='-1'", "h='x'", ""])
def test_a_count_that_cannot_be_ends_it(case, h):
    case.management.deliver(STANZAS[0], 100.0)
    with pytest.raises(StreamError):
        case.confirm(h)
    assert not case.management.resumable


@pytest.mark.parametrize("texts", [STANZAS, ["x" * 1001]])
def test_one_too_many_is_recorded_all_the_same(case, texts):
    for text in texts[:-1]:
        case.management.deliver(text, 100.0)
    with pytest.raises(QueueFullError, match=f"^{len(texts)} stanzas, "):
        case.management.deliver(texts[-1], 100.0)
    assert [lost.text for lost in case.management.drain()] == texts
    assert not case.management.queue


def test_what_a_lost_connection_left_is_sent_on_the_next(case):
    management = case.management
    for text in STANZAS[:2]:
        management.deliver(text, 100.0)
    management.lost()
    assert management.deliver("<presence/>", 110.0) == inf
    assert management.queue.sent == 2
    management.resume(1)
    following = MemoryTransport()
    following.room = 1
    management.replay(following, following, "localhost", lambda now: now)
    assert management.writer is None, "the connection is full"
    assert len(following.sent) == 1
    assert "stamp='1970-01-01T00:01:40.000Z'" in following.sent[0]
    following.congested, following.room = False, None
    management.replay(following, following, "localhost", lambda now: now)
    assert following.sent[1:] == ["<presence/>"]
    assert management.writer is following
    assert management.queue.sent == 3


def test_the_client_is_told_what_is_handled(case):
    for _ in range(2):
        case.inbound.handle(case.inbound.arrive())
    case.management.id = "id"
    assert case.management.ack() == f"<a {SM} h='2'/>"
    assert case.management.resumed() == f"<resumed {SM} previd='id' h='2'/>"
