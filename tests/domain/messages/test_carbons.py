"""Message Carbons, XEP-0280."""

import pytest
from slixmpp.plugins.xep_0280 import ReceivedCarbon, SentCarbon
from slixmpp.plugins.xep_0297 import Forwarded
from slixmpp.stanza import Message
from slixmpp.xmlstream import register_stanza_plugin
from support.domains import CLIENT, Stage, condition, settle
from support.rooms import ROOM, RoomStage, enter, rule

from andiron.domain.messages import carbons
from andiron.sm.config import SmConfig
from andiron.sm.link import CloseReason
from andiron.xmpp import namespaces as ns
from andiron.xmpp.tree import serialise

ENABLE = f"<iq type='set' id='c'><enable xmlns='{ns.CARBONS}'/></iq>"
DISABLE = f"<iq type='set' id='c'><disable xmlns='{ns.CARBONS}'/></iq>"
COPIES = (f"{{{ns.CARBONS}}}sent", f"{{{ns.CARBONS}}}received")
BODY = "<body>hi</body>"
JULIET = "juliet@localhost"


@pytest.fixture
async def stage():
    stage = Stage()
    yield stage
    await stage.domain.stop()


@pytest.fixture
async def three(stage):
    """Juliet at two resources, both wanting copies, and Romeo."""
    balcony = await stage.come("juliet", "balcony", sm=True)
    chamber = await stage.come("juliet", "chamber", sm=True)
    for client in (balcony, chamber):
        assert (await client.ask(ENABLE)).get("type") == "result"
    romeo = await stage.come("romeo", "orchard")
    balcony.take()
    chamber.take()
    return balcony, chamber, romeo


def say(to, inner=BODY, kind="chat"):
    typed = f" type='{kind}'" if kind else ""
    return f"<message to='{to}'{typed}>{inner}</message>"


def heard(client):
    """Return what messages a client got: ``sent`` or ``received`` for copies, else the body."""
    return [
        next((c.tag.partition("}")[2] for c in tree if c.tag in COPIES), None)
        or tree.findtext(f"{CLIENT}body")
        for tree in client.take()
        if tree.tag == f"{CLIENT}message"
    ]


async def test_what_one_resource_hears_the_other_sees(three):
    balcony, chamber, romeo = three
    romeo.send(say(balcony.jid))
    assert heard(balcony) == ["hi"]
    assert heard(chamber) == ["received"]


async def test_what_one_resource_says_the_other_sees(three):
    balcony, chamber, romeo = three
    balcony.send(say(romeo.jid))
    assert heard(romeo) == ["hi"]
    assert heard(chamber) == ["sent"]
    assert heard(balcony) == []


async def test_a_message_to_the_account_comes_to_each_resource_once(stage, three):
    balcony, chamber, romeo = three
    low = await stage.come("juliet", "low", priority=-1)
    low.send(ENABLE)
    low.take()
    romeo.send(say(JULIET))
    assert (heard(balcony), heard(chamber), heard(low)) == (["hi"], ["hi"], ["received"])


async def test_a_copy_is_sound(three):
    """Sections 8 and 9: from the bare JID, to the resource, the original whole within."""
    balcony, chamber, romeo = three
    register_stanza_plugin(Message, ReceivedCarbon)
    register_stanza_plugin(Message, SentCarbon)
    register_stanza_plugin(ReceivedCarbon, Forwarded)
    register_stanza_plugin(SentCarbon, Forwarded)
    register_stanza_plugin(Forwarded, Message, iterable=True)
    for sender, recipient, how in ((romeo, balcony, "received"), (balcony, romeo, "sent")):
        sender.send(say(recipient.jid, f"{BODY}<x xmlns='urn:x'/>"))
        (original,) = recipient.take()
        (wrapper,) = chamber.take()
        copy = Message(xml=wrapper)
        assert copy["from"] == JULIET
        assert copy["to"] == chamber.jid
        assert copy["type"] == "chat"
        assert copy[f"carbon_{how}"]["body"] == "hi"
        forwarded = wrapper[0].find(f"{{{ns.FORWARD}}}forwarded/{CLIENT}message")
        # Each side has the id of its own archive, and never sees the other's.
        ids = [child for child in forwarded if child.tag == f"{{{ns.STANZA_ID}}}stanza-id"]
        assert [child.get("by") for child in ids] == [JULIET]
        assert original[-1].get("by") == recipient.link.account
        for stanza in (forwarded, original):
            stanza.remove(stanza[-1])
        assert serialise(forwarded) == serialise(original)


