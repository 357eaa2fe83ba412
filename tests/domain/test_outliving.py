"""Sessions and rooms that go on in another process, as if nothing had happened."""

import asyncio
import base64
import json
from functools import partial

import pytest
from support.domains import Client, settle
from support.house import House, ask
from support.rooms import MUC, ROOM, say
from support.sessions import MemoryTransport
from support.waiting import until

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.archive.archive import Query
from andiron.domain.archive.store import Filter
from andiron.domain.config import ArchiveConfig, RoomsConfig
from andiron.domain.database.database import Database
from andiron.domain.outliving import freeze_rooms, take_up, write_down
from andiron.sm.freezing import head_of
from andiron.sm.journal.journal import Journal
from andiron.sm.journal.records import apply
from andiron.sm.journal.state import State
from andiron.sm.link import CloseReason
from andiron.sm.recording import Recording
from andiron.xmpp import namespaces as ns

ENABLE = f"<enable xmlns='{ns.SM_3}' resume='true'/>"


class Paper:
    """Has what was recorded, and says that it is safe."""

    failing = ""

    def __init__(self, state, written):
        self.journal = Journal(state)
        self.written = list(written)

    def flush(self, now, done=None):
        self.written += self.journal.take()
        return True


class Street:
    """One house after another on the same database; sessions move from each to the next."""

    def __init__(self, url):
        self.url = url
        self.house: House
        self.state = State()
        """What was written down."""
        self.paper = None

    async def build(self):
        self.house = House(self.url, rooms=RoomsConfig(), archive=ArchiveConfig())
        await self.house.domain.start()
        manager, loop = self.house.manager, asyncio.get_running_loop()
        former = [] if self.paper is None else self.paper.written
        self.paper = Paper(self.state, former)
        manager.recording = Recording(self.paper, head_of, manager.clock, loop.call_soon)
        await write_down(self.house.domain, self.paper.journal)
        return self.house

    async def person(self, name, *, resume=True, presence="<presence/>"):
        if not await self.house.domain.accounts.exists(name):
            await self.house.domain.accounts.create(name, "secret")
        client = await self.house.come(name, "secret")
        if resume:
            client.send(ENABLE)
            client.sm_id = (await heard(client))[0].get("id")
        if presence:
            client.send(presence)
        return client

    async def move(self):
        """End the process and start another; what is between them is text alone."""
        old, domain = self.house.manager, self.house.domain
        old.hibernate(self.house.now)
        await domain.settle()
        await until(lambda: old.settled)
        for name, room in freeze_rooms(domain, old):
            old.recording.journal.note(name, room)
        old.leave(self.house.now)
        await domain.stop()
        return await self._move_in()

    async def be_killed(self, meanwhile=None):
        """Let the process be killed, have something done, and start another."""
        domain = self.house.domain
        writers = (domain.archive._account_writer, domain.archive._room_writer)
        doomed = {
            *domain.tasks._storing,
            *(each._task for each in writers if each._task is not None),
        }
        for task in doomed:
            task.cancel()
        await asyncio.gather(*doomed, return_exceptions=True)
        domain.archive = None
        await domain.stop()
        if meanwhile is not None:
            await meanwhile()
        return await self._move_in()

    async def replace(self, name):
        """Remove an account and make another of its name, as another process does."""
        database = await Database.open(self.url)
        accounts = Accounts(database, "localhost", 4096)
        await accounts.remove(name)
        await accounts.create(name, "secret")
        await database.close()

    def meanwhile(self, left, name):
        """Return what is done while no process serves, of what is ``left``."""
        return {"earlier": self.forget_births, "replaced": partial(self.replace, name)}.get(left)

    async def forget_births(self):
        """Let what is owed be as earlier versions wrote it down."""
        for at, record in enumerate(self.paper.written):
            if record[0] == "owed":
                name, kind, number, payload = record
                self.paper.written[at] = (name, kind, number, payload[0])
            elif record[0] == "note" and record[1].startswith("offline/"):
                number = int(record[1].partition("/")[2]) + 1
                self.paper.written[at] = ("owed", "offline", number, record[2][:4])

    async def _move_in(self):
        written = json.dumps(self.paper.written)
        self.state = State()
        for record in json.loads(written):
            apply(self.state, record)
        await self.build()
        frozen = [each.frozen() for each in self.state.sessions.values()]
        rooms = self.state.notes.values()
        gone = await take_up(self.house.domain, self.house.manager, frozen, rooms)
        return len(frozen) - len(gone)

    async def back(self, client, name, h=0):
        """Let a client resume on the house that there is; return it with what it is sent."""
        transport = MemoryTransport()
        self.house.manager.connect(transport, self.house.now)
        again = Client(self.house, transport)
        await sign_in(again, name)
        again.send(f"<resume xmlns='{ns.SM_3}' previd='{client.sm_id}' h='{h}'/>")
        again.session = transport.session
        again.sm_id = client.sm_id
        return again


