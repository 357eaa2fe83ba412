"""What the generator's command line allows."""

import pytest
from load.command import PATTERNS
from load.options import is_loopback, parse

NEEDED = ["--transport", "ws", "--url", "ws://127.0.0.1:1/ws", "--pattern"]


def test_what_is_not_said_has_a_default():
    options = parse(None, PATTERNS, [*NEEDED, "pingpong"])
    assert (options.users, options.window, options.sm) == (100, 4, False)
    assert options.rooms == "conference.localhost"


def test_to_resume_is_to_have_stream_management():
    for pattern in ("resume", "storm"):
        assert parse(None, PATTERNS, [*NEEDED, pattern]).sm


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/ws", "http://localhost/", "ws://[::1]:5/"])
def test_this_machine(url: str):
    assert is_loopback(url)


@pytest.mark.parametrize("url", ["ws://192.0.2.1/ws", "ws://example.org/", "ws://", "127.0.0.1"])
def test_nobody_elses(url: str):
    assert not is_loopback(url)


@pytest.mark.parametrize(
    "wrong",
    [
        ["pingpong", "--url", "ws://192.0.2.1/"],
        ["pingpong", "--duration", "121"],
        ["pingpong", "--users", "20000", "--bystanders", "1000"],
        ["pingpong", "--runs", "0"],
        ["join", "--room-size", "1"],
        ["presence", "--group-size", "1"],
        ["presence", "--users", "50", "--group-size", "51"],
        ["dance"],
    ],
)
def test_what_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        parse(None, PATTERNS, [*NEEDED, *wrong])
    assert "error: " in capsys.readouterr().err


def test_sessions_come_from_several_addresses():
    given = ["--transport", "ws", "--url", "ws://127.0.0.1:1/ws", "--pattern", "connect"]
    assert parse(None, PATTERNS, given).local_address(7) is None
    many = parse(None, PATTERNS, [*given, "--addresses", "500"])
    assert many.local_address(0) == ("127.0.1.1", 0)
    assert many.local_address(499) == ("127.0.2.250", 0)
    assert many.local_address(500) == ("127.0.1.1", 0)
    with pytest.raises(SystemExit):
        parse(None, PATTERNS, [*given, "--addresses", "1001"])
