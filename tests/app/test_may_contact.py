"""Who may talk to whom, from create_app to the client: order, failures, and others."""

import asyncio

import pytest

from andiron import create_app
from andiron.testing import running


def chat(may_contact, **settings):
    return create_app(may_contact=may_contact, **settings)


async def test_stanzas_keep_their_order_while_the_site_is_asked():
    answering = {"juliet": asyncio.Event(), "nurse": asyncio.Event()}

    async def may_contact(_one, other):
        await answering[other].wait()
        return other == "juliet"

    async with running(chat(may_contact)) as sign_in:
        romeo, juliet = await sign_in("romeo"), await sign_in("juliet")
        for number in range(3):
            await romeo.send("juliet", f"{number}")
            await romeo.send("nurse", f"{number}")
        await romeo.send("romeo", "to myself")
        answering["nurse"].set()
        answering["juliet"].set()
        assert [(await juliet.receive()).body for _ in range(3)] == ["0", "1", "2"]
        errors = [await romeo.next(lambda one: one.name == "message") for _ in range(4)]
        assert [one.condition for one in errors] == ["forbidden"] * 3 + [""]
        assert errors[-1].body == "to myself"
        assert [one.id for one in errors] == [f"romeo-{number}" for number in (3, 5, 7, 8)]


async def test_answers_are_asked_anew_where_they_do_not_last():
    asked = []

    async def may_contact(one, other):
        asked.append((one, other))
        return len(asked) < 3

    async with running(chat(may_contact, contact_cache=0)) as sign_in:
        romeo, juliet = await sign_in("romeo"), await sign_in("juliet")
        for body in "abc":
            await romeo.send("juliet", body)
        assert [(await juliet.receive()).body for _ in range(2)] == ["a", "b"]
        refused = await romeo.next(lambda one: one.kind == "error")
        assert refused.condition == "forbidden"


@pytest.mark.parametrize("fault", ["fails", "hangs"])
async def test_a_site_that_fails_or_hangs_is_a_no_and_others_go_on(fault, caplog):
    begun = asyncio.Event()

    async def may_contact(one, _other):
        if one != "romeo":
            return True
        begun.set()
        if fault == "fails":
            raise LookupError("the site's secret")
        return await asyncio.Event().wait()

    async with running(chat(may_contact, site_timeout=0.2)) as sign_in:
        romeo, juliet, nurse = [await sign_in(name) for name in ("romeo", "juliet", "nurse")]
        await romeo.send("juliet", "from romeo")
        await begun.wait()
        await nurse.send("juliet", "from the nurse")
        assert (await juliet.receive()).body == "from the nurse"
        refused = await romeo.next(lambda one: one.kind == "error")
        assert refused.condition == "forbidden"
        assert "secret" not in refused.text
        await romeo.send("romeo", "and goes on")
        assert (await romeo.receive()).body == "and goes on"
    assert "may_contact=" in caplog.text


async def test_a_stream_that_is_cut_while_the_site_is_asked_loses_nothing_else():
    answering, begun = asyncio.Event(), asyncio.Event()

    async def may_contact(_one, _other):
        begun.set()
        return await answering.wait()

    async with running(chat(may_contact)) as sign_in:
        romeo, juliet = await sign_in("romeo"), await sign_in("juliet")
        await romeo.send("juliet", "lost with its stream")
        await begun.wait()
        romeo.cut()
        answering.set()
        again = await sign_in("romeo")
        await again.send("juliet", "again")
        assert (await juliet.receive()).body == "again"
