"""Client libraries use what a chat client asks for, by what they offer for it.

All tests share the sign-ins: alice and bob with stanza, whose calls are named
after what they do, and alice's phone with xmpp.js, which writes XML.
"""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.interop.client import NodeClient, RefusedError
from tests.interop.conftest import signing_in
from tests.interop.server import DOMAIN, Server

pytestmark = [pytest.mark.peer, pytest.mark.asyncio(loop_scope="module")]


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays."""

    alice: NodeClient
    bob: NodeClient
    phone: NodeClient


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cast(node: str, andiron_server: Server) -> AsyncIterator[Cast]:
    """alice and bob, who have each other in their rosters, and alice's phone."""
    async with signing_in(node, andiron_server) as sign_in:
        cast = Cast(
            await sign_in("alice", "stanza"),
            await sign_in("bob", "stanza"),
            await sign_in("alice", "xmppjs"),
        )
        for client in (cast.alice, cast.bob):
            # Only who has asked for these hears of changes.
            await client.call("getRoster")
            await client.call("getBlocked")
        await befriend(cast.alice, cast.bob)
        yield cast


def bare(client: NodeClient) -> str:
    return client.jid.partition("/")[0]


async def befriend(one: NodeClient, other: NodeClient) -> None:
    for asking, asked in ((one, other), (other, one)):
        asking.command("call", method="subscribe", arguments=[bare(asked)], key="")
        await asked.told("subscribe", bare(asking))
        asked.command("call", method="acceptSubscription", arguments=[bare(asking)], key="")
        await asking.told("available", bare(asked))


def say(client: NodeClient, **message: object) -> None:
    client.command("call", method="sendMessage", arguments=[message], key="")


async def test_roster(cast: Cast) -> None:
    item = {"jid": bare(cast.bob), "name": "Bob", "groups": ["Friends", "Chess"]}
    await cast.alice.call("updateRosterItem", item)
    await cast.alice.told("roster:update", "Chess")
    [found] = (await cast.alice.call("getRoster"))["items"]
    assert found["subscription"] == "both"
    assert found["name"] == "Bob"
    assert sorted(found["groups"]) == ["Chess", "Friends"]
    assert 'name="Bob"' in await cast.phone.iq("get", "", "<query xmlns='jabber:iq:roster'/>")


async def test_receipt_and_marker(cast: Cast) -> None:
    say(
        cast.alice,
        to=cast.bob.jid,
        type="chat",
        id="wants-receipt",
        body="Are you there?",
        receipt={"type": "request"},
    )
    await cast.alice.told("receipt", "wants-receipt")


async def test_archive(cast: Cast) -> None:
    for number in range(5):
        say(cast.bob, to=bare(cast.alice), type="chat", id=f"kept-{number}", body=f"kept {number}")
    await cast.alice.receive("kept 4")
    query = {"with": bare(cast.bob)}
    last = await cast.alice.call("searchHistory", query | {"paging": {"before": "", "max": 3}})
    assert [kept(result) for result in last["results"]] == ["kept 2", "kept 3", "kept 4"]
    before = last["paging"]["first"]
    page = await cast.alice.call("searchHistory", query | {"paging": {"before": before, "max": 2}})
    assert [kept(result) for result in page["results"]] == ["kept 0", "kept 1"]
    after = await cast.alice.call("searchHistory", query | {"paging": {"after": before, "max": 9}})
    assert [kept(result) for result in after["results"]] == ["kept 3", "kept 4"]
    assert after["complete"]
    await cast.alice.call("setHistoryPreferences", {"default": "roster", "never": ["x@y.example"]})
    preferences = await cast.alice.call("getHistoryPreferences")
    assert preferences["default"] == "roster"
    assert preferences["never"] == ["x@y.example"]


def kept(result: dict[str, Any]) -> str:
    body: str = result["item"]["message"].get("body", "")
    return body