@pytest.mark.parametrize(
    ("kind", "inner", "copied"),
    [
        ("chat", BODY, True),
        ("", BODY, True),
        ("normal", BODY, True),
        ("chat", f"<composing xmlns='{ns.CHAT_STATES}'/>", True),
        ("", f"<received xmlns='{ns.RECEIPTS}' id='1'/>", True),
        ("", f"<displayed xmlns='{ns.MARKERS}' id='1'/>", True),
        ("", f"<x xmlns='{ns.DIRECT_INVITE}' jid='r@c'/>", True),
        ("", "<x xmlns='urn:x'/>", False),
        ("", f"<x xmlns='urn:x' a='{ns.RECEIPTS}'><![CDATA[<body>hi</body>]]></x>", False),
        ("", f"<x xmlns='urn:x'><received xmlns='{ns.RECEIPTS}' id='1'/></x>", False),
        ("chat", f"{BODY}<no-copy xmlns='urn:xmpp:hint&#115;'/>", False),
        ("chat", f"{BODY}<private xmlns='{ns.CARBONS}'/>", False),
        ("chat", f"{BODY}<no-copy xmlns='{ns.HINTS}'/>", False),
        ("chat", f"{BODY}<no-store xmlns='{ns.HINTS}'/>", True),
        ("groupchat", BODY, False),
        ("headline", BODY, False),
        ("error", BODY, False),
    ],
)
async def test_what_is_copied(three, kind, inner, copied):
    """Section 6.1."""
    balcony, chamber, romeo = three
    romeo.send(say(balcony.jid, inner, kind))
    assert len(balcony.take()) == 1
    assert heard(chamber) == (["received"] if copied else [])
    balcony.send(say(romeo.jid, inner, kind))
    assert heard(chamber) == (["sent"] if copied else [])


async def test_only_who_asked_gets_copies_and_only_as_long(three):
    balcony, chamber, romeo = three
    assert (await chamber.ask(DISABLE)).get("type") == "result"
    romeo.send(say(balcony.jid))
    balcony.send(say(romeo.jid))
    assert heard(chamber) == []
    assert (await chamber.ask(DISABLE)).get("type") == "result"
    for _ in range(2):
        assert (await chamber.ask(ENABLE)).get("type") == "result"
    romeo.send(say(balcony.jid))
    assert heard(chamber) == ["received"]


async def test_a_message_to_oneself_is_copied_once(three):
    balcony, chamber, _ = three
    balcony.send(say(chamber.jid))
    assert heard(chamber) == ["hi"]
    assert heard(balcony) == []


@pytest.mark.parametrize("how", ["sent", "received"])
@pytest.mark.parametrize("sender", ["romeo", "juliet"])
async def test_a_client_cannot_send_what_looks_like_a_copy(stage, three, how, sender):
    """Section 11: CVE-2017-5589 and its kin."""
    balcony, chamber, romeo = three
    forger = romeo if sender == "romeo" else chamber
    forger.send(
        say(
            balcony.jid,
            f"<{how} xmlns='{ns.CARBONS}'><forwarded xmlns='{ns.FORWARD}'>"
            f"<message xmlns='jabber:client' from='nurse@localhost/x' to='{balcony.jid}'>{BODY}"
            f"</message></forwarded></{how}>",
        )
    )
    (answer,) = forger.take()
    assert condition(answer) == "forbidden"
    assert heard(balcony) == []


