"""What the site forbids two people does not pass, whichever way it goes."""

import asyncio

import pytest
from support.domains import Stage, condition, settle
from support.rooms import ROOM, RoomStage, enter, form, rule, say

from andiron.domain.guarded import GuardedLink
from andiron.domain.sign_in.site import Site
from andiron.xmpp import namespaces as ns

VCARD = f"<vCard xmlns='{ns.VCARD}'/>"
ITEMS = f"<pubsub xmlns='{ns.PUBSUB}'><items node='{ns.AVATAR_DATA}'/></pubsub>"
ROSTER = f"<query xmlns='{ns.ROSTER}'/>"


class Says:
    """What a site allows: everything but the pairs that it forbids."""

    def __init__(self, *forbidden):
        self.forbidden = set(forbidden)
        self.asked = []
        self.answering = asyncio.Event()
        self.answering.set()

    async def may_contact(self, one, other):
        self.asked.append((one, other))
        await self.answering.wait()
        return (one, other) not in self.forbidden

    @property
    def site(self):
        return Site(may_contact=self.may_contact)


KEPT_APART = ("romeo", "juliet")


@pytest.fixture
def says():
    return Says(KEPT_APART)


@pytest.fixture
async def stage(says):
    stage = Stage(site=says.site)
    yield stage
    await stage.domain.stop()


@pytest.fixture
async def romeo(stage):
    return await stage.come("romeo", "orchard")


@pytest.fixture
async def juliet(stage):
    return await stage.come("juliet", "balcony")


async def sent(client, text):
    """Return what comes back when a client sends something."""
    client.take()
    client.send(text)
    await settle()
    return client.take()


async def test_without_such_a_site_nothing_is_asked_or_slower():
    stage = Stage()
    romeo = await stage.bind("romeo", "orchard")
    assert not isinstance(romeo.link, GuardedLink)
    await stage.domain.stop()


@pytest.mark.parametrize("to", ["juliet@localhost", "juliet@localhost/balcony", "Juliet@LOCALHOST"])
@pytest.mark.parametrize("kind", ["chat", "normal", "headline"])
async def test_a_message_is_refused(says, romeo, juliet, to, kind):
    (error,) = await sent(
        romeo, f"<message to='{to}' type='{kind}' id='m'><body>Hi</body></message>"
    )
    assert (error.get("type"), condition(error)) == ("error", "forbidden")
    assert (error.get("id"), error.get("from")) == ("m", to.lower())
    assert juliet.take() == []
    assert says.asked == [KEPT_APART]


async def test_the_other_way_is_asked_for_itself(says, romeo, juliet):
    assert await sent(juliet, "<message to='romeo@localhost'><body>Hi</body></message>") == []
    assert romeo.bodies() == ["Hi"]
    assert says.asked == [("juliet", "romeo")]


async def test_so_is_a_message_to_one_who_is_away(stage, romeo):
    (error,) = await sent(romeo, "<message to='juliet@localhost'><body>Hi</body></message>")
    assert condition(error) == "forbidden"
    assert stage.store.bodies("juliet") == []


async def test_an_error_is_let_go_unanswered(romeo, juliet):
    assert await sent(romeo, f"<message to='{juliet.jid}' type='error'/>") == []
    assert juliet.take() == []


@pytest.mark.parametrize("payload", [VCARD, ITEMS, ROSTER, f"<query xmlns='{ns.LAST}'/>"])
@pytest.mark.parametrize("to", ["juliet@localhost", "juliet@localhost/balcony"])
async def test_a_request_is_refused(romeo, juliet, payload, to):
    (error,) = await sent(romeo, f"<iq type='get' id='q' to='{to}'>{payload}</iq>")
    assert condition(error) == "forbidden"
    assert juliet.take() == []


async def test_one_who_may_be_asked_may_answer(says, romeo, juliet):
    ping = f"<iq type='get' id='q' to='{romeo.jid}'><ping xmlns='{ns.PING}'/></iq>"
    assert await sent(juliet, ping) == []
    romeo.send(f"<iq type='result' id='q' to='{juliet.jid}'/>")
    (answer,) = juliet.take()
    assert answer.get("type") == "result"


async def test_a_subscription_is_refused_and_one_may_be_ended(stage, says, romeo, juliet):
    (error,) = await sent(romeo, "<presence to='juliet@localhost' type='subscribe' id='s'/>")
    assert condition(error) == "forbidden"
    assert juliet.take() == []
    for kind in ("unsubscribe", "unsubscribed", "subscribed"):
        assert await sent(romeo, f"<presence to='juliet@localhost' type='{kind}'/>") == []
    assert says.asked == [KEPT_APART]


@pytest.mark.parametrize("kind", ["", "type='probe'"])
async def test_directed_presence_and_a_probe_are_let_go(romeo, juliet, kind):
    assert await sent(romeo, f"<presence to='{juliet.jid}' {kind}/>") == []
    assert juliet.take() == []


async def test_one_may_leave_who_was_shown_when_it_was_allowed(stage, says, romeo, juliet):
    says.forbidden.clear()
    assert await sent(romeo, f"<presence to='{juliet.jid}'/>") == []
    says.forbidden.add(KEPT_APART)
    stage.domain.permissions.forget()
    juliet.take()
    assert await sent(romeo, f"<presence to='{juliet.jid}' type='unavailable'/>") == []
    (presence,) = juliet.take()
    assert presence.get("type") == "unavailable"


