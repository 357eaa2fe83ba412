"""RFC 6121 section 8, cell by cell: each kind and type to each sort of address.

The accounts: ``juliet`` sends. ``romeo`` has resources as the scene says. Where
a stanza went is told by the resources that got it, by ``store``, or by the
error that came back; ``-`` is nowhere.
"""

import pytest
from support.domains import Stage, condition, settle
from support.rooms import RoomStage

from andiron.domain.router import IQS, MESSAGES, PRESENCES, Situation
from andiron.sm.config import SmConfig

RESOURCES = {"high": 5, "equal": 5, "low": 1, "negative": -1, "mute": None}
SCENES = {
    "several": ("high", "equal", "low", "negative", "mute"),
    "negative only": ("negative", "mute"),
    "connected only": ("mute",),
    "offline": (),
}
ADDRESSES = {
    "bare": "romeo@localhost",
    "high": "romeo@localhost/high",
    "negative": "romeo@localhost/negative",
    "mute": "romeo@localhost/mute",
    "gone": "romeo@localhost/gone",
    "unknown": "nobody@localhost",
    "unknown full": "nobody@localhost/gone",
    "domain": "localhost",
    "service": "localhost/service",
    "foreign": "romeo@elsewhere",
    "foreign full": "romeo@elsewhere/orchard",
}
NO, RNF = "service-unavailable", "remote-server-not-found"
SPOKEN = {
    ("bare", "several"): "high equal",
    ("bare", "negative only"): "store",
    ("bare", "connected only"): "store",
    ("bare", "offline"): "store",
    ("gone", "several"): "high equal",
    ("gone", "negative only"): "store",
    ("gone", "connected only"): "store",
    ("gone", "offline"): "store",
    ("unknown", "*"): NO,
    ("unknown full", "*"): NO,
    ("domain", "*"): NO,
    ("service", "*"): NO,
    ("foreign", "*"): RNF,
    ("foreign full", "*"): RNF,
}
MATCHED = {("high", "several"): "high", ("negative", "several"): "negative"} | {
    ("negative", "negative only"): "negative",
    ("mute", "several"): "mute",
    ("mute", "negative only"): "mute",
    ("mute", "connected only"): "mute",
}
NOT_BOUND = [
    ("high", "negative only"),
    ("high", "connected only"),
    ("high", "offline"),
    ("negative", "connected only"),
    ("negative", "offline"),
    ("mute", "offline"),
]
"""Full JIDs of resources that the scene lacks, and nobody else to talk to."""


def rest(outcome, **foreign):
    cells = {(address, "*"): outcome for address in ADDRESSES}
    return (
        cells
        | {("foreign", "*"): foreign.get("foreign", outcome)}
        | {("foreign full", "*"): foreign.get("foreign", outcome)}
    )


AVAILABLE = {
    ("bare", "several"): "high equal low negative",
    ("bare", "negative only"): "negative",
}
TABLE = {
    ("message", "normal"): SPOKEN | dict.fromkeys(NOT_BOUND, "store"),
    ("message", ""): SPOKEN | dict.fromkeys(NOT_BOUND, "store"),
    ("message", "unheard-of"): SPOKEN | dict.fromkeys(NOT_BOUND, "store"),
    ("message", "chat"): SPOKEN | dict.fromkeys(NOT_BOUND, "store"),
    ("message", "groupchat"): rest(NO, foreign=RNF),
    ("message", "headline"): rest("-", foreign=RNF) | {("bare", "several"): "high equal low"},
    ("message", "error"): rest("-"),
    ("presence", ""): AVAILABLE | rest("-", foreign=RNF),
    ("presence", "unavailable"): AVAILABLE | rest("-"),
    ("presence", "subscribe"): rest("-", foreign=RNF)
    | {
        ("bare", "several"): "high equal low negative",
        ("bare", "negative only"): "negative",
        ("domain", "*"): NO,
        ("service", "*"): NO,
    },
    ("presence", "subscribed"): rest("-"),
    ("presence", "unsubscribe"): rest("-"),
    ("presence", "unsubscribed"): rest("-"),
    ("presence", "probe"): rest("unsubscribed")
    | dict.fromkeys(
        [("domain", "*"), ("service", "*"), ("foreign", "*"), ("foreign full", "*")], "-"
    ),
    ("presence", "error"): rest("-"),
    ("iq", "get"): rest(NO, foreign=RNF),
    ("iq", "set"): rest(NO, foreign=RNF),
    ("iq", "result"): rest("-"),
    ("iq", "error"): rest("-"),
}
SUBSCRIPTIONS = {"subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe"}


