"""RFC 7622 section 3.2: a domain is one, however it is spelled, everywhere an address comes in.

What goes out is always the prepared form.
"""

import re

import pytest
from support.domains import CLIENT, condition, settle
from support.rooms import RoomStage, configure, enter, request, rule

from andiron.domain.config import RegistrationConfig
from andiron.xmpp import namespaces as ns

DOMAIN = "m\xfcnchen.example"
ROOMS = f"conference.{DOMAIN}"
SPELLINGS = {
    "as DNS has it": "xn--mnchen-3ya.example",
    "as DNS has it, in capitals": "XN--MNCHEN-3YA.EXAMPLE",
    "with its dot": "m\xfcnchen.example.",
    "in capitals": "M\xdcNCHEN.Example",
    "decomposed": "mu\u0308nchen.example",
    "wide": "\uff4d\xfcnchen\u3002example",
}
SPELLED = re.compile(rf"(?<!{DOMAIN[:-7]})example|example[.]|xn--", re.IGNORECASE)


@pytest.fixture(params=SPELLINGS.values(), ids=SPELLINGS)
def other(request):
    return request.param


@pytest.fixture
async def stage():
    stage = RoomStage({"domain": DOMAIN, "registration": RegistrationConfig(enabled=True)})
    yield stage
    await stage.domain.stop()


@pytest.fixture
async def juliet(stage):
    return await stage.come("juliet", "balcony")


@pytest.fixture
async def romeo(stage):
    return await stage.come("romeo", "orchard")


def heard(*people):
    """Return what each was sent, in which the domain must have its one form."""
    for person in people:
        assert not SPELLED.search("".join(person.transport.sent)), person.transport.sent
    return tuple(person.take() for person in people)


async def ask(client, kind, to, payload):
    answer = await request(client, kind, payload, to)
    heard(client)
    return answer


async def test_streams(stage, other):
    client = stage.connect()
    client.open(other)
    assert client.session.domain == DOMAIN


@pytest.mark.parametrize("kind", ["message", "presence", "iq"])
async def test_ones_own_address_in_from(juliet, other, kind):
    payload = f"<ping xmlns='{ns.PING}'/>" if kind == "iq" else ""
    juliet.send(f"<{kind} from='juliet@{other}/x' id='1' type='get'>{payload}</{kind}>")
    await settle()
    assert juliet.error is None
    heard(juliet)


async def test_messages(juliet, romeo, other):
    for to in (f"juliet@{other}", f"juliet@{other}/balcony"):
        romeo.send(f"<message to='{to}' type='chat'><body>hark</body></message>")
        await settle()
        ((message,),) = heard(juliet)
        assert message.get("from") == f"romeo@{DOMAIN}/orchard"
        assert message.get("to") == to.replace(other, DOMAIN)


async def test_messages_that_wait(stage, romeo, other):
    romeo.send(f"<message to='juliet@{other}' type='chat'><body>hark</body></message>")
    await settle()
    assert stage.store.bodies("juliet") == ["hark"]
    juliet = stage.connect()
    juliet.open()
    assert not SPELLED.search(stage.store.messages["juliet"][0].text)


@pytest.mark.parametrize("kind", ["get", "set"])
async def test_requests_to_the_domain_and_to_accounts(juliet, other, kind):
    disco = f"<query xmlns='{ns.DISCO_INFO}'/>"
    for to in (other, f"juliet@{other}", f"nobody@{other}", f"{other}/x"):
        answer = await ask(juliet, kind, to, disco)
        assert answer.get("from") == to.replace(other, DOMAIN)


async def test_requests_to_a_client(juliet, romeo, other):
    romeo.send(f"<iq type='get' id='q' to='juliet@{other}/balcony'><ping xmlns='{ns.PING}'/></iq>")
    ((iq,),) = heard(juliet)
    juliet.send(f"<iq type='result' id='q' to='{iq.get('from').replace(DOMAIN, other)}'/>")
    ((answer,),) = heard(romeo)
    assert (answer.get("from"), answer.get("id")) == (f"juliet@{DOMAIN}/balcony", "q")


