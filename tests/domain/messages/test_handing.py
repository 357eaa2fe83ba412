"""What is in the store, known again in the queue of a session that was written down."""

import json
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.journal import head

from andiron.domain.messages.handing import known_again, places
from andiron.domain.messages.mailbox import Handed
from andiron.sm.counters import MODULUS
from andiron.sm.frozen import Frozen
from andiron.sm.payers import Payer
from andiron.sm.queue import UnackedQueue


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
    written = json.loads(json.dumps(places(given_out, management)))
    frozen = Frozen(head("x"), 0, queue.acked, [(str(text), 0.0) for text, *_ in queue])
    again, had = known_again(frozen, written)
    assert [(text, type(text)) for text, _ in again] == [(text, type(text)) for text, *_ in queue]
    found = [text for text, _ in again if isinstance(text, Handed)]
    assert [(each.id, each.stamp) for each in found] == [
        (each.id, each.stamp) for each in given_out if each.mark > confirmed
    ]
    assert had == {each.id: each.stamp for each in given_out if each.mark <= confirmed}


def test_without_stream_management_the_client_has_it():
    assert places([handed(3, 0)], None) == {"3": (None, 1.5)}
    assert known_again(Frozen(head("x"), 0, 0), {"3": (None, 1.5)}) == ([], {3: 1.5})
