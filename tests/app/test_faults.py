"""What a server's log says of what its clients do."""

import logging

import pytest

from andiron.faults import told_briefly


@pytest.mark.parametrize(
    "sentence", ["Invalid UTF-8 sequence received from client.", "opening handshake failed"]
)
def test_a_clients_fault_is_one_line(caplog, sentence):
    uvicorn = logging.getLogger("uvicorn.error")
    with told_briefly():
        with told_briefly():
            pass
        try:
            b"\xff".decode()
        except UnicodeDecodeError:
            uvicorn.exception(sentence)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", sentence)
    ]
    assert "Traceback" not in caplog.text
    assert uvicorn.filters == []


def test_the_servers_own_faults_are_told_whole(caplog):
    with told_briefly():
        try:
            int("x")
        except ValueError:
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    assert "Traceback" in caplog.text
