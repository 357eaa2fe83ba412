from datetime import UTC, datetime, timedelta

import pytest

from andiron.api import InvalidError, NotFoundError

NOON = datetime(2020, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
async def bob(chat):
    return await chat.client_of("bob")


async def bodies(chat, of, **asked):
    page = await chat.api.archive(of, **asked)
    return [each.body for each in page.messages], page.complete


async def test_an_archive_is_read_by_the_page_both_ways(chat):
    sent = [await chat.api.send("bob", str(number)) for number in range(5)]
    ids = [each.archive_id for each in sent]
    assert await bodies(chat, "bob", size=2) == (["0", "1"], False)
    assert await bodies(chat, "bob", after=ids[1], size=2) == (["2", "3"], False)
    assert await bodies(chat, "bob", after=ids[3]) == (["4"], True)
    assert await bodies(chat, "bob", latest=True, size=2) == (["3", "4"], False)
    assert await bodies(chat, "bob", before=ids[1]) == (["0"], True)
    assert await bodies(chat, "bob", before=ids[3], size=2) == (["1", "2"], False)
    assert await bodies(chat, "bob", after=ids[0], before=ids[4]) == (["1", "2", "3"], True)
    with pytest.raises(NotFoundError):
        await chat.api.archive("bob", after="0" * 16)
    with pytest.raises(NotFoundError, match="no id of this archive"):
        await chat.api.archive("bob", after="something")


async def test_an_archive_is_read_by_whom_and_when(chat):
    await chat.api.send("bob", "from the site")
    await chat.api.send("bob", "from alice", sender="alice")
    assert await bodies(chat, "bob", peer="alice") == (["from alice"], True)
    assert await bodies(chat, "bob", peer="example.org") == (["from the site"], True)
    now = datetime.now(UTC)
    assert await bodies(chat, "bob", start=now + timedelta(hours=1)) == ([], True)
    assert await bodies(chat, "bob", end=now - timedelta(hours=1)) == ([], True)
    assert len((await bodies(chat, "bob", start=now - timedelta(hours=1), end=now))[0]) == 2
    with pytest.raises(InvalidError, match="needs a time zone"):
        await chat.api.archive("bob", start=datetime(2020, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidError, match="a datetime, not str"):
        await chat.api.archive("bob", start="2020-01-01")
    with pytest.raises(InvalidError, match="from 1 to 1000"):
        await chat.api.archive("bob", size=0)


async def test_a_page_has_no_more_than_the_setting_says(chat, bob):
    for number in range(12):
        await chat.api.add_to_archive("bob", str(number), peer="alice", time=NOON)
    found, complete = await bodies(chat, "bob", size=1000)
    assert (len(found), complete) == (10, False)


async def test_messages_of_the_past_stand_in_their_order(chat, bob):
    await chat.api.send("bob", "now")
    hour = timedelta(hours=1)
    add = chat.api.add_to_archive
    await add("bob", "second", peer="alice@example.org/phone", time=NOON + hour)
    await add("bob", "first", peer="alice", time=NOON)
    ids = [await add("bob", f"at once {n}", peer="x@elsewhere.example", time=NOON) for n in "123"]
    await add("bob", "answer", peer="alice", time=NOON + 2 * hour, sent=True, subject="Re")
    page = await chat.api.archive("bob")
    assert [each.body for each in page.messages] == [
        "first",
        "at once 1",
        "at once 2",
        "at once 3",
        "second",
        "answer",
        "now",
    ]
    assert ids == sorted(ids)
    assert page.messages[0].time == NOON
    assert (page.messages[4].sender, page.messages[4].to) == (
        "alice@example.org/phone",
        "bob@example.org",
    )
    answer = page.messages[5]
    assert (answer.sender, answer.to, answer.subject) == (
        "bob@example.org",
        "alice@example.org",
        "Re",
    )
    assert (await bodies(chat, "bob", peer="alice"))[0] == ["first", "second", "answer"]
    assert (await bodies(chat, "bob", end=NOON))[0][0] == "first"


async def test_what_is_added_last_is_found_at_once(chat, bob):
    await chat.api.send("bob", "said")
    await chat.api.add_to_archive("bob", "noted", peer="alice", time=datetime.now(UTC))
    assert sorted((await bodies(chat, "bob"))[0]) == ["noted", "said"]
    await chat.api.send("bob", "said later")
    assert (await bodies(chat, "bob"))[0][-1] == "said later"


async def test_the_past_of_a_room_is_found_by_its_clients(chat, bob):
    room = (await chat.api.create_room("tea")).address
    identity = await chat.api.add_to_archive(room, "long ago", peer="Alice", time=NOON)
    await chat.api.say("tea", "today")
    page = await chat.api.archive(room)
    assert [(each.body, each.sender) for each in page.messages] == [
        ("long ago", f"{room}/Alice"),
        ("today", room),
    ]
    assert page.messages[0].id == identity
    await bob.join("tea")
    done = await bob.ask("<query xmlns='urn:xmpp:mam:2'/>", to=room, kind="set")
    assert "complete='true'" in done.text
    found = await bob.next(lambda one: "long ago" in one.text)
    assert f"id='{identity}'" in found.text


async def test_a_message_is_taken_out(chat, bob):
    sent = await chat.api.send("bob", "a mistake")
    await chat.api.send("bob", "right")
    await chat.api.delete_from_archive("bob", sent.archive_id)
    assert (await bodies(chat, "bob"))[0] == ["right"]
    for wrong in (sent.archive_id, "nonsense"):
        with pytest.raises(NotFoundError, match="no such message"):
            await chat.api.delete_from_archive("bob", wrong)


async def test_what_is_taken_out_of_a_room_is_not_shown_to_who_enters(chat, bob):
    room = (await chat.api.create_room("tea")).address
    wrong = await chat.api.say("tea", "a mistake")
    await chat.api.say("tea", "right")
    await chat.api.delete_from_archive(room, wrong.archive_id)
    await bob.join("tea")
    assert (await bob.receive()).body == "right"


async def test_nothing_is_added_for_the_future_or_for_nobody(chat, bob):
    for moment in (datetime.now(UTC) + timedelta(hours=1), datetime(1969, 1, 1, tzinfo=UTC)):
        with pytest.raises(InvalidError, match="in the past"):
            await chat.api.add_to_archive("bob", "x", peer="alice", time=moment)
    with pytest.raises(NotFoundError, match="no account nobody"):
        await chat.api.add_to_archive("nobody", "x", peer="alice", time=NOON)
    with pytest.raises(InvalidError, match="no address"):
        await chat.api.add_to_archive("bob", "x", peer="a@b@c", time=NOON)
    with pytest.raises(NotFoundError, match="no account nobody"):
        await chat.api.archive("nobody")
