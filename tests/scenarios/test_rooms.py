"""Conversations of XEP-0045 sections 7 to 10, as its examples tell them."""

# A stanza is one line of a script.
# ruff: noqa: E501

from dataclasses import dataclass

from support.conversation import Conversation
from support.domains import Client, Stage, settle
from support.rooms import RoomStage

from andiron.xmpp import namespaces as ns

COVEN = "coven@conference.localhost"
MUC = f"<x xmlns='{ns.MUC}'/>"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
BY_WHOM = f"<occupant-id xmlns='{ns.OCCUPANT_ID}' id='{{_}}'/>"
KEPT = f"{BY_WHOM}<stanza-id xmlns='{ns.STANZA_ID}' by='{COVEN}' id='{{_}}'/>"
EMPTY_SUBJECT = (
    f"S: <message from='{COVEN}' to='{{me}}' type='groupchat'><subject></subject></message>"
)


@dataclass
class Mouth:
    """Lets a conversation speak on the stage."""

    stage: Stage
    client: Client

    def receive(self, _transport, text) -> None:
        self.client.session.receive(self.stage.guard.read(text), self.stage.now)


def x(item, *codes, more="") -> str:
    """Return what a room adds to presence; ``item`` are attributes, and children after a ``>``."""
    head, _, inner = item.partition(">")
    written = f"<item {head}>{inner}</item>" if inner else f"<item {head}/>"
    statuses = "".join(f"<status code='{code}'/>" for code in codes)
    return f"<x xmlns='{ns.MUC_USER}'>{written}{more}{statuses}</x>"


def presence(nick, item, *codes, kind="", inner="", more="", id_="") -> str:
    """Return the line of a presence that an occupant gets."""
    attributes = (f" type='{kind}'" if kind else "") + (f" id='{id_}'" if id_ else "")
    return (
        f"S: <presence from='{COVEN}/{nick}' to='{{me}}'{attributes}>"
        f"{inner}{x(item, *codes, more=more)}{BY_WHOM}</presence>"
    )


async def cast(*names) -> list[Conversation]:
    """Return what some people say and hear."""
    stage = RoomStage()
    conversations = []
    for name in names:
        client = await stage.person(name)
        mouth = Mouth(stage, client)
        conversations.append(Conversation(mouth, client.transport, me=client.jid))
    return conversations


OWNER = "affiliation='owner' role='moderator'"
CRONE1 = f"{OWNER} jid='crone1@localhost/here'"
NONE = "affiliation='none' role='participant'"
HAG66 = f"{NONE} jid='hag66@localhost/here'"


async def coven(*names) -> list[Conversation]:
    """Return the owner of an instant room, and others in it."""
    people = await cast("crone1", *names)
    people[0].talk(f"""
        C: <presence to='{COVEN}/firstwitch'>{MUC}</presence>
        {presence("firstwitch", CRONE1, 110, 170, 201)}
        {EMPTY_SUBJECT}
        C: <iq id='create1' to='{COVEN}' type='set'><query xmlns='{ns.MUC_OWNER}'><x xmlns='{ns.DATA}' type='submit'/></query></iq>
        S: <iq id='create1' from='{COVEN}' type='result'/>
    """)
    for each, nick in zip(people[1:], ("thirdwitch", "secondwitch"), strict=False):
        each.world.receive(
            None,
            f"<presence xmlns='jabber:client' to='{COVEN}/{nick}'>{MUC}</presence>",
        )
    for each in people:
        each.transport.take()
    return people


async def test_entering_a_room():
    crone, hag = await cast("crone1", "hag66")
    crone.talk(f"""
        C: <presence to='{COVEN}/firstwitch'>{MUC}</presence>
        {presence("firstwitch", CRONE1, 110, 170, 201)}
        {EMPTY_SUBJECT}
        C: <iq id='create1' to='{COVEN}' type='set'><query xmlns='{ns.MUC_OWNER}'><x xmlns='{ns.DATA}' type='submit'/></query></iq>
        S: <iq id='create1' from='{COVEN}' type='result'/>
        C: <message to='{COVEN}' type='groupchat' id='m'><body>Thrice the brinded cat hath mew'd.</body></message>
        S: <message from='{COVEN}/firstwitch' to='{{me}}' type='groupchat' id='m'><body>Thrice the brinded cat hath mew'd.</body>{KEPT}</message>
    """)
    hag.talk(f"""
        C: <presence id='n13mt3l' to='{COVEN}/thirdwitch'>{MUC}</presence>
        {presence("firstwitch", OWNER)}
        {presence("thirdwitch", HAG66, 110, 170, id_="n13mt3l")}
        S: <message from='{COVEN}/firstwitch' to='{{me}}' type='groupchat' id='m'><body>Thrice the brinded cat hath mew'd.</body>{KEPT}<delay xmlns='urn:xmpp:delay' from='{COVEN}' stamp='{{_}}'/></message>
        {EMPTY_SUBJECT}
    """)
    crone.talk(presence("thirdwitch", HAG66))


