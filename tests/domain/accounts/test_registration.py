"""In-band registration, XEP-0077."""

import base64

import pytest
from slixmpp.plugins.xep_0077.stanza import Register
from slixmpp.stanza import Iq
from slixmpp.xmlstream import register_stanza_plugin
from sqlalchemy import text
from support.domains import AUTH, Client, Stage, condition
from support.sessions import MemoryTransport
from support.waiting import until

from andiron.domain.accounts.credentials import verify_password
from andiron.domain.config import RegistrationConfig
from andiron.domain.database.database import DatabaseError
from andiron.domain.sign_in.exchange import SaslConfig
from andiron.domain.sign_in.sasl import Authenticator
from andiron.domain.sign_in.turns import Turns
from andiron.sm.link import Channel
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import SaslError

register_stanza_plugin(Iq, Register)

REGISTER = f"{{{ns.REGISTER}}}"
OPEN = RegistrationConfig(enabled=True, per_address=2, total=3)


def query(kind, inner="", to=""):
    return f"<iq type='{kind}' id='r'{to}><query xmlns='{ns.REGISTER}'>{inner}</query></iq>"


def fields(username="mercutio", password="a plague o' both"):
    return f"<username>{username}</username><password>{password}</password>"


def form(username="mercutio", password="a plague o' both"):
    return (
        f"<x xmlns='{ns.DATA}' type='submit'>"
        f"<field var='FORM_TYPE'><value>{ns.REGISTER}</value></field>"
        f"<field var='username'><value>{username}</value></field>"
        f"<field var='password'><value>{password}</value></field></x>"
    )


async def ask(client, request):
    """Send a request that takes hashing, and return its answer."""
    client.transport.take()
    client.send(request)
    await until(lambda: client.transport.sent or client.transport.closed)
    (answer,) = client.take()
    return answer


def result(answer):
    return condition(answer) if answer.get("type") == "error" else "result"


def connect(stage, address="192.0.2.1", *, secure=True):
    transport = MemoryTransport()
    transport.channel = Channel(address, secure=secure, kind="websocket")
    stage.manager.connect(transport, stage.now)
    client = Client(stage, transport)
    client.open()
    return client


def usernames(stage):
    with stage.database.engine.begin() as connection:
        return set(connection.scalars(text("select username from accounts")))


async def fits(stage, username, password):
    return verify_password(await stage.domain.accounts.credentials(username), password)


@pytest.fixture
async def stage():
    stage = Stage(registration=OPEN, scram_iterations=4096)
    yield stage
    await stage.domain.stop()


@pytest.fixture
async def closed():
    stage = Stage()
    yield stage
    await stage.domain.stop()


# Before sign-in


