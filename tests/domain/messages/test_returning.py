"""What was held for resources goes back to the store, if nobody else has it."""

import pytest
from support.domains import Stage, settle

from andiron.domain.messages import mailbox
from andiron.xmpp import namespaces as ns

JULIET = "juliet@localhost"
AWAY = "<presence type='unavailable'/>"
COPIES = f"<iq type='set' id='c'><enable xmlns='{ns.CARBONS}'/></iq>"


def say(text: str, to: str = JULIET) -> str:
    return f"<message to='{to}' type='chat' id='{text}'><body>{text}</body></message>"


@pytest.mark.parametrize("how", ["ends", "goes away"])
async def test_what_another_has_is_not_stored(how):
    stage = Stage()
    romeo = await stage.bind("romeo", "orchard")
    there = await stage.come("juliet", "there", sm=True)
    stage.store.running.clear()
    coming = await stage.bind("juliet", "coming", sm=True)
    coming.send("<presence/>")
    romeo.send(say("both"))
    stage.now += 1
    if how == "ends":
        coming.leave()
    else:
        coming.send(AWAY)
    stage.store.running.set()
    await settle()
    coming.take()
    assert [text for text in there.bodies() if text] == ["both"]
    assert stage.store.bodies("juliet") == []
    await stage.domain.stop()


async def test_who_waits_for_what_another_has_gets_it_though_more_waits_than_a_page(monkeypatch):
    monkeypatch.setattr(mailbox, "PAGE_MESSAGES", 1)
    stage = Stage()
    romeo = await stage.bind("romeo", "orchard")
    for text in ("stored", "too"):
        romeo.send(say(text))
    await settle()
    stage.store.running.clear()
    coming = await stage.bind("juliet", "coming", sm=True)
    coming.send("<presence/>")
    watching = await stage.bind("juliet", "watching", sm=True)
    watching.send(COPIES)
    watching.send("<presence><priority>-1</priority></presence>")
    romeo.send(say("both"))
    stage.store.running.set()
    await settle()
    assert [text for text in coming.bodies() if text] == ["stored", "both"]
    assert stage.store.bodies("juliet") == ["stored", "too"]
    await stage.domain.stop()