async def test_no_nickname_specified():
    (hag,) = await cast("hag66")
    hag.talk(f"""
        C: <presence to='{COVEN}' id='273hs51g'>{MUC}</presence>
        S: <presence from='{COVEN}' id='273hs51g' to='{{me}}' type='error'><error by='{COVEN}' type='modify'><jid-malformed xmlns='{STANZAS}'/><text xmlns='{STANZAS}' xml:lang='en'>{{_}}</text></error></presence>
    """)


async def test_a_message_and_a_private_one():
    crone, hag = await coven("hag66")
    hag.talk(f"""
        C: <message id='hysf1v37' to='{COVEN}' type='groupchat'><body>Harpier cries: 'tis time, 'tis time.</body></message>
        S: <message from='{COVEN}/thirdwitch' id='hysf1v37' to='{{me}}' type='groupchat'><body>Harpier cries: 'tis time, 'tis time.</body>{KEPT}</message>
        C: <message id='hgn27af1' to='{COVEN}/firstwitch' type='chat'><body>I'll give thee a wind.</body><x xmlns='{ns.MUC_USER}'/></message>
    """)
    crone.talk(f"""
        S: <message from='{COVEN}/thirdwitch' id='hysf1v37' to='{{me}}' type='groupchat'><body>Harpier cries: 'tis time, 'tis time.</body>{KEPT}</message>
        S: <message from='{COVEN}/thirdwitch' id='hgn27af1' to='{{me}}' type='chat'><body>I'll give thee a wind.</body><x xmlns='{ns.MUC_USER}'/>{BY_WHOM}</message>
    """)


async def test_changing_nickname_and_availability_and_leaving():
    crone, hag = await coven("hag66")
    hag.talk(f"""
        C: <presence id='ifd1c35' to='{COVEN}/oldhag'/>
        {presence("thirdwitch", HAG66 + " nick='oldhag'", 110, 303, kind="unavailable")}
        {presence("oldhag", HAG66, 110, id_="ifd1c35")}
        C: <presence to='{COVEN}/oldhag'><show>xa</show><status>gone where the goblins go</status></presence>
        {presence("oldhag", HAG66, 110, inner="<show>xa</show><status>gone where the goblins go</status>")}
        C: <presence to='{COVEN}/oldhag' type='unavailable'/>
        {presence("oldhag", HAG66.replace("participant", "none"), 110, kind="unavailable")}
    """)
    crone.talk(f"""
        {presence("thirdwitch", HAG66 + " nick='oldhag'", 303, kind="unavailable")}
        {presence("oldhag", HAG66, id_="ifd1c35")}
        {presence("oldhag", HAG66, inner="<show>xa</show><status>gone where the goblins go</status>")}
        {presence("oldhag", HAG66.replace("participant", "none"), kind="unavailable")}
    """)


async def test_a_subject():
    crone, hag = await coven("hag66")
    crone.talk(f"""
        C: <message id='lh2bs617' to='{COVEN}' type='groupchat'><subject>Fire Burn and Cauldron Bubble!</subject></message>
        S: <message id='lh2bs617' from='{COVEN}/firstwitch' to='{{me}}' type='groupchat'><subject>Fire Burn and Cauldron Bubble!</subject>{KEPT}</message>
    """)
    hag.talk(f"""
        S: <message id='lh2bs617' from='{COVEN}/firstwitch' to='{{me}}' type='groupchat'><subject>Fire Burn and Cauldron Bubble!</subject>{KEPT}</message>
        C: <message id='s' to='{COVEN}' type='groupchat'><subject>Mine</subject></message>
        S: <message id='s' from='{COVEN}' to='{{me}}' type='error'><error by='{COVEN}' type='auth'><forbidden xmlns='{STANZAS}'/><text xmlns='{STANZAS}' xml:lang='en'>{{_}}</text></error></message>
    """)


async def test_kicking_an_occupant():
    crone, hag, wicca = await coven("hag66", "wiccarocks")
    kicked = "affiliation='none' role='none'"
    why = "<actor nick='firstwitch'/><reason>Avaunt, you cullion!</reason>"
    crone.talk(f"""
        C: <iq id='kick1' to='{COVEN}' type='set'><query xmlns='{ns.MUC_ADMIN}'><item nick='thirdwitch' role='none'><reason>Avaunt, you cullion!</reason></item></query></iq>
        S: <iq from='{COVEN}' id='kick1' type='result'/>
        {presence("thirdwitch", f"{kicked} jid='hag66@localhost/here'>{why}", 307, kind="unavailable")}
    """)
    hag.talk(
        presence(
            "thirdwitch",
            f"{kicked} jid='hag66@localhost/here'>{why}",
            110,
            307,
            kind="unavailable",
        )
    )
    wicca.talk(presence("thirdwitch", f"{kicked}>{why}", 307, kind="unavailable"))


