"""Personal eventing as clients use it: avatars, bookmarks, OMEMO, nicknames.

Requests are built and answers read by slixmpp, which knows the specifications
from another side.
"""

from xml.etree.ElementTree import fromstring, tostring

import pytest
from slixmpp.plugins.xep_0004.stanza import Form, FormField
from slixmpp.plugins.xep_0060 import stanza as pubsub
from slixmpp.plugins.xep_0084.stanza import Data, MetaData
from slixmpp.plugins.xep_0172.stanza import UserNick
from slixmpp.plugins.xep_0203.stanza import Delay
from slixmpp.plugins.xep_0402.stanza import Conference
from slixmpp.stanza import Iq, Message
from slixmpp.xmlstream import register_stanza_plugin
from support.domains import CLIENT, Stage, settle
from support.pep import befriend, person

from andiron.xmpp import namespaces as ns

register_stanza_plugin(Form, FormField, iterable=True)
for payload in (Data, MetaData, UserNick, Conference):
    register_stanza_plugin(pubsub.Item, payload)
    register_stanza_plugin(pubsub.EventItem, payload)
register_stanza_plugin(Message, Delay)

NICK = "http://jabber.org/protocol/nick"
DEVICES = "eu.siacs.conversations.axolotl.devicelist"
BUNDLE = "eu.siacs.conversations.axolotl.bundles:31415"
JULIET, ROMEO = "juliet@localhost", "romeo@localhost"


@pytest.fixture
async def stage():
    stage = Stage()
    stage.add_account("tybalt")
    juliet, romeo = await stage.come("juliet", "setup"), await stage.come("romeo", "setup")
    await befriend(juliet, romeo)
    juliet.leave(), romeo.leave()
    yield stage
    await stage.domain.stop()


class Slix:
    """A person's client that speaks and reads by slixmpp's stanzas."""

    def __init__(self, someone):
        self.client = someone.client
        self.jid = someone.jid
        self._messages = []

    @classmethod
    async def come(cls, stage, name, resource, *wants):
        return cls(await person(stage, name, resource, *wants))

    async def send(self, iq):
        """Send a request; return the answer, or the condition of its error."""
        iq["id"] = "q"
        self._collect()
        self.client.send(str(iq))
        await settle()
        (answer,) = self._collect()
        answer = Iq(xml=answer)
        return answer if answer["type"] == "result" else answer["error"]["condition"]

    async def publish(self, node, identity, content, **options):
        iq = Iq()
        iq["type"] = "set"
        iq["pubsub"]["publish"]["node"] = node
        item = pubsub.Item()
        item["id"] = identity
        item["payload"] = content if not hasattr(content, "xml") else content.xml
        iq["pubsub"]["publish"].append(item)
        if options:
            form = Form()
            form["type"] = "submit"
            form.add_field("FORM_TYPE", ftype="hidden", value=f"{ns.PUBSUB}#publish-options")
            for var, value in options.items():
                form.add_field(f"pubsub#{var}", value=value)
            iq["pubsub"]["publish_options"] = form
        return await self.send(iq)

    async def items(self, node, to="", identity=""):
        iq = Iq()
        iq["type"] = "get"
        iq["to"] = to
        iq["pubsub"]["items"]["node"] = node
        if identity:
            item = pubsub.Item()
            item["id"] = identity
            iq["pubsub"]["items"].append(item)
        answer = await self.send(iq)
        return answer if isinstance(answer, str) else list(answer["pubsub"]["items"])

    async def retract(self, node, identity):
        iq = Iq()
        iq["type"] = "set"
        iq["pubsub"]["retract"]["node"] = node
        iq["pubsub"]["retract"]["notify"] = True
        iq["pubsub"]["retract"]["item"]["id"] = identity
        return await self.send(iq)

    def events(self):
        """Return the messages with events since the last call."""
        self._collect()
        messages, self._messages = self._messages, []
        return messages

    def news(self):
        """Return who told of which node, and the ids of what is new or gone."""
        return [
            (
                message["from"].full,
                message["pubsub_event"]["items"]["node"],
                [item["id"] for item in message["pubsub_event"]["items"]],
            )
            for message in self.events()
        ]

    def _collect(self):
        answers = []
        for stanza in self.client.take():
            if stanza.tag == f"{CLIENT}message":
                self._messages.append(Message(xml=stanza))
            elif stanza.tag == f"{CLIENT}iq":
                answers.append(stanza)
        return answers


