import json
import logging

import pytest

from andiron import create_app
from andiron.serving.logs import JsonFormatter, OneLineFormatter, configure_logging
from andiron.testing import running


@pytest.fixture
def restored():
    """Give the root logger back as it was."""
    root, ours = logging.getLogger(), logging.getLogger("andiron")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    logging.getLogger("uvicorn.error").filters.clear()


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
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == ["ERROR   uvicorn.error: something else"]


def record(message, *args, **extra):
    made = logging.LogRecord("andiron.sm", logging.WARNING, "", 0, message, args, None)
    made.__dict__.update(extra)
    return made


def test_a_plain_line_names_its_session_and_nobody_forges_one():
    formatter = OneLineFormatter("%(levelname)s %(name)s: %(message)s")
    assert formatter.format(record("%s closed", "a@b\n", session="5f3a-1")) == (
        "WARNING andiron.sm: [5f3a-1] a@b\\x0a closed"
    )
    assert formatter.format(record("nobody's")) == "WARNING andiron.sm: nobody's"


def test_json_is_an_object_a_line():
    made = record("%s closed", "a\n\u2028\x9b\N{SNOWMAN}", session="5f3a-1", created=0.25)
    line = JsonFormatter().format(made)
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.250Z",
        "level": "warning",
        "logger": "andiron.sm",
        "message": "a\n\u2028\x9b\N{SNOWMAN} closed",
        "session": "5f3a-1",
    }


def test_json_tells_an_error_with_its_traceback(restored, capsys):
    configure_logging("info", "json")
    try:
        int("two\nlines")
    except ValueError:
        logging.getLogger("andiron.domain").exception("it failed")
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert (told["level"], told["message"]) == ("error", "it failed")
    assert told["error"].startswith("Traceback")
    assert "session" not in told


async def test_the_lines_of_a_session_are_tied_together(caplog):
    caplog.set_level(logging.INFO)
    app = create_app(domain="example.org")
    async with running(app) as client:
        first, other = await client("alice"), await client("bob")
        await first.write("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        await first.next(lambda one: one.name == "enabled")
        (session,) = await app.api.sessions("alice")
        first.cut()
        await app.api.end_sessions("alice")
        await other.close()
    lines = {}
    for each in caplog.records:
        lines.setdefault(getattr(each, "session", ""), []).append(each.getMessage())
    assert lines[session.id] == [
        "sign-in over in-process from in-process: alice@example.org by EXTERNAL",
        f"{first.jid} detached: connection-lost",
        f"{first.jid} closed: kicked (not-authorized: ended by the site)",
    ]
    assert not any("alice" in line for line in lines.get("", ()))
