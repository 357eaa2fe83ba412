import logging
import sys

import pytest

from andiron.domain.config import DomainConfig
from andiron.domain.database.engines import DatabaseError
from andiron.domain.database.failure_log import FAILURE_LOG, FailureLog
from andiron.domain.domain import Domain
from andiron.sm.notices import MOST
from andiron.xmpp.xml import Guard

logger = logging.getLogger("tests.failures")


@pytest.fixture(autouse=True)
def failure_log(caplog: pytest.LogCaptureFixture):
    made = FailureLog()
    logger.addFilter(made)
    yield made
    logger.removeFilter(made)


def throw(error: Exception):
    raise error


def fail(error: Exception, message: str = "%s: it failed", *arguments: object):
    try:
        throw(error)
    except Exception:
        logger.exception(message, *(arguments or ("alice",)))


def test_a_failure_of_the_database_is_one_line(caplog: pytest.LogCaptureFixture):
    fail(DatabaseError("The database cannot be used."))
    assert caplog.messages == ["alice: it failed: The database cannot be used."]
    assert "Traceback" not in caplog.text
    assert caplog.records[0].levelname == "ERROR"


def test_an_error_that_is_passed_is_one_line_too(caplog: pytest.LogCaptureFixture):
    logger.error("a task failed", exc_info=DatabaseError("100%s"))
    assert caplog.messages == ["a task failed: 100%s"]


def test_anything_else_keeps_its_traceback(caplog: pytest.LogCaptureFixture):
    fail(ValueError("mine"))
    logger.error("plain")
    assert "Traceback" in caplog.text
    assert caplog.messages == ["alice: it failed", "plain"]


def test_the_same_is_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    for now in (0.0, 30.0, 59.9, 60.0, 61.0):
        monkeypatch.setattr("time.monotonic", lambda now=now: 1000.0 + now)
        fail(DatabaseError("out of reach"))
    monkeypatch.undo()
    assert len(caplog.messages) == 2


def test_a_log_is_not_filled_by_many_names(caplog: pytest.LogCaptureFixture):
    for number in range(1000):
        fail(DatabaseError("out of reach"), "%d failed", number)
    assert len(caplog.messages) == MOST


def test_the_domain_logs_so():
    for _ in range(2):
        Domain(DomainConfig(), Guard())
    assert logging.getLogger("andiron.domain").filters.count(FAILURE_LOG) == 1
    names = [name for name in sys.modules if name.startswith("andiron.domain")]
    loggers = {
        value.name
        for name in names
        for value in vars(sys.modules[name]).values()
        if isinstance(value, logging.Logger)
    }
    assert loggers == {"andiron.domain", "andiron.audit"}
