"""Delivery to several, while it ends the sessions of some."""

import pytest
from support.domains import Stage, settle

from andiron.sm.config import SmConfig
from andiron.xmpp import namespaces as ns
from andiron.xmpp.jid import JID

JULIET = "juliet@localhost"
COPIES = f"<iq type='set' id='c'><enable xmlns='{ns.CARBONS}'/></iq>"


def say(text: str, to: str = JULIET) -> str:
    return f"<message to='{to}' type='chat' id='{text}'><body>{text}</body></message>"


@pytest.mark.parametrize("copies", [True, False])
async def test_what_ends_all_that_get_it_is_stored_once_and_in_order(copies):
    stage = Stage(SmConfig(idle_probe=0, queue_stanzas=5))
    romeo = await stage.bind("romeo", "orchard")
    first = await stage.come("juliet", "first", sm=True)
    second = await stage.come("juliet", "second", -1 if copies else 0, sm=True)
    for client in (first, second):
        client.send(COPIES)
        client.send(f"<a xmlns='{ns.SM_3}' h='{client.session.management.queue.sent}'/>")
        client.lose()
    stage.now += 1
    texts = [str(number) for number in range(6)]
    for text in texts:
        romeo.send(say(text))
    await settle()
    assert (first.session.state, second.session.state) == ("closed", "closed")
    assert stage.store.bodies("juliet") == texts
    assert romeo.take() == []
    await stage.domain.stop()


@pytest.mark.parametrize("to", [JULIET, f"{JULIET}/awake"])
async def test_who_ends_since_the_account_holds_too_much_has_it_from_nobody(to):
    """What is given to one ends another, to which it is to be given next."""
    stage = Stage(SmConfig(idle_probe=0, account_bytes=4000))
    romeo = await stage.bind("romeo", "orchard")
    awake = await stage.come("juliet", "awake", sm=True)
    asleep = await stage.come("juliet", "asleep", sm=True)
    asleep.send(COPIES)
    asleep.lose()
    stage.now += 1
    texts = [f"{number} {'x' * 250}" for number in range(4)]
    for text in texts:
        romeo.send(say(text, to))
    await settle()
    assert asleep.session.state == "closed"
    assert awake.session.state == "bound"
    assert [text for text in awake.bodies() if text] == texts
    assert stage.store.bodies("juliet") == []
    await stage.domain.stop()


async def test_what_a_service_says_comes_once_where_it_has_to_wait():
    stage = Stage()
    juliet = await stage.come("juliet", "balcony", -1)
    juliet.send(COPIES)
    root = f"<message xmlns='{ns.CLIENT}' from='room@localhost' to='{JULIET}'>"
    element = stage.domain.reader.read(f"{root}<body>in</body></message>")
    juliet.take()
    stage.domain.messages.send(element, "room@localhost", JID(JULIET), stage.wall(0), stage.now)
    await settle()
    juliet.send("<presence/>")
    await settle()
    assert [each for each in juliet.take() if "in" in "".join(each.itertext())][1:] == []
    await stage.domain.stop()
