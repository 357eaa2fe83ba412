"""Conversations over RFC 7395 through the whole application, as its client sees them."""

import asyncio
import base64
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from scramp import ScramClient
from support.asgi import AsgiClient, settle
from support.conversation import Conversation, _qualified
from support.waiting import until

from andiron import create_app
from andiron.domain.accounts.accounts import Accounts

PATIENCE = 60.0
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
PASSWORDS = {"juliet": "r0m30myr0m30", "romeo": "Where for <art> & thou?"}
OPEN = f"""
    C: <open xmlns='{FRAMING}' to='localhost' version='1.0'/>
    S: <open xmlns='{FRAMING}' from='localhost' id='{{_}}' version='1.0' xml:lang='en'/>
"""
CLOSE = f"""
    C: <close xmlns='{FRAMING}'/>
    S: <close xmlns='{FRAMING}'/>
"""


class Person(Conversation):
    """Somebody at a WebSocket of the application."""

    def __init__(self, app, name, **options):
        self.client = AsgiClient(app, **options)
        self.name = name
        self.known = {}
        self.transport = SimpleNamespace(sent=[])

    async def talk(self, script):
        """Play the script; the server must say what stands there and nothing else."""
        for line in filter(None, map(str.strip, script.splitlines())):
            if line.startswith("C:"):
                self.say(line[2:].strip())
            else:
                self.transport.sent.append(await self.hear())
                self._expect(line.removeprefix("S:").strip())
        await settle()
        assert self.client.take() == []

    def say(self, text):
        for name, value in self.known.items():
            text = text.replace(f"{{{name}}}", value)
        self.client.send(_qualified(text))

    async def hear(self):
        async with asyncio.timeout(PATIENCE):
            return await self.client.text()

    async def open(self):
        """Open the stream and return its features."""
        script = OPEN.strip().splitlines()
        self.say(script[0].strip()[2:].strip())
        self.transport.sent.append(await self.hear())
        self._expect(script[1].strip()[2:].strip())
        return await self.hear()

    async def plain(self, password=None):
        """Sign in by PLAIN; return what the server says to it."""
        message = f"\0{self.name}\0{password or PASSWORDS[self.name]}".encode()
        encoded = base64.b64encode(message).decode()
        self.client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{encoded}</auth>")
        return await self.hear()

    async def scram(self, mechanism):
        """Sign in by SCRAM, and check that the server knows the password, too."""
        client = ScramClient([mechanism], self.name, PASSWORDS[self.name])
        first = base64.b64encode(client.get_client_first().encode()).decode()
        self.client.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{first}</auth>")
        client.set_server_first(decoded(await self.hear(), "challenge"))
        final = base64.b64encode(client.get_client_final().encode()).decode()
        self.client.send(f"<response xmlns='{SASL}'>{final}</response>")
        client.set_server_final(decoded(await self.hear(), "success"))

    async def bind(self, resource="balcony"):
        await self.talk(f"""
            C: <iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
<resource>{resource}</resource></bind></iq>
            S: <iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
<jid>{self.name}@localhost/{resource}</jid></bind></iq>
        """)

    async def sign_in(self):
        await self.client.connected()
        await self.open()
        assert (await self.plain()).startswith("<success ")
        return await self.open()

    async def cut(self):
        await self.client.cut()


def decoded(text, name):
    """Return the SASL message that an element carries."""
    head = f"<{name} xmlns='{SASL}'>"
    assert text.startswith(head), text
    return base64.b64decode(text.removeprefix(head).partition("<")[0]).decode()


class Stage:
    """The application, with two accounts, and those who come to it."""

    def __init__(self, app):
        self.app = app
        self.people = []

    def person(self, name, **options):
        self.people.append(Person(self.app, name, **options))
        return self.people[-1]

    async def signed_in(self, name):
        """Return somebody who may bind or resume."""
        person = self.person(name)
        await person.sign_in()
        return person

    async def bound(self, name, resource="balcony", *, presence=True):
        person = await self.signed_in(name)
        await person.bind(resource)
        if presence:
            person.client.send("<presence xmlns='jabber:client'/>")
            await person.client.text()
        return person

    async def resumable(self, name, attributes=""):
        person = await self.bound(name)
        await person.talk(f"""
            C: <enable resume='true' {attributes}/>
            S: <enabled id='{{sm}}' resume='true' max='{{max}}'/>
        """)
        return person

    async def again(self, person):
        """Return the same client on a new connection, signed in."""
        other = await self.signed_in(person.name)
        other.known = person.known
        return other

    async def end(self):
        for person in self.people:
            if not person.client.task.done():
                await person.cut()


