"""Message Archive Management (XEP-0313) and its preferences (XEP-0441), as clients see them."""

from typing import Any
from xml.etree.ElementTree import Element as Tree
from xml.etree.ElementTree import fromstring

import pytest
from slixmpp import Iq, Message
from slixmpp.plugins.xep_0004 import Form
from slixmpp.plugins.xep_0059 import Set
from slixmpp.plugins.xep_0297 import Forwarded
from slixmpp.plugins.xep_0313 import stanza as mam
from slixmpp.plugins.xep_0441.stanza import Preferences
from slixmpp.xmlstream import register_stanza_plugin, tostring
from support.domains import CLIENT, Client, Stage, condition, settle

from andiron.domain.archive.mam import answer, metadata, read_query
from andiron.domain.archive.store import Row
from andiron.domain.config import ArchiveConfig
from andiron.domain.database.database import DatabaseError
from andiron.sm.payers import Payer
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaError
from andiron.xmpp.tree import serialise

CAUSE = Payer("romeo@localhost")
MAM = f"{{{ns.MAM}}}"
JULIET = "juliet@localhost"
ROMEO = "romeo@localhost"


@pytest.fixture(scope="module", autouse=True)
def plugins() -> None:
    register_stanza_plugin(Iq, mam.MAM)
    register_stanza_plugin(mam.MAM, Form)
    register_stanza_plugin(mam.MAM, Set)
    register_stanza_plugin(Iq, mam.Fin)
    register_stanza_plugin(mam.Fin, Set)
    register_stanza_plugin(Iq, Preferences)
    register_stanza_plugin(Message, mam.Result)
    register_stanza_plugin(mam.Result, Forwarded)
    register_stanza_plugin(Forwarded, Message, iterable=True)
    register_stanza_plugin(Iq, mam.Metadata)
    register_stanza_plugin(mam.Metadata, mam.Start)
    register_stanza_plugin(mam.Metadata, mam.End)


def say(to: str, body: str, kind: str = "chat") -> str:
    return f"<message to='{to}' type='{kind}'><body>{body}</body></message>"


async def ask(client: Client, inner: str, kind: str = "set", to: str = "") -> list[Tree]:
    """Return what came for a question: results, then the answer."""
    client.take()
    addressed = f" to='{to}'" if to else ""
    client.send(f"<iq type='{kind}' id='q'{addressed}>{inner}</iq>")
    await settle()
    return client.take()


async def bodies(client: Client, inner: str = "") -> list[str | None]:
    found = await ask(client, f"<query xmlns='{ns.MAM}'>{inner}</query>")
    assert found[-1].get("type") == "result"
    return [result.findtext(f".//{CLIENT}body") for result in found[:-1]]


async def pair(**config: Any) -> tuple[Stage, Client, Client]:
    stage = Stage(**config)
    romeo = await stage.come("romeo", "orchard")
    return stage, romeo, await stage.come("juliet", "balcony")


async def test_slixmpp_pages_through_the_archive():
    stage, romeo, juliet = await pair()
    for number in range(7):
        romeo.send(say(juliet.jid, str(number)))
        stage.now += 1
    juliet.send(say(romeo.jid, "answer"))
    query = Iq()
    query["type"] = "set"
    query["id"] = "q1"
    query["mam"]["queryid"] = "f27"
    query["mam"]["with"] = ROMEO
    query["mam"]["start"] = "2023-11-14T22:30:01Z"
    query["mam"]["rsm"]["max"] = "3"
    seen: list[str] = []
    for expected in (3, 3, 1):
        juliet.take()
        juliet.send(tostring(query.xml, top_level=True))
        await settle()
        *results, answer = juliet.take()
        for each in results:
            result = Message(xml=each)["mam_result"]
            assert result["queryid"] == "f27"
            assert result["id"]
            seen.append(result["forwarded"]["stanza"]["body"])
        fin = Iq(xml=answer)["mam_fin"]
        assert len(results) == expected
        assert fin["rsm"]["first"] == Message(xml=results[0])["mam_result"]["id"]
        assert fin["rsm"]["last"] == Message(xml=results[-1])["mam_result"]["id"]
        assert (fin.xml.get("complete") == "true") == (expected == 1)
        query["mam"]["rsm"]["after"] = fin["rsm"]["last"]
    assert seen == ["1", "2", "3", "4", "5", "6", "answer"]