def expected(kind, type_, address, scene):
    if (address, scene) in MATCHED and not (kind == "presence" and type_ in SUBSCRIPTIONS):
        return MATCHED[address, scene]
    row = TABLE[kind, type_]
    return row.get((address, scene)) or row[address, "*"]


async def set_scene(stage, scene):
    resources = {}
    for name in SCENES[scene]:
        priority = RESOURCES[name]
        if priority is None:
            resources[name] = await stage.bind("romeo", name)
        else:
            resources[name] = await stage.come("romeo", name, priority)
    juliet = await stage.bind("juliet", "balcony")
    for client in resources.values():
        client.take()
    return juliet, resources


def tell(stage, juliet, resources):
    got = [name for name, client in resources.items() if client.take()]
    if stage.store.bodies("romeo"):
        got.append("store")
    got += [
        condition(answer) if answer.get("type") == "error" else answer.get("type")
        for answer in juliet.take()
    ]
    return " ".join(got) or "-"


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize(("kind", "type_"), TABLE)
async def test_every_cell(kind, type_, scene):
    stage = Stage()
    juliet, resources = await set_scene(stage, scene)
    payload = {"message": "<body>a</body>", "iq": "<query xmlns='urn:example'/>", "presence": ""}
    wrong = {}
    for address, to in ADDRESSES.items():
        attribute = f" type='{type_}'" if type_ else ""
        juliet.send(f"<{kind} id='1' to='{to}'{attribute}>{payload[kind]}</{kind}>")
        await settle()
        outcome = tell(stage, juliet, resources)
        if outcome != expected(kind, type_, address, scene):
            wrong[address] = (outcome, expected(kind, type_, address, scene))
        stage.store.messages.clear()
    assert wrong == {}
    await stage.domain.stop()


def test_the_table_has_every_cell():
    for table in (MESSAGES, PRESENCES, IQS):
        for row in table.values():
            assert set(row) == set(Situation)


@pytest.mark.parametrize(
    "to",
    [
        "@",
        "a@b@c",
        "romeo@local host",
        "/x",
        "romeo@localhost/",
        "r@meo@conference.localhost/Juliet",
        "garden@conference.localhost/&#10;&lt;&apos;",
        f"garden@conference.localhost/{'n' * 1024}",
    ],
)
@pytest.mark.parametrize("kind", ["message", "presence", "iq"])
async def test_the_error_for_an_address_that_is_none_is_from_it_as_it_was_given(kind, to):
    """RFC 6120 section 8.3.3.8 and XEP-0045 section 7.2: a client knows its request by it."""
    stage = RoomStage()
    juliet = await stage.bind("juliet", "balcony")
    type_ = " type='get'" if kind == "iq" else ""
    juliet.send(f"<{kind} id='7' to='{to}'{type_}/>")
    (answer,) = juliet.take()
    assert condition(answer) == "jid-malformed"
    given = stage.guard.read(f"<x to='{to}'/>").get("to")
    assert (answer.get("from"), answer.get("to")) == (given, juliet.jid)
    assert answer.get("id") == "7"


