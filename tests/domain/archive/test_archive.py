"""The archives: any query gives exactly what is in them."""

import asyncio
from time import time
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from support.database import InstantDatabase
from support.domains import finished, settle

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.archive.archive import Archive, Page
from andiron.domain.archive.ids import first_at, parse_id, time_of, write_id
from andiron.domain.archive.mam import read_query
from andiron.domain.archive.preferences import Policy, Preferences
from andiron.domain.archive.store import ACCOUNTS, ROOMS, ArchiveStore, Range, Row
from andiron.domain.client import Owner
from andiron.domain.config import ArchiveConfig, DomainConfig
from andiron.domain.database.database import Database, DatabaseError
from andiron.domain.domain import Domain
from andiron.sm.payers import Payer
from andiron.xmpp.errors import StanzaError
from andiron.xmpp.forms import Field, write_form
from andiron.xmpp.stanza import timestamp
from andiron.xmpp.xml import Guard

CAUSE = Payer("romeo@localhost")
PEERS = ["romeo@localhost/orchard", "romeo@localhost/garden", "nurse@localhost", "localhost"]
STAMP = 1_790_000_000.0
LIMIT = 5
ROOM = "verona@conference.localhost"


def never(_owner: Owner, _jid: str) -> bool:
    return False


class World:
    """Archives in a database that answers at once."""

    def __init__(self, wall: float = STAMP, in_roster: Any = never, **config: Any) -> None:
        self.database: Any = InstantDatabase()
        with self.database.engine.begin() as connection:
            connection.execute(text("insert into accounts (username) values ('juliet'), ('nurse')"))
        self.archive = Archive(self.database, ArchiveConfig(**config), in_roster, lambda: wall)
        self.store = ArchiveStore(self.database, ACCOUNTS)
        self.rooms = ArchiveStore(self.database, ROOMS)

    def fill(self, rows: list[Row]) -> None:
        with self.database.engine.begin() as connection:
            connection.execute(text("delete from archive"))
        if rows:
            finished(self.store.add(rows))

    def page(self, query: str, name: str = "juliet") -> Page:
        return finished(self.archive.page(name, read_query(fromstring(query), LIMIT)))


WORLD = World()
ROWS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 3), st.sampled_from(PEERS)), max_size=25
).map(
    lambda parts: [
        Row("juliet", first_at(1000 * second) + number, *_split(peer), f"<m n='{number}'/>")
        for number, (second, _, peer) in enumerate(sorted(parts))
    ]
)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "with": st.sampled_from([*PEERS, "romeo@localhost", "ROMEO@localhost", "nobody@x"]),
        "start": st.integers(0, 9).map(timestamp),
        "end": st.integers(0, 9).map(timestamp),
        "after-id": st.integers(0, 24),
        "before-id": st.integers(0, 24),
        "ids": st.lists(st.integers(0, 24), max_size=LIMIT),
    },
)


def _split(peer: str) -> tuple[str, str]:
    bare, _, resource = peer.partition("/")
    return bare, resource