async def test_slixmpp_reads_the_metadata():
    stage, romeo, juliet = await pair()
    (empty,) = await ask(juliet, f"<metadata xmlns='{ns.MAM}'/>", "get")
    assert not len(empty[0])
    romeo.send(say(juliet.jid, "a"))
    stage.now += 60.25
    romeo.send(say(juliet.jid, "b"))
    *results, _ = await ask(juliet, f"<query xmlns='{ns.MAM}'/>")
    (answer,) = await ask(juliet, f"<metadata xmlns='{ns.MAM}'/>", "get")
    found = Iq(xml=answer)["mam_metadata"]
    ends = [result[0].get("id") for result in results]
    assert [found["start"]["id"], found["end"]["id"]] == ends
    assert found["start"]["timestamp"].isoformat() == "2023-11-14T22:30:00+00:00"
    assert found["end"]["timestamp"].isoformat() == "2023-11-14T22:31:00.250000+00:00"


async def test_slixmpp_sets_preferences():
    _, romeo, juliet = await pair()
    wish = Iq()
    wish["type"] = "set"
    wish["id"] = "p1"
    wish["mam_prefs"]["default"] = "never"
    wish["mam_prefs"]["always"] = {"Romeo@localhost"}
    wish["mam_prefs"]["never"] = {"romeo@localhost/garden"}
    for question in (tostring(wish.xml, top_level=True), f"<prefs xmlns='{ns.MAM}'/>"):
        kind = "get" if question.startswith("<prefs") else ""
        if kind:
            (answer,) = await ask(juliet, question, kind)
        else:
            answer = await juliet.ask(question)
        found = Iq(xml=answer)["mam_prefs"]
        assert found["default"] == "never"
        assert found["always"] == {ROMEO}
        assert found["never"] == {"romeo@localhost/garden"}
    juliet.send(say(romeo.jid, "kept"))
    juliet.send(say("romeo@localhost/garden", "not kept"))
    juliet.send(say("nobody@localhost", "not kept"))
    await settle()
    assert await bodies(juliet) == ["kept"]


async def test_a_result_is_sound():
    """Section 4.2: to the asker, from the archive, with the time and the stanza as it was."""
    stage, romeo, juliet = await pair()
    stage.now += 0.5
    romeo.send(say(juliet.jid, "a &lt;b&gt; &amp; 'c'"))
    (received,) = juliet.take()
    identity = received[-1].get("id")
    result, fin = await ask(juliet, f"<query xmlns='{ns.MAM}' queryid='&lt;1&gt;'/>")
    assert (result.get("from"), result.get("to")) == (JULIET, juliet.jid)
    assert result[0].attrib == {"queryid": "<1>", "id": identity}
    (forwarded,) = result[0]
    delay, message = forwarded
    assert delay.get("stamp") == "2023-11-14T22:30:00.500Z"
    assert message.attrib == {"from": romeo.jid, "to": juliet.jid, "type": "chat"}
    assert message.findtext(f"{CLIENT}body") == "a <b> & 'c'"
    assert fin.get("from") == JULIET


async def test_who_does_not_name_a_query_gets_no_name():
    _, romeo, juliet = await pair()
    romeo.send(say(juliet.jid, "a"))
    result, _ = await ask(juliet, f"<query xmlns='{ns.MAM}'/>")
    assert "queryid" not in result[0].attrib


async def test_a_flipped_page_is_the_same_page():
    _, romeo, juliet = await pair()
    for number in range(4):
        romeo.send(say(juliet.jid, str(number)))
    rsm = "<set xmlns='http://jabber.org/protocol/rsm'><max>2</max><before/></set>"
    *straight, fin = await ask(juliet, f"<query xmlns='{ns.MAM}'>{rsm}</query>")
    *flipped, same = await ask(juliet, f"<query xmlns='{ns.MAM}'>{rsm}<flip-page/></query>")
    assert [one[0].get("id") for one in flipped] == [one[0].get("id") for one in straight][::-1]
    assert serialise(fin) == serialise(same)


async def test_the_empty_archive():
    _, _, juliet = await pair()
    (answer,) = await ask(juliet, f"<query xmlns='{ns.MAM}'/>")
    assert answer[0].get("complete") == "true"
    assert answer[0][0].findtext(f"{{{ns.RSM}}}count") == "0"


