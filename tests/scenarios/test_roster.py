"""Conversations of RFC 6121, sections 2 to 4 and 7: people meet, see each other, and part.

Each line says who, ``C:`` or ``S:`` for the client or the server, and a stanza,
which may go on in the lines below.
``{name}`` in what the server says stands for anything the first time and for
the same ever after; ``{_}`` for anything.
"""

import re
from xml.etree import ElementTree

import pytest
from support.domains import Stage, settle

CLIENT = "jabber:client"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
LINES = re.compile(r"\n\s*(?=\w+ [CS]:)")
ROOT = re.compile(r"<(message|presence|iq)(?![^<>]*\sxmlns=)")
PLACE = re.compile(r"\\\{(\w+)\\\}")
ROSTER = "<query xmlns='jabber:iq:roster'/>"


class Play:
    """People who talk to the domain; nobody may hear what does not stand in the script."""

    def __init__(self):
        self.stage = Stage()
        self.stage.add_account("nurse")
        self.people = {}
        self.known = {}

    async def enter(self, *names, available=True):
        """Let people come with their rosters known; nothing of that is in the script."""
        for name in names:
            person = await self.stage.bind(name.partition("/")[0], name.partition("/")[2] or "home")
            self.people[name] = person
            person.send(f"<iq type='get' id='roster'>{ROSTER}</iq>")
            if available:
                person.send("<presence/>")
            await settle()
        for person in self.people.values():
            person.take()

    async def leave(self, name):
        self.people.pop(name).leave()
        await settle()

    async def play(self, script):
        for line in LINES.split(script.strip()):
            who, side, text = re.sub(r">\s+<", "><", " ".join(line.split())).split(None, 2)
            person = self.people[who]
            if side == "C:":
                self.quiet()
                for name, value in self.known.items():
                    text = text.replace(f"{{{name}}}", value)
                person.send(text)
                await settle()
            else:
                self.expect(who, person.transport.sent, text)
        self.quiet()

    def quiet(self):
        left = {who: person.transport.sent for who, person in self.people.items()}
        assert not any(left.values()), left

    def expect(self, who, sent, text):
        assert sent, f"{who} did not hear {text}"
        said = ElementTree.canonicalize(sent.pop(0))
        pattern = re.escape(ElementTree.canonicalize(qualified(text)))

        def place(match):
            name = match[1]
            if name in self.known:
                return re.escape(self.known[name])
            return '[^"<>]*' if name == "_" else f'(?P<{name}>[^"<>]*)'

        match = re.fullmatch(PLACE.sub(place, pattern), said)
        assert match, f"{who} should hear {text}\n but heard {said}"
        self.known.update(match.groupdict())


def qualified(text):
    return ROOT.sub(rf"<\1 xmlns='{CLIENT}'", text, count=1)


def push(who, item):
    return (
        f"{who} S: <iq type='set' id='{{_}}' to='{who}@localhost/home'>"
        f"<query xmlns='jabber:iq:roster' ver='{{_}}'>{item}</query></iq>"
    )


@pytest.fixture
async def stage():
    play = Play()
    yield play
    await play.stage.domain.stop()


@pytest.fixture
async def friends(stage):
    """Return a play in which romeo and juliet see each other; only juliet is there."""
    await stage.enter("romeo", "juliet")
    for one, other in (("romeo", "juliet"), ("juliet", "romeo")):
        for who, to, kind in ((one, other, "subscribe"), (other, one, "subscribed")):
            stage.people[who].send(f"<presence to='{to}@localhost' type='{kind}'/>")
            await settle()
    await stage.leave("romeo")
    stage.people["juliet"].take()
    return stage


async def test_adding_a_contact(stage):
    """Section 2.3."""
    item = (
        "<item jid='nurse@localhost' name='Nurse' subscription='none'>"
        "<group>Servants</group></item>"
    )
    await stage.enter("juliet", available=False)
    await stage.play(f"""
        juliet C: <iq id='ph1xaz53' type='set'><query xmlns='jabber:iq:roster'>
            <item jid='nurse@localhost' name='Nurse'><group>Servants</group></item></query></iq>
        {push("juliet", item)}
        juliet S: <iq id='ph1xaz53' type='result' from='juliet@localhost'/>
    """)


