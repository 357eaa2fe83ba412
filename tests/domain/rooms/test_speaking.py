"""Messages to all, the subject, private messages, and what is kept for who enters."""

import pytest
from support.domains import CLIENT, condition, delays
from support.rooms import MUC, ROOM, RoomStage, configure, enter, request, rule, say

from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError

OCCUPANT_ID = f"{{{ns.OCCUPANT_ID}}}occupant-id"
STANZA_ID = f"{{{ns.STANZA_ID}}}stanza-id"


async def scene(**fields):
    """Return a stage with Juliet, who owns the room, and Romeo in it."""
    stage = RoomStage()
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet, "Juliet", **fields)
    enter(romeo, "Romeo")
    juliet.take(), romeo.take()
    return stage, juliet, romeo


async def test_a_message_goes_to_all_under_the_speakers_nickname():
    _stage, juliet, romeo = await scene()
    romeo.send(
        f"<message type='groupchat' to='{ROOM}' id='m1' xml:lang='it'>"
        "<body>He jests at scars</body><thread>t</thread><x xmlns='y'><z a='&lt;'/></x></message>"
    )
    for client in (juliet, romeo):
        (heard,) = client.take()
        assert heard.get("from") == f"{ROOM}/Romeo"
        assert heard.get("to") == client.jid
        assert heard.get("id") == "m1"
        assert heard.get("type") == "groupchat"
        assert heard.get("{http://www.w3.org/XML/1998/namespace}lang") == "it"
        assert heard.findtext(CLIENT + "body") == "He jests at scars"
        assert heard.find("{y}x/{y}z").get("a") == "<"
        assert heard.find(STANZA_ID).get("by") == ROOM
        assert len(heard.find(OCCUPANT_ID).get("id")) == 64


async def test_occupants_have_an_id_that_lasts_and_is_of_this_room_alone():
    _stage, juliet, romeo = await scene()
    say(romeo, "one")
    first = juliet.take()[0].find(OCCUPANT_ID).get("id")
    enter(romeo, "Other", x="")
    juliet.take()
    say(romeo, "two")
    assert juliet.take()[0].find(OCCUPANT_ID).get("id") == first
    say(juliet, "three")
    assert juliet.take()[0].find(OCCUPANT_ID).get("id") != first
    enter(romeo, "Romeo", room="tomb@conference.localhost")
    assert romeo.take()[-2].find(OCCUPANT_ID).get("id") != first


FORGED = [
    "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='x'/>",
    f"<stanza-id xmlns='{ns.STANZA_ID}' id='x' by='{ROOM}'/>",
    f"<delay xmlns='{ns.DELAY}' from='{ROOM}' stamp='2001-01-01T00:00:00Z'/>",
    f"<x xmlns='{ns.MUC_USER}'><status code='104'/></x>",
    "<x xmlns='http://jabber.org/protocol/muc&#35;user'><status code='104'/></x>",
    f"<p:x xmlns:p='{ns.MUC_USER}'><p:status code='104'/></p:x>",
    "<delay xmlns='urn:xmpp&#58;delay' from='garden@conference.localhost/x' stamp='2001'/>",
    f"<delay xmlns='{ns.DELAY}' from='Garden@Conference.localhost' stamp='2001'/>",
    f"<delay xmlns='{ns.DELAY}' from='garden@conference.localhost.' stamp='2001'/>",
    f"<delay xmlns='{ns.DELAY}' from='localhost' stamp='2001'/>",
    f"<stanza-id xmlns='{ns.STANZA_ID}' id='x' by='GARDEN@conference.localhost'/>",
    f"<x xmlns='{ns.OLD_DELAY}' from='GARDEN@conference.localhost' stamp='2001'/>",
]


@pytest.mark.parametrize("forged", FORGED)
async def test_only_the_room_says_what_is_the_rooms_to_say(forged):
    _stage, juliet, romeo = await scene()
    romeo.send(f"<message type='groupchat' to='{ROOM}'>{forged}<body>hi</body></message>")
    (heard,) = juliet.take()
    tags = [child.tag for child in heard]
    assert tags == [CLIENT + "body", OCCUPANT_ID, STANZA_ID]
    assert "x" not in {heard.find(OCCUPANT_ID).get("id"), heard.find(STANZA_ID).get("id")}


async def test_a_delay_of_somebody_else_stays():
    _stage, juliet, romeo = await scene()
    delay = f"<delay xmlns='{ns.DELAY}' from='gate.example' stamp='2001-01-01T00:00:00Z'/>"
    romeo.send(f"<message type='groupchat' to='{ROOM}'>{delay}<body>hi</body></message>")
    assert delays(juliet.take()[0]) == ["2001-01-01T00:00:00Z"]


