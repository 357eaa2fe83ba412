"""What the site's own code does about its people, on the loop and in another thread."""

import asyncio

import pytest

from andiron import create_app
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