async def test_a_request_and_its_approval(stage):
    """Section 3.1: whoever sees somebody anew is shown who is there."""
    await stage.enter("romeo", "juliet")
    await stage.play(f"""
        romeo C: <presence id='xk3h1v69' to='juliet@localhost' type='subscribe'>
            <nick xmlns='http://jabber.org/protocol/nick'>Romeo</nick></presence>
        {push("romeo", "<item ask='subscribe' jid='juliet@localhost' subscription='none'/>")}
        juliet S: <presence id='xk3h1v69' from='romeo@localhost' to='juliet@localhost'
            type='subscribe'><nick xmlns='http://jabber.org/protocol/nick'>Romeo</nick></presence>
        juliet C: <presence id='h4v1c4kj' to='romeo@localhost' type='subscribed'/>
        {push("juliet", "<item jid='romeo@localhost' subscription='from'/>")}
        romeo S: <presence id='h4v1c4kj' from='juliet@localhost' to='romeo@localhost'
            type='subscribed'/>
        {push("romeo", "<item jid='juliet@localhost' subscription='to'/>")}
        romeo S: <presence from='juliet@localhost/home' to='romeo@localhost'/>
        juliet C: <presence><show>away</show></presence>
        juliet S: <presence from='juliet@localhost/home' to='juliet@localhost'><show>away</show>
            </presence>
        romeo S: <presence from='juliet@localhost/home' to='romeo@localhost'><show>away</show>
            </presence>
    """)


async def test_a_request_waits_and_comes_at_each_sign_in_until_it_is_answered(stage):
    """Section 3.1.3: with all that it said."""
    await stage.enter("romeo")
    await stage.play(f"""
        romeo C: <presence to='juliet@localhost/any' type='subscribe'><status>It is I</status>
            </presence>
        {push("romeo", "<item ask='subscribe' jid='juliet@localhost' subscription='none'/>")}
        romeo C: <presence to='juliet@localhost' type='subscribe'><status>again</status></presence>
    """)
    for _ in range(2):
        await stage.enter("juliet", available=False)
        await stage.play("""
            juliet C: <presence><priority>-1</priority></presence>
            juliet S: <presence from='juliet@localhost/home' to='juliet@localhost'>
                <priority>-1</priority></presence>
            juliet S: <presence from='romeo@localhost' to='juliet@localhost' type='subscribe'>
                <status>It is I</status></presence>
            juliet C: <presence/>
            juliet S: <presence from='juliet@localhost/home' to='juliet@localhost'/>
        """)
        await stage.leave("juliet")
    await stage.enter("juliet", available=False)
    await stage.play(f"""
        juliet C: <presence to='romeo@localhost' type='unsubscribed'/>
        romeo S: <presence from='juliet@localhost' to='romeo@localhost' type='unsubscribed'/>
        {push("romeo", "<item jid='juliet@localhost' subscription='none'/>")}
        juliet C: <presence/>
        juliet S: <presence from='juliet@localhost/home' to='juliet@localhost'/>
    """)


async def test_a_request_is_no_roster_item(stage):
    """Section 3.1.3; and naming the contact first, as Converse.js does, answers nothing yet."""
    await stage.enter("romeo", "juliet")
    await stage.play(f"""
        romeo C: <presence to='juliet@localhost' type='subscribe'/>
        {push("romeo", "<item ask='subscribe' jid='juliet@localhost' subscription='none'/>")}
        juliet S: <presence from='romeo@localhost' to='juliet@localhost' type='subscribe'/>
        juliet C: <iq id='1' type='get'>{ROSTER}</iq>
        juliet S: <iq id='1' type='result' from='juliet@localhost'>
            <query xmlns='jabber:iq:roster' ver='0'/></iq>
        juliet C: <iq id='2' type='set'><query xmlns='jabber:iq:roster'>
            <item jid='romeo@localhost' name='R'/></query></iq>
        {push("juliet", "<item jid='romeo@localhost' name='R' subscription='none'/>")}
        juliet S: <iq id='2' type='result' from='juliet@localhost'/>
        juliet C: <presence to='romeo@localhost' type='subscribed'/>
        {push("juliet", "<item jid='romeo@localhost' name='R' subscription='from'/>")}
        romeo S: <presence from='juliet@localhost' to='romeo@localhost' type='subscribed'/>
        {push("romeo", "<item jid='juliet@localhost' subscription='to'/>")}
        romeo S: <presence from='juliet@localhost/home' to='romeo@localhost'/>
    """)


async def test_who_asks_again_is_told_that_he_sees_her_already(friends):
    """Section 3.1.3, its second case: the answer changes nothing, so nobody hears of it."""
    await friends.enter("romeo")
    await friends.play("romeo C: <presence to='juliet@localhost' type='subscribe'/>")