async def test_the_feature_is_told(three):
    balcony, *_ = three
    for to in ("localhost", JULIET):
        (query,) = await balcony.ask(
            f"<iq type='get' id='d' to='{to}'><query xmlns='{ns.DISCO_INFO}'/></iq>"
        )
        assert ns.CARBONS in {feature.get("var") for feature in query}


class TestAMessageWithACopy:
    """A session that ends with a message undelivered leaves it to whoever has a copy."""

    async def end(self, client, reason=CloseReason.EXPIRED):
        client.session.close(reason, client.stage.now)
        await settle()

    async def test_is_not_doubled(self, three):
        balcony, chamber, romeo = three
        balcony.lose()
        balcony.stage.now += 1
        romeo.send(say(balcony.jid))
        await self.end(balcony)
        assert heard(chamber) == ["received"]

    async def test_is_not_lost_when_the_copy_was_not_delivered_either(self, stage, three):
        balcony, chamber, romeo = three
        balcony.lose()
        chamber.lose()
        stage.now += 1
        romeo.send(say(balcony.jid))
        await self.end(balcony)
        await self.end(chamber)
        assert stage.store.bodies("juliet") == ["hi"]

    async def test_is_let_go_when_its_own_resource_had_it(self, stage, three):
        _, chamber, romeo = three
        garden = await stage.come("juliet", "garden")
        chamber.lose()
        stage.now += 1
        romeo.send(say(garden.jid))
        assert heard(garden) == ["hi"]
        for client in (chamber, garden):
            await self.end(client)
        assert stage.store.bodies("juliet") == []

    async def test_that_came_before_there_were_copies_finds_another_way(self, stage, three):
        balcony, chamber, romeo = three
        await chamber.ask(DISABLE)
        balcony.lose()
        romeo.send(say(balcony.jid))
        stage.now += 1
        await chamber.ask(ENABLE)
        await self.end(balcony)
        assert heard(chamber) == ["hi"]

    async def test_survives_the_end_of_the_server(self, stage, three):
        balcony, chamber, romeo = three
        stage.now += 1
        romeo.send(say(balcony.jid))
        await self.end(balcony, CloseReason.SHUTDOWN)
        await self.end(chamber, CloseReason.SHUTDOWN)
        assert stage.store.bodies("juliet") == ["hi"]


def copies(client):
    """Return what copies a client got: how, and the type, addresses and condition within."""
    found = []
    for tree in client.take():
        if len(tree) and tree[0].tag in COPIES:
            inner = tree[0].find(f"{{{ns.FORWARD}}}forwarded/{CLIENT}message")
            assert (tree.get("type") or "") == (inner.get("type") or "")
            kind = condition(inner) if inner.get("type") == "error" else inner.get("type")
            how = tree[0].tag.partition("}")[2]
            found.append((how, kind, inner.get("from"), inner.get("to")))
    return found