@pytest.mark.parametrize("kind", ["message", "presence", "iq"])
async def test_the_domain_answers_for_an_empty_address(kind):
    stage = Stage()
    juliet = await stage.bind("juliet", "balcony")
    type_ = " type='get'" if kind == "iq" else ""
    juliet.send(f"<{kind} id='7' to=''{type_}/>")
    (answer,) = juliet.take()
    assert condition(answer) == "jid-malformed"
    assert (answer.get("from"), answer.get("id")) == ("localhost", "7")


async def test_a_message_without_to_is_for_the_own_account():
    """RFC 6120 section 10.3.1."""
    stage = Stage()
    balcony = await stage.come("juliet", "balcony", 1)
    chamber = await stage.come("juliet", "chamber", 2)
    balcony.take()
    balcony.send("<message type='chat'><body>note to self</body></message>")
    (note,) = chamber.take()
    assert (note.get("from"), note.get("to")) == (balcony.jid, "juliet@localhost")
    assert balcony.take() == []


async def test_a_full_jid_spelt_another_way_is_found_and_put_right():
    stage = Stage()
    romeo = await stage.bind("romeo", "orchard")
    juliet = await stage.bind("juliet", "balcony")
    for kind in ("message", "iq type='get'"):
        name = kind.partition(" ")[0]
        juliet.send(f"<{kind} id='1' to='ROMEO@LocalHost/orchard'><q xmlns='urn:x'/></{name}>")
        (stanza,) = romeo.take()
        assert (stanza.get("from"), stanza.get("to")) == (juliet.jid, romeo.jid)


async def test_the_text_of_a_message_goes_on_untouched():
    stage = Stage(archive=None)
    romeo = await stage.bind("romeo", "orchard")
    juliet = await stage.bind("juliet", "balcony")
    juliet.send(
        f"<message xmlns='jabber:client' to=\"{romeo.jid}\" id='m1'>"
        "<body>a &lt; b &amp; \"c\" 'd' \u2665</body><x xmlns='urn:x' a=\"1\"/></message>"
    )
    assert romeo.transport.take() == [
        f"<message from='{juliet.jid}' xmlns='jabber:client' to=\"{romeo.jid}\" id='m1'>"
        "<body>a &lt; b &amp; \"c\" 'd' \u2665</body><x xmlns='urn:x' a=\"1\"/></message>"
    ]


async def test_unknown_accounts_are_answered_like_those_that_take_no_messages():
    stage = Stage()
    juliet = await stage.bind("juliet", "balcony")
    stage.store.limit = 0
    answers = []
    for name in ("nobody", "romeo"):
        juliet.send(f"<message id='1' type='chat' to='{name}@localhost'><body>a</body></message>")
        await settle()
        answers += [text.replace(name, "X") for text in juliet.transport.take()]
    assert len(answers) == 2
    assert answers[0] == answers[1]


async def test_errors_are_never_answered():
    stage = Stage()
    juliet = await stage.bind("juliet", "balcony")
    for stanza in (
        "<message type='error' to='@@'/>",
        "<presence type='error' to='@@'/>",
        "<iq type='error' id='1' to='@@'/>",
        "<iq type='result' id='1' to='@@'/>",
        "<iq type='result'/>",
        "<message type='error' to='romeo@elsewhere'/>",
    ):
        juliet.send(stanza)
    await settle()
    assert juliet.take() == []
    assert juliet.error is None


async def test_routing_survives_resources_that_end_while_they_are_delivered_to():
    """A full queue ends a session within a delivery to several."""
    stage = Stage(SmConfig(queue_stanzas=3))
    first = await stage.come("romeo", "first", sm=True)
    second = await stage.come("romeo", "second")
    juliet = await stage.bind("juliet", "balcony")
    second.take()
    stage.now += 1
    for number in range(6):
        juliet.send(f"<message to='romeo@localhost'><body>{number}</body></message>")
    await settle()
    assert first.error == "resource-constraint"
    assert second.bodies() == ["0", "1", "2", "3", "4", "5"]
    assert stage.store.bodies("romeo") == []
