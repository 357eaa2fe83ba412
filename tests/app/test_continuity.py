"""An application whose sessions outlive it: what its next start finds, as things were meanwhile."""

import asyncio
import base64
import os
import re

import pytest
from support.hosted import OPEN, Server, WebSocket

from andiron import continuity, create_app
from andiron.domain.accounts.accounts import Accounts
from andiron.domain.domain import Domain

SM = "urn:xmpp:sm:3"
SAY = "<message xmlns='jabber:client' type='chat' to='{}'><body>{}</body></message>"
JOIN = (
    "<presence xmlns='jabber:client' to='hall@conference.localhost/{}'>"
    "<x xmlns='http://jabber.org/protocol/muc'/></presence>"
)


@pytest.fixture
def made(tmp_path):
    """Make an application on the test's database; keyword arguments are settings."""

    def make(**settings):
        url = f"sqlite:///{tmp_path}/a.db"
        usual = {"database": url, "auth_iterations": 4096, "shutdown_timeout": 0.01}
        return create_app(**(usual | settings))

    return make


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "a.db-sessions"


async def make_people(chat, *names):
    accounts = Accounts(chat.domain.database, chat.domain.name, 4096)
    await accounts.create_many([(name, "secret") for name in names])


async def signed_in(chat, name, domain="localhost"):
    socket = WebSocket(chat)
    await socket.receive()
    socket.send(OPEN.format(domain))
    await socket.until("features")
    secret = base64.b64encode(f"\0{name}\0secret".encode()).decode()
    socket.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>")
    await socket.until("<success")
    socket.send(OPEN.format(domain))
    await socket.until("features")
    return socket


async def online(chat, name, domain="localhost"):
    socket = await signed_in(chat, name, domain)
    socket.send(
        "<iq xmlns='jabber:client' type='set' id='b'>"
        "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
    )
    await socket.until("<jid>")
    socket.send(f"<enable xmlns='{SM}' resume='true'/>")
    socket.sm_id = re.search(r" id='([^']+)'", await socket.until("<enabled"))[1]
    socket.send("<presence xmlns='jabber:client'/>")
    await socket.until("<presence")
    return socket


async def resume(chat, name, former, h=0, domain="localhost"):
    """Return a client, and what it hears of its resumption."""
    socket = await signed_in(chat, name, domain)
    socket.send(f"<resume xmlns='{SM}' previd='{former.sm_id}' h='{h}'/>")
    return socket, (await socket.receive()).get("text", "")


async def lived(chat, *names):
    """Run an application in which some people sign in; return them."""
    async with chat.lifespan():
        await make_people(chat, *names)
        return [await online(chat, name) for name in names]


async def failure(chat):
    answer = await Server(chat).begin()
    assert answer["type"] == "lifespan.startup.failed"
    return answer["message"]


async def test_started_again_it_goes_on(made):
    chat = made()
    (alice,) = await lived(chat, "alice")
    for _ in range(2):
        async with chat.lifespan():
            again, answer = await resume(chat, "alice", alice)
            assert answer.startswith("<resumed")
            await again.leave()


async def test_a_database_that_hangs_at_the_end_holds_it_up_no_longer_than_it_may(
    made, monkeypatch
):
    monkeypatch.setattr(continuity, "_STORING", 0.01)

    async def hang(_domain):
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(Domain, "settle", hang)
        (alice,) = await lived(made(), "alice")
    chat = made()
    async with chat.lifespan():
        _, answer = await resume(chat, "alice", alice)
        assert answer.startswith("<resumed")


async def test_nobody_resumes_anothers_session_nor_more_than_there_was(made):
    alice, _ = await lived(made(), "alice", "bob")
    chat = made()
    async with chat.lifespan():
        _, answer = await resume(chat, "bob", alice)
        assert "<item-not-found" in answer
        _, answer = await resume(chat, "alice", alice, h=1000)
        assert "handled-count-too-high" in answer
        tried = await asyncio.gather(*(resume(chat, "alice", alice) for _ in range(3)))
        answers = {answer.split()[0] for _, answer in tried}
        # Who is overtaken before he has his answer is told of that.
        assert "<resumed" in answers
        assert answers <= {"<resumed", "<stream:error"}
        sessions = [each.link.account for each in chat._home.manager.sessions]
        assert sessions.count("alice@localhost") == 1