async def test_messages_to_oneself():
    """Section 4.1.1: with one's own address, only what one told oneself; and that once."""
    stage, romeo, juliet = await pair()
    await stage.come("juliet", "chamber")
    romeo.send(say(juliet.jid, "from romeo"))
    juliet.send(say("juliet@localhost/chamber", "to oneself"))
    juliet.send(say(JULIET, "to all"))
    form = form_of("with", JULIET)
    assert await bodies(juliet, form) == ["to oneself", "to all"]
    assert await bodies(juliet) == ["from romeo", "to oneself", "to all"]


def form_of(*fields: str, form_type: str = ns.MAM) -> str:
    inner = "".join(
        f"<field var='{name}'><value>{value}</value></field>"
        for name, value in zip(fields[::2], fields[1::2], strict=True)
    )
    return (
        f"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
        f"<value>{form_type}</value></field>{inner}</x>"
    )


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        (form_of("with", "@"), "jid-malformed"),
        (form_of("start", "yesterday"), "bad-request"),
        (form_of("start", "2010-13-01T00:00:00Z"), "bad-request"),
        (form_of("end", "2010-06-07T00:00:00"), "bad-request"),
        (form_of("end", "20100607"), "bad-request"),
        (form_of("after-id", "x"), "item-not-found"),
        (form_of("before-id", "0000000000000001"), "item-not-found"),
        (form_of("ids", "0000000000000001"), "item-not-found"),
        (form_of("text", "love"), "feature-not-implemented"),
        (form_of("include-groupchat", "true"), "feature-not-implemented"),
        (form_of(form_type="urn:x"), "bad-request"),
        ("<set xmlns='http://jabber.org/protocol/rsm'><max>x</max></set>", "bad-request"),
        ("<set xmlns='http://jabber.org/protocol/rsm'><after>x</after></set>", "item-not-found"),
        (
            "<set xmlns='http://jabber.org/protocol/rsm'><index>1</index></set>",
            "feature-not-implemented",
        ),
    ],
)
async def test_questions_that_cannot_be_answered(inner: str, expected: str):
    _, romeo, juliet = await pair()
    romeo.send(say(juliet.jid, "a"))
    (answer,) = await ask(juliet, f"<query xmlns='{ns.MAM}'>{inner}</query>")
    assert condition(answer) == expected


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        ("", "", ["0", "1", "2"]),
        ("2023-11-14T22:30:01Z", "", ["1", "2"]),
        ("2023-11-14T22:30:01.000Z", "2023-11-14T22:30:01.000Z", ["1"]),
        ("2023-11-14T22:30:00.0001Z", "", ["1", "2"]),
        ("", "2023-11-14T23:30:01+01:00", ["0", "1"]),
        ("", "2023-11-14T22:30:00.999999Z", ["0"]),
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", ["0", "1", "2"]),
        ("2023-11-14T22:30:03Z", "2023-11-14T22:30:00Z", []),
        ("", "1969-12-31T23:59:59.999Z", []),
        ("9999-12-31T23:59:59Z", "", []),
    ],
)
async def test_spans_of_time(start: str, end: str, found: list[str]):
    """Section 4.1.2: both ends are included."""
    stage, romeo, juliet = await pair()
    for number in range(3):
        romeo.send(say(juliet.jid, str(number)))
        stage.now += 1
    assert await bodies(juliet, form_of("start", start, "end", end)) == found


async def test_empty_fields_ask_for_nothing():
    _, romeo, juliet = await pair()
    romeo.send(say(juliet.jid, "a"))
    form = form_of("with", "", "start", " ", "after-id", "", "before-id", "")
    assert await bodies(juliet, form) == ["a"]


def test_a_query_may_name_so_many_ids():
    def query(number: int) -> Tree:
        values = "<value>0000000000000001</value>" * number
        form = f"{form_of()[:-4]}<field var='ids'>{values}</field></x>"
        return parsed(f"<query xmlns='{ns.MAM}'>{form}</query>")

    assert read_query(query(5), 5).wanted.ids == {1}
    with pytest.raises(StanzaError) as caught:
        read_query(query(6), 5)
    assert caught.value.condition == "policy-violation"