async def test_an_unknown_account_is_as_one_that_never_answers(stage):
    await stage.enter("romeo")
    for name in ("nurse", "nobody"):
        await stage.play(f"""
            romeo C: <presence id='1' to='{name}@localhost' type='subscribe'/>
            {push("romeo", f"<item ask='subscribe' jid='{name}@localhost' subscription='none'/>")}
            romeo C: <presence id='2' to='{name}@localhost' type='unsubscribe'/>
            {push("romeo", f"<item jid='{name}@localhost' subscription='none'/>")}
        """)


async def test_approval_in_advance(stage):
    """Section 3.4: the request is granted without being seen."""
    await stage.enter("romeo", "juliet")
    await stage.play(f"""
        juliet C: <presence id='pg81vx64' to='romeo@localhost' type='subscribed'/>
        {push("juliet", "<item approved='true' jid='romeo@localhost' subscription='none'/>")}
        romeo C: <presence to='juliet@localhost' type='subscribe'/>
        {push("romeo", "<item ask='subscribe' jid='juliet@localhost' subscription='none'/>")}
        romeo S: <presence from='juliet@localhost' to='romeo@localhost' type='subscribed'/>
        {push("romeo", "<item jid='juliet@localhost' subscription='to'/>")}
        romeo S: <presence from='juliet@localhost/home' to='romeo@localhost'/>
        {push("juliet", "<item approved='true' jid='romeo@localhost' subscription='from'/>")}
        juliet C: <presence to='romeo@localhost' type='unsubscribed'/>
        {push("juliet", "<item jid='romeo@localhost' subscription='none'/>")}
        romeo S: <presence from='juliet@localhost/home' to='romeo@localhost' type='unavailable'/>
        romeo S: <presence from='juliet@localhost' to='romeo@localhost' type='unsubscribed'/>
        {push("romeo", "<item jid='juliet@localhost' subscription='none'/>")}
    """)


async def test_cancelling_a_subscription(friends):
    """Section 3.2: unavailable first, then the word, then the roster."""
    await friends.enter("romeo")
    await friends.play(f"""
        juliet C: <presence id='ij5b1v7g' to='romeo@localhost' type='unsubscribed'/>
        {push("juliet", "<item jid='romeo@localhost' subscription='to'/>")}
        romeo S: <presence from='juliet@localhost/home' to='romeo@localhost' type='unavailable'/>
        romeo S: <presence id='ij5b1v7g' from='juliet@localhost' to='romeo@localhost'
            type='unsubscribed'/>
        {push("romeo", "<item jid='juliet@localhost' subscription='from'/>")}
        juliet C: <presence><show>away</show></presence>
        juliet S: <presence from='juliet@localhost/home' to='juliet@localhost'><show>away</show>
            </presence>
    """)


async def test_unsubscribing(friends):
    """Section 3.3."""
    await friends.enter("romeo")
    await friends.play(f"""
        romeo C: <presence id='ul4bs71n' to='juliet@localhost' type='unsubscribe'/>
        {push("romeo", "<item jid='juliet@localhost' subscription='from'/>")}
        romeo S: <presence from='juliet@localhost/home' to='romeo@localhost' type='unavailable'/>
        juliet S: <presence id='ul4bs71n' from='romeo@localhost' to='juliet@localhost'
            type='unsubscribe'/>
        {push("juliet", "<item jid='romeo@localhost' subscription='to'/>")}
    """)


async def test_removing_a_contact(friends):
    """Section 2.5.2: both subscriptions end, and both see each other go."""
    await friends.enter("romeo")
    await friends.play(f"""
        romeo C: <iq id='hm4hs97y' type='set'><query xmlns='jabber:iq:roster'>
            <item jid='juliet@localhost' subscription='remove'/></query></iq>
        juliet S: <presence from='romeo@localhost/home' to='juliet@localhost' type='unavailable'/>
        juliet S: <presence from='romeo@localhost' to='juliet@localhost' type='unsubscribe'/>
        {push("juliet", "<item jid='romeo@localhost' subscription='to'/>")}
        juliet S: <presence from='romeo@localhost' to='juliet@localhost' type='unsubscribed'/>
        {push("juliet", "<item jid='romeo@localhost' subscription='none'/>")}
        {push("romeo", "<item jid='juliet@localhost' subscription='remove'/>")}
        romeo S: <presence from='juliet@localhost/home' to='romeo@localhost' type='unavailable'/>
        romeo S: <iq id='hm4hs97y' type='result' from='romeo@localhost'/>
    """)


