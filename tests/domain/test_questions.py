"""Requests of the domain to its clients, and their answers."""

import gc
import weakref

import pytest
from support.domains import Stage, settle

from andiron.sm.config import SmConfig


@pytest.fixture
async def stage():
    stage = Stage()
    yield stage
    await stage.domain.stop()


class Asker:
    def __init__(self, stage):
        self.questions = stage.domain.questions
        self.stage = stage
        self.heard = []

    def ask(self, client, text="<q xmlns='urn:q'/>"):
        """Ask a client; return the question as it saw it."""
        self.questions.ask(client.link, text, self.hear, self.stage.now)
        (question,) = client.take()
        return question

    def hear(self, link, element, now):
        self.heard.append((link.jid, element.get("type"), element.text))


def reply(question, kind="result", sender="", to="localhost"):
    return f"<iq{sender} type='{kind}' id='{question.get('id')}' to='{to}'><a xmlns='urn:q'/></iq>"


@pytest.mark.parametrize("kind", ["result", "error"])
async def test_an_answer_is_heard_once(stage, kind):
    asker, client = Asker(stage), await stage.come("juliet", "balcony")
    question = asker.ask(client)
    assert (question.get("type"), question.get("from")) == ("get", "localhost")
    assert (question.get("to"), question[0].tag) == (client.jid, "{urn:q}q")
    client.send(reply(question, kind))
    client.send(reply(question, kind))
    assert [each[:2] for each in asker.heard] == [(client.jid, kind)]
    assert "urn:q" in asker.heard[0][2]
    assert client.take() == []


async def test_only_who_was_asked_answers(stage):
    asker, juliet = Asker(stage), await stage.come("juliet", "balcony")
    romeo, garden = await stage.come("romeo", "x"), await stage.come("juliet", "garden")
    juliet.take()
    question = asker.ask(juliet)
    for other in (romeo, garden):
        other.send(reply(question))
    assert asker.heard == []
    juliet.send(reply(question))
    assert [each[0] for each in asker.heard] == [juliet.jid]


@pytest.mark.parametrize("to", ["romeo@localhost", "juliet@localhost", "localhost/x"])
async def test_an_answer_to_somebody_else_is_none(stage, to):
    asker, client = Asker(stage), await stage.come("juliet", "balcony")
    client.send(reply(asker.ask(client), to=to))
    assert asker.heard == []


async def test_a_request_of_the_same_id_is_no_answer(stage):
    asker, client = Asker(stage), await stage.come("juliet", "balcony")
    question = asker.ask(client)
    client.send(reply(question, "get"))
    assert asker.heard == []
    assert [answer.get("type") for answer in client.take()] == ["error"]


async def test_the_oldest_question_is_given_up(stage):
    asker, client = Asker(stage), await stage.come("juliet", "balcony")
    questions = [asker.ask(client) for _ in range(17)]
    for question in questions:
        client.send(reply(question))
    assert len(asker.heard) == 16
    client.send(reply(asker.ask(client)))
    assert len(asker.heard) == 17


async def test_what_is_forgotten_is_not_heard(stage):
    asker, client = Asker(stage), await stage.come("juliet", "balcony")
    question = asker.ask(client)
    asker.questions.forget(client.link)
    client.send(reply(question))
    assert asker.heard == []


async def test_a_question_outlives_a_lost_connection_but_not_the_session():
    stage = Stage(SmConfig(idle_probe=0, max=10))
    asker, client = Asker(stage), await stage.bind("juliet", "balcony", sm=True)
    link = weakref.ref(client.link)
    asker.questions.ask(client.link, "<q xmlns='urn:q'/>", asker.hear, stage.now)
    client.lose()
    await settle()
    assert link() is not None
    stage.now += 1000
    stage.manager.timers.run(stage.now)
    await settle()
    del client
    gc.collect()
    assert link() is None
    await stage.domain.stop()