@pytest.mark.parametrize(
    "text",
    [
        "<presence/>",
        "<message to='romeo@localhost'><body>to myself</body></message>",
        "<message><body>to myself</body></message>",
        f"<iq type='get' id='q' to='localhost'><query xmlns='{ns.DISCO_INFO}'/></iq>",
        f"<iq type='get' id='q'>{ROSTER}</iq>",
        "<message to='juliet@elsewhere.example'><body>far</body></message>",
        "<message to='@'><body>nobody</body></message>",
    ],
)
async def test_nothing_is_asked_of_what_concerns_nobody_else(says, romeo, text):
    romeo.send(text)
    await settle()
    assert says.asked == []


async def test_other_devices_see_what_was_refused(stage, says, romeo):
    other = await stage.come("romeo", "phone")
    await other.ask(f"<iq type='set' id='c'><enable xmlns='{ns.CARBONS}'/></iq>")
    (error,) = await sent(
        romeo, "<message to='juliet@localhost' type='chat'><body>Hi</body></message>"
    )
    assert condition(error) == "forbidden"
    sent_copy, received_copy = other.take()
    assert sent_copy.find(f"{{{ns.CARBONS}}}sent") is not None
    assert received_copy.find(f"{{{ns.CARBONS}}}received") is not None


async def test_who_leaves_while_the_site_is_asked_harms_nothing(stage, says, romeo, juliet):
    says.answering.clear()
    romeo.send("<message to='juliet@localhost'><body>Hi</body></message>")
    await settle()
    romeo.leave()
    says.answering.set()
    await settle()
    assert juliet.take() == []


async def test_a_bulky_stanza_is_asked_about_and_taken_in_pieces(says, romeo, juliet):
    says.forbidden.clear()
    inner = "<x/>" * 3000
    assert (
        await sent(romeo, f"<message to='juliet@localhost'><body>b</body>{inner}</message>") == []
    )
    for _ in range(200):
        await asyncio.sleep(0)
    assert juliet.bodies() == ["b"]


# Rooms


@pytest.fixture
async def garden(says):
    """Juliet's room, with Romeo in it; the nurse is outside."""
    stage = RoomStage({"site": says.site})
    juliet, romeo, nurse = [await stage.person(name) for name in ("juliet", "romeo", "nurse")]
    await stage.open_room(juliet, "Juliet", allowinvites=True)
    enter(romeo, "Romeo")
    for client in (juliet, romeo, nurse):
        client.take()
    says.asked.clear()
    yield stage, juliet, romeo, nurse
    await stage.domain.stop()


def invitation(to):
    return f"<message to='{ROOM}'><x xmlns='{ns.MUC_USER}'><invite to='{to}'/></x></message>"


async def test_what_is_said_to_all_is_not_asked_about(says, garden):
    _stage, juliet, romeo, _nurse = garden
    say(romeo, "to all")
    await settle()
    assert juliet.bodies() == ["to all"]
    assert says.asked == []


async def test_what_is_whispered_and_asked_of_an_occupant_is(says, garden):
    _stage, juliet, romeo, _nurse = garden
    whisper = f"<message to='{ROOM}/Juliet' type='chat'><body>psst</body></message>"
    (error,) = await sent(romeo, whisper)
    assert (condition(error), error.get("from")) == ("forbidden", f"{ROOM}/Juliet")
    (error,) = await sent(romeo, f"<iq type='get' id='q' to='{ROOM}/Juliet'>{VCARD}</iq>")
    assert condition(error) == "forbidden"
    assert juliet.take() == []
    assert await sent(romeo, f"<message to='{ROOM}/Nobody'><body>x</body></message>") != []


async def test_who_may_not_be_contacted_may_not_be_invited(says, garden):
    _stage, _juliet, romeo, nurse = garden
    says.forbidden.add(("romeo", "nurse"))
    (error,) = await sent(romeo, invitation("nurse@localhost"))
    assert condition(error) == "forbidden"
    assert nurse.take() == []
    says.forbidden.clear()
    garden[0].domain.permissions.forget()
    assert await sent(romeo, invitation("nurse@localhost")) == []
    assert len(nurse.take()) == 1


async def test_nor_be_made_a_member_which_invites(says, garden):
    stage, juliet, _romeo, nurse = garden
    config = f"<query xmlns='{ns.MUC_OWNER}'>{form(membersonly=True)}</query>"
    await sent(juliet, f"<iq type='set' id='c' to='{ROOM}'>{config}</iq>")
    says.forbidden.add(("juliet", "nurse"))
    item = "<item jid='nurse@localhost' affiliation='member'/>"
    query = f"<query xmlns='{ns.MUC_ADMIN}'>{item}</query>"
    (error,) = await sent(juliet, f"<iq type='set' id='r' to='{ROOM}'>{query}</iq>")
    assert condition(error) == "forbidden"
    assert nurse.take() == []
    assert "nurse@localhost" not in stage.room.affiliations
    ban = query.replace("member", "outcast")
    answers = await sent(juliet, f"<iq type='set' id='r' to='{ROOM}'>{ban}</iq>")
    assert [each.get("type") for each in answers if each.get("id") == "r"] == ["result"]


async def test_in_an_open_room_it_invites_nobody(says, garden):
    _stage, juliet, _romeo, _nurse = garden
    says.forbidden.add(("juliet", "nurse"))
    await rule(juliet, "jid='nurse@localhost' affiliation='member'")
    assert says.asked == []


async def test_an_invitation_to_nowhere_is_answered_as_ever(says, garden):
    _stage, _juliet, romeo, _nurse = garden
    (error,) = await sent(romeo, invitation("@"))
    assert condition(error) == "jid-malformed"
    assert says.asked == []