REFUSED = [
    (ROOM, "groupchat", "not-acceptable"),
    (ROOM, "chat", "not-acceptable"),
    (f"{ROOM}/Juliet", "chat", "not-acceptable"),
    ("nowhere@conference.localhost", "groupchat", "item-not-found"),
    ("conference.localhost", "groupchat", "item-not-found"),
]


@pytest.mark.parametrize(("to", "kind", "expected"), REFUSED)
async def test_those_outside_cannot_speak(to, kind, expected):
    stage, juliet, _romeo = await scene()
    nurse = await stage.person("nurse")
    say(nurse, "hi", room=to, kind=kind)
    assert condition(nurse.take()[0]) == expected
    assert juliet.take() == []


@pytest.mark.parametrize(
    ("to", "kind", "expected"),
    [
        (ROOM, "chat", "bad-request"),
        (ROOM, "headline", "bad-request"),
        (f"{ROOM}/Juliet", "groupchat", "bad-request"),
        (f"{ROOM}/Nobody", "chat", "item-not-found"),
    ],
)
async def test_messages_that_are_for_nobody(to, kind, expected):
    _stage, juliet, romeo = await scene()
    say(romeo, "hi", room=to, kind=kind)
    assert condition(romeo.take()[0]) == expected
    assert juliet.take() == []


async def test_errors_are_let_go():
    _stage, juliet, romeo = await scene()
    say(romeo, "hi", kind="error")
    assert romeo.take() == juliet.take() == []


async def test_visitors_have_no_voice_until_they_are_given_one():
    _stage, juliet, romeo = await scene(moderatedroom=1)
    say(romeo, "hi")
    assert condition(romeo.take()[0]) == "forbidden"
    await rule(juliet, "nick='Romeo' role='participant'")
    juliet.take(), romeo.take()
    say(romeo, "hi")
    assert juliet.bodies() == ["hi"]


@pytest.mark.parametrize(("changesubject", "allowed"), [(0, False), (1, True)])
async def test_who_may_change_the_subject(changesubject, allowed):
    stage, juliet, romeo = await scene(changesubject=changesubject)
    romeo.send(f"<message type='groupchat' to='{ROOM}'><subject>Moon</subject></message>")
    answer = romeo.take()[0]
    assert (answer.get("type") == "groupchat") == allowed
    assert stage.room.subject.text == ("Moon" if allowed else "")
    if not allowed:
        assert condition(answer) == "forbidden"
    juliet.take()
    juliet.send(f"<message type='groupchat' to='{ROOM}'><subject/></message>")
    assert romeo.take()[0].findtext(CLIENT + "subject") == ""
    assert stage.room.subject.text == ""


@pytest.mark.parametrize("with_it", ["<body>b</body>", "<thread>t</thread>"])
async def test_a_subject_with_a_body_is_a_message(with_it):
    stage, juliet, romeo = await scene()
    romeo.send(f"<message type='groupchat' to='{ROOM}'><subject>s</subject>{with_it}</message>")
    assert juliet.take()[0].findtext(CLIENT + "subject") == "s"
    assert stage.room.subject.text == ""


async def test_too_long_a_message_is_refused():
    stage = RoomStage(max_message=1000)
    juliet = await stage.person("juliet")
    await stage.open_room(juliet)
    say(juliet, "x" * 1000)
    assert condition(juliet.take()[0]) == "not-acceptable"


async def test_too_long_a_subject_is_refused():
    stage = RoomStage(max_subject=5)
    juliet = await stage.person("juliet")
    await stage.open_room(juliet)
    juliet.send(f"<message type='groupchat' to='{ROOM}'><subject>too long</subject></message>")
    assert condition(juliet.take()[0]) == "not-acceptable"


async def test_a_private_message_goes_to_all_sessions_of_one():
    stage, juliet, romeo = await scene()
    phone = await stage.person("juliet", "phone")
    enter(phone, "Juliet")
    juliet.take(), romeo.take(), phone.take()
    romeo.send(
        f"<message type='chat' to='{ROOM}/Juliet' id='p'><body>psst</body>"
        f"<x xmlns='{ns.MUC_USER}'><invite from='nurse@localhost'/></x></message>"
    )
    for client in (juliet, phone):
        (heard,) = client.take()
        assert heard.get("from") == f"{ROOM}/Romeo"
        assert heard.get("to") == client.jid
        assert heard.get("type") == "chat"
        (x,) = heard.findall(f"{{{ns.MUC_USER}}}x")
        assert len(x) == 0
    assert romeo.take() == []