def pointing(filters: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    """Turn numbers of rows into their ids; those that are not there are left out."""
    pointed = dict(filters)
    for name in ("after-id", "before-id"):
        if name in pointed:
            number = pointed.pop(name)
            if number < len(rows):
                pointed[name] = write_id(rows[number].id)
    if "ids" in pointed:
        pointed["ids"] = [write_id(rows[n].id) for n in pointed["ids"] if n < len(rows)]
    return pointed


def expected(rows: list[Row], filters: dict[str, Any]) -> list[Row]:
    """Say what matches, with nothing clever."""
    found = rows
    if wanted := filters.get("with", "").lower():
        found = [row for row in found if wanted in (row.peer, f"{row.peer}/{row.resource}")]
    if start := filters.get("start"):
        found = [row for row in found if timestamp(time_of(row.id)) >= start]
    if end := filters.get("end"):
        found = [row for row in found if timestamp(time_of(row.id)) <= end]
    if after := filters.get("after-id"):
        found = [row for row in found if write_id(row.id) > after]
    if before := filters.get("before-id"):
        found = [row for row in found if write_id(row.id) < before]
    if "ids" in filters:
        found = [row for row in found if write_id(row.id) in filters["ids"]]
    return found


def query(filters: dict[str, Any], rsm: str = "") -> str:
    fields = [
        Field(name, value if isinstance(value, list) else [value])
        for name, value in filters.items()
    ]
    form = write_form("submit", "urn:xmpp:mam:2", fields)
    limits = f"<set xmlns='http://jabber.org/protocol/rsm'>{rsm}</set>" if rsm else ""
    return f"<query xmlns='urn:xmpp:mam:2'>{form}{limits}</query>"


@given(ROWS, FILTERS, st.integers(1, LIMIT + 2))
def test_walking_forwards_gives_what_matches(rows: list[Row], filters: dict[str, Any], size: int):
    WORLD.fill(rows)
    filters = pointing(filters, rows)
    matching = expected(rows, filters)
    seen: list[Row] = []
    rsm, complete = f"<max>{size}</max>", False
    while not complete:
        page = WORLD.page(query(filters, rsm))
        assert len(page.rows) <= min(size, LIMIT)
        check_numbers(page, matching)
        seen += page.rows
        complete = page.complete
        assert complete == (len(seen) == len(matching))
        if seen:
            rsm = f"<max>{size}</max><after>{write_id(seen[-1].id)}</after>"
    assert seen == matching


@given(ROWS, FILTERS, st.integers(1, LIMIT + 2))
def test_walking_backwards_gives_what_matches(rows: list[Row], filters: dict[str, Any], size: int):
    WORLD.fill(rows)
    filters = pointing(filters, rows)
    matching = expected(rows, filters)
    seen: list[Row] = []
    rsm, complete = f"<max>{size}</max><before/>", False
    while not complete:
        page = WORLD.page(query(filters, rsm))
        assert len(page.rows) <= min(size, LIMIT)
        check_numbers(page, matching)
        seen = [*page.rows, *seen]
        complete = page.complete
        assert complete == (len(seen) == len(matching))
        if seen:
            rsm = f"<max>{size}</max><before>{write_id(seen[0].id)}</before>"
    assert seen == matching


@given(ROWS, FILTERS)
def test_the_number_alone(rows: list[Row], filters: dict[str, Any]):
    WORLD.fill(rows)
    filters = pointing(filters, rows)
    page = WORLD.page(query(filters, "<max>0</max>"))
    matching = expected(rows, filters)
    assert (page.rows, page.count, page.complete) == ((), len(matching), not matching)


def check_numbers(page: Page, matching: list[Row]) -> None:
    """What is said of the whole is right; it need not be said."""
    if page.count is not None:
        assert page.count == len(matching)
    if page.index is not None:
        assert matching[page.index] == page.rows[0]


def test_an_empty_archive_is_complete():
    assert World().page(query({})) == Page((), complete=True, count=0)


@pytest.mark.parametrize("filters", [{"after-id": "%s"}, {"before-id": "%s"}, {"ids": ["%s"]}])
@pytest.mark.parametrize("missing", [write_id(77), "x", "", "0" * 15])
def test_messages_that_are_not_there(filters: dict[str, Any], missing: str):
    WORLD.fill([Row("juliet", 1, "romeo@localhost", "", "<m/>")])
    other = Row("nurse", 77, "romeo@localhost", "", "<m/>")
    finished(WORLD.store.add([other]))
    ((name, value),) = filters.items()
    text_ = [missing] if isinstance(value, list) else missing
    if not missing and name != "ids":
        assert len(WORLD.page(query({name: text_})).rows) == 1
        return
    with pytest.raises(StanzaError) as caught:
        WORLD.page(query({name: text_}))
    assert caught.value.condition == "item-not-found"


@pytest.mark.parametrize("rsm", ["<after>{}</after>", "<before>{}</before>"])
def test_a_page_beside_a_message_that_is_not_there(rsm: str):
    WORLD.fill([Row("juliet", 1, "romeo@localhost", "", "<m/>")])
    with pytest.raises(StanzaError) as caught:
        WORLD.page(query({}, rsm.format(write_id(2))))
    assert caught.value.condition == "item-not-found"


@pytest.mark.parametrize(("backwards", "ids"), [("", [1]), ("<before/>", [3])])
def test_a_page_is_no_larger_than_it_may_be(backwards: str, ids: list[int]):
    """Large messages make short pages, one at least."""
    rows = [Row("juliet", n, "romeo@localhost", "", f"<m>{'x' * 600_000}</m>") for n in (1, 2, 3)]
    WORLD.fill(rows)
    page = WORLD.page(query({}, backwards))
    assert [row.id for row in page.rows] == ids
    assert not page.complete


async def test_a_query_sees_what_was_added_before():
    world = World()
    owner = Owner("juliet@localhost")
    first = world.archive.add(owner, PEERS[0], "<a/>", STAMP, CAUSE)
    room = world.archive.add_for(ROOM, f"{ROOM}/nick", "<b/>", STAMP, CAUSE)
    read = read_query(fromstring("<query/>"), LIMIT)
    assert [row.text for row in (await world.archive.page("juliet", read)).rows] == ["<a/>"]
    assert [row.text for row in (await world.archive.page(ROOM, read)).rows] == ["<b/>"]
    identity = parse_id(first)
    assert identity is not None
    assert await world.archive.range("juliet") == Range(identity, identity)
    assert first < room


@pytest.mark.parametrize(
    ("mine", "theirs"), [(True, True), (True, False), (False, True), (False, False)]
)
async def test_a_message_is_kept_on_both_sides(mine: bool, theirs: bool):
    world = World()
    juliet, nurse = Owner("juliet@localhost"), Owner("nurse@localhost")
    for owner, keeps in ((juliet, mine), (nurse, theirs)):
        if not keeps:
            owner.parts[Preferences] = Preferences(Policy.NEVER)
    addresses = ("juliet@localhost/balcony", nurse, "nurse@localhost/home")
    ids = world.archive.add_both(juliet, *addresses, "<message/>", STAMP)
    for name, identity, peer, keeps in (
        ("nurse", ids[0], ("juliet@localhost", "balcony"), theirs),
        ("juliet", ids[1], ("nurse@localhost", "home"), mine),
    ):
        page = await world.archive.page(name, read_query(fromstring(query({})), LIMIT))
        found = [(write_id(row.id), row.peer, row.resource, row.text) for row in page.rows]
        assert found == [(identity, *peer, "<message/>")] * keeps
        assert bool(identity) is keeps


async def test_a_message_for_which_there_is_no_room_is_kept_on_no_side():
    world = World(backlog=65_536)
    juliet, nurse = Owner("juliet@localhost"), Owner("nurse@localhost")
    text = "x" * 1_600  # of the share of one, 4,096 bytes, two rows take more
    for owner in (juliet, nurse):
        assert world.archive.add(owner, PEERS[0], text, STAMP, CAUSE)
        await world.archive.caught_up()
    both = world.archive.add_both(juliet, PEERS[0], nurse, PEERS[1], text, STAMP)
    assert both == ("", "")
    assert (world.archive.waiting, juliet.payer.backlog) == (0, 0)


async def test_nothing_is_kept_for_who_has_no_account():
    world = World()
    owner = Owner("guest@localhost", registered=False)
    assert world.archive.add(owner, PEERS[0], "<a/>", STAMP, CAUSE) == ""
    assert await world.archive.range("guest") is None


@pytest.mark.parametrize("default", ["always", "never", "roster"])
@pytest.mark.parametrize("own", [None, *Policy])
@pytest.mark.parametrize("peer", PEERS)
async def test_whose_messages_are_kept(default: str, own: Policy | None, peer: str):
    world = World(default=default, in_roster=lambda owner, jid: (owner.jid, jid) == RELATION)
    owner = Owner("juliet@localhost")
    if own is not None:
        owner.parts[Preferences] = Preferences(own)
    kept = world.archive.add(owner, peer, "<a/>", STAMP, CAUSE) != ""
    assert (
        kept
        == {
            "always": True,
            "never": False,
            "roster": peer.startswith("romeo"),
        }[own or default]
    )
    await settle()


RELATION = ("juliet@localhost", "romeo@localhost")


@pytest.mark.parametrize(
    ("always", "never_", "kept"),
    [
        ((), (), False),
        (("romeo@localhost",), (), True),
        (("romeo@localhost/orchard",), (), True),
        (("romeo@localhost/garden",), (), False),
        (("romeo@localhost",), ("romeo@localhost/orchard",), False),
        (("romeo@localhost/orchard",), ("romeo@localhost",), True),
        (("romeo@localhost",), ("romeo@localhost",), False),
    ],
)
def test_exceptions_from_the_policy(always, never_, kept: bool):
    for policy in (Policy.NEVER, Policy.ALWAYS):
        preferences = Preferences(policy, frozenset(always), frozenset(never_))
        found = preferences.policy_for("romeo@localhost/orchard", "romeo@localhost")
        if {"romeo@localhost", "romeo@localhost/orchard"} & {*always, *never_}:
            assert found == (Policy.ALWAYS if kept else Policy.NEVER)
        else:
            assert found == policy


async def test_ids_go_on_after_those_of_an_earlier_process():
    world = World()
    later = first_at(int(STAMP * 1000) + 60_000)
    await world.store.add([Row("juliet", later, "romeo@localhost", "", "<a/>")])
    await world.rooms.add([Row(ROOM, later + 1000, "romeo@localhost", "", "<a/>")])
    owner = Owner("juliet@localhost")
    effect = await world.database.read(
        lambda connection: world.archive.load(connection, ["juliet"])
    )
    effect(owner)
    added = parse_id(world.archive.add(owner, PEERS[0], "<b/>", STAMP, CAUSE))
    assert added is not None
    assert added > later
    await world.archive.load_room(ROOM)
    added = parse_id(world.archive.add_for(ROOM, PEERS[0], "<b/>", STAMP, CAUSE))
    assert added is not None
    assert added > later + 1000
    await world.archive.load_room("empty@conference.localhost")
    await settle()


async def test_an_account_that_vanishes_while_it_is_loaded():
    world = World()
    effect = await world.database.read(
        lambda connection: world.archive.load(connection, ["nobody"])
    )
    owner = Owner("nobody@localhost")
    effect(owner)
    assert owner.parts == {}


async def test_a_room_that_is_no_more():
    world = World()
    other = "mantua@conference.localhost"
    for room in (ROOM, other, ROOM):
        world.archive.add_for(room, PEERS[0], "<a/>", STAMP, CAUSE)
    await settle()
    world.archive.add_for(ROOM, PEERS[0], "<b/>", STAMP, CAUSE)
    await world.archive.remove_room(ROOM)
    assert await world.archive.range(ROOM) is None
    assert await world.archive.range(other) is not None


async def test_what_is_too_old_goes():
    world = World(days=2)
    day = 86_400_000
    ids = [first_at(int(STAMP * 1000) - age) for age in (3 * day, 2 * day + 1, 2 * day, 0)]
    await world.store.add([Row("juliet", n, "romeo@localhost", "", "<a/>") for n in ids])
    await world.rooms.add([Row(ROOM, n, "romeo@localhost", "", "<a/>") for n in ids])
    sweep = world.archive.run()
    sweep.send(None)
    sweep.close()
    assert await world.archive.range("juliet") == Range(ids[2], ids[3])
    assert await world.archive.range(ROOM) == Range(ids[2], ids[3])


async def test_for_ever_is_not_swept():
    world = World(days=0)
    await world.store.add([Row("juliet", 1, "romeo@localhost", "", "<a/>")])
    assert await world.archive.run() is None
    assert await world.archive.range("juliet") == Range(1, 1)


async def test_a_sweep_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture):
    world = World(days=1, sweep_interval=0)
    await world.store.add([Row("juliet", 1, "romeo@localhost", "", "<a/>")])
    world.database.error = DatabaseError("The disk is full.")
    sweep = world.archive.run()
    sweep.send(None)
    assert "old messages could not be removed" in caplog.text
    world.database.error = None
    sweep.send(None)
    sweep.close()
    assert await world.archive.range("juliet") is None