async def test_a_session(friends):
    """Section 7: sign-in, roster, presence, talk, and good-bye."""
    await friends.enter("romeo", available=False)
    await friends.play(f"""
        romeo C: <iq id='hf61v3n7' type='get'>{ROSTER}</iq>
        romeo S: <iq id='hf61v3n7' type='result' from='romeo@localhost'>
            <query xmlns='jabber:iq:roster' ver='{{ver}}'>
            <item jid='juliet@localhost' subscription='both'/></query></iq>
        romeo C: <iq id='again' type='get'><query xmlns='jabber:iq:roster' ver='{{ver}}'/></iq>
        romeo S: <iq id='again' type='result' from='romeo@localhost'/>
        romeo C: <presence/>
        romeo S: <presence from='romeo@localhost/home' to='romeo@localhost'/>
        romeo S: <presence from='juliet@localhost/home' to='romeo@localhost'/>
        juliet S: <presence from='romeo@localhost/home' to='juliet@localhost'/>
        romeo C: <presence xml:lang='en'><show>dnd</show><status>courting Juliet</status>
            <priority>0</priority></presence>
        romeo S: <presence from='romeo@localhost/home' to='romeo@localhost' xml:lang='en'>
            <show>dnd</show><status>courting Juliet</status><priority>0</priority></presence>
        juliet S: <presence from='romeo@localhost/home' to='juliet@localhost' xml:lang='en'>
            <show>dnd</show><status>courting Juliet</status><priority>0</priority></presence>
        romeo C: <presence type='unavailable'/>
        romeo S: <presence from='romeo@localhost/home' to='romeo@localhost' type='unavailable'/>
        juliet S: <presence from='romeo@localhost/home' to='juliet@localhost' type='unavailable'/>
    """)


async def test_an_account_that_is_removed_takes_leave_of_its_contacts(friends):
    await friends.enter("romeo")
    await friends.stage.domain.removal.remove("romeo")
    await settle()
    friends.people.pop("romeo")
    await friends.play(f"""
        juliet S: <presence from='romeo@localhost/home' to='juliet@localhost' type='unavailable'/>
        juliet S: <presence from='romeo@localhost' to='juliet@localhost' type='unsubscribe'/>
        {push("juliet", "<item jid='romeo@localhost' subscription='to'/>")}
        juliet S: <presence from='romeo@localhost' to='juliet@localhost' type='unsubscribed'/>
        {push("juliet", "<item jid='romeo@localhost' subscription='none'/>")}
    """)


async def test_an_anonymous_user_keeps_no_contacts(stage):
    await stage.enter("guest", "juliet")
    refusal = (
        f"<error type='cancel'><not-allowed xmlns='{STANZAS}'/>"
        f"<text xmlns='{STANZAS}' xml:lang='en'>{{_}}</text></error>"
    )
    await stage.play(f"""
        guest C: <presence id='1' to='juliet@localhost' type='subscribe'/>
        guest S: <presence id='1' type='error' from='juliet@localhost'
            to='guest@localhost/home'>{refusal}</presence>
        juliet C: <presence to='guest@localhost' type='subscribe'/>
        {push("juliet", "<item ask='subscribe' jid='guest@localhost' subscription='none'/>")}
    """)


async def test_what_others_are_told_of_who_sees_whom(stage):
    """The events by which personal eventing knows whom to tell."""
    heard = []
    events = stage.stage.domain.events
    events.subscribed.append(lambda account, contact, _now: heard.append(("+", account, contact)))
    events.unsubscribed.append(lambda account, contact, _now: heard.append(("-", account, contact)))
    await stage.enter("romeo", "juliet")
    romeo, juliet = stage.people["romeo"], stage.people["juliet"]
    for who, to, kind in (
        (romeo, "juliet", "subscribe"),
        (juliet, "romeo", "subscribed"),
        (juliet, "romeo", "subscribed"),
        (romeo, "juliet", "unsubscribe"),
        (romeo, "juliet", "unsubscribe"),
    ):
        who.send(f"<presence to='{to}@localhost' type='{kind}'/>")
        await settle()
    assert heard == [
        ("+", "juliet@localhost", "romeo@localhost"),
        ("-", "juliet@localhost", "romeo@localhost"),
    ]