async def test_one_that_was_disabled_meanwhile_ends(made):
    _, bob = await lived(made(), "alice", "bob")
    chat = made()
    other = made(durability="memory")
    async with other.lifespan():
        await Accounts(other.domain.database, "localhost", 4096).disabled.disable("alice")
    async with chat.lifespan():
        await chat.domain.removal.look()
        assert {each.link.account for each in chat._home.manager.sessions} == {"bob@localhost"}
        assert (await resume(chat, "bob", bob))[1].startswith("<resumed")


async def test_two_with_one_file_and_one_that_is_newer_stop_the_start(made, journal, tmp_path):
    one = made()
    other = made(database=f"sqlite:///{tmp_path}/b.db", durability_file=str(journal))
    async with one.lifespan():
        assert "another process's; stop that one, or name another file" in await failure(other)
    journal.write_text("andiron journal 99 0123456789abcdef\n")
    sentence = await failure(one)
    assert "a newer Andiron" in sentence
    assert "(ANDIRON_DURABILITY_FILE)" in sentence
    assert journal.read_text() == "andiron journal 99 0123456789abcdef\n"


async def test_a_damaged_one_is_kept_aside_and_the_start_goes_on(made, journal, caplog):
    (alice,) = await lived(made(), "alice")
    good = journal.read_bytes()
    journal.write_bytes(good + b"00000000[]\n" + good)
    chat = made()
    async with chat.lifespan():
        assert (await resume(chat, "alice", alice))[1].startswith("<resumed")
    assert "is damaged behind its first" in caplog.text
    assert (journal.parent / "a.db-sessions.damaged").exists()


async def test_a_file_that_is_not_looked_into_is_told_of(made, journal, caplog):
    (alice,) = await lived(made(), "alice")
    before = journal.read_bytes()
    async with made(durability="memory").lifespan():
        assert "is not taken up, since ANDIRON_DURABILITY is memory" in caplog.text
    assert journal.read_bytes() == before
    chat = made()
    async with chat.lifespan():
        assert (await resume(chat, "alice", alice))[1].startswith("<resumed")
    caplog.clear()
    os.unlink(journal)
    async with made(durability="memory").lifespan():
        assert "not taken up" not in caplog.text


@pytest.mark.parametrize(
    "settings", [{"archive": False}, {"rooms": False}, {"stream_management_max": 0}]
)
async def test_what_is_off_now_keeps_nobody_from_coming_back(made, settings):
    first = made()
    async with first.lifespan():
        await make_people(first, "alice", "bob")
        alice, bob = await online(first, "alice"), await online(first, "bob")
        alice.send(JOIN.format("alice"))
        await alice.until("<subject")
        bob.send(SAY.format("alice@localhost", "owed"))
        await alice.until("owed")
    for chat in (made(**settings), first):
        async with chat.lifespan():
            again, answer = await resume(chat, "alice", alice)
            assert answer.startswith("<resumed")
            assert await again.until("owed")
            await again.leave()


async def test_sessions_of_another_domain_are_let_go_which_is_told(made, caplog):
    await lived(made(), "alice")
    chat = made(domain="other.example")
    async with chat.lifespan():
        assert not chat._home.manager.sessions
        assert "1 sessions are let go" in caplog.text
        assert "as alice@localhost" in caplog.text


async def test_one_that_loses_its_database_leaves_its_sessions_to_the_next_start(made):
    chat = made()
    async with chat.lifespan():
        await make_people(chat, "alice", "bob")
        alice, bob = await online(chat, "alice"), await online(chat, "bob")
        bob.send(SAY.format("alice@localhost", "owed"))
        await alice.until("owed")
        chat._lose_database("The database is another server's.")
        with pytest.raises(EOFError):
            await bob.until("system-shutdown")
    async with made().lifespan():
        pass
    chat = made()
    async with chat.lifespan():
        again, answer = await resume(chat, "alice", alice)
        assert answer.startswith("<resumed")
        assert await again.until("owed")
