"""What was exported, imported and exported again is the same, with nothing lost."""

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect, text
from support.portability import CONFIG, Server

from andiron.domain.accounts.credentials import Credentials, ScramKeys
from andiron.domain.archive.preferences import Policy, Preferences
from andiron.domain.contacts.roster import Item
from andiron.domain.contacts.subscriptions import Contact, State
from andiron.domain.database.database import Database
from andiron.domain.portability import storing
from andiron.domain.portability.canonical import canonical_text
from andiron.domain.portability.content import Content, NodeContent
from andiron.domain.pubsub.config import AccessModel, NodeConfig, SendLast
from andiron.domain.pubsub.items import Item as PublishedItem
from andiron.xmpp.escape import escape

CLIENT = "xmlns='jabber:client'"
words = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"),
    min_size=1,
    max_size=12,
)
jids = st.sampled_from(["romeo@localhost", "a@b.example", "ä@b.example", "nurse@localhost"])
full_jids = st.sampled_from(["romeo@localhost/x y", "a@b.example/ö", "nurse@localhost/<&'\">"])
stamps = st.integers(0, 4_000_000_000_000).map(lambda milliseconds: milliseconds / 1000)
bodies = words.map(lambda body: f"<body>{escape(body)}</body>")
elements = st.builds(
    "<{0} xmlns='urn:example:{0}' z='1' a='{1}'>{2}<p:q xmlns:p='urn:p' p:r=''/>"
    "<t xmlns=''/></{0}>".format,
    st.sampled_from(["one", "two", "three"]),
    words.map(escape),
    words.map(escape),
)


@st.composite
def messages(draw):
    sender, body = escape(draw(full_jids)), draw(bodies)
    return f'<message type="chat" to="juliet@localhost" {CLIENT} from=\'{sender}\'>{body}</message>'


@st.composite
def contacts(draw):
    state = draw(st.sampled_from([each for each in State if not each.pending]))
    contact = Contact(state, listed=True, approved=draw(st.booleans()))
    name, groups = draw(words | st.just("")), draw(st.lists(words, max_size=3, unique=True))
    return contact, name, tuple(groups)


configs = st.builds(
    NodeConfig,
    title=words | st.just(""),
    access_model=st.sampled_from(AccessModel),
    roster_groups_allowed=st.lists(words, max_size=2, unique=True).map(sorted).map(tuple),
    persist_items=st.booleans(),
    max_items=st.integers(0, 3),
    send_last_published_item=st.sampled_from(SendLast),
    notify_config=st.booleans(),
)


@st.composite
def nodes(draw):
    config = draw(configs)
    limit = config.max_items or 4
    ids = draw(st.lists(words, max_size=limit, unique=True))
    items = {
        each: PublishedItem(
            each, draw(full_jids | st.just("")), draw(stamps), draw(elements | st.just(""))
        )
        for each in ids
    }
    affiliations = draw(st.dictionaries(jids, st.sampled_from(["member", "outcast"]), max_size=2))
    return NodeContent(config, affiliations, draw(st.sets(jids | full_jids, max_size=2)), items)


keys = {
    "SCRAM-SHA-1": ScramKeys(b"salt", 4096, b"1" * 20, b"2" * 20),
    "SCRAM-SHA-256": ScramKeys(b"other salt", 10_000, b"3" * 32, b"4" * 32),
    "SCRAM-SHA-512": ScramKeys(b"more salt", 5000, b"5" * 64, b"6" * 64),
}


@st.composite
def contents(draw):
    content = Content("juliet")
    content.keys = {
        name: keys[name] for name in draw(st.sets(st.sampled_from(sorted(keys)), min_size=1))
    }
    for jid, (contact, name, groups) in draw(st.dictionaries(jids, contacts(), max_size=3)).items():
        content.contacts[jid] = Item(jid, contact, name, groups)
    for jid in draw(st.sets(st.sampled_from(["p@q", "r@s"]))):
        listed = draw(st.booleans())
        content.requests[jid] = (
            f"<presence type='subscribe' {CLIENT} from='{jid}' to='juliet@localhost'>"
            f"<status>{escape(draw(words))}</status></presence>"
        )
        content.contacts[jid] = Item(jid, Contact(State.NONE_IN, listed=listed), "")
    content.blocked = draw(st.sets(jids | full_jids, max_size=3))
    for element in draw(st.lists(elements, max_size=2)):
        name = element.partition("urn:example:")[2].partition("'")[0]
        content.private[f"{{urn:example:{name}}}{name}"] = element
    if draw(st.booleans()):
        content.vcard = f"<vCard xmlns='vcard-temp'><FN>{escape(draw(words))}</FN></vCard>"
    content.nodes = dict(sorted(draw(st.dictionaries(words, nodes(), max_size=2)).items()))
    if draw(st.booleans()):
        content.preferences = Preferences(
            draw(st.sampled_from(Policy)),
            frozenset(draw(st.sets(jids | full_jids, max_size=2))),
            frozenset(draw(st.sets(jids | full_jids, max_size=2))),
        )
    content.last_seen = draw(st.none() | stamps)
    waiting = draw(st.lists(st.tuples(messages(), stamps), max_size=3))
    archived = []
    ids = sorted(draw(st.sets(st.integers(0, (1 << 62) - 1), max_size=4)))
    for identity in ids:
        peer, _, resource = draw(full_jids).partition("/")
        sender = escape(f"{peer}/{resource}")
        body = draw(bodies)
        if draw(st.booleans()):
            addresses = f"from='juliet@localhost/x' to='{sender}'"
        else:
            addresses = f"to='juliet@localhost' from='{sender}'"
        message = f"<message {addresses} {CLIENT}>{body}</message>"
        archived.append((identity, False, peer, resource, message))
    # The last thing: what is begun and not finished would leave files open.
    for row in waiting:
        content.offline.append(*row)
    for row in archived:
        content.archive.append(*row)
    return content