@asynccontextmanager
async def staged(**settings):
    # What is kept is told by its id in each message: another page of the play.
    settings.setdefault("archive", False)
    app = create_app(database="sqlite://", auth_iterations=4096, **settings)
    async with app.lifespan():
        accounts = Accounts(app.domain.database, "localhost", 4096)
        await accounts.create_many(PASSWORDS.items())
        stage = Stage(app)
        try:
            yield stage
        finally:
            await stage.end()


@pytest.fixture
async def stage():
    async with staged() as stage:
        yield stage


# RFC 7395 section 3: a stream from its opening to its end


async def test_a_whole_stream(stage):
    juliet = stage.person("juliet", path="/ws/")
    await juliet.client.connected()
    features = await juliet.open()
    assert "<mechanism>SCRAM-SHA-256</mechanism>" in features
    assert "<mechanism>PLAIN</mechanism>" in features
    assert (await juliet.plain()) == f"<success xmlns='{SASL}'/>"
    features = await juliet.open()
    assert "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>" in features
    assert "<sm xmlns='urn:xmpp:sm:3'/>" in features
    assert "mechanism" not in features
    await juliet.bind()
    await juliet.talk("""
        C: <iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>
        S: <iq type='result' id='s' from='juliet@localhost'/>
    """)
    await juliet.talk(CLOSE)
    juliet.client.send(f"<close xmlns='{FRAMING}'/>")
    assert await juliet.client.event() == {"type": "websocket.close", "code": 1000}
    await juliet.client.task


async def test_another_host_is_not_here(stage):
    juliet = stage.person("juliet")
    await juliet.client.connected()
    await juliet.talk(f"""
        C: <open xmlns='{FRAMING}' to='montague.example' version='1.0'/>
        S: <open xmlns='{FRAMING}' from='localhost' id='{{_}}' version='1.0' xml:lang='en'/>
        S: <stream:error xmlns:stream='http://etherx.jabber.org/streams'>\
<host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>
        S: <close xmlns='{FRAMING}'/>
    """)


async def test_clients_are_sent_elsewhere():
    async with staged(websocket_see_other_uri="wss://other.example/ws") as stage:
        juliet = stage.person("juliet")
        await juliet.client.connected()
        await juliet.talk(f"""
            {OPEN.strip()}
            S: <close xmlns='{FRAMING}' see-other-uri='wss://other.example/ws'/>
        """)


# Signing in, RFC 6120 section 6


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"])
async def test_sign_in_without_telling_the_password(stage, mechanism):
    juliet = stage.person("juliet")
    await juliet.client.connected()
    await juliet.open()
    await juliet.scram(mechanism)
    await juliet.open()
    await juliet.bind()


@pytest.mark.parametrize("name", ["juliet", "nobody"])
async def test_a_wrong_password_and_an_unknown_name_get_one_answer(stage, name):
    person = stage.person(name)
    await person.client.connected()
    await person.open()
    answer = await person.plain("wrong")
    assert answer == f"<failure xmlns='{SASL}'><not-authorized/></failure>"


async def test_one_may_try_again(stage):
    romeo = stage.person("romeo")
    await romeo.client.connected()
    await romeo.open()
    assert "<not-authorized/>" in await romeo.plain("wrong")
    assert (await romeo.plain()).startswith("<success ")
    await romeo.open()
    await romeo.bind()


# Two people


async def test_two_people_chat(stage):
    romeo = stage.person("romeo")
    await romeo.client.connected()
    await romeo.open()
    await romeo.scram("SCRAM-SHA-256")
    await romeo.open()
    await romeo.bind("orchard")
    juliet = await stage.bound("juliet")
    romeo.say(
        "<message to='juliet@localhost' type='chat' id='1'>"
        "<body>Art thou not &lt;Romeo></body></message>"
    )
    await juliet.talk("""
        S: <message from='romeo@localhost/orchard' to='juliet@localhost' type='chat' id='1'>\
<body>Art thou not &lt;Romeo></body></message>
        C: <message to='romeo@localhost/orchard' from='juliet@localhost/balcony' id='2'>\
<body>Neither, fair saint \N{BLACK HEART SUIT}</body></message>
    """)
    await romeo.talk("""
        S: <message from='juliet@localhost/balcony' to='romeo@localhost/orchard' id='2'>\
<body>Neither, fair saint \N{BLACK HEART SUIT}</body></message>
    """)


async def test_nobody_speaks_in_anothers_name(stage):
    await stage.bound("juliet")
    romeo = await stage.bound("romeo")
    romeo.say("<message to='juliet@localhost' from='tybalt@localhost'><body>die</body></message>")
    assert "<invalid-from " in await romeo.hear()
    assert await romeo.hear() == f"<close xmlns='{FRAMING}'/>"


