"""Message Carbons, XEP-0280."""

import pytest
from slixmpp.plugins.xep_0280 import ReceivedCarbon, SentCarbon
from slixmpp.plugins.xep_0297 import Forwarded
from slixmpp.stanza import Message
from slixmpp.xmlstream import register_stanza_plugin
from support.domains import CLIENT, Stage, condition, settle

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
