"""Resource binding, RFC 6120 section 7."""

import re

import pytest
from support.domains import AUTH, CLIENT, Stage, bind_request, condition, settle
from support.sessions import GUARD

from andiron.domain.config import ConflictPolicy
from andiron.domain.sign_in import bind
from andiron.sm.link import CloseReason
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaError

JID = f"{{{ns.BIND}}}bind/{{{ns.BIND}}}jid"


async def try_bind(client, text):
    client.take()
    client.send(text)
    (answer,) = client.take()
    return answer


@pytest.mark.parametrize(
    ("wish", "bound"),
    [
        ("balcony", "balcony"),
        ("Balcony 2", "Balcony 2"),
        ("a/b@c", "a/b@c"),
        ("&lt;&apos;&gt;", "<'>"),
    ],
)
async def test_the_resource_asked_for(wish, bound):
    client = await Stage().sign_in()
    answer = await try_bind(client, bind_request(wish))
    assert answer.get("type") == "result"
    assert answer.get("id") == "b"
    assert answer.findtext(JID) == client.jid == f"juliet@localhost/{bound}"


@pytest.mark.parametrize("text", [bind_request(), bind_request(" ")])
async def test_a_generated_resource(text):
    stage = Stage()
    jids = set()
    for _ in range(5):
        client = await stage.sign_in()
        jids.add((await try_bind(client, text)).findtext(JID))
    assert len(jids) == 5


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ("x" * 1024, "is longer than 1023 bytes"),
        ("a&#9;b", "has U+0009, a control character"),
        ("a\u200bb", "has U+200B ZERO WIDTH SPACE, an invisible character"),
    ],
)
async def test_what_cannot_be_a_resource_is_told_why(resource, reason):
    answer = await try_bind(await Stage().sign_in(), bind_request(resource))
    assert condition(answer) == "bad-request"
    told = answer.find(f"{CLIENT}error")[-1].text
    assert told == f"not a resource: the resourcepart {reason}"


@pytest.mark.parametrize(
    "payload",
    [
        f"<bind xmlns='{ns.BIND}'><resource>{'x' * 1024}</resource></bind>",
        f"<bind xmlns='{ns.BIND}'><resource>a&#9;b</resource></bind>",
        f"<bind xmlns='{ns.BIND}'><resource>a</resource><resource>b</resource></bind>",
        f"<bind xmlns='{ns.BIND}'><resource><a/></resource></bind>",
        f"<bind xmlns='{ns.BIND}'/><bind xmlns='{ns.BIND}'/>",
    ],
)
async def test_a_request_that_cannot_be_met_may_be_put_again(payload):
    client = await Stage().sign_in()
    answer = await try_bind(client, f"<iq type='set' id='b'>{payload}</iq>")
    assert condition(answer) == "bad-request"
    answer = await try_bind(client, bind_request("fine"))
    assert answer.findtext(JID) == "juliet@localhost/fine"


FRAMES = [
    "<iq type='set' id='b'>{}</iq>",
    "<iq type='set' id='a>b'>{}</iq>",
    "<iq type='set' id='b' >{}</iq >",
    "<iq type='set' id='b'>text>{}</iq>",
    "<iq type='set'>{}</iq>",
    "<iq type='get' id='b'>{}</iq>",
    "<iq type='set' id='b'><a/>{}</iq>",
]
BINDS = [
    f"<bind xmlns='{ns.BIND}'/>",
    f'<bind xmlns="{ns.BIND}"></bind>',
    f"<bind xmlns='{ns.BIND}'><resource>a</resource></bind>",
    f"<bind xmlns='{ns.BIND}'><resource> a </resource></bind>",
    f"<bind xmlns='{ns.BIND}'><resource>a\r\nb</resource></bind>",
    f"<bind xmlns='{ns.BIND}'><resource>&lt;>'</resource></bind>",
    f"<bind xmlns='{ns.BIND}'><resource/></bind>",
    f"<bind xmlns='{ns.BIND}'><resource xmlns='other'>a</resource></bind>",
    f"<bind xmlns='{ns.BIND}'><resource>a</resource><resource>b</resource></bind>",
    "<bind xmlns='other'/>",
    "",
]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("payload", BINDS)
def test_plain_requests_are_read_like_all_others(frame, payload, monkeypatch):
    def outcome():
        try:
            return bind.read_request(GUARD.read(frame.format(payload)))
        except StanzaError as error:
            return error.condition

    plain = outcome()
    monkeypatch.setattr(bind, "_PLAIN", re.compile("(?!)"))
    assert outcome() == plain


async def test_a_get_binds_nothing():
    client = await Stage().sign_in()
    answer = await try_bind(client, f"<iq type='get' id='b'><bind xmlns='{ns.BIND}'/></iq>")
    assert condition(answer) == "bad-request"
    assert client.jid == ""


@pytest.mark.parametrize("to", ["", " to='localhost'"])
async def test_a_second_bind_is_refused(to):
    client = await Stage().bind("juliet", "balcony")
    answer = await try_bind(client, f"<iq type='set' id='c'{to}><bind xmlns='{ns.BIND}'/></iq>")
    assert condition(answer) == "not-allowed"
    assert client.error is None
    assert client.jid == "juliet@localhost/balcony"


async def test_conflict_replace():
    stage = Stage()
    older = await stage.come("juliet", "balcony")
    newer = await stage.bind("juliet", "balcony")
    assert older.error == "conflict"
    assert stage.manager.closed[CloseReason.REPLACED] == 1
    assert stage.domain.router.full == {"juliet@localhost/balcony": newer.link}
    newer.send("<message to='juliet@localhost/balcony'><body>me</body></message>")
    assert newer.bodies() == ["me"]