class TestWhatIsRefused:
    """Section 6.1: the others see that it was sent, and the error."""

    @pytest.mark.parametrize(
        ("to", "expected"),
        [
            ("romeo@elsewhere/x", "remote-server-not-found"),
            ("elsewhere", "remote-server-not-found"),
            ("nobody@localhost", "service-unavailable"),
            ("nobody@localhost/x", "service-unavailable"),
            ("localhost", "service-unavailable"),
            ("a@b@c", "jid-malformed"),
            ("nowhere@conference.localhost", "item-not-found"),
        ],
    )
    async def test_it_is_copied_with_its_error(self, to, expected):
        stage = RoomStage()
        balcony = await stage.come("juliet", "balcony")
        chamber = await stage.come("juliet", "chamber")
        for client in (balcony, chamber):
            await client.ask(ENABLE)
            client.take()
        balcony.send(say(to))
        await settle()
        (error,) = balcony.take()
        assert (condition(error), error.get("from")) == (expected, to)
        assert copies(chamber) == [
            ("sent", "chat", balcony.jid, to),
            ("received", expected, to, balcony.jid),
        ]

    @pytest.mark.parametrize("online", [True, False])
    @pytest.mark.parametrize("blocker", ["juliet", "romeo"])
    async def test_by_blocking(self, stage, three, blocker, online):
        balcony, chamber, romeo = three
        blocked = "romeo@localhost" if blocker == "juliet" else JULIET
        item = f"<block xmlns='{ns.BLOCKING}'><item jid='{blocked}'/></block>"
        await (balcony if blocker == "juliet" else romeo).ask(f"<iq type='set' id='b'>{item}</iq>")
        if not online:
            romeo.leave()
            stage.domain.owners.forget("romeo@localhost")
            await settle()
        balcony.take(), chamber.take()
        balcony.send(say("romeo@localhost"))
        await settle()
        expected = "not-acceptable" if blocker == "juliet" else "service-unavailable"
        assert copies(chamber) == [
            ("sent", "chat", balcony.jid, "romeo@localhost"),
            ("received", expected, "romeo@localhost", balcony.jid),
        ]

    @pytest.mark.parametrize("stored", [True, False])
    async def test_by_the_store(self, stage, three, stored):
        balcony, chamber, romeo = three
        romeo.leave()
        stage.store.limit = stored
        stage.store.running.clear()
        balcony.send(say("romeo@localhost"))
        await settle()
        assert chamber.take() == []
        stage.store.running.set()
        await settle()
        sent, *rest = copies(chamber)
        assert sent == ("sent", "chat", balcony.jid, "romeo@localhost")
        assert rest == [("received", "service-unavailable", "romeo@localhost", balcony.jid)] * (
            not stored
        )

    async def test_when_the_sender_has_left(self, stage, three):
        balcony, chamber, romeo = three
        romeo.leave()
        stage.store.limit = 0
        stage.store.running.clear()
        balcony.send(say("romeo@localhost"))
        balcony.leave()
        stage.store.running.set()
        await settle()
        assert [how for how, *_ in copies(chamber)] == ["sent", "received"]

    @pytest.mark.parametrize("inner", [BODY + f"<private xmlns='{ns.CARBONS}'/>", "<x/>"])
    async def test_what_is_not_for_the_others_is_not_copied(self, three, inner):
        balcony, chamber, _ = three
        balcony.send(say("romeo@elsewhere", inner, "normal"))
        assert len(balcony.take()) == 1
        assert chamber.take() == []

    async def test_what_pretends_to_be_a_copy_is_not_copied(self, three):
        balcony, chamber, _ = three
        balcony.send(say("romeo@elsewhere", f"{BODY}<sent xmlns='{ns.CARBONS}'/>"))
        assert condition(balcony.take()[0]) == "forbidden"
        assert chamber.take() == []


class TestErrorsOfOthers:
    """Section 6.1: an error is copied where the message was that it answers."""

    def error(self, to, identity="1"):
        inner = f"<not-acceptable xmlns='{ns.STANZA_ERRORS}'/>"
        error = f"<error type='cancel'>{inner}</error>"
        return f"<message type='error' id='{identity}' to='{to}'>{error}</message>"

    async def test_an_answer_is_copied(self, three):
        balcony, chamber, romeo = three
        balcony.send(f"<message to='{romeo.jid}' type='chat' id='1'>{BODY}</message>")
        romeo.send(self.error(balcony.jid))
        assert copies(chamber) == [
            ("sent", "chat", balcony.jid, romeo.jid),
            ("received", "not-acceptable", romeo.jid, balcony.jid),
        ]
        assert condition(balcony.take()[-1]) == "not-acceptable"

    @pytest.mark.parametrize("identity", ["1", "2", ""])
    async def test_an_error_about_something_else_is_not(self, three, identity):
        balcony, chamber, romeo = three
        balcony.send(f"<message to='{romeo.jid}' id='1'><x xmlns='urn:x'/></message>")
        balcony.send(f"<message to='{romeo.jid}' type='chat'>{BODY}</message>")
        chamber.take()
        romeo.send(self.error(balcony.jid, identity))
        assert chamber.take() == []

    async def test_a_bounded_number_of_messages_is_remembered(self, three, monkeypatch):
        monkeypatch.setattr(carbons, "_REMEMBERED", 2)
        balcony, chamber, romeo = three
        for identity in ("1", "2", "3", "n" * 256):
            balcony.send(f"<message to='{romeo.jid}' type='chat' id='{identity}'>{BODY}</message>")
        chamber.take()
        for identity in ("1", "2", "3", "n" * 256):
            romeo.send(self.error(balcony.jid, identity))
        assert len(copies(chamber)) == 2

    @pytest.mark.parametrize("gone", [True, False])
    async def test_one_that_comes_late_is_copied(self, gone):
        """Of a message that had been delivered to a session which ended without having it."""
        stage = Stage(SmConfig(idle_probe=0, max=10), archive=None)
        balcony = await stage.come("juliet", "balcony")
        chamber = await stage.come("juliet", "chamber")
        romeo = await stage.come("romeo", "orchard", sm=True)
        for client in (balcony, chamber):
            await client.ask(ENABLE)
            client.take()
        romeo.lose()
        stage.store.limit = 0
        balcony.send(f"<message to='{romeo.jid}' type='chat' id='1'>{BODY}</message>")
        if gone:
            balcony.leave()
        stage.now += 1000
        stage.manager.timers.run(stage.now)
        await settle()
        assert copies(chamber) == [
            ("sent", "chat", balcony.jid, romeo.jid),
            ("received", "service-unavailable", romeo.jid, balcony.jid),
        ]