async def test_granting_membership_and_banning():
    crone, hag, wicca = await coven("hag66", "wiccarocks")
    member, outcast = "affiliation='member' role='participant'", "affiliation='outcast' role='none'"
    actor = "<actor nick='firstwitch'/>"
    jid = " jid='hag66@localhost/here'"
    crone.talk(f"""
        C: <iq id='member1' to='{COVEN}' type='set'><query xmlns='{ns.MUC_ADMIN}'><item affiliation='member' jid='hag66@localhost'/></query></iq>
        S: <iq from='{COVEN}' id='member1' type='result'/>
        {presence("thirdwitch", f"{member}{jid}>{actor}")}
        C: <iq id='ban1' to='{COVEN}' type='set'><query xmlns='{ns.MUC_ADMIN}'><item affiliation='outcast' jid='hag66@localhost'/></query></iq>
        S: <iq from='{COVEN}' id='ban1' type='result'/>
        {presence("thirdwitch", f"{outcast}{jid}>{actor}", 301, kind="unavailable")}
        C: <iq id='ban2' to='{COVEN}' type='get'><query xmlns='{ns.MUC_ADMIN}'><item affiliation='outcast'/></query></iq>
        S: <iq from='{COVEN}' id='ban2' type='result'><query xmlns='{ns.MUC_ADMIN}'><item affiliation='outcast' jid='hag66@localhost'/></query></iq>
    """)
    wicca.talk(f"""
        {presence("thirdwitch", f"{member}>{actor}")}
        {presence("thirdwitch", f"{outcast}>{actor}", 301, kind="unavailable")}
    """)
    hag.talk(f"""
        {presence("thirdwitch", f"{member}{jid}>{actor}", 110)}
        {presence("thirdwitch", f"{outcast}{jid}>{actor}", 110, 301, kind="unavailable")}
        C: <presence to='{COVEN}/thirdwitch'>{MUC}</presence>
        S: <presence from='{COVEN}/thirdwitch' to='{{me}}' type='error'><error by='{COVEN}' type='auth'><forbidden xmlns='{STANZAS}'/><text xmlns='{STANZAS}' xml:lang='en'>{{_}}</text></error></presence>
    """)


def error(kind, type_) -> str:
    return (
        f"<error by='{COVEN}' type='{type_}'><{kind} xmlns='{STANZAS}'/>"
        f"<text xmlns='{STANZAS}' xml:lang='en'>{{_}}</text></error>"
    )


def admin(*items) -> str:
    return f"<query xmlns='{ns.MUC_ADMIN}'>{''.join(items)}</query>"


def notice(item) -> str:
    return (
        f"S: <message from='{COVEN}' to='{{me}}'><x xmlns='{ns.MUC_USER}'>{item}</x>"
        f"<no-store xmlns='{ns.HINTS}'/></message>"
    )


async def test_lists_of_people_who_are_away():
    """Sections 9.1 to 9.5 and 10.3."""
    crone, hag = await coven("hag66")
    why = "<reason>Treason</reason>"
    actor = "<actor nick='firstwitch'/>"
    member = "affiliation='member' jid='hecate@localhost' nick='Hecate'"
    crone.talk(f"""
        C: <iq id='ban0' to='{COVEN}' type='set'>{admin("<item affiliation='outcast' jid='crone1@localhost'/>")}</iq>
        S: <iq from='{COVEN}' to='{{me}}' id='ban0' type='error'>{error("conflict", "cancel")}</iq>
        C: <iq id='ban1' to='{COVEN}' type='set'>{admin(f"<item affiliation='outcast' jid='earlofcambridge@localhost'>{why}</item>")}</iq>
        S: <iq from='{COVEN}' id='ban1' type='result'/>
        {notice(f"<item affiliation='outcast' jid='earlofcambridge@localhost' role='none'>{actor}{why}</item>")}
        C: <iq id='ban2' to='{COVEN}' type='get'>{admin("<item affiliation='outcast'/>")}</iq>
        S: <iq from='{COVEN}' id='ban2' type='result'>{admin(f"<item affiliation='outcast' jid='earlofcambridge@localhost'>{why}</item>")}</iq>
        C: <iq id='member1' to='{COVEN}' type='set'>{admin(f"<item {member}/>")}</iq>
        S: <iq from='{COVEN}' id='member1' type='result'/>
        {notice(f"<item {member} role='none'>{actor}</item>")}
        C: <iq id='member3' to='{COVEN}' type='get'>{admin("<item affiliation='member'/>")}</iq>
        S: <iq from='{COVEN}' id='member3' type='result'>{admin(f"<item {member}/>")}</iq>
    """)
    hag.talk(f"""
        C: <presence id='ifd1c35' to='{COVEN}/Hecate'/>
        S: <presence from='{COVEN}/Hecate' id='ifd1c35' to='{{me}}' type='error'>{error("conflict", "cancel")}</presence>
        C: <presence id='ifd1c36' to='{COVEN}/hecate '/>
        S: <presence from='{COVEN}/hecate ' id='ifd1c36' to='{{me}}' type='error'>{error("conflict", "cancel")}</presence>
    """)