async def test_what_waits_is_written_when_the_domain_stops(lasting_url: str):
    domain = Domain(DomainConfig(database=lasting_url), Guard())
    await domain.start()
    await domain.accounts.create("juliet", "pencil")
    owner = await domain.owners.load("juliet@localhost")
    assert domain.archive is not None
    given_out = [
        domain.archive.add(owner, PEERS[0], f"<m n='{n}'/>", time(), CAUSE) for n in range(3)
    ]
    await domain.stop()
    domain = Domain(DomainConfig(database=lasting_url), Guard())
    await domain.start()
    assert domain.archive is not None
    found = await domain.archive.page("juliet", read_query(fromstring("<query/>"), LIMIT))
    await domain.stop()
    assert [write_id(row.id) for row in found.rows] == given_out
    assert [row.text for row in found.rows] == [f"<m n='{n}'/>" for n in range(3)]


async def test_a_removed_account_leaves_nothing(database: Database):
    """Neither what was written nor what waits, nor to who comes by the same name."""
    accounts = Accounts(database, "localhost")
    archive = Archive(database, ArchiveConfig(), never)
    await accounts.create("juliet", "pencil")
    owner = Owner("juliet@localhost")
    archive.add(owner, PEERS[0], "<old/>", STAMP, CAUSE)
    assert await archive.range("juliet") is not None
    removal = asyncio.create_task(accounts.remove("juliet"))
    archive.add(owner, PEERS[0], "<late/>", STAMP, CAUSE)
    await removal
    archive.add(owner, PEERS[0], "<later/>", STAMP, CAUSE)
    archive.remove_account("juliet")
    assert await archive.range("juliet") is None
    await accounts.create("juliet", "pencil")
    assert await archive.range("juliet") is None
    await archive.close()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("", ["1", "2", "3"]),
        (ROOM, ["1", "2", "3"]),
        (f"{ROOM}/nurse", ["1", "3"]),
        (f"{ROOM}/romeo", ["2"]),
        (f"{ROOM}/Nurse", []),
        ("nurse@localhost", []),
        ("mantua@conference.localhost", []),
    ],
)
async def test_a_room_is_searched_by_occupant(wanted: str, found: list[str]):
    world = World()
    for nick, said in (("nurse", "1"), ("romeo", "2"), ("nurse", "3")):
        world.archive.add_for(ROOM, f"{ROOM}/{nick}", said, STAMP, CAUSE)
    page = await world.archive.page(ROOM, read_query(fromstring(query({"with": wanted})), LIMIT))
    assert [row.text for row in page.rows] == found