@pytest.mark.parametrize(
    ("wish", "size"), [("", 50), ("<max>7</max>", 7), ("<max>999</max>", 100), ("<max>0</max>", 0)]
)
def test_the_size_of_a_page(wish: str, size: int):
    rsm = f"<set xmlns='http://jabber.org/protocol/rsm'>{wish}</set>"
    assert read_query(parsed(f"<query xmlns='{ns.MAM}'>{rsm}</query>"), 100).size == size
    assert read_query(parsed(f"<query xmlns='{ns.MAM}'>{rsm}</query>"), 3).size == min(size, 3)


def parsed(text: str) -> Tree:
    return fromstring(text)


async def test_there_are_no_nodes():
    _, _, juliet = await pair()
    (answer,) = await ask(juliet, f"<query xmlns='{ns.MAM}' node='x'/>")
    assert condition(answer) == "item-not-found"


async def test_the_fields_of_a_query():
    _, _, juliet = await pair()
    (answer,) = await ask(juliet, f"<query xmlns='{ns.MAM}'/>", "get")
    fields = answer[0][0].findall("{jabber:x:data}field")
    assert [(field.get("var"), field.get("type")) for field in fields] == [
        ("FORM_TYPE", "hidden"),
        ("with", "jid-single"),
        ("start", "text-single"),
        ("end", "text-single"),
        ("before-id", "text-single"),
        ("after-id", "text-single"),
        ("ids", "list-multi"),
    ]


@pytest.mark.parametrize("name", ["romeo", "nobody"])
@pytest.mark.parametrize(
    ("kind", "payload"),
    [("set", "query"), ("get", "query"), ("get", "metadata"), ("get", "prefs"), ("set", "prefs")],
)
async def test_the_archives_of_others_are_closed(name: str, kind: str, payload: str):
    """Whether the account exists or not."""
    _, _, juliet = await pair()
    (answer,) = await ask(juliet, f"<{payload} xmlns='{ns.MAM}'/>", kind, f"{name}@localhost")
    assert condition(answer) == "service-unavailable"


async def test_it_is_announced():
    _, _, juliet = await pair()
    for address, features in (
        (JULIET, {ns.MAM, ns.MAM_EXTENDED, ns.STANZA_ID}),
        ("localhost", {ns.STANZA_ID}),
    ):
        (answer,) = await ask(juliet, f"<query xmlns='{ns.DISCO_INFO}'/>", "get", address)
        found = {feature.get("var") for feature in answer[0]}
        assert found & {ns.MAM, ns.MAM_EXTENDED, ns.STANZA_ID} == features


async def test_where_nothing_is_kept():
    _, romeo, juliet = await pair(archive=None)
    romeo.send(say(juliet.jid, "a"))
    (received,) = juliet.take()
    assert [child.tag for child in received] == [f"{CLIENT}body"]
    (answer,) = await ask(juliet, f"<query xmlns='{ns.MAM}'/>")
    assert condition(answer) == "service-unavailable"


async def test_anonymous_users_have_no_archive():
    stage = Stage()
    romeo = await stage.come("romeo", "orchard")
    guest = await stage.come("guest", "web")
    romeo.send(say(guest.jid, "a"))
    (received,) = guest.take()
    assert [child.tag for child in received] == [f"{CLIENT}body"]
    assert await bodies(guest) == []
    assert await bodies(romeo) == ["a"]
    (answer,) = await ask(guest, f"<prefs xmlns='{ns.MAM}' default='never'/>")
    assert condition(answer) == "not-allowed"


@pytest.mark.parametrize(
    ("prefs", "expected"),
    [
        ("<prefs xmlns='urn:xmpp:mam:2'/>", "bad-request"),
        ("<prefs xmlns='urn:xmpp:mam:2' default='sometimes'/>", "bad-request"),
        (
            "<prefs xmlns='urn:xmpp:mam:2' default='never'><always><jid>@</jid></always></prefs>",
            "jid-malformed",
        ),
        (
            "<prefs xmlns='urn:xmpp:mam:2' default='never'><always><jid>a@b</jid><jid>c@b</jid>"
            "</always><never><jid>d@b</jid></never></prefs>",
            "policy-violation",
        ),
        (
            "<prefs xmlns='urn:xmpp:mam:2' default='never'><never>"
            f"{'<jid>a@b</jid>' * 3}</never></prefs>",
            "policy-violation",
        ),
    ],
)
async def test_preferences_that_cannot_be(prefs: str, expected: str):
    _, _, juliet = await pair(archive=ArchiveConfig(max_preferences=2))
    (answer,) = await ask(juliet, prefs)
    assert condition(answer) == expected
    (answer,) = await ask(juliet, f"<prefs xmlns='{ns.MAM}'/>", "get")
    assert answer[0].get("default") == "always"


