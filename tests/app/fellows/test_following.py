"""Settings that are changed at home are changed in the other processes, too."""

import contextlib

import pytest
from support.waiting import until

from andiron.api import UnavailableError
from andiron.cluster import link
from andiron.fellows.own_code import AskHome
from tests.app.fellows.test_fellows import ask, made, running

__all__ = ["made"]

ALICE, BOB = "alice@localhost", "bob@localhost"


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(link, "_PULSE", 0.05)


async def heard(*doors):
    """Wait until doors know how often the home has changed something."""
    await until(lambda: all(each._together.following._heard[0] is not None for each in doors))


async def test_what_is_changed_by_the_api_holds_in_all(made):
    home, door, other = made(), made(), made()
    async with running(home, door, other):
        await heard(door, other)
        for chat, names in ((door, (BOB,)), (home, (ALICE, BOB))):
            await chat.api.change_setting("admins", names)
            assert home.settings.admins == names
            await until(
                lambda: door.settings.admins == other.settings.admins == home.settings.admins
            )
        another = {"host": "another.example"}
        assert (await ask(door, "/healthz", headers=another)).status_code == 200
        await other.api.change_setting("allowed_hosts", ["chat.example"])
        await until(lambda: door.settings.allowed_hosts == ("chat.example",))
        assert (await ask(door, "/healthz", headers=another)).status_code == 421


async def test_it_goes_on_holding_when_another_becomes_home(made):
    home, door = made(), made()
    async with contextlib.AsyncExitStack() as first:
        await first.enter_async_context(home.lifespan())
        async with running(door):
            await heard(door)
            await home.api.change_setting("session_idle_timeout", 77)
            await until(lambda: door.settings.session_idle_timeout == 77)
            await first.aclose()
            await until(lambda: door.at_home)
            (found,) = (
                each for each in await door.api.settings() if each.name == "session_idle_timeout"
            )
            assert found.value == 77


async def test_one_that_begins_later_has_what_its_settings_say(made):
    """So a deploy that brings others is not undone by a process that is on its way out."""
    home, door = made(), made(admins=("new@localhost",))
    async with running(home):
        await home.api.change_setting("admins", [BOB])
        async with running(door):
            await heard(door)
            await home.api.change_setting("session_idle_timeout", 77)
            await until(lambda: door.settings.session_idle_timeout == 77)
            assert door.settings.admins == ("new@localhost",)


async def test_what_cannot_be_changed_here_is_left(made):
    home, door = made(), made()
    home.on_applied = lambda _settings: None  # It writes the log; the other's site does.
    async with running(home, door):
        await heard(door)
        home.apply(home.settings.replaced(log_level="debug", admins=(BOB,)))
        await until(lambda: door.settings.admins == (BOB,))
        assert door.settings.log_level == "info"


async def test_what_is_not_answered_is_in_the_log(made, monkeypatch, caplog):
    home, door = made(), made()
    async with running(home, door):
        await heard(door)

        async def fail(_ask, _question, *, again):
            assert not again
            raise UnavailableError("The home has ended.")

        monkeypatch.setattr(AskHome, "__call__", fail)
        home.apply(home.settings.replaced(admins=(BOB,)))
        await until(lambda: "The home has ended." in caplog.text)
    assert "to follow the settings of the process at home: this was not done" in caplog.text


async def test_what_was_not_answered_is_asked_again(made, monkeypatch):
    home, door = made(), made()
    answer, failed = AskHome.__call__, []

    async def fail_once(ask, question, *, again):
        if not failed:
            failed.append(question)
            raise UnavailableError("The home does not answer.")
        return await answer(ask, question, again=again)

    async with running(home, door):
        await heard(door)
        monkeypatch.setattr(AskHome, "__call__", fail_once)
        home.apply(home.settings.replaced(admins=(BOB,)))
        await until(lambda: failed)
        await until(lambda: door.settings.admins == (BOB,))
