"""A POST that is answered with nothing between it and its session."""

import pytest

from andiron.bosh.direct import DirectPost
from andiron.sm.link import STRANGER

XML = "text/xml; charset=utf-8"
HELD = "<body xmlns='http://jabber.org/protocol/httpbind'/>"


class Endpoint:
    """One that holds what it is given, or answers it at once; its own session, too."""

    def __init__(self, answer=None, *, has_session=True):
        self.answer = answer
        self.has_session = has_session
        self.taken = []
        self.lost = []

    def take(self, data, call, scope, visitor):
        self.taken.append((data, len(scope["headers"])))
        if self.answer is not None:
            call.reply(self.answer, 200, XML)
        return self if self.has_session else None

    def gone(self, call):
        self.lost.append(call)


@pytest.fixture
def scope():
    return {"headers": [(b"host", b"chat.example")]}


class Server:
    """What is written."""

    def __init__(self):
        self.written = []

    def write(self, status, headers, body):
        self.written.append((status, dict(headers), body))


def test_one_that_is_answered_at_once(scope):
    endpoint, server = Endpoint(HELD), Server()
    post = DirectPost(endpoint, scope, STRANGER, [(b"vary", b"Origin")], 0)
    post.begin(b"<body/>", server.write)
    ((status, headers, body),) = server.written
    assert endpoint.taken == [(b"<body/>", 1)]
    assert (status, body) == (200, HELD.encode())
    assert headers[b"content-type"] == XML.encode()
    assert headers[b"vary"] == b"Origin"
    assert headers[b"x-content-type-options"] == b"nosniff"
    post.lost()
    assert not endpoint.lost


def test_one_that_is_held_is_answered_once(scope):
    endpoint, server = Endpoint(), Server()
    post = DirectPost(endpoint, scope, STRANGER, [], 0)
    post.begin(b"<body/>", server.write)
    assert not server.written
    post.reply(HELD, 404, XML)
    post.reply("too late", 200, XML)
    assert [(status, body) for status, _, body in server.written] == [(404, HELD.encode())]


def test_the_head_of_one_that_is_held_is_let_go(scope):
    headers = scope["headers"]
    DirectPost(Endpoint(), scope, STRANGER, [], 0).begin(b"<body/>", Server().write)
    assert (headers, scope) == ([], {})


@pytest.mark.parametrize("has_session", [True, False])
def test_one_that_is_lost_is_not_answered(scope, has_session):
    endpoint, server = Endpoint(has_session=has_session), Server()
    post = DirectPost(endpoint, scope, STRANGER, [], 0)
    post.begin(b"<body/>", server.write)
    post.lost()
    post.lost()
    post.reply(HELD, 200, XML)
    assert endpoint.lost == [post] * has_session
    assert not server.written


def test_one_that_is_lost_before_its_body_came(scope):
    endpoint = Endpoint()
    DirectPost(endpoint, scope, STRANGER, [], 0).lost()
    assert not endpoint.lost
