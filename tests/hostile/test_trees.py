"""Stanzas of little text and many parts: what they cost is bounded by their parts."""

import os
from pathlib import Path

import pytest

from tests.hostile.conftest import PASSWORD

NODES = 4000
FULL = 250_000
C = "xmlns='jabber:client'"


def iq(inner):
    return f"<iq {C} type='get' id='q'><query xmlns='urn:example'>{inner}</query></iq>"


def attributes(count, prefix=""):
    return "".join(f" {prefix}a{number:x}=''" for number in range(count))


def message(inner):
    """Return a message whose every mark makes somebody look at its tree."""
    marks = (
        "<stanza-id xmlns='urn:xmpp:sid:0'/><private xmlns='urn:xmpp:carbons:2'/>"
        "<no-copy xmlns='urn:xmpp:hints'/><delay xmlns='urn:xmpp:delay'/>"
        "<x xmlns='urn:xmpp:mam:2'/>"
    )
    return f"<message {C} type='chat' to='alice@localhost'>{marks}{inner}</message>"


MANY = {
    "children": iq("<a/>" * 60_000),
    "children of a message": message("<a/>" * 60_000),
    "attributes": iq(f"<a{attributes(28_000)}/>"),
    "prefixed attributes": iq(f"<a xmlns:p='{'u' * 250}'{attributes(20_000, 'p:')}/>"),
    "declarations": iq("<a xmlns:b='c'/>" * 15_000),
    "sections": iq("<![CDATA[x]]>" * 19_000),
    "attributes of the root": f"<message {C}{attributes(28_000)}/>",
    "one too many": iq("<a/>" * (NODES - 3)),
}


@pytest.mark.parametrize("text", MANY.values(), ids=MANY)
async def test_too_many_parts_end_the_stream(victim, text):
    assert len(text) < 262_144
    wire = await victim.sign_in()
    await wire.send(text)
    (error, *_) = [text for text in await wire.rest() if "<stream:error" in text]
    assert "<policy-violation " in error
    assert f"more than {NODES} elements and attributes" in error
    await victim.still_serves()


async def test_the_most_that_may_be_passes(victim):
    wire = await victim.sign_in()
    await wire.send(iq("<a/>" * (NODES - 6)))
    assert "service-unavailable" in await wire.until("<iq")
    text = message("<a/>" * (NODES - 20))
    await wire.send(text, iq(""))
    await wire.until("service-unavailable")
    wire.close()


async def test_a_name_without_end_is_not_repeated(victim):
    wire = await victim.sign_in()
    await wire.send(f"<{'x' * FULL} {C}/>")
    texts = await wire.rest()
    assert "<unsupported-stanza-type " in "".join(texts)
    assert sum(map(len, texts)) < 2000
    await victim.logged("unsupported-stanza-type")
    assert "x" * 300 not in victim.said()


def seconds(victim):
    """Return the processor time that the server has taken."""
    fields = Path(f"/proc/{victim.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def cost(victim, text, times=60):
    """Return the processor time of having ``text`` answered so often."""
    wire = await victim.connect()
    await wire.sign_in("bob", PASSWORD)
    before = seconds(victim)
    for _ in range(times):
        await wire.send(text)
        await wire.until("<iq")
    wire.close()
    return seconds(victim) - before


async def test_a_tree_costs_no_more_than_a_few_texts_of_the_same_size(victim):
    text = await cost(victim, iq("x" * FULL))
    tree = await cost(victim, iq("<a/>" * (NODES - 6)))
    assert tree < 8 * text
