"""However many look at a stanza, it is made a tree of once."""

import pytest
from support.domains import Stage, settle
from support.rooms import HOST, RoomStage, enter

from andiron.xmpp import namespaces as ns
from andiron.xmpp import tree as module

SERVERS_WORDS = (
    f"<stanza-id xmlns='{ns.STANZA_ID}'/><delay xmlns='{ns.DELAY}'/>"
    f"<private xmlns='{ns.CARBONS}'/><no-copy xmlns='{ns.HINTS}'/><x xmlns='{ns.MAM}'/>"
)


@pytest.fixture
def trees(monkeypatch: pytest.MonkeyPatch):
    made = []
    parser = module.XMLParser

    def counted():
        made.append(None)
        return parser()

    monkeypatch.setattr(module, "XMLParser", counted)
    return made


@pytest.mark.parametrize(
    "text",
    [
        f"<message type='chat' to='juliet@localhost'>{SERVERS_WORDS}</message>",
        f"<message to='juliet@localhost/y'>{SERVERS_WORDS}<body/></message>",
        f"<message type='chat' to='absent@localhost'>{SERVERS_WORDS}</message>",
        "<iq type='get' id='i'><query xmlns='urn:example'/></iq>",
        f"<iq type='get' id='i' to='juliet@localhost/y'><query xmlns='{ns.LAST}'/></iq>",
        f"<c:message xmlns:c='{ns.CLIENT}' to='juliet@localhost'>{SERVERS_WORDS}</c:message>",
    ],
)
async def test_of_what_one_sends(trees, text):
    stage = Stage()
    stage.add_account("absent")
    await stage.come("juliet", "y")
    romeo = await stage.come("romeo", "x")
    trees.clear()
    romeo.send(text)
    await settle()
    assert len(trees) == (2 if text.startswith("<c:") else 1)


async def test_of_what_one_says_in_a_room(trees):
    stage = RoomStage()
    people = [await stage.person(f"user{number}") for number in range(5)]
    for number, person in enumerate(people):
        enter(person, f"nick{number}")
        await settle()
    trees.clear()
    people[0].send(
        f"<message type='groupchat' to='garden@{HOST}'>{SERVERS_WORDS}<body/><subject/></message>"
    )
    await settle()
    assert len(trees) == 1