def rows(connection):
    """Return all that is in the tables, with nothing that is chosen anew for each database."""
    found = {}
    for name in inspect(connection).get_table_names():
        if name in {"andiron_meta", "roster_versions"}:
            continue
        listed = [dict(row) for row in connection.execute(text(f"select * from {name}")).mappings()]
        found[name] = sorted(json.dumps(readable(row)) for row in listed)
    return found


def readable(row):
    return {
        name: value.hex()
        if isinstance(value, bytes)
        else canonical_text(value)
        if value and name in {"text", "payload", "request"}
        else value
        for name, value in sorted(row.items())
        if name not in {"born", "bytes", "byte_count", "size"}
    }


async def fill(server, content):
    await storing.add(
        server.database, "localhost", content, Credentials(content.keys), CONFIG.pubsub
    )


@settings(max_examples=15)
@given(contents())
def test_nothing_is_lost(content):
    async def run():
        with TemporaryDirectory() as folder:
            first, second = Server(Path(folder)), Server(Path(folder))
            await fill(first, content)
            exported = await first.export()
            report = await second.read(exported)
            assert (second.problems, second.notes, report.made) == ([], [], 1)
            assert await second.export() == exported
            with first.database.engine.begin() as one, second.database.engine.begin() as other:
                before, after = rows(one), rows(other)
                for name in before:
                    assert before[name] == after[name], name
            # What is there already is not added once more.
            merged = await second.read(exported, merge=True)
            assert (second.problems, merged.merged, merged.counts["messages"]) == ([], 1, 0)
            assert await second.export() == exported

    try:
        asyncio.run(run())
    finally:
        content.close()


async def test_the_same_words_of_one_moment_are_two_messages(tmp_path):
    content = full_content()
    message = (
        f"<message {CLIENT} from='romeo@localhost/x' to='juliet@localhost'><body>a</body></message>"
    )
    for identity in (0, 1):
        content.archive.append(identity, False, "romeo@localhost", "x", message)
    first, second = Server(tmp_path), Server(tmp_path)
    await fill(first, content)
    exported = await first.export()
    await second.read(exported)
    assert await second.export() == exported
    merged = await second.read(exported, merge=True)
    assert (second.problems, merged.counts["messages"]) == ([], 0)
    assert await second.export() == exported
    content.close()


async def test_between_databases_of_every_kind(url, tmp_path):
    content = full_content()
    first = Server(tmp_path)
    await fill(first, content)
    exported = await first.export()
    database = await Database.open(url)
    try:
        second = Server(tmp_path, database)
        report = await second.read(exported)
        assert (second.problems, report.made) == ([], 1)
        assert await second.export() == exported
        await second.read(exported, merge=True)
        assert await second.export() == exported
    finally:
        await database.close()
        content.close()


def full_content():
    """Return an account with something of everything."""
    content = Content("juliet", keys=dict(keys))
    content.contacts["romeo@localhost"] = Item(
        "romeo@localhost", Contact(State.BOTH, listed=True), "Romeo", ("Friends",)
    )
    content.contacts["p@q"] = Item("p@q", Contact(State.NONE_IN))
    content.requests["p@q"] = (
        f"<presence {CLIENT} from='p@q' to='juliet@localhost' type='subscribe'/>"
    )
    content.disabled = True
    content.blocked.add("tybalt@localhost")
    content.private["{urn:x}x"] = "<x xmlns='urn:x'/>"
    content.vcard = "<vCard xmlns='vcard-temp'><FN>Juliet</FN></vCard>"
    item = PublishedItem("current", "juliet@localhost/x", 1.5, "<x xmlns='urn:x'/>")
    content.nodes["urn:x"] = NodeContent(
        NodeConfig(), {"romeo@localhost": "member"}, {"romeo@localhost"}, {"current": item}
    )
    content.preferences = Preferences(Policy.ROSTER, frozenset({"a@b"}))
    content.last_seen = 2.25
    for number in range(510):
        message = (
            f"<message {CLIENT} from='romeo@localhost/x' to='juliet@localhost' id='{number}'/>"
        )
        content.archive.append((number << 20) + 7, False, "romeo@localhost", "x", message)
        if number < 505:
            content.offline.append(message, number / 8)
    return content


@pytest.fixture
async def empty_tables(tmp_path):
    """Return the tables that hold something of an account but are empty after an import."""
    server = Server(tmp_path)
    content = full_content()
    await fill(server, content)
    content.close()
    with server.database.engine.begin() as connection:
        inspector = inspect(connection)
        found = set()
        for name in inspector.get_table_names():
            owned = any(
                key["referred_table"] in {"accounts", "pubsub_nodes"}
                for key in inspector.get_foreign_keys(name)
            )
            if owned and not connection.scalar(text(f"select count(*) from {name}")):
                found.add(name)
        return found


async def test_every_table_of_accounts_moves_but_what_the_next_site_says(empty_tables):
    site_says = {"introductions", "shared_groups"}
    assert empty_tables == {"uploads", "room_affiliations"} | site_says