async def test_an_avatar(stage):
    """XEP-0084 section 3: the data first, then what tells of it; friends fetch it."""
    picture = bytes(range(256)) * 400
    balcony = await Slix.come(stage, "juliet", "balcony", ns.AVATAR_METADATA)
    chamber = await Slix.come(stage, "juliet", "chamber", ns.AVATAR_METADATA)
    romeo = await Slix.come(stage, "romeo", "garden", ns.AVATAR_METADATA)
    deaf = await Slix.come(stage, "romeo", "phone")
    data = Data()
    data["value"] = picture
    assert (await balcony.publish(ns.AVATAR_DATA, "f00d", data))["type"] == "result"
    metadata = MetaData()
    metadata.add_info("f00d", "image/png", len(picture), "64", "64")
    await balcony.publish(ns.AVATAR_METADATA, "f00d", metadata)
    for someone in (balcony, chamber, romeo):
        (event,) = someone.events()
        assert (event["from"], event["to"].full) == (JULIET, someone.jid)
        (item,) = event["pubsub_event"]["items"]
        (info,) = item["avatar_metadata"]["items"]
        assert (info["id"], info["bytes"], info["type"]) == ("f00d", len(picture), "image/png")
    assert deaf.events() == []
    (item,) = await romeo.items(ns.AVATAR_DATA, JULIET, "f00d")
    assert item["avatar_data"]["value"] == picture
    late = await Slix.come(stage, "romeo", "late", ns.AVATAR_METADATA)
    (event,) = late.events()
    assert [item["id"] for item in event["pubsub_event"]["items"]] == ["f00d"]
    assert event["delay"]["from"] == JULIET
    await balcony.publish(ns.AVATAR_METADATA, "none", MetaData())
    assert late.news() == [(JULIET, ns.AVATAR_METADATA, ["none"])]


async def test_bookmarks(stage):
    """XEP-0402 section 3: one's own, as many as wanted, and added and removed everywhere."""
    options = {
        "persist_items": "true",
        "max_items": "max",
        "send_last_published_item": "never",
        "access_model": "whitelist",
    }
    balcony = await Slix.come(stage, "juliet", "balcony", ns.BOOKMARKS)
    chamber = await Slix.come(stage, "juliet", "chamber", ns.BOOKMARKS)
    romeo = await Slix.come(stage, "romeo", "garden", ns.BOOKMARKS)
    rooms = [f"room{number}@conference.localhost" for number in range(3)]
    for room in rooms:
        bookmark = Conference()
        bookmark["name"], bookmark["autojoin"], bookmark["nick"] = room.title(), True, "Jules"
        assert (await balcony.publish(ns.BOOKMARKS, room, bookmark, **options))["type"] == "result"
    told = [(JULIET, ns.BOOKMARKS, [room]) for room in rooms]
    assert (balcony.news(), chamber.news(), romeo.news()) == (told, told, [])
    found = await chamber.items(ns.BOOKMARKS)
    assert [item["id"] for item in found] == rooms
    assert [item["conference"]["autojoin"] for item in found] == [True] * 3
    assert found[0]["conference"]["nick"] == "Jules"
    assert (await chamber.retract(ns.BOOKMARKS, rooms[1]))["type"] == "result"
    for someone in (balcony, chamber):
        (event,) = someone.events()
        (gone,) = event["pubsub_event"]["items"]
        assert (gone.name, gone["id"]) == ("retract", rooms[1])
    assert [item["id"] for item in await balcony.items(ns.BOOKMARKS)] == [rooms[0], rooms[2]]
    assert await romeo.items(ns.BOOKMARKS, JULIET) == "item-not-found"
    late = await Slix.come(stage, "juliet", "late", ns.BOOKMARKS)
    assert late.events() == []


