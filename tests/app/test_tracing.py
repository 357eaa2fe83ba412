"""What a host that traces sees of this application: enough, nobody's name, and no stanza."""

import json
import logging
import subprocess
import sys

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from support.asgi import OPEN, AsgiClient
from support.clients import managed

from andiron import create_app
from andiron.serving.logs import JsonFormatter
from andiron.testing import running
from andiron.tracing import traces
from andiron.tracing.nothing import NOTHING
from andiron.tracing.recorded import OpenTelemetry
from andiron.xmpp import namespaces as ns

TOKEN = "0123456789abcdef0123456789abcdef"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Told(InMemorySpanExporter):
    """The spans that have ended."""

    def __init__(self):
        super().__init__()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self))

    @property
    def names(self):
        return sorted({span.name for span in self.get_finished_spans()})

    def one(self, name):
        (span,) = [span for span in self.get_finished_spans() if span.name == name]
        return span

    def within(self, span):
        spans = self.get_finished_spans()
        return {each.name for each in spans if each.parent and each.parent == span.context}


@pytest.fixture
def told(monkeypatch):
    exporter = Told()
    monkeypatch.setattr(traces, "_TRACER", OpenTelemetry(exporter.provider))
    return exporter


async def authenticate(_username, password):
    if password == "fails":
        raise RuntimeError("alice's secret")
    return password == "right"


@pytest.fixture
async def chat(told):
    app = create_app(api_token=TOKEN, authenticate=authenticate)
    async with running(app, database="sqlite:///chat.db") as app.sign_in:
        yield app


async def ask(chat, method, path, headers=None, **options):
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(chat),
        base_url="http://localhost/api/v1",
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as client:
        return await client.request(method, path, headers=headers, **options)


async def opened(client):
    client.send(OPEN)
    await client.until("<stream:features")


@pytest.mark.parametrize(
    ("password", "result", "status"),
    [
        ("right", "success", StatusCode.UNSET),
        ("wrong", "not-authorized", StatusCode.UNSET),
        ("fails", "temporary-auth-failure", StatusCode.ERROR),
    ],
)
async def test_a_sign_in_is_a_span_with_what_it_asked(chat, told, password, result, status):
    async with AsgiClient(chat) as client:
        await opened(client)
        await client.authenticate("PLAIN", f"\0alice\0{password}")
        (session,) = chat._home.manager.sessions
        span = told.one("sign-in")
        assert (span.attributes["andiron.session"], span.status.status_code) == (session.id, status)
        assert span.attributes["andiron.transport"] == "websocket"
        assert span.attributes["andiron.mechanism"] == "PLAIN"
        assert span.attributes["andiron.result"] == result
        asked = {"site authenticate"}
        if result == "success":
            asked |= {"database read", "database write"}
        assert asked <= told.within(span)


async def test_one_that_is_left_ends_all_the_same(chat, told):
    async with AsgiClient(chat) as client:
        await opened(client)
        client.send(f"<auth xmlns='{ns.SASL}' mechanism='PLAIN'/>")
        await client.text()
        assert told.names == []
    assert told.one("sign-in").attributes["andiron.result"] == "left"
    assert "site authenticate" not in told.names


async def test_a_write_is_told_with_its_wait_and_its_transaction(chat, told):
    await ask(chat, "POST", "/rooms", json={"room": "tea"})
    request = told.one("POST /api/v1/rooms")
    spans = told.get_finished_spans()
    writes = [span for span in spans if span.name == "database write"]
    assert writes
    assert all(span.parent == request.context for span in writes)
    made = [span for span in spans if span.name == "database transaction"]
    assert made
    assert all(span.parent in [each.context for each in writes] for span in made)
    assert all(span.attributes["andiron.writes"] >= 1 for span in made)


async def test_a_request_of_the_api_goes_on_with_the_trace_of_who_asks(chat, told):
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    body = {"room": "tea", "members": ["alice"]}
    assert (await ask(chat, "POST", "/rooms", headers, json=body)).status_code == 201
    span = told.one("POST /api/v1/rooms")
    assert f"{span.context.trace_id:032x} {span.parent.span_id:016x}" == f"{TRACE} {PARENT}"
    assert span.attributes["http.response.status_code"] == 201
    assert "database write" in told.within(span)


async def test_a_path_does_not_tell_whose_it_is(chat, told):
    await ask(chat, "GET", "/rooms/secret-room")
    await ask(chat, "GET", "/nothing/alice")
    await ask(chat, "BREW", "/rooms")
    named = [span.name for span in told.get_finished_spans() if "database" not in span.name]
    assert named == ["GET /api/v1/rooms/{room}", "GET /api/v1/…", "OTHER /api/v1/rooms"]


async def test_who_may_not_ask_has_no_trace(chat, told):
    assert (await ask(chat, "GET", "/rooms", {"Authorization": "Bearer x"})).status_code == 401
    assert told.names == []


