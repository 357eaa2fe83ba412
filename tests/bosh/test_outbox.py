"""What waits for the next answer goes in order, so much at a time."""

import pytest

from andiron.bosh.outbox import Outbox


def outbox(*texts: str) -> Outbox:
    box = Outbox(answer_bytes=10)
    for text in texts:
        box.put(text)
    return box


@pytest.mark.parametrize(
    ("texts", "answers"),
    [
        ([], [[]]),
        (["12345", "67890"], [["12345", "67890"]]),
        (["12345", "678901"], [["12345"], ["678901"]]),
        (["12345678901", "2"], [["12345678901"], ["2"]]),
        (["ü" * 4, "ü"], [["ü" * 4, "ü"]]),
        (["ü" * 4, "ü", "x"], [["ü" * 4, "ü"], ["x"]]),
    ],
)
def test_an_answer_carries_what_fits_and_one_element_at_least(texts, answers):
    box = outbox(*texts)
    assert [box.take() for _ in answers] == answers
    assert (box.texts, box.bytes) == ([], 0)


def test_it_is_full_when_it_has_what_one_answer_carries():
    box = outbox("12345", "6789")
    assert not box.full
    box.put("0")
    assert box.full
    box.take()
    assert not box.full


def test_stanzas_are_taken_out_from_among_the_rest():
    box = outbox("<r/>", "<message/>", "<presence/>", "<a/>", "<iq/>")
    assert box.take_stanzas() == ["<message/>", "<presence/>", "<iq/>"]
    assert box.texts == ["<r/>", "<a/>"]