async def test_omemo(stage):
    """XEP-0384: lists of devices for friends at once, keys for everybody who asks."""
    phone = await Slix.come(stage, "juliet", "phone", DEVICES)
    romeo = await Slix.come(stage, "romeo", "garden", DEVICES)
    stranger = await Slix.come(stage, "tybalt", "street", DEVICES)
    listing = "<list xmlns='eu.siacs.conversations.axolotl'>{}</list>"
    first = fromstring(listing.format("<device id='31415'/>"))
    bundle = fromstring(
        "<bundle xmlns='eu.siacs.conversations.axolotl'>"
        + "".join(f"<preKeyPublic preKeyId='{n}'>{'A' * 44}</preKeyPublic>" for n in range(100))
        + "</bundle>"
    )
    bundled = await phone.publish(BUNDLE, "", bundle, access_model="open")
    (item,) = bundled["pubsub"]["publish"]
    assert item["id"]
    await phone.publish(DEVICES, "current", first, access_model="open")
    assert (phone.news(), romeo.news(), stranger.news()) == (
        [(JULIET, DEVICES, ["current"])],
        [(JULIET, DEVICES, ["current"])],
        [],
    )
    second = fromstring(listing.format("<device id='31415'/><device id='92653'/>"))
    tablet = await Slix.come(stage, "juliet", "tablet", DEVICES)
    assert tablet.news() == [(JULIET, DEVICES, ["current"])]
    assert await tablet.publish(DEVICES, "current", second, access_model="presence") == "conflict"
    await tablet.publish(DEVICES, "current", second, access_model="open", max_items="1")
    for asker in (romeo, stranger):
        (devices,) = await asker.items(DEVICES, JULIET)
        assert [device.get("id") for device in devices["payload"]] == ["31415", "92653"]
        (keys,) = await asker.items(BUNDLE, JULIET)
        assert tostring(keys["payload"]) == tostring(bundle)
    assert await stranger.items(DEVICES, ROMEO) == "item-not-found"


async def test_many_bundles_in_a_node(stage):
    """OMEMO 2 keeps the bundles of all devices in one node of ``max`` items."""
    node, options = "urn:xmpp:omemo:2:bundles", {"access_model": "open", "max_items": "max"}
    phone = await Slix.come(stage, "juliet", "phone")
    for device in ("1", "2"):
        bundle = fromstring("<bundle xmlns='urn:xmpp:omemo:2'/>")
        assert (await phone.publish(node, device, bundle, **options))["type"] == "result"
    stranger = await Slix.come(stage, "tybalt", "street")
    assert [item["id"] for item in await stranger.items(node, JULIET, "2")] == ["2"]


async def test_a_nickname(stage):
    """XEP-0172 section 4.4."""
    balcony = await Slix.come(stage, "juliet", "balcony")
    romeo = await Slix.come(stage, "romeo", "garden", NICK)
    nick = UserNick()
    nick["nick"] = "Jules & Co. <3"
    await balcony.publish(NICK, "current", nick)
    (event,) = romeo.events()
    (item,) = event["pubsub_event"]["items"]
    assert item["nick"]["nick"] == "Jules & Co. <3"


async def test_a_configured_node_and_its_end(stage):
    balcony = await Slix.come(stage, "juliet", "balcony")
    romeo = await Slix.come(stage, "romeo", "garden", "urn:mine")
    iq = Iq()
    iq["type"] = "set"
    iq["pubsub"]["create"]["node"] = "urn:mine"
    form = iq["pubsub"]["configure"]["form"]
    form["type"] = "submit"
    form.add_field("FORM_TYPE", ftype="hidden", value=f"{ns.PUBSUB}#node_config")
    form.add_field("pubsub#access_model", value="whitelist")
    assert (await balcony.send(iq))["type"] == "result"
    iq = Iq()
    iq["type"] = "set"
    iq["pubsub_owner"]["affiliations"]["node"] = "urn:mine"
    member = pubsub.OwnerAffiliation()
    member["jid"], member["affiliation"] = ROMEO, "member"
    iq["pubsub_owner"]["affiliations"].append(member)
    assert (await balcony.send(iq))["type"] == "result"
    iq = Iq()
    iq["type"], iq["to"] = "set", JULIET
    iq["pubsub"]["subscribe"]["node"] = "urn:mine"
    iq["pubsub"]["subscribe"]["jid"] = ROMEO
    subscription = (await romeo.send(iq))["pubsub"]["subscription"]
    assert (subscription["jid"], subscription["subscription"]) == (ROMEO, "subscribed")
    await balcony.publish("urn:mine", "1", fromstring("<x xmlns='urn:mine'/>"))
    assert romeo.news() == [(JULIET, "urn:mine", ["1"])]
    iq = Iq()
    iq["type"] = "set"
    iq["pubsub_owner"]["delete"]["node"] = "urn:mine"
    assert (await balcony.send(iq))["type"] == "result"
    (event,) = romeo.events()
    assert event["pubsub_event"]["delete"]["node"] == "urn:mine"
    assert await romeo.items("urn:mine", JULIET) == "item-not-found"
