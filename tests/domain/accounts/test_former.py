"""Whoever gets the name of a removed account comes into nothing that was for that one.

Another process removes accounts and makes others of their names, which this one has not noticed.
"""

import asyncio

import pytest
from sqlalchemy import text
from support.domains import AUTH, Stage, settle
from support.house import House
from support.rooms import RoomStage, configure, rule
from support.waiting import until

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.contacts.roster import roster_of
from andiron.domain.database.database import Database, DatabaseError
from andiron.domain.rooms.privileges import Affiliation
from andiron.domain.sign_in.site import Site
from andiron.domain.sign_in.steps import Step
from andiron.xmpp import namespaces as ns

BOB = "bob@localhost"
JULIET = "juliet@localhost"


async def replace(stage, name="bob"):
    """Remove an account and make another of its name, as another process does."""
    elsewhere = Accounts(stage.database, "localhost")
    await elsewhere.remove(name)
    await elsewhere.provide(name)


async def marks(stage):
    return set(await stage.domain.accounts.former.marks())


def column(stage, query):
    with stage.database.engine.begin() as connection:
        return list(connection.scalars(text(query)))


@pytest.fixture
async def stage():
    stage = RoomStage()
    stage.add_account("bob")
    yield stage
    await stage.domain.stop()


async def befriend(stage, one, other):
    """Let two accounts see each other's presence, then let the other leave and be forgotten."""
    mine, theirs = await stage.come(one, "here"), await stage.come(other, "here")
    for sender, to in ((mine, other), (theirs, one)):
        sender.send(f"<presence to='{to}@localhost' type='subscribe'/>")
        await settle()
    for sender, to in ((mine, other), (theirs, one)):
        sender.send(f"<presence to='{to}@localhost' type='subscribed'/>")
        await settle()
    theirs.leave()
    await settle()
    stage.domain.owners.forget(f"{other}@localhost")
    mine.take()
    return mine


# What is known of accounts


async def test_an_account_is_read_as_the_database_has_it_and_stays(stage):
    """Nothing that was remembered of one before it makes it look removed."""
    told = []

    async def tell(username):
        told.append(username)

    stage.domain.events.removed.append(tell)
    romeo = await stage.come("romeo", "orchard")
    assert await stage.domain.accounts.exists("bob")
    await replace(stage)
    romeo.send(f"<message to='{BOB}' type='chat'><body>hi</body></message>")
    await settle()
    owner = stage.domain.owners.get(BOB)
    assert owner.born == (await stage.domain.accounts.births(["bob"]))["bob"]
    assert told == ["bob"], "before it came into memory"
    await stage.domain.removal.look()
    assert stage.domain.owners.get(BOB) is owner
    assert told == ["bob"]
    assert await marks(stage) == set()


async def test_what_was_read_of_an_account_before_it_was_removed_is_not_remembered(
    stage, monkeypatch
):
    accounts = stage.domain.accounts
    read, proceed = stage.database.read, asyncio.Event()

    async def slow(operation):
        found = await read(operation)
        await proceed.wait()
        return found

    monkeypatch.setattr(stage.database, "read", slow)
    asking = asyncio.create_task(accounts.exists("bob"))
    looking = asyncio.create_task(accounts.standing("bob"))
    await settle()
    monkeypatch.undo()
    await accounts.remove("bob")
    proceed.set()
    await asyncio.gather(asking, looking)
    assert not await accounts.exists("bob")


async def test_the_former_ends_before_the_next_of_his_name_goes_on(lasting_url):
    house = House(lasting_url, archive=None)
    await house.domain.start()
    database = await Database.open(lasting_url)
    elsewhere = Accounts(database, "localhost", 4096)
    await elsewhere.create("bob", "old")
    old = await house.come("bob", "old")
    former = old.link.owner
    await elsewhere.remove("bob")
    await elsewhere.create("bob", "new")
    new = await house.come("bob", "new")
    assert (old.error, new.error) == ("not-authorized", None)
    assert new.link.owner is not former
    assert new.link.owner.born == (await elsewhere.births(["bob"]))["bob"]
    assert list(house.domain.router.accounts[BOB].clients.values()) == [new.link]
    await house.domain.removal.look()
    assert new.error is None
    await house.stop()
    await database.close()


async def test_what_the_former_did_not_get_is_not_stored_for_the_next(lasting_url):
    house = House(lasting_url, archive=None)
    await house.domain.start()
    database = await Database.open(lasting_url)
    elsewhere = Accounts(database, "localhost", 4096)
    await elsewhere.create_many([("bob", "old"), ("romeo", "x")])
    old, romeo = await house.come("bob", "old"), await house.come("romeo", "x")
    old.send(f"<enable xmlns='{ns.SM_3}' resume='true'/>")
    old.send("<presence/>")
    romeo.send(f"<message to='{BOB}' type='chat'><body>for the former</body></message>")
    await until(lambda: any("for the former" in sent for sent in old.transport.sent))
    await elsewhere.remove("bob")
    await elsewhere.create("bob", "new")
    assert await house.come("bob", "new") is not None
    assert old.error == "not-authorized"
    await house.domain.settle()
    assert await house.domain.offline._store.count("bob") == 0
    await house.stop()
    await database.close()