async def test_a_client_that_is_not_there_any_more():
    """Sections 11.1 and 18.1.2."""
    crone, hag = await coven("hag66")
    gone = HAG66.replace("participant", "none")
    hag.talk(f"""
        C: <message id='m' to='{COVEN}' type='error'><error type='cancel'><gone xmlns='{STANZAS}'/></error></message>
        {presence("thirdwitch", gone, 110, 333, kind="unavailable")}
    """)
    crone.talk(presence("thirdwitch", gone, 333, kind="unavailable"))


async def test_an_invitation_that_is_declined():
    crone, _, hecate = await coven("hag66", "hecate")
    hecate.world.receive(
        None, f"<presence xmlns='jabber:client' type='unavailable' to='{COVEN}/secondwitch'/>"
    )
    crone.transport.take(), hecate.transport.take()
    crone.talk(f"""
        C: <message id='nzd143v8' to='{COVEN}'><x xmlns='{ns.MUC_USER}'><invite to='hecate@localhost'><reason>Hey Hecate, this is the place for all good witches!</reason></invite></x></message>
    """)
    hecate.talk(f"""
        S: <message from='{COVEN}' id='nzd143v8' to='hecate@localhost'><x xmlns='{ns.MUC_USER}'><invite from='crone1@localhost'><reason>Hey Hecate, this is the place for all good witches!</reason></invite></x></message>
        C: <message id='jk2vs61v' to='{COVEN}'><x xmlns='{ns.MUC_USER}'><decline to='crone1@localhost'><reason>Sorry, I'm too busy right now.</reason></decline></x></message>
    """)
    crone.talk(f"""
        S: <message from='{COVEN}' id='jk2vs61v' to='crone1@localhost'><x xmlns='{ns.MUC_USER}'><decline from='hecate@localhost'><reason>Sorry, I'm too busy right now.</reason></decline></x></message>
    """)


async def test_destroying_a_room():
    crone, hag = await coven("hag66")
    gone = "affiliation='none' role='none'"
    why = "<destroy jid='heath@conference.localhost'><reason>Macbeth doth come.</reason></destroy>"
    crone.talk(f"""
        C: <iq id='begone' to='{COVEN}' type='set'><query xmlns='{ns.MUC_OWNER}'><destroy jid='heath@conference.localhost'><reason>Macbeth doth come.</reason></destroy></query></iq>
        S: <iq from='{COVEN}' id='begone' type='result'/>
        {presence("firstwitch", gone, kind="unavailable", more=why)}
    """)
    hag.talk(presence("thirdwitch", gone, kind="unavailable", more=why))


async def test_discovering_a_reserved_nickname_and_an_absent_one():
    crone, hag = await coven("hag66")
    for each in (crone, hag):
        each.talk(f"""
            C: <iq id='getnick1' to='{COVEN}' type='get'><query xmlns='{ns.DISCO_INFO}' node='x-roomuser-item'/></iq>
            S: <iq from='{COVEN}' id='getnick1' type='result'><query xmlns='{ns.DISCO_INFO}' node='x-roomuser-item'></query></iq>
        """)


async def test_a_self_ping_in_the_room_and_out_of_it():
    """XEP-0410 section 3."""
    _, hag = await coven("hag66")
    hag.talk(f"""
        C: <iq id='s2c1' to='{COVEN}/thirdwitch' type='get'><ping xmlns='{ns.PING}'/></iq>
        S: <iq from='{COVEN}/thirdwitch' id='s2c1' type='result'/>
        C: <presence to='{COVEN}/thirdwitch' type='unavailable'/>
        {presence("thirdwitch", HAG66.replace("participant", "none"), 110, kind="unavailable")}
        C: <iq id='s2c2' to='{COVEN}/thirdwitch' type='get'><ping xmlns='{ns.PING}'/></iq>
        S: <iq from='{COVEN}/thirdwitch' to='{{me}}' id='s2c2' type='error'><error by='{COVEN}' type='cancel'><not-acceptable xmlns='{STANZAS}'/><text xmlns='{STANZAS}' xml:lang='en'>{{_}}</text></error></iq>
    """)
    await settle()