async def test_stanzas_have_no_spans(chat, told):
    alice, bob = await chat.sign_in("alice"), await chat.sign_in("bob")
    told.clear()
    for number in range(20):
        await alice.send("bob", f"Hi {number}")
        await bob.receive()
    await alice.send("carol", "one for the store")
    await alice.ask("<query xmlns='urn:xmpp:mam:2'/>", kind="set")
    assert told.names == []


async def test_a_resumption_tells_its_end(chat, told):
    alice = await chat.sign_in("alice")
    enabled = await managed(alice)
    (former,) = chat._home.manager.sessions
    alice.cut()
    told.clear()
    async with AsgiClient(chat) as client:
        await opened(client)
        await client.authenticate("PLAIN", "\0alice\0right")
        await opened(client)
        for previd in ("nothing", enabled.tree.get("id")):
            client.send(f"<resume xmlns='urn:xmpp:sm:3' h='0' previd='{previd}'/>")
            await client.text()
        refused, resumed = [each for each in told.get_finished_spans() if each.name == "resumption"]
        assert refused.attributes["andiron.result"] == "refused"
        assert dict(resumed.attributes) == {
            "andiron.transport": "websocket",
            "andiron.result": "resumed",
            "andiron.session": former.id,
        }


async def test_functions_of_the_site_have_theirs(told):
    async def may_contact(one, other):
        return True

    app = create_app(may_contact=may_contact)

    @app.hooks.message
    async def decide(message):
        return None

    async with running(app) as sign_in:
        alice, bob = await sign_in("alice"), await sign_in("bob")
        await alice.send("bob", "Hi")
        await bob.receive()
    assert {"site message", "site may_contact"} <= set(told.names)


async def test_nothing_in_them_is_anybodys(chat, told):
    async with AsgiClient(chat) as client:
        await opened(client)
        await client.authenticate("PLAIN", "\0alice\0fails")
    await ask(chat, "POST", "/messages", json={"to": "alice", "body": "confidential"})
    text = "".join(span.to_json() for span in told.get_finished_spans())
    assert text
    for private in ("alice", "confidential", "127.0.0.1", TOKEN, "fails"):
        assert private not in text


async def test_a_line_of_the_log_names_the_trace(told):
    record = logging.makeLogRecord({"msg": "something"})
    with traces.begin("work") as span:
        line = json.loads(JsonFormatter().format(record))
        context = span.span.get_span_context()
        assert line["trace"] == f"{context.trace_id:032x}"
        assert line["span"] == f"{context.span_id:016x}"
    assert "trace" not in json.loads(JsonFormatter().format(record))


def test_what_fails_is_told_by_its_kind_alone(told):
    with pytest.raises(ValueError, match="secret"), traces.begin("work"):
        raise ValueError("secret")
    span = told.one("work")
    assert dict(span.attributes) == {"error.type": "ValueError"}
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert span.events == ()


def test_what_many_share_is_linked_to_each(told):
    with traces.begin("one") as one:
        two = traces.begin("two")
        traces.shared("both", [one, NOTHING, two]).end()
        two.end()
    both = told.one("both")
    assert both.parent == told.one("one").context
    assert [link.context for link in both.links] == [told.one("two").context]


def test_where_work_has_ended_nothing_more_is_a_part_of_it(told):
    span = traces.begin("work")
    with span.work():
        traces.inner("part").end()
        span.end()
        assert traces.inner("late") is NOTHING
    assert traces.inner("elsewhere") is NOTHING
    assert told.names == ["part", "work"]


def run(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_without_opentelemetry_it_does_nothing():
    assert (
        run(
            "import sys\n"
            "sys.modules['opentelemetry'] = None\n"
            "from andiron.tracing import traces as t\n"
            "made = [t.begin('a'), t.of_request('a', {}), t.inner('a'), t.shared('a', [])]\n"
            "with t.begin('a') as span, span.work():\n"
            "    span.note('a', 1); span.fail('a'); span.end()\n"
            "print(all(each is t.NOTHING for each in [*made, span]), t.traced())\n"
        )
        == "True {}\n"
    )


def test_a_host_may_set_up_its_tracing_later_on():
    assert (
        run(
            "from andiron.tracing import traces\n"
            "with traces.begin('early') as early: pass\n"
            "from opentelemetry import trace\n"
            "from opentelemetry.sdk.trace import TracerProvider\n"
            "from opentelemetry.sdk.trace.export import *\n"
            "provider = TracerProvider()\n"
            "provider.add_span_processor(SimpleSpanProcessor(\n"
            "    ConsoleSpanExporter(formatter=lambda span: span.name + ' ' +"
            " span.instrumentation_scope.name)))\n"
            "trace.set_tracer_provider(provider)\n"
            "with traces.begin('late'): pass\n"
            "print('', early is traces.NOTHING)\n"
        )
        == "late andiron True\n"
    )