async def sign_in(client, name):
    client.open()
    secret = base64.b64encode(f"\0{name}\0secret".encode()).decode()
    client.send(f"<auth xmlns='{ns.SASL}' mechanism='PLAIN'>{secret}</auth>")
    await until(lambda: len(client.transport.sent) > 2)
    client.open()
    client.take()


@pytest.fixture
async def street(lasting_url):
    street = Street(lasting_url)
    await street.build()
    yield street
    await street.house.stop()


async def request(client, kind, payload, to=""):
    """Return the answer to a request of a client that heard all before."""
    await heard(client)
    return await ask(client, kind, payload, to)


async def heard(client):
    """Return what a client is sent when the turn has ended."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return client.take()


def words(trees):
    return [each.findtext(f"{{{ns.CLIENT}}}body") for each in trees if each.tag.endswith("message")]


async def test_a_session_goes_on_with_its_counters_and_what_it_owes(street):
    juliet = await street.person("juliet")
    romeo = await street.person("romeo", resume=False)
    romeo.send(f"<message to='{juliet.jid}' id='1' type='chat'><body>one</body></message>")
    await until(lambda: "one" in words(juliet.take()))
    romeo.send(f"<message to='{juliet.jid}' id='2' type='chat'><body>two</body></message>")
    assert await street.move() == 1
    romeo = await street.person("romeo", resume=False)
    romeo.send(f"<message to='{juliet.jid}' id='3' type='chat'><body>three</body></message>")
    await until(lambda: not romeo.session.inbound.pending)
    back = await street.back(juliet, "juliet", h=2)  # Her own presence, and the first.
    resumed, *rest = await heard(back)
    assert resumed.tag.endswith("resumed")
    assert resumed.get("h") == "1"
    assert words(rest) == ["two", "three"]
    assert back.jid == juliet.jid


async def test_nobody_is_told_that_a_session_was_gone(street):
    juliet = await street.person("juliet")
    romeo = await street.person("romeo")
    juliet.send(f"<presence to='{romeo.jid}'><status>here</status></presence>")
    seen = [each for each in await heard(romeo) if each.get("from") == juliet.jid]
    assert len(seen) == 1
    await street.move()
    assert street.house.domain.router.full[juliet.jid].presence
    romeo_back = await street.back(romeo, "romeo", h=2)
    assert [each.tag for each in await heard(romeo_back)] == [f"{{{ns.SM_3}}}resumed"]
    juliet_back = await street.back(juliet, "juliet", h=1)
    await heard(juliet_back)
    juliet_back.session.close(CloseReason.CLIENT_CLOSED, street.house.now)
    # Directed presence is taken back from those who saw it.
    (gone,) = await heard(romeo_back)
    assert (gone.get("from"), gone.get("type")) == (juliet.jid, "unavailable")


async def test_what_a_resource_asked_for_holds(street):
    juliet = await street.person("juliet")
    await request(juliet, "set", f"<enable xmlns='{ns.CARBONS}'/>")
    await request(juliet, "get", f"<query xmlns='{ns.ROSTER}'/>")
    juliet.send(f"<inactive xmlns='{ns.CSI}'/>")
    await street.move()
    client = street.house.domain.router.full[juliet.jid]
    assert client.interested
    assert client in client.owner.carbons
    other = await street.person("juliet")
    queue = client.session.management.queue
    before = len(queue)
    other.send("<presence><show>away</show></presence>")
    assert len(queue) == before  # Nobody looks: it waits.
    romeo = await street.person("romeo")
    romeo.send(f"<message to='{other.jid}' id='1' type='chat'><body>one</body></message>")
    await until(lambda: "one" in words(other.take()))
    copies = [text for text, _, _ in queue if ns.CARBONS in text]
    assert len(copies) == 1


async def test_a_room_keeps_who_is_in_it(street):
    juliet = await street.person("juliet")
    romeo = await street.person("romeo")
    guest = await street.person("guest", resume=False)
    juliet.send(f"<presence to='{ROOM}/Juliet'>{MUC}</presence>")
    await request(
        juliet,
        "set",
        f"<query xmlns='{ns.MUC_OWNER}'><x xmlns='{ns.DATA}' type='submit'/></query>",
        ROOM,
    )
    for client, nick in ((romeo, "Romeo"), (guest, "Guest")):
        client.send(f"<presence to='{ROOM}/{nick}'>{MUC}</presence>")
    say(juliet, "before")
    await until(lambda: "before" in words(romeo.take()))
    await until(lambda: not juliet.session.inbound.pending)
    romeo_h = romeo.session.management.queue.sent
    juliet_h = juliet.session.management.queue.sent
    assert await street.move() == 2
    room = street.house.domain.rooms.by_name["garden"]
    assert sorted(room.occupants) == ["Juliet", "Romeo"]
    assert room.occupants["Juliet"].role.value == "moderator"
    romeo = await street.back(romeo, "romeo", romeo_h)
    left = (await heard(romeo))[1]
    assert (left.get("from"), left.get("type")) == (f"{ROOM}/Guest", "unavailable")
    say(romeo, "after")
    await until(lambda: "after" in words(romeo.take()))
    juliet = await street.back(juliet, "juliet", juliet_h)
    assert words(await heard(juliet)) == ["after"]
    newcomer = await street.person("newcomer")
    await heard(newcomer)
    newcomer.send(f"<presence to='{ROOM}/New'>{MUC}</presence>")
    seen = await heard(newcomer)
    await until(lambda: seen.extend(newcomer.take()) or "after" in words(seen))
    assert {each.get("from") for each in seen if each.tag.endswith("presence")} == {
        f"{ROOM}/Juliet",
        f"{ROOM}/Romeo",
        f"{ROOM}/New",
    }
    assert words(seen)[:2] == ["before", "after"]


async def test_stored_messages_that_a_session_answers_for_come_once(street):
    await street.house.domain.accounts.create("juliet", "secret")
    romeo = await street.person("romeo", resume=False)
    for number in range(3):
        romeo.send(f"<message to='juliet@localhost' id='{number}'><body>{number}</body></message>")
    await until(lambda: not romeo.session.inbound.pending)
    juliet = await street.person("juliet")
    await until(lambda: "2" in words(juliet.take()))
    await street.move()
    juliet = await street.back(juliet, "juliet")
    assert words(await heard(juliet)) == ["0", "1", "2"]
    other = await street.person("juliet")  # They are nowhere else.
    await street.house.domain.settle()
    assert words(await heard(other)) == []


async def test_what_is_owed_goes_on_when_nobody_comes_back(street):
    juliet = await street.person("juliet")
    romeo = await street.person("romeo", resume=False)
    romeo.send(f"<message to='{juliet.jid}' id='1' type='chat'><body>one</body></message>")
    await until(lambda: not romeo.session.inbound.pending)
    await street.move()
    session = street.house.domain.router.full[juliet.jid].session
    session.on_timer(session.life.expires_at)
    assert session.state == "closed"
    await street.house.domain.settle()
    later = await street.person("juliet", resume=False)
    await until(lambda: "one" in words(later.take()))


@pytest.mark.parametrize("again", [False, True], ids=["gone", "made-anew"])
async def test_the_session_of_a_removed_account_is_let_go(street, again, caplog):
    juliet = await street.person("juliet")
    romeo = await street.person("romeo")
    domain = street.house.domain
    accounts = domain.accounts
    stop = domain.stop

    async def remove_and_stop():
        await accounts.remove("juliet")
        if again:
            await accounts.create("juliet", "another's")
        await stop()

    domain.stop = remove_and_stop
    assert await street.move() == 1
    assert "1 sessions are let go with what they were owed" in caplog.text
    assert juliet.jid not in street.house.domain.router.full
    assert romeo.jid in street.house.domain.router.full


@pytest.mark.parametrize("left", ["now", "earlier", "replaced"])
async def test_what_the_database_had_not_when_the_process_was_killed_is_there_once(
    street, monkeypatch, left
):
    juliet = await street.person("juliet")
    romeo = await street.person("romeo")
    archive = street.house.domain.archive
    adding = asyncio.Event()
    add = archive._accounts.add

    async def stop(rows, _but):
        if "before" in rows[0][4]:
            await add(rows)
        adding.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(archive._accounts, "add", stop)
    for text in ("before", "one", "two"):
        romeo.send(f"<message to='{juliet.jid}' id='1' type='chat'><body>{text}</body></message>")
    await until(lambda: "two" in words(juliet.take()))
    assert romeo.session.inbound.h == 4, "it is taken over: all of it is written down"
    await until(adding.is_set)
    await street.be_killed(street.meanwhile(left, "juliet"))
    archive = street.house.domain.archive
    said = ["before", "one", "two"]
    for name, expected in (("juliet", [] if left == "replaced" else said), ("romeo", said)):
        page = await archive.page(name, Query(Filter(), 10))
        texts = [row.text.partition("<body>")[2].partition("<")[0] for row in page.rows]
        assert texts == expected
    back = await street.back(romeo, "romeo")
    assert (await heard(back))[0].get("h") == "4"


@pytest.mark.parametrize("left", ["now", "earlier", "replaced"])
async def test_what_an_ended_session_owed_is_stored_once_though_the_process_was_killed(
    street, monkeypatch, left
):
    juliet = await street.person("juliet")
    romeo = await street.person("romeo", resume=False)
    for text in ("one", "two"):
        romeo.send(f"<message to='{juliet.jid}' id='1' type='chat'><body>{text}</body></message>")
    await until(lambda: not romeo.session.inbound.pending)
    storing = street.house.domain.offline._storing
    put, stored = storing._put, asyncio.Event()

    async def stop(account, messages, payer, born=None):
        if "one" in messages[0].text:
            await put(account, messages, payer, born)
            stored.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(storing, "_put", stop)
    juliet.session.close(CloseReason.EXPIRED, street.house.now)
    await until(stored.is_set)
    await heard(juliet)
    await street.be_killed(street.meanwhile(left, "juliet"))
    if left == "replaced":
        assert await street.house.domain.offline._store.count("juliet") == 0
        return
    juliet = await street.person("juliet")
    got = []
    await until(lambda: got.extend(words(juliet.take())) or "two" in got)
    assert [each for each in got if each] == ["one", "two"]


async def test_what_was_stored_and_may_not_have_come_is_stored_again_as_the_server_ends(street):
    """Over BOSH nothing is known of the latest answers, though they were written."""
    await street.house.domain.accounts.create("juliet", "secret")
    romeo = await street.person("romeo", resume=False)
    romeo.send("<message to='juliet@localhost' id='1'><body>one</body></message>")
    await until(lambda: not romeo.session.inbound.pending)
    juliet = await street.person("juliet", resume=False)
    sent = juliet.transport.sent
    await until(lambda: any("<body>one" in text for text in sent))
    juliet.transport.buffered = [text for text in sent if "<body>one" in text]
    store = street.house.domain.offline._store
    while await store.count("juliet"):
        await settle()
    await street.move()
    juliet = await street.person("juliet")
    await until(lambda: "one" in words(juliet.take()))


async def test_what_a_resource_answers_for_by_a_copy_goes_on(street):
    lost = await street.person("juliet", presence="<presence><priority>5</priority></presence>")
    heir = await street.person("juliet")
    await request(heir, "set", f"<enable xmlns='{ns.CARBONS}'/>")
    romeo = await street.person("romeo", resume=False)
    lost.lose()
    long = "long " * 1000
    romeo.send(f"<message to='juliet@localhost' type='chat'><body>{long}</body></message>")
    await until(lambda: not romeo.session.inbound.pending)
    lost.session.close(CloseReason.EXPIRED, street.house.now)
    await street.house.domain.settle()
    assert long not in str(head_of(heir.session)), "that is written down with each change"
    await street.move()
    session = street.house.domain.router.full[heir.jid].session
    session.on_timer(session.life.expires_at)
    await street.house.domain.settle()
    later = await street.person("juliet", resume=False)
    await until(lambda: later.transport.sent[-1].count(long))
    assert sum(text.count(long) for text in later.transport.sent) == 1


async def test_what_is_held_while_stored_messages_are_read_is_there_though_the_process_is_killed(
    street, monkeypatch
):
    juliet = await street.person("juliet", presence="")
    romeo = await street.person("romeo")
    page = street.house.domain.offline._store.page

    async def hang(*_args, **_named):
        await asyncio.Event().wait()

    romeo.send("<message to='juliet@localhost' type='chat'><body>stored</body></message>")
    await until(lambda: not romeo.session.inbound.pending)
    monkeypatch.setattr(street.house.domain.offline._store, "page", hang)
    juliet.send("<presence/>")
    for text in ("one", "two"):
        romeo.send(f"<message to='{juliet.jid}' type='chat'><body>{text}</body></message>")
    await heard(romeo)
    assert romeo.session.inbound.h == 4, "they are taken over"
    assert "one" not in words(juliet.take())
    await street.be_killed()
    assert street.house.domain.offline._store.page is not page
    back = await street.back(juliet, "juliet", h=1)
    got = []
    await until(lambda: got.extend(words(back.take())) or "two" in got)
    assert [each for each in got if each] == ["stored", "one", "two"]
    again = await street.back(romeo, "romeo")
    assert (await heard(again))[0].get("h") == "4"


async def test_what_was_held_comes_once_where_it_had_gone_out_before_the_kill(street):
    juliet = await street.person("juliet", presence="")
    romeo = await street.person("romeo")
    juliet.send("<presence/>")
    romeo.send(f"<message to='{juliet.jid}' type='chat'><body>one</body></message>")
    await until(lambda: "one" in words(juliet.take()))
    await heard(juliet)
    await street.be_killed()
    back = await street.back(juliet, "juliet", h=1)
    await until(lambda: not street.house.domain.tasks._storing)
    assert words(await heard(back)) == ["one"]


async def test_what_waits_for_somebody_to_look_is_there_though_the_process_is_killed(street):
    juliet = await street.person("juliet")
    romeo = await street.person("romeo")
    juliet.send(f"<inactive xmlns='{ns.CSI}'/>")
    for show in ("away", "dnd"):
        romeo.send(f"<presence to='{juliet.jid}'><show>{show}</show></presence>")
    await heard(juliet)
    assert len(juliet.link.freeze()["idle"]) == 1
    await street.be_killed()
    back = await street.back(juliet, "juliet")
    shown = [each.findtext(f"{{{ns.CLIENT}}}show") for each in await heard(back)]
    assert "dnd" in shown
    assert "away" not in shown


async def test_what_was_stored_and_taken_is_not_stored_again_for_one_that_waits_longer(
    street, monkeypatch
):
    """What ended sessions owed is stored in each sender's turns, so in any order."""
    juliet = await street.person("juliet")
    romeo = await street.person("romeo", resume=False)
    tybalt = await street.person("tybalt", resume=False)
    for client, text in ((romeo, "slow"), (tybalt, "quick")):
        client.send(f"<message to='{juliet.jid}' type='chat'><body>{text}</body></message>")
        await until(lambda client=client: not client.session.inbound.pending)
    add = street.house.domain.offline._store.add_all

    async def stop(username, messages, payer, born):
        if payer == "romeo":
            await asyncio.Event().wait()
        return await add(username, messages, payer, born)

    monkeypatch.setattr(street.house.domain.offline._store, "add_all", stop)
    juliet.session.close(CloseReason.EXPIRED, street.house.now)
    store = street.house.domain.offline._store
    while not await store.count("juliet"):
        await settle()
    later = await street.person("juliet")
    await until(lambda: "quick" in words(later.take()))
    later.send(f"<a xmlns='{ns.SM_3}' h='2'/>")
    while await store.count("juliet"):
        await settle()
    await heard(later)
    await street.be_killed()
    back, got = await street.back(later, "juliet", h=2), []
    await until(lambda: got.extend(words(back.take())) or "slow" in got)
    assert [each for each in got if each] == ["slow"]