async def test_conflict_replace_takes_the_place_of_a_hibernating_session():
    stage = Stage()
    older = await stage.come("juliet", "balcony", sm=True)
    romeo = await stage.bind("romeo", "orchard")
    older.lose()
    romeo.send("<message to='juliet@localhost/balcony'><body>late</body></message>")
    newer = await stage.come("juliet", "balcony")
    await settle()
    assert older.session.state == "closed"
    assert stage.store.bodies("juliet") == []
    assert stage.domain.router.full["juliet@localhost/balcony"] is newer.link


async def test_what_the_older_had_not_got_reaches_the_newer():
    stage = Stage()
    older = await stage.come("juliet", "balcony", sm=True)
    romeo = await stage.bind("romeo", "orchard")
    older.lose()
    romeo.send("<message to='juliet@localhost/balcony'><body>late</body></message>")
    newer = await stage.bind("juliet", "balcony")
    newer.send("<presence/>")
    await settle()
    assert newer.bodies() == ["late"]


async def test_conflict_rename():
    stage = Stage(conflict=ConflictPolicy.RENAME)
    older = await stage.bind("juliet", "balcony")
    newer = await stage.bind("juliet", "balcony")
    assert older.error is None
    assert newer.jid.startswith("juliet@localhost/balcony-")
    assert newer.jid != older.jid


async def test_conflict_rename_of_the_longest_resource():
    stage = Stage(conflict=ConflictPolicy.RENAME)
    await stage.bind("juliet", "x" * 1023)
    newer = await stage.bind("juliet", "x" * 1023)
    assert newer.jid.startswith("juliet@localhost/xxx")


async def test_conflict_refuse():
    stage = Stage(conflict=ConflictPolicy.REFUSE)
    older = await stage.bind("juliet", "balcony")
    client = await stage.sign_in("juliet")
    assert condition(await try_bind(client, bind_request("balcony"))) == "conflict"
    assert older.error is None
    answer = await try_bind(client, bind_request("chamber"))
    assert answer.findtext(JID) == "juliet@localhost/chamber"


async def test_the_same_resource_of_another_account_is_no_conflict():
    stage = Stage()
    juliet = await stage.bind("juliet", "home")
    romeo = await stage.bind("romeo", "home")
    assert juliet.error is None
    assert romeo.error is None
    assert len(stage.domain.router.full) == 2


async def test_resources_are_bounded_for_each_account():
    stage = Stage(max_resources=2)
    first = await stage.bind("juliet", "a")
    await stage.bind("juliet", "b")
    await stage.bind("romeo", "a")
    client = await stage.sign_in("juliet")
    answer = await try_bind(client, bind_request("c"))
    assert condition(answer) == "resource-constraint"
    assert answer[0].get("type") == "wait"
    answer = await try_bind(client, bind_request("b"))
    assert answer.get("type") == "result", "replacing does not add"
    first.leave()
    client = await stage.sign_in("juliet")
    assert (await try_bind(client, bind_request("c"))).get("type") == "result"


async def test_the_oldest_that_hibernates_makes_room():
    stage = Stage(max_resources=3)
    live = await stage.come("juliet", "live")
    asleep = {name: await stage.come("juliet", name, -1, sm=True) for name in ("early", "late")}
    for name in ("early", "late"):
        asleep[name].lose()
        stage.now += 10.0
    romeo = await stage.come("romeo", "here")
    romeo.send("<message to='juliet@localhost/early'><body>hi</body></message>")
    for wish in ("one", "two"):
        answer = await try_bind(await stage.sign_in("juliet"), bind_request(wish))
        assert answer.find(JID) is not None
        full = stage.domain.router.full
        assert ("juliet@localhost/early" in full, "juliet@localhost/late" in full) == (
            False,
            wish == "one",
        )
    assert live.bodies() == ["hi"], "what the client had not confirmed goes another way"
    answer = await try_bind(await stage.sign_in("juliet"), bind_request("three"))
    assert condition(answer) == "resource-constraint"
    assert live.error is None


async def test_who_came_back_hibernates_no_more():
    stage = Stage(max_resources=2)
    first = await stage.come("juliet", "first", sm=True)
    second = await stage.come("juliet", "second", sm=True)
    first.lose()
    stage.now += 1.0
    second.lose()
    again = await stage.sign_in("juliet")
    again.send(f"<resume xmlns='{ns.SM_3}' h='1' previd='{first.session.management.id}'/>")
    answer = await try_bind(await stage.sign_in("juliet"), bind_request("third"))
    assert answer.find(JID) is not None
    assert set(stage.domain.router.full) == {"juliet@localhost/first", "juliet@localhost/third"}


async def test_a_session_that_ended_does_not_remove_its_successor():
    stage = Stage()
    older = await stage.bind("juliet", "balcony")
    newer = await stage.bind("juliet", "balcony")
    older.link.closed(CloseReason.CONNECTION_LOST, [], stage.now)
    assert stage.domain.router.full["juliet@localhost/balcony"] is newer.link
    newer.leave()
    assert stage.domain.router.full == {}
    assert stage.domain.router.accounts == {}


async def test_bind_before_the_stream_restarts():
    stage = Stage()
    client = stage.connect()
    client.open()
    client.send(AUTH.format("juliet"))
    await settle()
    client.send(bind_request())
    assert client.error == "not-authorized"
