import logging

import pytest

from andiron.serving.logs import OneLineFormatter, configure_logging


@pytest.fixture
def restored():
    """Give the root logger back as it was."""
    root, ours = logging.getLogger(), logging.getLogger("andiron")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("plain \N{SNOWMAN}", "plain \N{SNOWMAN}"),
        ("one\nERROR two", "one\\x0aERROR two"),
        ("\r\x1b[2K\x9b\u2028", "\\x0d\\x1b[2K\\x9b\\x2028"),
    ],
)
def test_a_message_is_one_line(message, line):
    record = logging.LogRecord("andiron", logging.INFO, "", 0, "%s", (message,), None)
    assert OneLineFormatter("%(message)s").format(record) == line


def test_levels(restored, capsys):
    configure_logging("info")
    logging.getLogger("andiron.sm").info("ours")
    logging.getLogger("andiron.sm").debug("too much")
    logging.getLogger("other").info("theirs")
    logging.getLogger("other").warning("worth knowing")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == [
        "INFO    andiron.sm: ours",
        "WARNING other: worth knowing",
    ]


def test_a_refused_handshake_is_no_error_of_the_server(restored, capsys):
    configure_logging("info")
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.error("ASGI callable returned without completing handshake.")
    uvicorn.error("something else")
    uvicorn.filters.clear()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == ["ERROR   uvicorn.error: something else"]