async def test_archive_on_the_phone(cast: Cast) -> None:
    say(cast.bob, to=bare(cast.alice), type="chat", body="for the phone's archive")
    await cast.alice.receive("for the phone's archive")
    query = (
        "<query xmlns='urn:xmpp:mam:2' queryid='q'>"
        "<set xmlns='http://jabber.org/protocol/rsm'><max>1</max><before/></set></query>"
    )
    end = await cast.phone.iq("set", "", query)
    assert "<fin" in end
    result = await cast.phone.stanza('queryid="q"')
    assert "for the phone" in result


async def test_carbons(cast: Cast) -> None:
    await cast.alice.call("enableCarbons")
    await cast.phone.iq("set", "", "<enable xmlns='urn:xmpp:carbons:2'/>")
    say(cast.bob, to=cast.alice.jid, type="chat", id="to-one", body="to one of two")
    copy = await cast.phone.stanza("urn:xmpp:carbons:2", "to one of two")
    assert "<received" in copy
    say(cast.alice, to=cast.bob.jid, type="chat", id="from-one", body="from one of two")
    assert "<sent" in await cast.phone.stanza("urn:xmpp:carbons:2", "from one of two")
    cast.phone.send(cast.bob.jid, "from-the-phone")
    await cast.alice.told("carbon:sent", "from-the-phone")
    await cast.alice.call("disableCarbons")


async def test_blocking(cast: Cast) -> None:
    alice, bob = bare(cast.alice), bare(cast.bob)
    await cast.alice.call("block", bob)
    await cast.alice.told("block", bob)
    assert (await cast.alice.call("getBlocked"))["jids"] == [bob]
    assert bob in await cast.phone.iq("get", "", "<blocklist xmlns='urn:xmpp:blocking'/>")
    await cast.bob.told("unavailable", alice)
    say(cast.bob, to=alice, type="chat", id="unheard", body="unheard")
    await cast.bob.told("message:error", "unheard")
    since = len(cast.bob.events)
    await cast.alice.call("unblock", bob)
    await cast.alice.told("unblock", bob)
    await cast.bob.told("available", alice, after=since)
    say(cast.bob, to=alice, type="chat", id="heard", body="heard again")
    await cast.alice.receive("heard again")
    assert not [one for one in cast.alice.messages if one["body"] == "unheard"]


async def test_avatar(cast: Cast) -> None:
    picture = {"type": "Buffer", "data": list(secrets.token_bytes(3000))}
    name = secrets.token_hex(20)
    await cast.alice.call("publishAvatar", name, picture)
    await cast.alice.call("useAvatars", [{"id": name, "bytes": 3000, "mediaType": "image/png"}])
    await cast.bob.told("avatar", name, bare(cast.alice))
    found = await cast.bob.call("getAvatar", bare(cast.alice), name)
    assert found["content"]["data"] == picture


async def test_personal_events(cast: Cast) -> None:
    await cast.alice.call("publishMood", {"value": "happy", "text": "Yay, the mood spec!"})
    assert (await cast.bob.told("mood", "Yay"))["mood"]["value"] == "happy"
    node = "http://jabber.org/protocol/mood"
    assert len((await cast.bob.call("getItems", bare(cast.alice), node))["items"]) == 1
    with pytest.raises(RefusedError, match="item-not-found"):
        await cast.alice.call("getItems", "", "urn:example:nothing")


async def test_bookmarks(cast: Cast) -> None:
    room = f"chess@conference.{DOMAIN}"
    await cast.alice.call("setBookmarks", [{"jid": room, "name": "Chess", "autoJoin": True}])
    [bookmark] = await cast.alice.call("getBookmarks")
    assert (bookmark["jid"], bookmark["name"], bookmark["autoJoin"]) == (room, "Chess", True)
    await cast.phone.iq("set", "", PUBLISH_BOOKMARK.format(room=room))
    items = "<items node='urn:xmpp:bookmarks:1'/>"
    found = await cast.phone.iq("get", "", f"<pubsub xmlns='{PUBSUB}'>{items}</pubsub>")
    assert f'id="{room}"' in found
    assert "<nick>white</nick>" in found