# What others have of them


async def test_a_room_that_was_for_the_former_is_not_for_the_next(stage):
    juliet = await stage.person("juliet")
    await stage.open_room(juliet, persistentroom=1)
    await rule(juliet, f"jid='{BOB}' affiliation='admin'")
    await replace(stage)
    await configure(juliet, roomname="written again")
    await stage.person("bob")
    assert stage.room.affiliations == {JULIET: Affiliation.OWNER}
    assert column(stage, "select jid from room_affiliations") == [JULIET]


async def test_a_room_that_is_in_memory_alone_forgets_the_former_too(stage):
    juliet = await stage.person("juliet")
    await stage.open_room(juliet)
    await rule(juliet, f"jid='{BOB}' affiliation='member'")
    stage.room.voices[BOB] = "participant"
    await replace(stage)
    await stage.domain.removal.look()
    assert stage.room.affiliations == {JULIET: Affiliation.OWNER}
    assert stage.room.voices == {}


async def test_bans_and_what_was_meant_for_a_name_before_anybody_had_it_stay(stage):
    juliet = await stage.person("juliet")
    await stage.open_room(juliet, persistentroom=1)
    carol = "carol@localhost"
    await rule(juliet, f"jid='{BOB}' affiliation='outcast'", f"jid='{carol}' affiliation='member'")
    await replace(stage)
    await Accounts(stage.database, "localhost").provide("carol")
    await stage.domain.removal.look()
    there = {JULIET: Affiliation.OWNER, BOB: Affiliation.OUTCAST, carol: Affiliation.MEMBER}
    assert stage.room.affiliations == there
    assert set(column(stage, "select jid from room_affiliations")) == there.keys()


async def test_what_a_room_kept_of_a_name_alone_goes_with_the_first_of_that_name(stage):
    """Its row refers to no account where there was none yet."""
    juliet = await stage.person("juliet")
    await stage.open_room(juliet, persistentroom=1)
    carol = "carol@localhost"
    await rule(juliet, f"jid='{carol}' affiliation='member'")
    elsewhere = Accounts(stage.database, "localhost")
    await elsewhere.provide("carol")
    await elsewhere.remove("carol")
    await elsewhere.provide("carol")
    assert column(stage, "select jid from room_affiliations") == [JULIET]


async def test_nodes_of_others_are_not_for_the_next(stage):
    stage.add_account("carol")
    with stage.database.engine.begin() as connection:
        node = connection.scalar(
            text(
                "insert into pubsub_nodes (username, node, config, item_count, byte_count)"
                " values ('juliet', 'n', '{}', 0, 0) returning id"
            )
        )
        for jid in (BOB, f"{BOB}/here", "carol@localhost", "bobby@localhost/x"):
            connection.execute(
                text("insert into pubsub_entities values (:node, :jid, 'member', :yes)"),
                {"node": node, "jid": jid, "yes": True},
            )
    await replace(stage)
    others = ["bobby@localhost/x", "carol@localhost"]
    query = "select jid from pubsub_entities order by jid"
    assert column(stage, query) == others
    await Accounts(stage.database, "localhost").remove("carol")
    await stage.domain.removal.look()
    assert column(stage, query) == others[:1]


async def test_whom_the_former_saw_the_next_does_not_see(stage):
    juliet = await befriend(stage, "juliet", "bob")
    assert roster_of(juliet.link.owner).contact(BOB).state.is_seen
    await replace(stage)
    bob = await stage.come("bob", "here")
    assert not roster_of(juliet.link.owner).contact(BOB).state.is_seen
    juliet.send("<presence><show>away</show></presence>")
    bob.send("<presence><show>away</show></presence>")
    await settle()
    assert [each.get("from") for each in bob.take() if each.tag.endswith("presence")] == [bob.jid]
    assert bob.jid not in [each.get("from") for each in juliet.take()]


async def test_a_contact_that_was_made_after_the_former_stays(stage):
    juliet = await befriend(stage, "juliet", "bob")
    await replace(stage)
    juliet.send(f"<presence to='{BOB}' type='subscribe'/>")
    await settle()
    await stage.domain.removal.look()
    assert roster_of(juliet.link.owner).contact(BOB).state.ask