async def test_errors(juliet, other):
    juliet.send(f"<iq type='get' id='q' to='romeo@{other}/nowhere'><ping xmlns='{ns.PING}'/></iq>")
    ((answer,),) = heard(juliet)
    assert answer.get("from") == f"romeo@{DOMAIN}/nowhere"
    assert condition(answer) == "service-unavailable"


async def test_subscriptions_and_rosters(juliet, romeo, other):
    for each in (juliet, romeo):
        each.send(f"<iq type='get' id='r'><query xmlns='{ns.ROSTER}'/></iq>")
    await settle()
    heard(juliet, romeo)
    item = f"<query xmlns='{ns.ROSTER}'><item jid='romeo@{other}/x' name='R'/></query>"
    juliet.send(f"<iq type='set' id='s'>{item}</iq>")
    for who, to, kind in (
        (juliet, "romeo", "subscribe"),
        (romeo, "juliet", "subscribed"),
        (romeo, "juliet", "subscribe"),
        (juliet, "romeo", "subscribed"),
    ):
        who.send(f"<presence to='{to}@{other}' type='{kind}'/>")
        await settle()
    heard(juliet, romeo)
    roster = await ask(juliet, "get", f"juliet@{other}", f"<query xmlns='{ns.ROSTER}'/>")
    (found,) = roster[0]
    assert (found.get("jid"), found.get("subscription")) == (f"romeo@{DOMAIN}", "both")
    romeo.send("<presence><show>away</show></presence>")
    ((presence,),) = heard(juliet)
    assert presence.get("from") == f"romeo@{DOMAIN}/orchard"
    removal = f"<item jid='romeo@{other}' subscription='remove'/>"
    await ask(juliet, "set", f"juliet@{other}", f"<query xmlns='{ns.ROSTER}'>{removal}</query>")
    roster = await ask(juliet, "get", f"juliet@{other}", f"<query xmlns='{ns.ROSTER}'/>")
    assert len(roster[0]) == 0


async def test_directed_presence(juliet, romeo, other):
    romeo.send(f"<presence to='juliet@{other}/balcony'/>")
    ((presence,),) = heard(juliet)
    assert presence.get("to") == f"juliet@{DOMAIN}/balcony"
    romeo.leave()
    ((presence,),) = heard(juliet)
    assert presence.get("type") == "unavailable"


@pytest.mark.parametrize("blocked", ["romeo@{}", "romeo@{}/orchard", "{}"])
async def test_blocking(juliet, romeo, other, blocked):
    own = f"juliet@{other}"
    item = f"<item jid='{blocked.format(other)}'/>"
    await ask(juliet, "set", own, f"<block xmlns='{ns.BLOCKING}'>{item}</block>")
    listed = await ask(juliet, "get", own, f"<blocklist xmlns='{ns.BLOCKING}'/>")
    assert [each.get("jid") for each in listed[0]] == [blocked.format(DOMAIN)]
    romeo.send(f"<message to='juliet@{other}' type='chat'><body>hark</body></message>")
    await settle()
    (nothing, (error,)) = heard(juliet, romeo)
    assert nothing == []
    assert condition(error) == "service-unavailable"
    await ask(juliet, "set", own, f"<unblock xmlns='{ns.BLOCKING}'>{item}</unblock>")
    listed = await ask(juliet, "get", own, f"<blocklist xmlns='{ns.BLOCKING}'/>")
    assert len(listed[0]) == 0