PUBSUB = "http://jabber.org/protocol/pubsub"
PUBLISH_BOOKMARK = (
    f"<pubsub xmlns='{PUBSUB}'>"
    "<publish node='urn:xmpp:bookmarks:1'><item id='{room}'>"
    "<conference xmlns='urn:xmpp:bookmarks:1' autojoin='true'><nick>white</nick></conference>"
    "</item></publish><publish-options><x xmlns='jabber:x:data' type='submit'>"
    "<field var='FORM_TYPE' type='hidden'>"
    "<value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
    "<field var='pubsub#persist_items'><value>true</value></field>"
    "<field var='pubsub#max_items'><value>max</value></field>"
    "<field var='pubsub#send_last_published_item'><value>never</value></field>"
    "<field var='pubsub#access_model'><value>whitelist</value></field>"
    "</x></publish-options></pubsub>"
)


async def test_vcard(cast: Cast) -> None:
    await cast.alice.call("publishVCard", {"fullName": "Alice Liddell"})
    found = await cast.bob.call("getVCard", bare(cast.alice))
    assert found["fullName"] == "Alice Liddell"
    own = await cast.phone.iq("get", "", "<vCard xmlns='vcard-temp'/>")
    assert "<FN>Alice Liddell</FN>" in own


async def test_private_storage(cast: Cast) -> None:
    note = "<exodus xmlns='urn:example:exodus'><nick>Hamlet</nick></exodus>"
    await cast.phone.iq("set", "", f"<query xmlns='jabber:iq:private'>{note}</query>")
    asked = "<query xmlns='jabber:iq:private'><exodus xmlns='urn:example:exodus'/></query>"
    assert "<nick>Hamlet</nick>" in await cast.phone.iq("get", "", asked)


async def test_inactive(cast: Cast) -> None:
    cast.phone.command("raw", xml="<inactive xmlns='urn:xmpp:csi:0'/>")
    await cast.phone.iq("get", DOMAIN, "<ping xmlns='urn:xmpp:ping'/>")
    for state in ("composing", "paused"):
        say(cast.bob, to=cast.phone.jid, type="chat", id=f"is-{state}", chatState=state)
    say(cast.bob, to=cast.phone.jid, type="chat", id="worth-it", body="worth waking up")
    await cast.phone.stanza("worth waking up")
    came = [one["xml"] for one in cast.phone.events if one["event"] == "stanza"]
    assert [xml for xml in came if "is-paused" in xml]
    assert not [xml for xml in came if "is-composing" in xml]
    cast.phone.command("raw", xml="<active xmlns='urn:xmpp:csi:0'/>")


CONFIG = {
    "name": "FORM_TYPE",
    "type": "hidden",
    "value": "http://jabber.org/protocol/muc#roomconfig",
}
TITLE = {"name": "muc#roomconfig_roomname", "value": "A Mad Tea-Party"}


async def test_room(cast: Cast) -> None:
    room = f"tea-{secrets.token_hex(4)}@conference.{DOMAIN}"
    joined = await cast.alice.call("joinRoom", room, "alice")
    assert "201" in joined["muc"]["statusCodes"]
    form = await cast.alice.call("getRoomConfig", room)
    assert "muc#roomconfig_persistentroom" in [field.get("name") for field in form["fields"]]
    await cast.alice.call("configureRoom", room, {"fields": [CONFIG, TITLE]})
    cast.alice.command("call", method="directInvite", arguments=[room, bare(cast.bob)], key="")
    await cast.bob.told("muc:invite", room)
    await cast.bob.call("joinRoom", room, "bob")
    say(cast.bob, to=room, type="groupchat", id="more-tea", body="Have some wine")
    heard = await cast.alice.told("groupchat", "Have some wine")
    assert heard["from"] == f"{room}/bob"
    cast.alice.command("call", method="setSubject", arguments=[room, "Riddles"], key="")
    await cast.bob.told("muc:topic", "Riddles")
    renamed = await cast.bob.call("changeNick", room, "hatter")
    assert renamed["from"] == f"{room}/hatter"
    info = await cast.bob.call("getDiscoInfo", room)
    assert [one["name"] for one in info["identities"]] == ["A Mad Tea-Party"]
    assert "jabber:iq:register" not in info["features"]
    assert "jabber:iq:register" in (await cast.alice.call("getDiscoInfo", room))["features"]
    history = await cast.bob.call("searchHistory", room, {"paging": {"max": 10}})
    assert "Have some wine" in [kept(result) for result in history["results"]]