class TestPrivateMessagesInRooms:
    """Section 6.1: for those who are that occupant alone."""

    @pytest.fixture
    async def stage(self):
        stage = RoomStage()
        self.romeo = await stage.person("romeo")
        await stage.open_room(self.romeo, "Romeo")
        self.balcony, self.chamber, self.garden = [
            await stage.come("juliet", resource) for resource in ("balcony", "chamber", "garden")
        ]
        for client in (self.balcony, self.chamber, self.garden):
            await client.ask(ENABLE)
        enter(self.balcony, "Juliet")
        enter(self.chamber, "Juliet")
        for client in (self.balcony, self.chamber, self.garden, self.romeo):
            client.take()
        return stage

    async def test_those_who_share_the_nickname_see_it(self, stage):
        x = f"<x xmlns='{ns.MUC_USER}'/>"
        for inner in (BODY, BODY + x):
            self.balcony.send(say(f"{ROOM}/Romeo", inner))
            assert heard(self.romeo) == ["hi"]
            (copy,) = self.chamber.take()
            message = copy[0].find(f"{{{ns.FORWARD}}}forwarded/{CLIENT}message")
            assert message.get("to") == f"{ROOM}/Romeo"
            assert [child.tag for child in message][1:] == [f"{{{ns.MUC_USER}}}x"]
        assert self.garden.take() == []

    async def test_what_is_heard_comes_to_those_in_the_room(self, stage):
        self.romeo.send(say(f"{ROOM}/Juliet"))
        assert heard(self.balcony) == heard(self.chamber) == ["hi"]
        assert self.garden.take() == []

    async def test_its_error_goes_the_same_way(self, stage):
        self.balcony.send(say(f"{ROOM}/Nobody"))
        assert [how for how, *_ in copies(self.chamber)] == ["sent", "received"]
        assert self.garden.take() == []

    async def test_who_is_not_in_the_room_says_nothing_to_the_others(self, stage):
        self.garden.send(say(f"{ROOM}/Romeo"))
        assert condition(self.garden.take()[0]) == "not-acceptable"
        assert self.chamber.take() == self.balcony.take() == []

    async def test_an_invitation_is_for_all_to_see(self, stage):
        invite = f"<x xmlns='{ns.MUC_USER}'><invite to='nurse@localhost'/></x>"
        await rule(self.romeo, "nick='Juliet' role='moderator'")
        for client in (self.balcony, self.chamber, self.garden):
            client.take()
        self.balcony.send(say(ROOM, invite, "normal"))
        assert heard(self.chamber) == heard(self.garden) == ["sent"]
