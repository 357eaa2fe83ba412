"""What the site's own code does about its people, on the loop and in another thread."""

import asyncio

import pytest

from andiron import create_app
from andiron.domain.owners import NoSuchAccount
from andiron.testing import running


@pytest.mark.parametrize("names", [(), ("Romeo",), ("juliet", "romeo")])
@pytest.mark.parametrize("threaded", [True, False])
async def test_what_the_site_allowed_is_asked_anew(names, threaded):
    allowed = {"romeo"}

    async def may_contact(one, _other):
        return one in allowed

    chat = create_app(may_contact=may_contact)
    async with running(chat) as sign_in:
        romeo, juliet = await sign_in("romeo"), await sign_in("juliet")
        await romeo.send("juliet", "Hi")
        await juliet.receive()
        allowed.clear()
        if threaded:
            await asyncio.to_thread(chat.people.contacts_changed, *names)
        else:
            chat.people.contacts_changed(*names)
        await romeo.send("juliet", "Hi")
        assert (await romeo.next(lambda one: one.kind == "error")).condition == "forbidden"
        with pytest.raises(ValueError, match="a space"):
            chat.people.contacts_changed("two words")


def test_before_the_application_runs_there_is_nothing_to_forget():
    create_app().people.contacts_changed()


async def test_where_everybody_may_contact_everybody_nothing_changes():
    chat = create_app()
    async with running(chat):
        chat.people.contacts_changed()


async def test_groups_are_managed_on_the_loop_and_from_a_thread():
    chat = create_app()
    people = None

    def in_a_thread():
        people.wait(people.add_to_group("House", "Juliet", "nurse"))
        return people.wait(people.members("House"))

    async with running(chat) as sign_in:
        juliet, _nurse = await sign_in("juliet"), await sign_in("nurse")
        people = chat.people
        assert await asyncio.to_thread(in_a_thread) == ["juliet", "nurse"]
        nurse = await juliet.next(lambda one: one.name == "presence" and "nurse" in one.sender)
        assert nurse.kind == ""
        assert await people.groups() == {"House": 2}
        await people.remove_from_group("House", "nurse")
        assert await people.groups() == {"House": 1}
        await people.delete_group("House")
        assert await people.groups() == {}
        with pytest.raises(ValueError, match="cannot be called"):
            await people.add_to_group("", "juliet")
        with pytest.raises(NoSuchAccount):
            await people.add_to_group("House", "nobody")
        with pytest.raises(RuntimeError, match="await it"):
            people.wait(people.groups())
    with pytest.raises(RuntimeError, match="does not run"):
        await chat.people.groups()
    with pytest.raises(RuntimeError, match="does not run"):
        chat.people.wait(chat.people.groups())


async def test_the_groups_of_a_site_change():
    members = {"juliet"}

    async def groups(_name):
        return [("House", members)]

    chat = create_app(groups=groups)
    async with running(chat) as sign_in:
        juliet, nurse = await sign_in("juliet"), await sign_in("nurse")
        members.add("nurse")
        chat.people.contacts_changed("juliet")
        came = await juliet.next(lambda one: one.name == "presence" and "nurse" in one.sender)
        assert came.sender == nurse.jid