async def test_room_of_the_phone(cast: Cast) -> None:
    room = f"croquet-{secrets.token_hex(4)}@conference.{DOMAIN}"
    join = "<x xmlns='http://jabber.org/protocol/muc'/>"
    cast.phone.command("raw", xml=f"<presence to='{room}/phone'>{join}</presence>")
    await cast.phone.stanza(room, 'code="110"')
    cast.phone.command(
        "raw", xml=f"<message to='{room}' type='groupchat'><body>Off with it</body></message>"
    )
    await cast.phone.stanza(f'from="{room}/phone"', "Off with it")
    ping = await cast.phone.iq("get", f"{room}/phone", "<ping xmlns='urn:xmpp:ping'/>")
    assert 'type="result"' in ping


async def test_moderation(cast: Cast) -> None:
    room = f"trial-{secrets.token_hex(4)}@conference.{DOMAIN}"
    await cast.alice.call("joinRoom", room, "queen")
    await cast.alice.call("configureRoom", room, {"fields": [CONFIG, TITLE]})
    await cast.bob.call("joinRoom", room, "knave")
    await cast.alice.call("kick", room, "knave", "He stole the tarts")
    await cast.bob.told("muc:leave", room, "He stole the tarts", "307")
    await cast.bob.call("joinRoom", room, "knave")
    since = len(cast.bob.events)
    await cast.alice.call("ban", room, bare(cast.bob))
    await cast.bob.told("muc:leave", room, "301", after=since)
    members = await cast.alice.call("getRoomMembers", room, {"affiliation": "outcast"})
    assert [user["jid"] for user in members["muc"]["users"]] == [bare(cast.bob)]
    with pytest.raises(RefusedError, match="forbidden"):
        await cast.bob.call("joinRoom", room, "knave")
    await cast.alice.call("destroyRoom", room, {"reason": "Nothing but a pack of cards"})
    await cast.alice.told("muc:destroyed", "pack of cards")


async def test_upload(cast: Cast) -> None:
    content = secrets.token_bytes(5000)
    service = await cast.alice.call("getUploadService")
    assert service["maxSize"] > len(content)
    request = {"name": "cat & hat.png", "size": len(content), "mediaType": "image/png"}
    slot = await cast.alice.call("getUploadSlot", service["jid"], request)
    headers = {one["name"]: one["value"] for one in slot["upload"].get("headers", [])}
    headers["Content-Type"] = "image/png"
    async with httpx.AsyncClient() as http:
        put = await http.put(slot["upload"]["url"], content=content, headers=headers)
        assert put.status_code == 201
        found = await http.get(slot["download"])
    assert found.content == content
    assert found.headers["Content-Type"] == "image/png"
    with pytest.raises(RefusedError, match="not-acceptable"):
        await cast.alice.call("getUploadSlot", service["jid"], request | {"size": 10**12})


async def test_entities(cast: Cast) -> None:
    features = (await cast.alice.call("getDiscoInfo", DOMAIN))["features"]
    assert {"urn:xmpp:blocking", "urn:xmpp:carbons:2", "vcard-temp"} <= set(features)
    own = await cast.alice.call("getDiscoInfo", bare(cast.alice))
    assert ("pubsub", "pep") in [(one["category"], one["type"]) for one in own["identities"]]
    assert "urn:xmpp:mam:2" in own["features"]
    assert "utc" in await cast.alice.call("getTime", DOMAIN)
    assert (await cast.alice.call("getSoftwareVersion", DOMAIN))["name"]
    assert (await cast.alice.call("getLastActivity", DOMAIN))["seconds"] >= 0
    assert (await cast.bob.call("getLastActivity", bare(cast.alice)))["seconds"] == 0