@pytest.mark.parametrize(
    ("allowpm", "role", "allowed"),
    [
        ("anyone", "visitor", True),
        ("participants", "visitor", False),
        ("participants", "participant", True),
        ("moderators", "participant", False),
        ("moderators", "moderator", True),
        ("none", "moderator", False),
    ],
)
async def test_who_may_send_private_messages(allowpm, role, allowed):
    _stage, juliet, romeo = await scene(moderatedroom=1, allowpm=allowpm)
    await rule(juliet, f"nick='Romeo' role='{role}'")
    juliet.take(), romeo.take()
    say(romeo, "psst", room=f"{ROOM}/Juliet", kind="chat")
    assert juliet.bodies() == (["psst"] if allowed else [])
    if not allowed:
        assert condition(romeo.take()[0]) == "forbidden"


async def test_who_blocks_an_occupant_gets_no_private_messages_of_it():
    _stage, juliet, romeo = await scene()
    block = f"<block xmlns='{ns.BLOCKING}'><item jid='{ROOM}/Romeo'/></block>"
    assert (await request(juliet, "set", block, "juliet@localhost")).get("type") == "result"
    juliet.take()
    say(romeo, "psst", room=f"{ROOM}/Juliet", kind="chat")
    assert juliet.take() == romeo.take() == []


async def test_one_who_takes_nothing_keeps_nobody_else_from_hearing():
    _stage, juliet, romeo = await scene()

    def refuse(text, now):
        raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT)

    juliet.link.deliver = refuse
    say(romeo, "hi")
    assert romeo.bodies() == ["hi"]


WISHES = [
    ("", ["1", "2", "3", "4"]),
    ("maxstanzas='2'", ["3", "4"]),
    ("maxstanzas='0'", []),
    ("maxchars='0'", []),
    ("maxchars='100000'", ["1", "2", "3", "4"]),
    ("seconds='25'", ["3", "4"]),
    ("since='2023-11-14T22:30:20Z'", ["3", "4"]),
    ("since='1970-01-01T00:00:00Z'", ["1", "2", "3", "4"]),
    ("seconds='25' maxstanzas='1'", ["4"]),
]


@pytest.mark.parametrize(("wish", "expected"), WISHES)
async def test_what_one_gets_of_the_past(wish, expected):
    stage, _juliet, romeo = await scene()
    for number in range(1, 5):
        say(romeo, str(number))
        stage.now += 10
    nurse = await stage.person("nurse")
    enter(nurse, "Nurse", x=MUC.replace("/>", f"><history {wish}/></x>"))
    stanzas = nurse.take()
    bodies = [each.findtext(CLIENT + "body") for each in stanzas]
    assert [body for body in bodies if body] == expected
    assert all(delays(each) for each in stanzas if each.findtext(CLIENT + "body"))


async def test_the_characters_of_the_past_are_counted_as_they_are_sent():
    stage, _juliet, romeo = await scene()
    say(romeo, "1")
    say(romeo, "2")
    nurse = await stage.person("nurse")
    enter(nurse, "Nurse")
    texts = [text for text in nurse.transport.take() if "<body>" in text]
    for short, expected in ((0, 2), (1, 1)):
        limit = sum(map(len, texts)) - short
        enter(nurse, "Nurse", x=MUC.replace("/>", f"><history maxchars='{limit}'/></x>"))
        assert len([text for text in nurse.transport.take() if "<body>" in text]) == expected


async def test_the_owner_says_how_much_there_is_and_the_operator_how_much_at_most():
    stage = RoomStage(history=3, history_max=4)
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet)
    for number in range(9):
        say(juliet, str(number))
    for wanted, expected in ((None, "678"), (1, "8"), (100, "5678"), (0, "")):
        if wanted is not None:
            answer = await configure(juliet, **{"muc#maxhistoryfetch": wanted})
            assert answer.get("type") == "result"
        enter(romeo, "Romeo")
        assert "".join(filter(None, romeo.bodies())) == expected


async def test_the_past_is_bounded_in_length():
    stage = RoomStage(history_characters=2_000)
    juliet, romeo = await stage.person("juliet"), await stage.person("romeo")
    await stage.open_room(juliet)
    for number in range(9):
        say(juliet, str(number) * 500)
    enter(romeo, "Romeo")
    assert [body[0] for body in romeo.bodies() if body] == ["7", "8"]


@pytest.mark.parametrize(
    ("inner", "kept"),
    [
        ("<body>b</body>", True),
        ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", False),
        (f"<body>b</body><no-store xmlns='{ns.HINTS}'/>", False),
        (f"<reactions xmlns='urn:xmpp:reactions:0'/><store xmlns='{ns.HINTS}'/>", True),
        ("<subject>s</subject><thread>t</thread>", False),
    ],
)
async def test_what_is_kept(inner, kept):
    stage, juliet, romeo = await scene()
    juliet.send(f"<message type='groupchat' to='{ROOM}'>{inner}</message>")
    (heard,) = romeo.take()
    assert (heard.find(STANZA_ID) is not None) == kept
    assert len(stage.room.history) == kept
