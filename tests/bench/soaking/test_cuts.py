"""What the soak of machines is told to cut."""

import signal

import pytest
from soaking.cuts import Cut


def test_what_is_written_is_read() -> None:
    cut = Cut.read("home-redis+home>postgres:20")
    assert cut.ways == (("home", "-", "redis"), ("home", ">", "postgres"))
    assert (cut.seconds, cut.how) == (20, None)


@pytest.mark.parametrize(
    "text", ["home-all:30", "home-redis+home>postgres:0.5", "redis-all:home", "home-all:9:KILL"]
)
def test_what_was_read_is_written(text: str) -> None:
    assert str(Cut.read(text)) == text


def test_what_the_home_gets() -> None:
    assert Cut.read("home-all:home:TERM").how is signal.SIGTERM


@pytest.mark.parametrize("text", ["", "home", "home-redis", "home=redis:3", "home-all:3:HUP"])
def test_what_is_no_cut(text: str) -> None:
    with pytest.raises(ValueError, match="no cut"):
        Cut.read(text)
