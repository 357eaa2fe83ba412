"""A message's way into the store: in its sender's turns, and written down until it is there."""

import asyncio

import pytest
from support.domains import MemoryStore, settle

from andiron.domain.database.engines import DatabaseError
from andiron.domain.database.lines import OWN
from andiron.domain.messages.mailbox import Mailbox
from andiron.domain.messages.offline_store import Waiting
from andiron.domain.messages.owing import Owing
from andiron.domain.messages.storing import Storing
from andiron.sm.journal.journal import Journal
from andiron.sm.journal.state import State
from andiron.xmpp.xml import Guard

JULIET = "juliet@localhost"


class Bounced:
    def __init__(self):
        self.elements = []

    def bounce(self, element, error):
        self.elements.append((element.get("id"), error.condition))


class Post:
    def __init__(self):
        self.store, self.bounced, self.journal = MemoryStore(), Bounced(), Journal(State())
        self.tasks, self.woken = [], []
        self.box = Mailbox()
        self.storing = Storing(
            "localhost",
            self.store,
            self.bounced,
            lambda work: self.tasks.append(asyncio.create_task(work)),
            self.woken.append,
        )

    def message(self, name, sender="romeo@localhost"):
        text = (
            f"<message xmlns='jabber:client' id='{name}' from='{sender}/x'>"
            f"<body>{name}</body></message>"
        )
        return Guard().read(text), Waiting(text, 1.0, sender)

    @property
    def left(self):
        return [note[1] for note in self.journal.state.notes.values()]


@pytest.fixture
def post():
    return Post()


@pytest.mark.parametrize(
    ("sender", "payer"),
    [
        ("romeo@localhost", "romeo"),
        ("room@conference.localhost", "@conference.localhost"),
        ("localhost", OWN),
    ],
)
def test_who_pays(post, sender, payer):
    assert post.storing.payer(sender) == payer


async def test_what_is_put_back_is_written_down_until_it_is_stored(post):
    await post.storing.write_down(Owing(post.journal, "offline"))
    post.store.stop("romeo")
    messages = [post.message("one"), post.message("two", "tybalt@localhost")]
    post.storing.put_back(post.box, JULIET, messages, "born")
    await settle()
    assert post.store.bodies("juliet") == ["two"]
    assert [text == messages[0][1].text for text in post.left] == [True]
    assert set(post.box.adding) == {"romeo"}
    post.store.go_on("romeo")
    await settle()
    assert sorted(post.store.bodies("juliet")) == ["one", "two"]
    assert (post.left, list(post.box.adding)) == ([], [])
    assert post.woken == [JULIET, JULIET]


async def test_what_finds_no_room_is_bounced_and_owed_no_more(post):
    await post.storing.write_down(Owing(post.journal, "offline"))
    post.store.limit = 1
    messages = [post.message("one"), post.message("two")]
    post.storing.put_back(post.box, JULIET, messages, "born")
    await settle()
    assert post.bounced.elements == [("two", "service-unavailable")]
    assert post.left == []


async def test_the_sender_of_what_the_process_before_left_is_told_that_there_is_no_room(post):
    former = Owing(post.journal, "offline")
    for name in ("one", "two"):
        _, message = post.message(name)
        former.owed([JULIET, message.text, message.stamp, message.sender, "born"])
    post.store.limit = 1
    await post.storing.write_down(Owing(post.journal, "offline"))
    assert len(post.left) == 1, "until it is told"
    assert post.bounced.elements == []
    post.storing.refuse_left(Guard().read)
    assert post.bounced.elements == [("two", "service-unavailable")]
    assert post.left == []


async def test_what_the_process_before_left_stays_written_down_where_it_cannot_be_stored(post):
    former = Owing(post.journal, "offline")
    _, message = post.message("one")
    former.owed([JULIET, message.text, message.stamp, message.sender, "born"])

    async def has(_username, _message):
        return False

    post.store.has = has
    post.store.error = DatabaseError("away")
    with pytest.raises(DatabaseError):
        await post.storing.write_down(Owing(post.journal, "offline"))
    assert post.left == [message.text]
    post.store.error = None
    await post.storing.write_down(Owing(post.journal, "offline"))
    assert post.store.bodies("juliet") == ["one"]
    assert post.left == []