async def test_a_message_waits_for_who_is_away(stage):
    romeo = await stage.bound("romeo")
    await romeo.talk("""
        C: <enable/>
        S: <enabled/>
        C: <message to='juliet@localhost' type='chat' id='1'><body>It is the east</body></message>
        C: <message to='juliet@localhost' type='chat' id='2'><body>Arise, fair sun</body></message>
    """)
    romeo.say("<r/>")
    while "h='2'" not in await romeo.hear():
        pass
    juliet = await stage.bound("juliet", presence=False)
    juliet.say("<presence/>")
    await juliet.talk("""
        S: <presence from='juliet@localhost/balcony' to='juliet@localhost'/>
        S: <message from='romeo@localhost/balcony' to='juliet@localhost' type='chat' id='1'>\
<body>It is the east</body>\
<delay xmlns='urn:xmpp:delay' from='localhost' stamp='{first}'/></message>
        S: <message from='romeo@localhost/balcony' to='juliet@localhost' type='chat' id='2'>\
<body>Arise, fair sun</body>\
<delay xmlns='urn:xmpp:delay' from='localhost' stamp='{_}'/></message>
    """)
    assert juliet.known["first"].endswith("Z")
    await juliet.talk(CLOSE)
    await juliet.cut()
    juliet = await stage.bound("juliet")
    await juliet.talk("")


# XEP-0198: a connection is lost, the session is not


async def test_a_cut_connection_loses_nothing(stage):
    romeo = await stage.bound("romeo")
    juliet = await stage.resumable("juliet")
    romeo.say("<message to='juliet@localhost' id='1'><body>one</body></message>")
    romeo.say("<message to='juliet@localhost' id='2'><body>two</body></message>")
    await juliet.talk("""
        S: <message from='romeo@localhost/balcony' to='juliet@localhost' id='1'>\
<body>one</body></message>
        S: <message from='romeo@localhost/balcony' to='juliet@localhost' id='2'>\
<body>two</body></message>
        C: <message to='romeo@localhost/balcony' id='a'><body>I am here</body></message>
    """)
    await romeo.talk("""
        S: <message from='juliet@localhost/balcony' to='romeo@localhost/balcony' id='a'>\
<body>I am here</body></message>
    """)
    await juliet.cut()
    romeo.say("<message to='juliet@localhost' id='3'><body>three</body></message>")
    romeo.say(
        "<iq to='juliet@localhost/balcony' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"
    )
    await settle()
    # Of the two that had come, one was still on its way when the line went dead.
    juliet = await stage.again(juliet)
    await juliet.talk("""
        C: <resume previd='{sm}' h='1'/>
        S: <resumed previd='{sm}' h='1'/>
        S: <message from='romeo@localhost/balcony' to='juliet@localhost' id='2'><body>two</body>\
<delay xmlns='urn:xmpp:delay' from='localhost' stamp='{_}'/></message>
        S: <message from='romeo@localhost/balcony' to='juliet@localhost' id='3'><body>three</body>\
<delay xmlns='urn:xmpp:delay' from='localhost' stamp='{_}'/></message>
        S: <iq from='romeo@localhost/balcony' to='juliet@localhost/balcony' type='get' id='p'>\
<ping xmlns='urn:xmpp:ping'/></iq>
        S: <r/>
        C: <a h='4'/>
        C: <iq to='romeo@localhost/balcony' type='result' id='p'/>
        C: <r/>
        S: <a h='2'/>
    """)
    await romeo.talk("""
        S: <iq from='juliet@localhost/balcony' to='romeo@localhost/balcony' type='result' id='p'/>
    """)
    await juliet.cut()
    juliet = await stage.again(juliet)
    await juliet.talk("""
        C: <resume previd='{sm}' h='4'/>
        S: <resumed previd='{sm}' h='2'/>
        C: <message to='juliet@localhost/balcony' id='self'/>
        S: <message from='juliet@localhost/balcony' to='juliet@localhost/balcony' id='self'/>
    """)


async def test_a_resumption_takes_over_a_connection_that_looks_alive(stage):
    old = await stage.resumable("juliet")
    new = await stage.again(old)
    await new.talk("""
        C: <resume previd='{sm}' h='0'/>
        S: <resumed previd='{sm}' h='0'/>
    """)
    await old.talk(f"""
        S: <stream:error xmlns:stream='http://etherx.jabber.org/streams'>\
<conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>{{_}}</text></stream:error>
        S: <close xmlns='{FRAMING}'/>
    """)


async def test_a_stream_that_was_closed_is_over(stage):
    juliet = await stage.resumable("juliet")
    juliet.say(f"<close xmlns='{FRAMING}'/>")
    await juliet.cut()
    juliet = await stage.again(juliet)
    await juliet.talk("""
        C: <resume previd='{sm}' h='0'/>
        S: <failed><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>
    """)
    await juliet.bind()