async def test_preferences_last():
    """They are read again with the account."""
    stage, romeo, juliet = await pair(archive=ArchiveConfig(default="roster"))
    (answer,) = await ask(juliet, f"<prefs xmlns='{ns.MAM}'/>", "get")
    assert answer[0].get("default") == "roster"
    await ask(juliet, f"<prefs xmlns='{ns.MAM}' default='always'><never/></prefs>")
    await ask(
        juliet,
        f"<prefs xmlns='{ns.MAM}' default='always'><never><jid>{ROMEO}/garden</jid>"
        "<jid>nurse@localhost</jid></never></prefs>",
    )
    juliet.leave()
    stage.domain.owners.forget(JULIET)
    juliet = await stage.come("juliet", "balcony")
    (answer,) = await ask(juliet, f"<prefs xmlns='{ns.MAM}'/>", "get")
    assert answer[0].get("default") == "always"
    assert [jid.text for jid in answer[0].iterfind(f"{MAM}never/{MAM}jid")] == [
        "nurse@localhost",
        f"{ROMEO}/garden",
    ]
    romeo.send(say(juliet.jid, "kept"))
    assert await bodies(juliet) == ["kept"]


async def test_a_database_that_fails_is_an_error(caplog: pytest.LogCaptureFixture):
    stage, _, juliet = await pair()
    stage.database.error = DatabaseError("The disk is full.")
    for kind, payload in (
        ("set", "<query xmlns='urn:xmpp:mam:2'/>"),
        ("get", "<metadata xmlns='urn:xmpp:mam:2'/>"),
        ("set", "<prefs xmlns='urn:xmpp:mam:2' default='never'/>"),
    ):
        (answer,) = await ask(juliet, payload, kind)
        assert condition(answer) == "internal-server-error"
    stage.database.error = None
    (answer,) = await ask(juliet, f"<prefs xmlns='{ns.MAM}'/>", "get")
    assert answer[0].get("default") == "always"
    assert "disk is full" in caplog.text


async def test_results_do_not_outlive_who_asked():
    """What one resource asked for is not for another, nor for later."""
    stage, romeo, juliet = await pair()
    romeo.send(say(juliet.jid, "a"))
    other = await stage.come("juliet", "chamber", sm=True)
    other.lose()
    archive = stage.domain.archive
    assert archive is not None
    other.session.deliver(
        f"<message xmlns='{ns.CLIENT}' from='verona@conference.localhost' to='{other.jid}'>"
        f"<result xmlns='{ns.MAM}' id='1'><forwarded xmlns='{ns.FORWARD}'/></result></message>",
        stage.now,
    )
    juliet.take()
    stage.now += 1000
    stage.manager.timers.run(stage.now)
    await settle()
    assert juliet.bodies() == []
    assert stage.store.messages["juliet"] == []


async def test_a_room_answers_with_its_own_archive():
    """By ``answer``: its address, and its own word on which messages to show."""
    stage, _, juliet = await pair()
    archive = stage.domain.archive
    assert archive is not None
    room = "verona@conference.localhost"
    identity = archive.add_for(room, f"{room}/nick", "<message a='1'/>", 1_700_000_000, CAUSE)
    archive.add_for(room, f"{room}/other", "<message a='2'/>", 1_700_000_001, CAUSE)

    def shown(row: Row) -> bool:
        return row.peer == f"{room}/nick"

    payload = parsed(f"<query xmlns='{ns.MAM}' queryid='r'/>")
    fin = parsed(await answer(archive, room, payload, juliet.link, room, 10, shown))
    (result,) = juliet.take()
    assert (result.get("from"), result[0].get("id")) == (room, identity)
    assert result[0][0][1].get("a") == "1"
    assert fin.get("complete") == "true"
    assert identity in await metadata(archive, room)
    assert await bodies(juliet) == []
