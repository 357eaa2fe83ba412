"""Who may talk to whom: the site is asked once for two, and what it fails to say is a no."""

import asyncio

import pytest

from andiron.domain.contacts import permissions
from andiron.domain.contacts.permissions import Permissions


class Site:
    """Says yes to the pairs that are allowed, and counts what it is asked."""

    def __init__(self, *allowed):
        self.allowed = set(allowed)
        self.asked = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.now = 0.0

    async def may_contact(self, one, other):
        self.asked.append((one, other))
        await self.answering.wait()
        return (one, other) in self.allowed

    def permissions(self, timeout=60.0, lifetime=60.0):
        return Permissions(self.may_contact, timeout, lifetime, lambda: self.now)


TWO = ("romeo", "juliet")


async def test_an_answer_holds_for_a_while_and_in_one_direction():
    site = Site(TWO)
    known = site.permissions()
    assert known.known(*TWO) is None
    assert await known.ask(*TWO)
    assert not await known.ask("juliet", "romeo")
    assert (known.known(*TWO), known.known("juliet", "romeo")) == (True, False)
    site.now = 59.9
    assert await known.ask(*TWO)
    assert len(site.asked) == 2
    site.now, site.allowed = 60.0, set()
    assert known.known(*TWO) is None
    assert not await known.ask(*TWO)


async def test_one_is_asked_about_oneself_by_nobody():
    site = Site()
    assert await site.permissions().ask("romeo", "romeo")
    assert site.asked == []


async def test_those_who_ask_at_a_time_ask_once():
    site = Site(TWO)
    known = site.permissions()
    assert await asyncio.gather(*(known.ask(*TWO) for _ in range(5))) == [True] * 5
    assert site.asked == [TWO]


async def test_who_stops_waiting_leaves_the_others_their_answer():
    site = Site(TWO)
    known = site.permissions()
    site.answering.clear()
    first, second = (asyncio.create_task(known.ask(*TWO)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    site.answering.set()
    assert await second


async def test_nothing_is_kept_where_answers_do_not_last():
    site = Site(TWO)
    known = site.permissions(lifetime=0)
    assert await known.ask(*TWO)
    assert known.known(*TWO) is None


async def test_several_are_asked_until_the_first_no():
    names = [f"user{number}" for number in range(30)]
    site = Site(*(("romeo", name) for name in names[:15]))
    known = site.permissions()
    assert await known.ask_all("romeo", names[:15])
    assert not await known.ask_all("romeo", names)
    assert len(site.asked) == 20


async def test_what_is_forgotten_is_asked_anew():
    site = Site(TWO, ("nurse", "paris"))
    known = site.permissions()
    await known.ask(*TWO)
    await known.ask("nurse", "paris")
    known.forget("juliet")
    assert (known.known(*TWO), known.known("nurse", "paris")) == (None, True)
    known.forget()
    assert known.known("nurse", "paris") is None


async def test_an_answer_that_was_under_way_is_not_kept_when_all_was_forgotten():
    site = Site(TWO)
    known = site.permissions()
    site.answering.clear()
    asking = asyncio.create_task(known.ask(*TWO))
    await asyncio.sleep(0)
    known.forget("romeo")
    site.answering.set()
    assert await asking
    assert known.known(*TWO) is None


async def test_what_is_known_is_bounded(monkeypatch):
    monkeypatch.setattr(permissions, "_MOST", 2)
    known = Site().permissions()
    for name in ("a", "b"):
        await known.ask("romeo", name)
    known.known("romeo", "a")
    await known.ask("romeo", "c")
    assert [known.known("romeo", name) for name in "abc"] == [False, None, False]


@pytest.mark.parametrize("answer", [1, "yes", None, [True]])
async def test_only_true_is_a_yes(answer, caplog):
    async def may_contact(_one, _other):
        return answer

    assert not await Permissions(may_contact, 60, 60).ask(*TWO)
    assert "may_contact= returned" in caplog.text


async def test_a_site_that_fails_says_no_and_is_not_asked_at_once_again(caplog):
    site = Site(TWO)

    async def fails(one, other):
        site.asked.append((one, other))
        raise LookupError("secret")

    known = Permissions(fails, 60, 3600, lambda: site.now)
    assert not await known.ask(*TWO)
    assert not await known.ask(*TWO)
    assert len(site.asked) == 1
    assert caplog.text.count("may_contact= failed") == 1
    site.now = 5.0
    assert known.known(*TWO) is None


async def test_a_site_that_hangs_says_no(caplog):
    site = Site(TWO)
    site.answering.clear()
    assert not await site.permissions(timeout=0.01).ask(*TWO)
    assert "may_contact= took longer than 0.01 s (site_timeout)" in caplog.text