async def test_anothers_session_is_not_to_be_had(stage):
    juliet = await stage.resumable("juliet")
    await juliet.cut()
    romeo = await stage.signed_in("romeo")
    romeo.known = juliet.known
    await romeo.talk("""
        C: <resume previd='{sm}' h='0'/>
        S: <failed><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>
    """)
    await romeo.bind()


async def test_what_an_expired_session_did_not_get_comes_later(stage):
    juliet = await stage.resumable("juliet", "max='1'")
    assert juliet.known["max"] == "1"
    romeo = await stage.bound("romeo")
    juliet.client.push_back()
    romeo.say("<message to='juliet@localhost' id='1'><body>wait</body></message>")
    await settle()
    await juliet.cut()
    router = stage.app.domain.router
    await until(lambda: "juliet@localhost" not in router.accounts, "the session's end")
    juliet = await stage.bound("juliet", presence=False)
    juliet.say("<presence/>")
    await juliet.talk("""
        S: <presence from='juliet@localhost/balcony' to='juliet@localhost'/>
        S: <message from='romeo@localhost/balcony' to='juliet@localhost' id='1'><body>wait</body>\
<delay xmlns='urn:xmpp:delay' from='localhost' stamp='{_}'/></message>
    """)


# Resources, RFC 6120 section 7


@pytest.mark.parametrize("policy", ["replace", "rename", "refuse"])
async def test_one_resource_twice(policy):
    async with staged(resource_conflict=policy) as stage:
        first = await stage.bound("juliet")
        second = await stage.signed_in("juliet")
        second.say(
            "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
            "<resource>balcony</resource></bind></iq>"
        )
        answer = await second.hear()
        if policy == "replace":
            assert "<jid>juliet@localhost/balcony</jid>" in answer
            assert "<conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" in await first.hear()
            assert await first.hear() == f"<close xmlns='{FRAMING}'/>"
            return
        if policy == "rename":
            assert "<jid>juliet@localhost/balcony-" in answer
        else:
            assert "<conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" in answer
            await second.bind("another")
        await first.talk("""
            C: <message to='juliet@localhost/balcony' id='still'/>
            S: <message from='juliet@localhost/balcony' to='juliet@localhost/balcony' id='still'/>
        """)


# What the domain answers


async def test_questions_to_the_domain(stage):
    juliet = await stage.bound("juliet")
    await juliet.talk("""
        C: <iq to='localhost' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>
        S: <iq from='localhost' type='result' id='1'/>
        C: <iq type='get' id='2'><ping xmlns='urn:xmpp:ping'/></iq>
        S: <iq from='juliet@localhost' type='result' id='2'/>
        C: <iq to='localhost' type='get' id='3'><time xmlns='urn:xmpp:time'/></iq>
        S: <iq from='localhost' type='result' id='3'><time xmlns='urn:xmpp:time'>\
<tzo>{tzo}</tzo><utc>{utc}</utc></time></iq>
        C: <iq to='localhost' type='get' id='4'><query xmlns='jabber:iq:version'/></iq>
        S: <iq from='localhost' type='result' id='4'><query xmlns='jabber:iq:version'>\
<name>Andiron</name><version>{version}</version></query></iq>
        C: <iq to='localhost' type='get' id='5'>\
<query xmlns='http://jabber.org/protocol/disco#items'/></iq>
        S: <iq from='localhost' type='result' id='5'>\
<query xmlns='http://jabber.org/protocol/disco#items'>\
<item jid='conference.localhost' name='Chat rooms'/></query></iq>
    """)
    assert juliet.known["utc"].endswith("Z")


async def test_the_domain_says_what_it_can(stage):
    juliet = await stage.bound("juliet")
    juliet.say(
        "<iq to='localhost' type='get' id='1'>"
        "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    )
    info = await juliet.hear()
    assert "<identity category='server' type='im' name='Andiron'/>" in info
    for feature in ("urn:xmpp:ping", "urn:xmpp:time", "jabber:iq:version", "msgoffline"):
        assert f"<feature var='{feature}'/>" in info


async def test_every_question_gets_one_answer(stage):
    juliet = await stage.bound("juliet")
    for number, to in enumerate(("localhost", "juliet@localhost", "nobody@localhost")):
        juliet.say(f"<iq to='{to}' type='get' id='{number}'><query xmlns='urn:example:x'/></iq>")
        answer = await juliet.hear()
        assert f"id='{number}'" in answer
        assert "<service-unavailable " in answer
    await juliet.talk("")


async def test_the_end_of_the_server_is_told():
    async with staged(websocket_close_timeout=0.01) as stage:
        juliet = await stage.resumable("juliet")
        stage.people.clear()
    assert "<system-shutdown " in await juliet.client.until("<stream:error ")
    assert await juliet.hear() == f"<close xmlns='{FRAMING}'/>"