@pytest.mark.parametrize(
    ("enabled", "secure", "offered"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
async def test_it_is_announced_where_it_is_possible(enabled, secure, offered):
    stage = Stage(registration=RegistrationConfig(enabled=enabled))
    client = connect(stage, secure=secure)
    features = client.take()[1]
    assert (features.find(f"{{{ns.REGISTER_FEATURE}}}register") is not None) is offered
    await stage.domain.stop()


async def test_without_it_an_iq_before_sign_in_ends_the_stream(closed):
    client = connect(closed)
    client.send(query("get"))
    assert client.error == "not-authorized"


async def test_the_form(stage):
    answer = await connect(stage).ask(query("get", to=" to='localhost'"))
    assert (answer.get("id"), answer.get("from")) == ("r", "localhost")
    register = Iq(xml=answer)["register"]
    assert {"username", "password"} <= register["fields"]
    assert not register["registered"]
    assert register["instructions"]
    asked = answer[0].find(f"{{{ns.DATA}}}x")
    assert asked is not None
    assert [field.get("var") for field in asked.findall(f"{{{ns.DATA}}}field")] == [
        "FORM_TYPE",
        "username",
        "password",
    ]


@pytest.mark.parametrize("fill", [fields, form])
async def test_an_account_is_made(stage, fill):
    client = connect(stage)
    assert result(await ask(client, query("set", fill("Mercutio", "pass word")))) == "result"
    assert "mercutio" in usernames(stage)
    assert await fits(stage, "mercutio", "pass word")
    client.send(AUTH.format("mercutio"))
    await until(lambda: client.session.link.account == "mercutio@localhost")


async def test_slixmpp_registers(stage):
    request = Iq()
    request["type"], request["id"] = "set", "r"
    request["register"]["username"] = "mercutio"
    request["register"]["password"] = "Queen Mab"
    assert result(await ask(connect(stage), str(request))) == "result"
    assert await fits(stage, "mercutio", "Queen Mab")


@pytest.mark.parametrize(
    ("inner", "error"),
    [
        ("", "not-acceptable"),
        ("<username>mercutio</username>", "not-acceptable"),
        ("<password>x</password>", "not-acceptable"),
        (fields(password=""), "not-acceptable"),
        (fields(username=""), "not-acceptable"),
        (fields(username="a b"), "not-acceptable"),
        (fields(username="mercutio@localhost"), "not-acceptable"),
        (fields(username="x" * 1024), "not-acceptable"),
        (fields(password="\U0001f600"), "not-acceptable"),
        (fields(password="x" * 1025), "not-acceptable"),
        (form(password=""), "not-acceptable"),
        (fields("ROMEO"), "conflict"),
        ("<remove/>", "unexpected-request"),
    ],
)
async def test_refusals(stage, inner, error):
    assert result(await ask(connect(stage), query("set", inner))) == error
    assert usernames(stage) == {"romeo", "juliet"}


@pytest.mark.parametrize("kind", ["get", "set"])
async def test_an_open_channel_is_not_for_passwords(stage, kind):
    answer = await ask(connect(stage, secure=False), query(kind, fields()))
    assert result(answer) == "not-authorized"
    assert usernames(stage) == {"romeo", "juliet"}


@pytest.mark.parametrize(
    "request_",
    [
        "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
        query("result"),
        query("error"),
        "<iq type='set' id='r'/>",
        f"<iq type='get' id='r'><query xmlns='{ns.REGISTER}'/><query xmlns='{ns.REGISTER}'/></iq>",
    ],
)
async def test_nothing_else_is_answered_before_sign_in(stage, request_):
    client = connect(stage)
    client.send(request_)
    await until(lambda: client.transport.closed)
    assert client.error == "not-authorized"


async def test_one_account_a_stream(stage):
    client = connect(stage)
    assert result(await ask(client, query("set", fields("a")))) == "result"
    assert result(await ask(client, query("set", fields("b")))) == "not-acceptable"
    assert usernames(stage) == {"romeo", "juliet", "a"}


async def test_the_database_may_fail(stage, caplog):
    client = connect(stage)
    stage.database.error = DatabaseError("it is away")
    assert result(await ask(client, query("set", fields()))) == "internal-server-error"
    assert "an account could not be made" in caplog.text
    stage.database.error = None
    assert result(await ask(client, query("set", fields()))) == "result"


async def test_a_race_for_a_name_is_won_once(stage):
    first, second = connect(stage), connect(stage, "192.0.2.2")
    for client in (first, second):
        client.take()
        client.send(query("set", fields()))
    await until(lambda: first.transport.sent and second.transport.sent)
    assert sorted(result(client.take()[0]) for client in (first, second)) == ["conflict", "result"]


# Abuse of registration


async def test_an_address_makes_only_so_many(stage):
    for name, expected in [("a", "result"), ("b", "result"), ("c", "resource-constraint")]:
        assert result(await ask(connect(stage), query("set", fields(name)))) == expected
    stage.now += 3601
    assert result(await ask(connect(stage), query("set", fields("c")))) == "result"


async def test_a_network_of_64_bits_is_one_address(stage):
    for number, expected in [(1, "result"), (2, "result"), (3, "resource-constraint")]:
        client = connect(stage, f"2001:db8::{number}")
        assert result(await ask(client, query("set", fields(f"u{number}")))) == expected


async def test_all_together_make_only_so_many(stage):
    for number in range(4):
        client = connect(stage, f"192.0.2.{number}")
        answer = await ask(client, query("set", fields(f"u{number}")))
        assert result(answer) == ("result" if number < 3 else "resource-constraint")


async def test_names_cannot_be_probed_without_end(stage):
    client = connect(stage)
    answers = [await ask(client, query("set", fields("romeo"))) for _ in range(21)]
    assert [result(answer) for answer in answers] == ["conflict"] * 20 + ["resource-constraint"]
    # Who only found names taken may still make an account, once the hour is over.
    stage.now += 3601
    assert result(await ask(client, query("set", fields()))) == "result"


async def test_what_was_not_made_is_not_counted(stage):
    for _ in range(3):
        await ask(connect(stage), query("set", fields("romeo")))
        await ask(connect(stage), query("set", fields("a b")))
    for name in "ab":
        assert result(await ask(connect(stage), query("set", fields(name)))) == "result"


async def test_a_stream_works_on_one_at_a_time(stage):
    client = connect(stage)
    client.take()
    for number in range(6):
        client.send(query("set", fields(f"u{number}")))
    assert client.error == "policy-violation"


async def test_nothing_is_hashed_beyond_the_quota(stage, monkeypatch):
    hashed = []

    async def create(username, password):
        hashed.append(username)
        return username

    monkeypatch.setattr(stage.domain.accounts, "create", create)
    for number in range(10):
        await ask(connect(stage), query("set", fields(f"u{number}")))
    assert hashed == ["u0", "u1"]


# After sign-in


@pytest.fixture
async def juliet(closed):
    return await closed.bind("juliet", "balcony")


@pytest.mark.parametrize("to", ["", " to='localhost'", " to='juliet@localhost'"])
async def test_who_signed_in_is_registered(juliet, to):
    register = Iq(xml=await juliet.ask(query("get", to=to)))["register"]
    assert register["registered"]
    assert (register["username"], register["password"]) == ("juliet", "")


async def test_the_domain_tells_of_it(juliet):
    (info,) = await juliet.ask(
        f"<iq type='get' id='d' to='localhost'><query xmlns='{ns.DISCO_INFO}'/></iq>"
    )
    assert ns.REGISTER in {feature.get("var") for feature in info}


@pytest.mark.parametrize("fill", [fields, form])
@pytest.mark.parametrize("name", ["juliet", "Juliet", "juliet@localhost"])
async def test_a_password_is_changed(closed, juliet, fill, name):
    answer = await ask(juliet, query("set", fill(name, "new one"), " to='localhost'"))
    assert result(answer) == "result"
    assert await fits(closed, "juliet", "new one")
    assert juliet.error is None


@pytest.mark.parametrize(
    ("inner", "error"),
    [
        ("", "bad-request"),
        ("<password>x</password>", "bad-request"),
        (fields("juliet", ""), "bad-request"),
        (fields("romeo", "x"), "not-allowed"),
        (fields("romeo@localhost", "x"), "not-allowed"),
        (fields("juliet@elsewhere", "x"), "not-allowed"),
        (fields("a b", "x"), "not-allowed"),
        (fields("juliet", "\U0001f600"), "not-acceptable"),
    ],
)
async def test_password_refusals(closed, juliet, inner, error):
    assert result(await ask(juliet, query("set", inner))) == error
    assert closed.database.writes == 0


async def test_a_password_is_not_changed_where_it_is_overheard(closed):
    transport = MemoryTransport()
    transport.channel = Channel("192.0.2.1", secure=False, kind="websocket")
    juliet = await closed.bind("juliet", "balcony")
    juliet.session.channel = transport.channel
    answer = await ask(juliet, query("set", fields("juliet", "x")))
    assert result(answer) == "not-authorized"


async def test_changing_has_a_bound(closed, juliet):
    answers = [
        result(await ask(juliet, query("set", fields("juliet", f"pass {number}"))))
        for number in range(11)
    ]
    assert answers == ["result"] * 10 + ["resource-constraint"]


@pytest.mark.parametrize("inner", ["<remove/>", fields("juliet", "x")])
async def test_the_operator_may_be_against_it(inner):
    stage = Stage(registration=RegistrationConfig(changes=False))
    juliet = await stage.bind("juliet", "balcony")
    assert result(await ask(juliet, query("set", inner))) == "not-allowed"
    assert usernames(stage) == {"romeo", "juliet"}
    await stage.domain.stop()


async def test_an_anonymous_user_has_nothing_to_change(closed):
    guest = await closed.bind("guest", "x")
    assert result(await ask(guest, query("set", fields("guest", "x")))) == "not-allowed"
    assert result(await ask(guest, query("set", "<remove/>"))) == "registration-required"


async def test_nobody_changes_anothers(juliet):
    for inner in (fields("romeo", "x"), "<remove/>"):
        answer = await ask(juliet, query("set", inner, " to='romeo@localhost'"))
        assert result(answer) == "service-unavailable"


async def test_an_old_password_is_forgotten(closed):
    """Also where it had been right before, and need not be hashed to be known again."""
    accounts = closed.domain.accounts
    await accounts.set_password("juliet", "old")
    authenticator = Authenticator(accounts, Turns(), SaslConfig("localhost"), clock=lambda: 0.0)

    async def signs_in(password):
        message = base64.b64encode(f"\0juliet\0{password}".encode()).decode()
        element = closed.guard.read(f"<auth xmlns='{ns.SASL}' mechanism='PLAIN'>{message}</auth>")
        exchange = authenticator.exchange(Channel("192.0.2.1", secure=True, kind="websocket"))
        try:
            return (await exchange.step(element, closed.now)).done
        except SaslError:
            return False

    assert await signs_in("old")
    juliet = await closed.bind("juliet", "balcony")
    await ask(juliet, query("set", fields("juliet", "new")))
    assert [await signs_in(password) for password in ("old", "new")] == [False, True]
    await closed.domain.remove_account("juliet")
    assert not await signs_in("new")
    authenticator.close()


async def test_an_account_is_cancelled(closed, juliet):
    garden = await closed.bind("juliet", "garden")
    romeo = await closed.bind("romeo", "orchard")
    answer = await ask(juliet, query("set", "<remove/>"))
    assert (answer.get("type"), answer.get("id")) == ("result", "r")
    await until(lambda: garden.transport.closed)
    assert (juliet.error, garden.error, romeo.error) == ("not-authorized", "not-authorized", None)
    assert usernames(closed) == {"romeo"}
    assert closed.domain.owners.get("juliet@localhost") is None


async def test_cancelling_is_said_alone(closed, juliet):
    answer = await ask(juliet, query("set", "<remove/>" + fields("juliet", "x")))
    assert result(answer) == "bad-request"
    assert usernames(closed) == {"romeo", "juliet"}
