"""Every iq request gets exactly one answer (RFC 6120 section 8.2.3)."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.domains import Stage, condition, settle
from support.thorough import examples

from andiron.domain.registry import Registry, Target
from andiron.sm.link import CloseReason
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError

PING = "<ping xmlns='urn:xmpp:ping'/>"


@pytest.fixture
async def stage():
    stage = Stage()
    yield stage
    await stage.domain.stop()


@pytest.mark.parametrize(
    ("attributes", "payload", "answer"),
    [
        ("type='get' id='1'", PING, None),
        ("type='get' id='1' to='localhost'", PING, None),
        ("type='get' id='1' to='juliet@localhost'", PING, None),
        ("type='get' id=''", PING, None),
        ("type='get'", PING, "bad-request"),
        ("id='1'", PING, "bad-request"),
        ("type='' id='1'", PING, "bad-request"),
        ("type='ask' id='1'", PING, "bad-request"),
        ("type='get' id='1'", "", "bad-request"),
        ("type='get' id='1'", PING + PING, "bad-request"),
        ("type='set' id='1'", "text", "bad-request"),
        ("type='set' id='1'", PING, "service-unavailable"),
        ("type='get' id='1'", "<pong xmlns='urn:xmpp:ping'/>", "service-unavailable"),
        ("type='get' id='1'", "<ping/>", "service-unavailable"),
        ("type='get' id='1' to='romeo@localhost'", PING, "service-unavailable"),
        ("type='get' id='1' to='nobody@localhost'", PING, "service-unavailable"),
        ("type='get' id='1' to='nobody@localhost/x'", PING, "service-unavailable"),
        ("type='get' id='1' to='localhost/x'", PING, "service-unavailable"),
        ("type='get' id='1' to='elsewhere'", PING, "remote-server-not-found"),
        ("type='get' id='1' to='@'", PING, "jid-malformed"),
    ],
)
async def test_requests_to_the_server(stage, attributes, payload, answer):
    client = await stage.bind("juliet", "balcony")
    reply = await client.ask(f"<iq {attributes}>{payload}</iq>")
    if answer is None:
        assert reply.get("type") == "result"
        assert len(reply) == 0
    else:
        assert condition(reply) == answer
    asked = stage.guard.read(f"<iq {attributes}/>")
    assert reply.get("id") == asked.attributes.get("id")
    assert reply.get("from") == asked.get("to", "juliet@localhost")


async def test_an_account_answers_for_a_request_about_an_address_that_is_none(stage):
    client = await stage.bind("juliet", "balcony")
    block = f"<block xmlns='{ns.BLOCKING}'><item jid='@'/></block>"
    reply = await client.ask(f"<iq type='set' id='1'>{block}</iq>")
    assert condition(reply) == "jid-malformed"
    assert reply.get("from") == "juliet@localhost"


async def test_an_iq_without_id_is_refused_even_when_it_is_for_somebody(stage):
    romeo = await stage.bind("romeo", "orchard")
    juliet = await stage.bind("juliet", "balcony")
    for attributes in ("type='get'", "id='1'", "type='ask' id='1'"):
        juliet.send(f"<iq to='{romeo.jid}' {attributes}>{PING}</iq>")
    assert [condition(answer) for answer in juliet.take()] == ["bad-request"] * 3
    assert romeo.take() == []


async def test_clients_ping_each_other(stage):
    romeo = await stage.bind("romeo", "orchard")
    juliet = await stage.bind("juliet", "balcony")
    juliet.send(f"<iq type='get' id='p1' to='{romeo.jid}'>{PING}</iq>")
    (request,) = romeo.take()
    assert (request.get("from"), request.get("id")) == (juliet.jid, "p1")
    romeo.send(f"<iq type='result' id='p1' to='{juliet.jid}'/>")
    (answer,) = juliet.take()
    assert (answer.get("from"), answer.get("id")) == (romeo.jid, "p1")


async def test_answers_to_the_server_are_taken_in_silence(stage):
    client = await stage.bind("juliet", "balcony")
    for to in ("", " to='localhost'", " to='juliet@localhost'"):
        client.send(f"<iq type='result' id='alive'{to}/>")
        client.send(f"<iq type='error' id='alive'{to}/>")
    assert client.take() == []
    assert client.error is None


async def test_a_handler_may_answer_later(stage):
    gate = asyncio.Event()

    async def wait(request):
        await gate.wait()
        return f"<q xmlns='urn:x'>{request.sender} {request.target}</q>"

    stage.domain.registry.add(Target.DOMAIN, "get", "urn:x", "q", wait)
    client = await stage.bind("juliet", "balcony", sm=True)
    client.send("<iq type='get' id='1' to='localhost'><q xmlns='urn:x'/></iq>")
    client.send(f"<iq type='get' id='2' to='localhost'>{PING}</iq>")
    client.send("<r xmlns='urn:xmpp:sm:3'/>")
    await settle()
    answers = client.take()
    assert [a.get("id") for a in answers if a.tag.endswith("iq")] == ["2"]
    assert answers[-1].get("h") == "0", "handled means taken over, in order"
    gate.set()
    await settle()
    (answer, ack) = client.take()
    assert answer.findtext("{urn:x}q") == "juliet@localhost/balcony domain"
    assert ack.get("h") == "2"


def fail(error):
    def handler(_request):
        raise error

    return handler


def fail_later(error):
    async def handler(_request):
        raise error

    return handler


@pytest.mark.parametrize("way", [fail, fail_later])
@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (StanzaError(StanzaCondition.FORBIDDEN), "forbidden"),
        (ZeroDivisionError("a bug"), "internal-server-error"),
    ],
)
async def test_a_handler_that_fails(stage, way, error, answer, caplog):
    stage.domain.registry.add(Target.ACCOUNT, "set", "urn:x", "q", way(error))
    client = await stage.bind("juliet", "balcony", sm=True)
    reply = await client.ask("<iq type='set' id='1'><q xmlns='urn:x'/></iq>")
    assert condition(reply) == answer
    assert ("a bug" in caplog.text) == (answer == "internal-server-error")
    client.send("<r xmlns='urn:xmpp:sm:3'/>")
    assert client.take()[-1].get("h") == "1"


async def test_a_client_that_leaves_before_the_answer(stage):
    gate = asyncio.Event()

    async def wait(_request):
        await gate.wait()
        return ""

    stage.domain.registry.add(Target.DOMAIN, "get", "urn:x", "q", wait)
    client = await stage.bind("juliet", "balcony")
    client.send("<iq type='get' id='1' to='localhost'><q xmlns='urn:x'/></iq>")
    client.leave()
    client.take()
    gate.set()
    await settle()
    assert client.transport.sent == []


def test_two_handlers_for_one_request_are_a_mistake():
    registry = Registry()
    registry.add(Target.DOMAIN, "get", "urn:x", "q", fail(ValueError()))
    with pytest.raises(ValueError, match="two handlers"):
        registry.add(Target.DOMAIN, "get", "urn:x", "q", fail(ValueError()))


PAYLOADS = [
    PING,
    "<query xmlns='http://jabber.org/protocol/disco#info'/>",
    "<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>",
    "<query xmlns='http://jabber.org/protocol/disco#items'/>",
    "<query xmlns='jabber:iq:version'/>",
    "<time xmlns='urn:xmpp:time'/>",
    "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>",
    "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>",
    "<query xmlns='jabber:iq:roster'/>",
    "<later xmlns='urn:x'/>",
    "<bug xmlns='urn:x'/>",
    "<ping/>",
    "text",
]
requests = st.tuples(
    st.sampled_from(["get", "set", "", "GET", None]),
    st.sampled_from(
        [
            None,
            "",
            "@",
            "localhost",
            "localhost/x",
            "juliet@localhost",
            "JULIET@localhost",
            "juliet@localhost/balcony",
            "juliet@localhost/gone",
            "romeo@localhost",
            "romeo@localhost/answers",
            "romeo@localhost/ANSWERS",
            "romeo@localhost/away",
            "nobody@localhost/x",
            "elsewhere",
            "someone@elsewhere/x",
        ]
    ),
    st.lists(st.sampled_from(PAYLOADS), max_size=2),
)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(requests, min_size=1, max_size=12))
def test_every_request_gets_exactly_one_answer(sequence):
    asyncio.run(answer_all(sequence))


async def answer_all(sequence):
    stage = Stage()

    async def later(_request):
        await asyncio.sleep(0)
        return "<done xmlns='urn:x'/>"

    for target in Target:
        stage.domain.registry.add(target, "get", "urn:x", "later", later)
        stage.domain.registry.add(target, "set", "urn:x", "bug", fail(KeyError("bug")))
    answering = await stage.come("romeo", "answers")
    away = await stage.come("romeo", "away", sm=True)
    away.lose()
    juliet = await stage.come("juliet", "balcony", sm=True)
    for number, (kind, to, payloads) in enumerate(sequence):
        attributes = f"id='{number}'"
        attributes += f" type='{kind}'" if kind is not None else ""
        attributes += f" to='{to}'" if to is not None else ""
        juliet.send(f"<iq {attributes}>{''.join(payloads)}</iq>")
    await settle()
    answers = []
    for stanza in answering.take():
        if stanza.tag.endswith("}iq"):
            answering.send(f"<iq type='result' id='{stanza.get('id')}' to='{stanza.get('from')}'/>")
    for stanza in juliet.take():
        if stanza.tag.endswith("}iq") and stanza.get("type") in ("get", "set"):
            juliet.send(f"<iq type='result' id='{stanza.get('id')}' to='{stanza.get('from')}'/>")
        elif stanza.tag.endswith("}iq"):
            answers.append(stanza)
    away.session.close(CloseReason.EXPIRED, stage.now)
    await settle()
    answers += [stanza for stanza in juliet.take() if stanza.tag.endswith("}iq")]
    assert sorted(int(a.get("id", "-1")) for a in answers) == list(range(len(sequence)))
    assert {a.get("type") for a in answers} <= {"result", "error"}
    juliet.send("<r xmlns='urn:xmpp:sm:3'/>")
    assert juliet.take()[-1].get("h") == str(juliet.session.inbound.h)
    assert juliet.session.inbound.pending == 0
    await stage.domain.stop()


@pytest.mark.parametrize("to", ["LOCALHOST", "Juliet@localhost.", "ROMEO@localhost/X"])
async def test_answers_are_from_the_address_as_it_is_compared(stage, to):
    client = await stage.bind("juliet", "balcony")
    reply = await client.ask(f"<iq type='get' id='1' to='{to}'>{PING}</iq>")
    bare, slash, resource = to.partition("/")
    assert reply.get("from") == bare.lower().removesuffix(".") + slash + resource


async def test_slow_addresses_take_turns(stage):
    """Hundreds of addresses that take a millisecond each: others are heard in between."""
    client = await stage.bind("juliet", "balcony")
    long = "\u30ab" * 20
    names = [f"{number}.{long}.{long}.example" for number in range(60)]
    items = "".join(f"<item jid='x@{name}'/>" for name in names)
    text = f"<iq type='set' id='1'><block xmlns='{ns.BLOCKING}'>{items}</block></iq>"
    client.send(text)
    waits = 0
    while not (heard := client.take()):
        waits += 1
        assert waits < 100_000, "there is no answer"
        await asyncio.sleep(0)
    assert heard[0].get("type") == "result"
    assert waits > len(names)
    listed = await client.ask(f"<iq type='get' id='2'><blocklist xmlns='{ns.BLOCKING}'/></iq>")
    assert len(listed[0]) == len(names)
