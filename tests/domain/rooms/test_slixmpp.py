"""slixmpp's stanzas of XEP-0045, which know nothing of Andiron, ask and understand."""

from xml.etree.ElementTree import tostring

from slixmpp import Iq, Message, Presence
from slixmpp.plugins.xep_0004 import Form, FormField
from slixmpp.plugins.xep_0045 import stanza as muc
from slixmpp.xmlstream import register_stanza_plugin
from support.domains import settle
from support.rooms import ROOM, RoomStage, enter, request

from andiron.xmpp import namespaces as ns

muc.register_plugins()
register_stanza_plugin(muc.MUCOwnerQuery, Form)
register_stanza_plugin(Form, FormField, iterable=True)


def sent(stanza) -> str:
    return tostring(stanza.xml, encoding="unicode")


async def scene(**fields):
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, "Juliet", **fields)
    return stage, juliet, romeo


async def test_a_join():
    _, _juliet, romeo = await scene(roomsecret="secret")
    join = Presence()
    join["to"] = f"{ROOM}/Romeo"
    join["muc_join"]["password"] = "secret"
    join["muc_join"]["history"]["maxstanzas"] = "0"
    romeo.send(sent(join))
    (other, mine, _) = romeo.take()
    seen = Presence(xml=other)
    assert (seen["muc"]["nick"], seen["muc"]["room"]) == ("Juliet", ROOM)
    assert (seen["muc"]["affiliation"], seen["muc"]["role"]) == ("owner", "moderator")
    seen = Presence(xml=mine)
    assert seen["muc"]["status_codes"] == {110, 170}
    assert seen["muc"]["jid"] == romeo.jid


async def test_a_kick_a_ban_and_a_nickname():
    _, juliet, romeo = await scene()
    enter(romeo, "Romeo")
    enter(romeo, "Montague", x="")
    gone = Presence(xml=juliet.take()[-2])
    assert gone["muc"]["item_nick"] == "Montague"
    for nick, change in (("Montague", ("role", "none")), ("Romeo", ("affiliation", "outcast"))):
        enter(romeo, nick)
        juliet.take()
        iq = Iq()
        iq["type"], iq["to"], iq["id"] = "set", ROOM, "k"
        who = ("nick", nick) if change[0] == "role" else ("jid", "romeo@localhost")
        admin = muc.MUCAdminItem()
        admin[who[0]], admin[change[0]], admin["reason"] = who[1], change[1], "so"
        iq["mucadmin_query"].append(admin)
        juliet.send(sent(iq))
        await settle()
        seen = Presence(xml=romeo.take()[-1])
        assert seen["type"] == "unavailable"
        assert seen["muc"]["item"]["reason"] == "so"
        assert seen["muc"]["item"]["actor"]["nick"] == "Juliet"
        assert seen["muc"]["status_codes"] == {110, 307 if change[0] == "role" else 301}


async def test_a_configuration():
    stage, juliet, _ = await scene()
    answer = Iq(
        xml=await request(juliet, "get", "<query xmlns='http://jabber.org/protocol/muc#owner'/>")
    )
    form = answer["mucowner_query"]["form"]
    assert form["type"] == "form"
    fields = form.get_fields()
    assert fields["muc#roomconfig_whois"]["value"] == "moderators"
    form["type"] = "submit"
    form.set_values(
        {
            "muc#roomconfig_roomname": "Garden",
            "muc#roomconfig_membersonly": True,
            "muc#roomconfig_presencebroadcast": ["moderator", "participant"],
        }
    )
    iq = Iq()
    iq["type"], iq["to"], iq["id"] = "set", ROOM, "c"
    iq["mucowner_query"].append(form)
    juliet.send(sent(iq))
    await settle()
    assert stage.room.config.name == "Garden"
    assert stage.room.config.members_only
    assert stage.room.config.broadcast == {"moderator", "participant"}


async def test_an_affiliation_of_who_is_away_and_its_list():
    _, juliet, _romeo = await scene()
    iq = Iq()
    iq["type"], iq["to"], iq["id"] = "set", ROOM, "a"
    admin = muc.MUCAdminItem()
    admin["jid"], admin["affiliation"], admin["nick"] = "nurse@localhost", "member", "Nurse"
    admin["reason"] = "Susan"
    iq["mucadmin_query"].append(admin)
    juliet.send(sent(iq))
    await settle()
    told = Message(xml=next(each for each in juliet.take() if each.tag.endswith("message")))
    found = told["muc"]["item"]
    assert (found["affiliation"], found["role"]) == ("member", "none")
    assert (found["jid"], found["nick"]) == ("nurse@localhost", "Nurse")
    payload = f"<query xmlns='{ns.MUC_ADMIN}'><item affiliation='member'/></query>"
    answer = Iq(xml=await request(juliet, "get", payload))
    (entry,) = answer["mucadmin_query"]
    assert (entry["jid"], entry["nick"]) == ("nurse@localhost", "Nurse")
    assert entry["reason"] == "Susan"


async def test_an_invitation_a_refusal_and_the_end():
    stage, juliet, romeo = await scene()
    invite = Message()
    invite["to"] = ROOM
    invite["muc"]["invite"]["to"] = "romeo@localhost"
    invite["muc"]["invite"]["reason"] = "Come"
    juliet.send(sent(invite))
    got = Message(xml=romeo.take()[0])
    assert got["muc"]["invite"]["from"] == "juliet@localhost"
    assert got["muc"]["invite"]["reason"] == "Come"
    refusal = Message()
    refusal["to"] = ROOM
    refusal["muc"]["decline"]["to"] = "juliet@localhost"
    romeo.send(sent(refusal))
    got = Message(xml=juliet.take()[0])
    assert got["muc"]["decline"]["from"] == "romeo@localhost"
    iq = Iq()
    iq["type"], iq["to"], iq["id"] = "set", ROOM, "d"
    destroy = muc.MUCOwnerDestroy()
    destroy["reason"], destroy["jid"] = "Plague", "tomb@conference.localhost"
    iq["mucowner_query"].append(destroy)
    juliet.send(sent(iq))
    await settle()
    gone = Presence(xml=next(each for each in juliet.take() if each.tag.endswith("presence")))
    assert gone["muc"]["destroy"]["reason"] == "Plague"
    assert gone["muc"]["destroy"]["jid"] == "tomb@conference.localhost"
    assert not stage.has_room()