async def test_what_was_stored_is_not_taken_for_shared_after_a_restart(street):
    await street.house.domain.accounts.create("juliet", "secret")
    romeo = await street.person("romeo", resume=False)
    romeo.send("<message to='juliet@localhost' type='chat'><body>one</body></message>")
    await until(lambda: not romeo.session.inbound.pending)
    desk = await street.person("juliet", presence="")
    phone = await street.person("juliet", presence="")
    store = street.house.domain.offline._store
    page, go = store.page, asyncio.Event()

    async def slow(*args, **named):
        await go.wait()
        return await page(*args, **named)

    store.page = slow
    desk.send("<presence/>")
    phone.send("<presence/>")
    await settle()
    await asyncio.sleep(0.05)
    go.set()
    await until(lambda: "one" in words(desk.take()))
    await street.move()
    session = street.house.domain.router.full[desk.jid].session
    session.on_timer(session.life.expires_at)
    await street.house.domain.settle()
    back = await street.back(phone, "juliet")
    await street.house.domain.settle()
    got = words(await heard(back))
    count = await street.house.domain.offline._store.count("juliet")
    assert "one" in got or count


async def test_what_an_ended_session_had_does_not_come_again_though_the_process_is_killed(
    street, monkeypatch
):
    await street.house.domain.accounts.create("juliet", "secret")
    romeo = await street.person("romeo", resume=False)
    romeo.send("<message to='juliet@localhost' type='chat'><body>one</body></message>")
    await until(lambda: not romeo.session.inbound.pending)
    juliet = await street.person("juliet")
    await until(lambda: "one" in words(juliet.take()))

    async def hang(*_args):
        await asyncio.Event().wait()

    monkeypatch.setattr(street.house.domain.offline._store, "remove", hang)
    juliet.send(f"<a xmlns='{ns.SM_3}' h='2'/>")
    juliet.leave()
    await heard(juliet)
    await street.be_killed()
    assert await street.house.domain.offline._store.count("juliet") == 0
    assert street.state.notes == {}
