"""What is in the store, known again in the queue of a session that was written down."""

import json
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.domains import settle
from support.journal import head
from support.lasting import LastingStage

from andiron.domain.messages.handing import known_again, places
from andiron.domain.messages.mailbox import Handed
from andiron.sm.counters import MODULUS
from andiron.sm.frozen import Frozen
from andiron.sm.link import CloseReason
from andiron.sm.payers import Payer
from andiron.sm.queue import UnackedQueue
from andiron.xmpp import namespaces as ns


def say(text: str, to: str) -> str:
    return f"<message to='{to}' type='chat' id='{text}'><body>{text}</body></message>"


def handed(identity: int, mark: int) -> Handed:
    made = Handed.of(f"text {identity}", identity, identity / 2)
    made.mark = mark
    return made


@given(
    start=st.integers(MODULUS - 20, MODULUS - 1) | st.integers(0, 3),
    stored=st.lists(st.booleans(), max_size=12),
    data=st.data(),
)
def test_each_is_found_in_its_place_however_much_was_acknowledged(start, stored, data):
    queue, given_out = UnackedQueue(start, Payer("juliet")), list[Handed]()
    for number, is_stored in enumerate(stored, 1):
        text = handed(number, number) if is_stored else f"other {number}"
        if isinstance(text, Handed):
            given_out.append(text)
        queue.push(text, 0.0)
    confirmed = data.draw(st.integers(0, len(stored)))
    queue.ack((start + confirmed) % MODULUS)
    management: Any = SimpleNamespace(queue=queue, confirmed=confirmed)
    written = json.loads(json.dumps(places(given_out, [], management)))
    frozen = Frozen(head("x"), 0, queue.acked, [(str(text), 0.0) for text, *_ in queue])
    again, had = known_again(frozen, written)
    assert [(text, type(text)) for text, _ in again] == [(text, type(text)) for text, *_ in queue]
    found = [text for text, _ in again if isinstance(text, Handed)]
    assert [(each.id, each.stamp) for each in found] == [
        (each.id, each.stamp) for each in given_out if each.mark > confirmed
    ]
    assert had == {each.id: each.stamp for each in given_out if each.mark <= confirmed}


def test_without_stream_management_the_client_has_it():
    assert places([handed(3, 0)], [], None) == {"3": (None, 1.5)}
    assert known_again(Frozen(head("x"), 0, 0), {"3": (None, 1.5)}) == ([], {3: 1.5})


def test_what_another_session_has_is_in_no_place_of_this_one():
    queue = UnackedQueue(0, Payer("juliet"))
    for number in range(5):
        queue.push(f"other {number}", 0.0)
    management: Any = SimpleNamespace(queue=queue, confirmed=0)
    written = places([handed(7, 2)], [handed(3, 4)], management)
    assert written == {"7": (2, 3.5), "3": (None, 1.5)}


async def test_what_one_has_of_the_store_costs_another_nothing_when_the_process_is_killed():
    stage = LastingStage()
    await stage.begin()
    romeo = await stage.bind("romeo", "orchard", sm=True)
    for _ in range(6):
        romeo.send(say("stored", "juliet@localhost"))
    await settle()
    first = await stage.come("juliet", "first", sm=True)
    second = await stage.come("juliet", "second", -1, sm=True)
    texts = [str(number) for number in range(8)]
    for text in texts:
        romeo.send(say(text, second.jid))
    stage.store.running.clear()
    first.send(f"<a xmlns='{ns.SM_3}' h='{first.session.management.queue.sent}'/>")
    second.send("<presence><priority>-2</priority></presence>")
    await settle()
    stage.store.running.set()
    stage = await stage.killed()
    there = stage.domain.router.full
    for client in (first, second):
        there[client.jid].session.close(CloseReason.EXPIRED, stage.now)
    await settle()
    assert stage.store.bodies("juliet") == texts
    await stage.killed()
