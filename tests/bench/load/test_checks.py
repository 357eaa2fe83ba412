"""What the generator says of messages that did not come as they were sent."""

import pytest
from load.checks import Checker, Errors, padding

PAD = padding(200)


def message(sender: int, to: int, number: int, pad: str = PAD) -> bytes:
    return f"<message><body>L{sender}.{to}.{number}.5.{pad}</body></message>".encode()


def checked(*documents: bytes) -> Errors:
    errors = Errors()
    checker = Checker("user7", 7, PAD, errors)
    for document in documents:
        checker.take(document)
    return errors


def test_all_in_order_from_each():
    assert not checked(message(1, 7, 0), message(2, 7, 0) + message(1, 7, 1), b"<presence/>")


def test_who_sent_what_when_is_told():
    checker = Checker("user7", 7, PAD, Errors())
    assert checker.take(message(1, 7, 0) + message(2, 7, 0)) == (2, [(1, 0, 5), (2, 0, 5)])


def test_an_address_more():
    errors = Errors()
    checker = Checker("user7", 7, PAD, errors)
    checker.addresses.add(100)
    checker.take(message(1, 7, 0) + message(1, 100, 0))
    assert not errors


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([message(1, 7, 0), message(1, 7, 0)], "duplicate or late"),
        ([message(1, 7, 1)], "gap"),
        ([message(1, 8, 0)], "bounced"),
        ([message(1, 7, 0, "abc")], "corrupt"),
    ],
)
def test_what_is_wrong(documents: list[bytes], said: str, capsys: pytest.CaptureFixture[str]):
    errors = checked(*documents)
    assert len(errors.counts) == 1
    assert said in next(iter(errors.counts))
    assert said in capsys.readouterr().err


def test_a_kind_is_printed_once(capsys: pytest.CaptureFixture[str]):
    errors = Errors()
    errors("user1: no")
    errors("user2: no")
    assert errors.counts == {"userN: no": 2}
    assert capsys.readouterr().err == "  ! user1: no\n"


def test_a_stanza_has_the_size_asked_for():
    assert len(padding(200)) == 70
    assert len(padding(10)) == 1