async def test_a_group_has_the_next_where_the_table_has_it(stage):
    juliet = await stage.come("juliet", "here")
    await stage.domain.groups.add("Verona", ["juliet", "bob"])
    shares = roster_of(juliet.link.owner).shares
    assert shares(BOB)
    await replace(stage)
    await stage.domain.removal.look()
    assert not shares(BOB)
    await stage.domain.groups.add("Verona", ["bob"])
    assert shares(BOB)


# What fails


class Clumsy:
    """Forgets accounts, but fails for some."""

    def __init__(self, stage):
        self.fails = {"bob"}
        self.told = []
        stage.domain.events.removed.insert(0, self.forget)
        stage.domain.events.removed.append(self.note)

    async def forget(self, username):
        if username in self.fails:
            raise ZeroDivisionError

    async def note(self, username):
        self.told.append(username)


async def test_what_fails_keeps_nothing_else_from_being_done_and_is_tried_again(stage, caplog):
    clumsy = Clumsy(stage)
    juliet, romeo = await stage.come("juliet", "here"), await stage.come("romeo", "here")
    elsewhere = Accounts(stage.database, "localhost")
    for name in ("bob", "juliet"):
        await elsewhere.remove(name)
    await elsewhere.disabled.disable("romeo")
    await stage.domain.removal.look()
    assert sorted(clumsy.told) == ["bob", "juliet"]
    assert "something of bob@localhost, removed, is left" in caplog.text
    assert (juliet.error, romeo.error) == ("not-authorized", "not-authorized")
    assert await marks(stage) == {"bob"}
    await elsewhere.provide("bob")
    with pytest.raises(DatabaseError, match="a former account bob is left"):
        await stage.domain.owners.load(BOB)
    clumsy.fails.clear()
    await stage.domain.removal.look()
    assert await marks(stage) == set()
    assert (await stage.domain.owners.load(BOB)).jid == BOB


async def test_removing_here_does_not_fail_with_what_is_left_for_later(stage):
    clumsy = Clumsy(stage)
    await stage.domain.remove_account("bob")
    assert (await marks(stage), clumsy.told) == ({"bob"}, ["bob"])


async def test_what_waits_is_let_go_before_anything_is_waited_for(stage):
    order = []

    async def forget(_username):
        order.append("others")

    stage.domain.events.removed.insert(0, forget)
    stage.domain.events.let_go.append(order.append)
    await stage.domain.remove_account("bob")
    assert order[0] == "bob"
    assert order[-1] == "others"


async def test_a_mark_that_a_later_removal_left_is_not_taken_for_the_former_s(stage):
    elsewhere = Accounts(stage.database, "localhost")
    told = []

    async def tell(username):
        told.append(username)
        if len(told) == 1:
            await elsewhere.provide("bob")
            await elsewhere.remove("bob")

    stage.domain.events.removed.append(tell)
    await elsewhere.remove("bob")
    await stage.domain.removal.look()
    assert (told, await marks(stage)) == (["bob", "bob"], set())


async def test_who_removes_himself_is_not_mistaken_for_the_next(stage):
    """The end of his sessions comes after the answer, and somebody may have the name by then."""
    bob = await stage.come("bob", "here")
    former = bob.link.owner
    await stage.domain.accounts.remove("bob")
    await stage.domain.removal.check(former)
    stage.add_account("bob")
    again = await stage.come("bob", "here")
    await stage.domain.removal.finish("bob", former)
    assert (bob.error, again.error) == ("not-authorized", None)


# Who signs in meanwhile


async def test_who_is_removed_while_he_signs_in_is_not_let_in():
    async def groups(username):
        await stage.domain.remove_account(username)
        return []

    stage = Stage(site=Site(groups=groups))
    stage.add_account("bob")
    bob = stage.connect()
    bob.open()
    bob.take()
    bob.send(AUTH.format("bob"))
    await settle()
    (failure,) = bob.take()
    assert failure[0].tag == f"{{{ns.SASL}}}not-authorized"
    assert not stage.domain.router.unbound
    await stage.domain.stop()


@pytest.mark.parametrize("loaded", [False, True])
async def test_who_proved_to_be_the_former_is_not_let_in_as_the_next(stage, monkeypatch, loaded):
    born = (await stage.domain.accounts.births(["bob"]))["bob"]
    proved = Step(f"<success xmlns='{ns.SASL}'/>", "bob", done=True, born=born)

    async def step(_element, _now):
        await replace(stage)
        if loaded:
            await stage.domain.owners.load(BOB)
        return proved

    monkeypatch.setattr(stage.authenticator, "step", step)
    bob = stage.connect()
    bob.open()
    bob.take()
    bob.send(AUTH.format("bob"))
    await settle()
    (failure,) = bob.take()
    assert failure[0].tag == f"{{{ns.SASL}}}not-authorized"