async def test_archives(juliet, romeo, other):
    romeo.send(f"<message to='juliet@{other}' type='chat'><body>hark</body></message>")
    await settle()
    heard(juliet)
    form = (
        f"<x xmlns='{ns.DATA}' type='submit'>"
        f"<field var='FORM_TYPE'><value>{ns.MAM}</value></field>"
        f"<field var='with'><value>romeo@{other}</value></field></x>"
    )
    query = f"<iq type='set' id='m' to='juliet@{other}'><query xmlns='{ns.MAM}'>{form}</query></iq>"
    juliet.send(query)
    await settle()
    ((found, fin),) = heard(juliet)
    assert found.find(f".//{CLIENT}body").text == "hark"
    assert fin.get("from") == f"juliet@{DOMAIN}"
    prefs = (
        f"<prefs xmlns='{ns.MAM}' default='always'><never><jid>romeo@{other}</jid></never></prefs>"
    )
    await ask(juliet, "set", f"juliet@{other}", prefs)
    romeo.send(f"<message to='juliet@{other}' type='chat'><body>secret</body></message>")
    await settle()
    heard(juliet)
    juliet.send(query)
    await settle()
    ((found, fin),) = heard(juliet)
    assert found.find(f".//{CLIENT}body").text == "hark"


async def test_publishing(juliet, romeo, other):
    item = "<item id='1'><tune xmlns='urn:x'/></item>"
    payload = f"<pubsub xmlns='{ns.PUBSUB}'><publish node='urn:x'>{item}</publish></pubsub>"
    await ask(juliet, "set", f"juliet@{other}", payload)
    owner = ns.PUBSUB_OWNER
    change = f"<affiliation jid='romeo@{other}' affiliation='member'/>"
    await ask(
        juliet,
        "set",
        f"juliet@{other}",
        f"<pubsub xmlns='{owner}'><affiliations node='urn:x'>{change}</affiliations></pubsub>",
    )
    wanted = f"<pubsub xmlns='{owner}'><affiliations node='urn:x'/></pubsub>"
    listed = await ask(juliet, "get", f"juliet@{other}", wanted)
    assert f"romeo@{DOMAIN}" in [each.get("jid") for each in listed.iter()]


async def test_rooms(stage, juliet, romeo, other):
    room = f"garden@conference.{other}"
    enter(juliet, "Owner", room=room)
    await settle()
    await configure(juliet, room=room, membersonly=True, persistentroom=True)
    ((presence, *_),) = heard(juliet)
    assert presence.get("from") == f"garden@{ROOMS}/Owner"
    await rule(juliet, f"affiliation='member' jid='romeo@{other}'", room=room)
    enter(romeo, "R", room=room)
    await settle()
    heard(juliet, romeo)
    assert stage.room.affiliations[f"romeo@{DOMAIN}"] == "member"
    await configure(juliet, room=room, roomadmins=[f"romeo@{other}"])
    assert stage.room.affiliations[f"romeo@{DOMAIN}"] == "admin"
    romeo.send(f"<message to='{room}' type='groupchat'><body>hark</body></message>")
    await settle()
    heard(romeo)
    (said,) = heard(juliet)
    assert said[-1].get("from") == f"garden@{ROOMS}/R"
    romeo.send(f"<message to='{room}/Owner' type='chat'><body>psst</body></message>")
    await settle()
    (said,) = heard(juliet)
    assert said[-1].get("from") == f"garden@{ROOMS}/R"
    romeo.send(f"<presence to='{room}/R' type='unavailable'/>")
    await settle()
    assert len(stage.room.occupants) == 1


async def test_invitations(stage, juliet, romeo, other):
    room = f"garden@conference.{other}"
    enter(juliet, "Owner", room=room)
    await configure(juliet, room=room)
    heard(juliet)
    x = f"<x xmlns='{ns.MUC_USER}'><invite to='romeo@{other}'/></x>"
    juliet.send(f"<message to='{room}'>{x}</message>")
    await settle()
    (told,) = heard(romeo)
    assert told[-1].get("from") == f"garden@{ROOMS}"
    x = f"<x xmlns='{ns.MUC_USER}'><decline to='juliet@{other}'/></x>"
    romeo.send(f"<message to='{room}'>{x}</message>")
    await settle()
    (told,) = heard(juliet)
    assert told[-1].find(f".//{{{ns.MUC_USER}}}decline").get("from") == f"romeo@{DOMAIN}"
