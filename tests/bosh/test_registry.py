"""What all sessions together may cost, and that each is woken in its time."""

import pytest
from support.bosh import EMPTY, OPEN, BoshWorld, RecordedCall, message, terminal

from andiron.sm.config import SmConfig
from andiron.sm.session import State


def test_two_thousand_held_requests_each_have_their_time():
    world = BoshWorld(SmConfig(negotiation_timeout=10_000), most=3000, most_per_address=3000)
    started = {}
    for number in range(2000):
        client = world.client(wait=30 + number % 31)
        call = client.send()
        started[call] = (world.now, 30 + number % 31)
        world.pass_time(0.01)
    answered = {}
    while len(answered) < 2000:
        at = world.manager.timers.next_deadline()
        world.pass_time(at - world.now)
        for call in [call for call in started if call not in answered and not call.waits]:
            answered[call] = world.now
    for call, (begun, wait) in started.items():
        assert answered[call] == pytest.approx(begun + wait)
        assert call.text == EMPTY
    world.pass_time(31)
    assert len(world.registry) == 0
    world.pass_time(10_000)
    assert world.manager.timers.next_deadline() == float("inf")


def test_clients_that_never_return_cost_so_much():
    world = BoshWorld(most=50, most_per_address=10)
    refused = 0
    for number in range(1000):
        call = world.post(
            f"{OPEN} rid='1' to='localhost' wait='60' hold='1' ver='1.6'/>",
            address=f"192.0.2.{number % 20}",
        )
        refused += call.text == terminal("policy-violation")
        world.pass_time(0.001)
    assert len(world.registry) == 50
    assert len(world.manager.sessions) == 50
    assert refused == 950
    assert len(world.manager.timers) <= 4 * 100 + 65
    world.pass_time(30)
    assert len(world.manager.sessions) == 0
    world.pass_time(31)
    assert len(world.registry) == 0
    assert world.strangers.count == 0


def test_one_address_has_not_all_the_room():
    world = BoshWorld(most=50, most_per_address=2)
    clients = [world.client() for _ in range(3)]
    assert [bool(client.sid) for client in clients] == [True, True, False]
    clients[0].sign_in()
    assert world.strangers.count == 1
    assert world.client().sid


def test_a_session_that_was_told_its_end_while_signing_in_makes_room():
    world = BoshWorld(most=1)
    client = world.client()
    assert client.terminate().text == f"{OPEN} type='terminate'/>"
    assert world.client().sid


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"<body/>",
        b"<body xmlns='jabber:client' rid='1' to='localhost'/>",
        f"{OPEN}/>".encode(),
        f"{OPEN} rid='0' to='localhost'/>".encode(),
        f"{OPEN} rid='-1' to='localhost'/>".encode(),
        f"{OPEN} rid='{2**53}' to='localhost'/>".encode(),
        f"{OPEN} rid='1e3' to='localhost'/>".encode(),
        f"{OPEN} rid='1' to='localhost' ack='x'/>".encode(),
        f"{OPEN} rid='1' to='localhost'>text</body>".encode(),
        f"{OPEN} rid='1' to='localhost'><!-- comment --></body>".encode(),
        f"<!DOCTYPE body>{OPEN} rid='1' to='localhost'/>".encode(),
        f"{OPEN} rid='1' to='localhost'><?pi?></body>".encode(),
        f"{OPEN} rid='1' to='localhost' x='\xff'/>".encode("latin-1"),
        f"{OPEN} rid='1' to='localhost' x='{'x' * 20_000}'/>".encode(),
        f"{OPEN} rid='1' to='localhost'>{'<a/>' * 300}</body>".encode(),
    ],
)
def test_what_cannot_be_read_is_a_bad_request_and_costs_nothing(data):
    world = BoshWorld()
    assert world.post(data).text == terminal("bad-request")
    assert len(world.registry) == 0
    assert world.strangers.count == 0


def test_a_session_goes_on_after_a_bad_request():
    world = BoshWorld()
    client = world.bound()
    assert client.send("<a>").text == terminal("bad-request")
    client.rid -= 1
    assert client.send(message("a")).waits


@pytest.mark.parametrize("sid", ["", "x", "x" * 36, "\N{SNOWMAN}" * 12, "{}x"])
def test_unknown_sessions(sid):
    world = BoshWorld()
    client = world.bound()
    client.sid = sid.format(client.sid)
    assert client.send().text == terminal("item-not-found")


def test_a_guess_at_the_rest_of_an_id_is_no_session():
    world = BoshWorld()
    client = world.bound()
    client.sid = client.sid[:-1] + ("a" if client.sid[-1] != "a" else "b")
    assert client.send().text == terminal("item-not-found")


def test_a_session_over_https_refuses_http_and_goes_on():
    world = BoshWorld()
    client = world.bound()
    text = client.body(message("a"))
    assert world.post(text, secure=False).text == terminal("item-not-found")
    assert world.post(text).waits


def test_a_session_over_http_takes_https():
    world = BoshWorld()
    first = world.post(f"{OPEN} rid='7' to='localhost' ver='1.6'/>", secure=False)
    text = f"{OPEN} rid='8' sid='{first.attribute('sid')}'/>"
    assert world.post(text, secure=False).waits


def test_a_body_may_be_larger_after_sign_in():
    world = BoshWorld(max_negotiation_size=1000, max_body_size=5000)
    client = world.client()
    large = f"<message xmlns='jabber:client' to='x' id='{'x' * 2000}'/>"
    assert client.send(large).text == terminal("bad-request")
    client.rid -= 1
    client.sign_in()
    client.bind()
    assert client.send(large).waits
    assert client.send(large * 3).text == terminal("bad-request")


def test_a_stanza_has_a_limit_of_its_own():
    world = BoshWorld(max_body_size=10**6)
    client = world.bound()
    large = f"<message xmlns='jabber:client' to='x' id='{'x' * 300_000}'/>"
    assert client.send(large).text == terminal("bad-request")


@pytest.mark.parametrize(
    ("ver", "status"), [(None, 404), ("1.5", 404), ("1.6", 200), ("1.11", 200), ("2.0", 200)]
)
def test_clients_of_old_get_http_codes(ver, status):
    world = BoshWorld()
    client = world.client(ver=ver)
    call = client.send(rid=client.rid + 9)
    assert (call.text, call.status) == (terminal("item-not-found"), status)


def test_calls_are_answered_once_each():
    world = BoshWorld()
    client = world.bound()
    calls = [client.send(message(str(n))) for n in range(5)]
    client.terminate()
    assert [call.replies for call in calls] == [1] * 5
    assert RecordedCall().waits


def test_a_session_came_last_by_what_passed_its_last_request_on():
    world = BoshWorld()
    juliet = world.bound(sm=True)
    session = world.link().session
    assert session.via == ""
    for via in ("web:2", "web:3", "", "web:2"):
        world.post(juliet.body(), via=via)
        assert session.via == via
    world.manager.traces.start(session, 60)
    world.post(juliet.body(), via="web:3")
    assert session.via == "web:3"
    assert session.transport.channel.address == "192.0.2.1"
    world.post(f"{OPEN} rid='1' sid='{juliet.sid[:12]}x'/>", via="web:9")
    assert session.via == "web:3", "another's request"
    world.pass_time(300)
    assert session.state is State.DETACHED
    assert session.via == "web:3"
