"""The stream's language is that of stanzas that name none (RFC 6120 sections 4.7.4, 8.1.5)."""

from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from support.domains import AUTH, CLIENT, Client, Stage, bind_request, settle
from support.rooms import MUC, ROOM, RoomStage, enter

from andiron.xmpp import namespaces as ns

LANG = f"{{{ns.XML}}}lang"
JULIET = "juliet@localhost"


async def speaker(stage: Stage, *languages: str, name: str = "romeo") -> Client:
    """Return a client whose stream was opened in these languages, one after the other."""
    client = stage.connect()
    first, *others = languages
    client.open(lang=first)
    client.send(AUTH.format(name))
    await settle()
    for lang in others or (first,):
        client.open(lang=lang)
    client.send(bind_request("here"))
    client.send("<presence/>")
    await settle()
    client.take()
    return client


@pytest.mark.parametrize(
    ("stream", "own", "expected"),
    [
        ("de", "", "de"),
        ("de-CH-1996", "", "de-CH-1996"),
        ("de", " xml:lang='fr'", "fr"),
        ("de", " xml:lang=''", ""),
        ("", "", None),
        ("", " xml:lang='fr'", "fr"),
        ("d\u00e9", "", None),
        ("de'/><x", "", None),
        ("de ", "", None),
        ("-de", "", None),
        ("abcdefghi", "", None),
        ("de" + "-abcdefgh" * 8, "", None),
    ],
)
@pytest.mark.parametrize("kind", ["message", "presence", "iq"])
async def test_a_stanza_has_the_streams_language_or_its_own(
    kind: str, stream: str, own: str, expected: str | None
):
    stage = Stage()
    juliet = await stage.come("juliet", "balcony")
    romeo = await speaker(stage, stream)
    type_ = " type='get'" if kind == "iq" else ""
    child = {"message": "<body>hi</body>", "presence": "<status>hi</status>"}.get(kind, "<x/>")
    romeo.send(f"<{kind} to='{juliet.jid}' id='1'{type_}{own}>{child}</{kind}>")
    (stanza,) = juliet.take()
    assert stanza.get(LANG) == expected
    assert (stanza.get("from"), stanza.get("id")) == (romeo.jid, "1")


async def test_the_last_header_counts():
    stage = Stage()
    juliet = await stage.come("juliet", "balcony")
    romeo = await speaker(stage, "de", "fr", "it")
    romeo.send(f"<message to='{juliet.jid}'/>")
    assert juliet.take()[0].get(LANG) == "it"


async def test_it_is_in_the_archive_in_what_waits_and_in_copies():
    stage = Stage()
    romeo = await speaker(stage, "de")
    garden = await stage.come("romeo", "garden")
    await garden.ask(f"<iq type='set' id='c'><enable xmlns='{ns.CARBONS}'/></iq>")
    romeo.send(f"<message to='{JULIET}' type='chat'><body>hallo</body></message>")
    await settle()
    assert fromstring(stage.store.messages["juliet"][0].text).get(LANG) == "de"
    garden.send(f"<iq type='set' id='q'><query xmlns='{ns.MAM}'/></iq>")
    await settle()
    inner = [each for tree in garden.take() for each in tree.iter(f"{CLIENT}message")]
    assert [each.get(LANG) for each in inner if each.get("to") == JULIET] == ["de"] * 2


async def test_it_is_in_rooms():
    stage = RoomStage()
    juliet = await stage.person("juliet")
    await stage.open_room(juliet, "Juliet", enablearchiving=1)
    romeo = await speaker(stage, "de")
    status = "<status>weg</status><status xml:lang='en'>away</status>"
    enter(romeo, "Romeo", inner=status)
    romeo.send(f"<message to='{ROOM}' type='groupchat'><body>hallo</body></message>")
    romeo.send(f"<message to='{ROOM}/Juliet' type='chat'><body>psst</body></message>")
    romeo.send(f"<presence to='{ROOM}/Romeo' type='unavailable'>{status}</presence>")
    there, said, whispered, gone = juliet.take()
    for presence in (there, gone):
        statuses = presence.findall(f"{CLIENT}status")
        assert [(each.text, each.get(LANG)) for each in statuses] == [("weg", "de"), ("away", "en")]
    assert said.get(LANG) == whispered.get(LANG) == "de"
    juliet.send(f"<iq type='set' id='q' to='{ROOM}'><query xmlns='{ns.MAM}'/></iq>")
    await settle()
    result, _ = juliet.take()
    assert result[0][0][1].get(LANG) == "de"


async def test_a_request_for_the_server_is_answered_as_ever():
    stage: Any = Stage()
    romeo = await speaker(stage, "de")
    answer = await romeo.ask(f"<iq type='get' id='p' to='localhost'><ping xmlns='{ns.PING}'/></iq>")
    assert answer.get("type") == "result"
    romeo.send(f"<presence to='nowhere@localhost'>{MUC}</presence>")
    assert romeo.error is None


@pytest.mark.parametrize(
    ("stream", "own", "expected"),
    [
        ("de", "", "de"),
        ("de", " xml:lang='fr'", "fr"),
        ("de", " xml:lang=''", None),
        ("", "", None),
        ("", " xml:lang='it'", "it"),
        ("", " xml:lang='no tag'", None),
    ],
)
async def test_it_is_on_what_a_room_says_in_its_own_words(
    stream: str, own: str, expected: str | None
):
    stage = RoomStage()
    juliet, nurse = await stage.person("juliet"), await stage.person("nurse")
    romeo = await speaker(stage, stream)
    await stage.open_room(romeo, "Romeo", allowinvites=1)
    enter(juliet, "Juliet")
    juliet.take()
    reason = f"<reason{own}>Komm</reason>"
    romeo.send(
        f"<message to='{ROOM}'><x xmlns='{ns.MUC_USER}'>"
        f"<invite to='nurse@localhost'>{reason}</invite></x></message>"
    )
    (invitation,) = nurse.take()
    assert invitation.get(LANG) == expected
    assert invitation.findtext(f".//{{{ns.MUC_USER}}}reason") == "Komm"
    romeo.send(f"<message to='{ROOM}' type='groupchat'><subject{own}>Rosen</subject></message>")
    assert stage.room.subject.lang == (expected or "")
    enter(nurse, "Nurse")
    assert nurse.take()[-1].get(LANG) == expected
    nurse.take(), juliet.take()
    romeo.send(
        f"<iq type='set' id='d' to='{ROOM}'><query xmlns='{ns.MUC_OWNER}'>"
        f"<destroy>{reason}</destroy></query></iq>"
    )
    (gone,) = juliet.take()
    assert gone.get(LANG) == expected


async def test_it_is_on_what_is_said_to_who_invited():
    stage = RoomStage()
    juliet = await stage.person("juliet")
    await stage.open_room(juliet, "Juliet")
    romeo = await speaker(stage, "it")
    juliet.send(
        f"<message to='{ROOM}'><x xmlns='{ns.MUC_USER}'>"
        "<invite to='romeo@localhost'/></x></message>"
    )
    romeo.send(
        f"<message to='{ROOM}'><x xmlns='{ns.MUC_USER}'><decline to='juliet@localhost'>"
        "<reason>Domani</reason></decline></x></message>"
    )
    (declined,) = juliet.take()
    assert declined.get(LANG) == "it"
