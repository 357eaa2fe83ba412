"""Strangers who register more than they should: the bounds hold, and others are served."""

import asyncio
import re
from collections import Counter

import pytest

from tests.hostile.conftest import maltreated
from tests.hostile.wire import OPEN

REGISTER = "jabber:iq:register"
CONDITION = re.compile(r"<([a-z-]+) xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>")


def wish(name):
    fields = f"<username>{name}</username><password>pass word</password>"
    query = f"<query xmlns='{REGISTER}'>{fields}</query>"
    return f"<iq xmlns='jabber:client' type='set' id='r'>{query}</iq>"


@pytest.fixture(scope="module")
def open_house(tmp_path_factory):
    directory = tmp_path_factory.mktemp("open")
    with maltreated(
        directory, REGISTRATION="true", REGISTRATION_PER_ADDRESS="2", REGISTRATION_LIMIT="5"
    ) as victim:
        yield victim


async def register(victim, source, *texts):
    """Send registrations on one stream; return what each was answered."""
    wire = await victim.connect(source=source)
    await wire.send(OPEN)
    features = await wire.until("<stream:features")
    assert "<register xmlns='http://jabber.org/features/iq-register'/>" in features
    answers = []
    for text in texts:
        await wire.send(text)
        answer = await wire.until("<iq")
        found = CONDITION.search(answer)
        answers.append(found[1] if found else "result")
    wire.close()
    return answers


async def test_a_crowd_makes_only_so_many(open_house):
    victim = open_house
    before = victim.memory
    crowd = [(f"127.0.1.{number}", f"user{number}") for number in range(1, 61)]
    answers = await asyncio.gather(
        *(
            register(victim, source, *[wish(f"{name}-{n}") for n in range(3)])
            for source, name in crowd
        )
    )
    counts = Counter(answer for each in answers for answer in each)
    assert counts.pop("result") == 5
    assert set(counts) <= {"resource-constraint", "not-acceptable"}
    assert victim.memory - before < 32
    assert victim.said().count("was registered from 127.0.1.") == 5
    assert "pass word" not in victim.said()
    await victim.still_serves(source="127.0.2.1")


async def test_without_the_setting_it_is_no_way_in(victim):
    wire = await victim.connect()
    await wire.send(OPEN)
    assert "iq-register" not in await wire.until("<stream:features")
    await wire.send(wish("mallory"))
    assert "<not-authorized" in "".join(await wire.rest())
