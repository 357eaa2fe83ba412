"""Accounts that are removed while the server runs."""

import asyncio

import pytest
from sqlalchemy import text
from support.domains import Stage, condition, settle
from support.waiting import until

from andiron.domain.accounts.accounts import NoSuchAccount
from andiron.domain.database.database import DatabaseError
from andiron.xmpp import namespaces as ns


@pytest.fixture
async def stage():
    stage = Stage()
    yield stage
    await stage.domain.stop()


def remove_elsewhere(stage, name="juliet"):
    with stage.database.engine.begin() as connection:
        connection.execute(text("delete from accounts where username = :name"), {"name": name})


def usernames(stage):
    with stage.database.engine.begin() as connection:
        return set(connection.scalars(text("select username from accounts")))


async def ended(stage, juliet, told):
    assert juliet.error == "not-authorized"
    assert "juliet@localhost" not in stage.domain.router.accounts
    assert stage.domain.owners.get("juliet@localhost") is None
    assert not await stage.domain.accounts.exists("juliet")
    assert told == ["juliet"]


@pytest.fixture
def told(stage):
    told: list[str] = []

    async def tell(username: str) -> None:
        await asyncio.sleep(0)
        told.append(username)

    stage.domain.events.removed.append(tell)
    return told


async def test_removing_ends_everything(stage, told):
    juliet = await stage.come("juliet", "balcony")
    garden = await stage.bind("juliet", "garden")
    romeo = await stage.come("romeo", "orchard")
    assert await stage.domain.accounts.exists("juliet")
    await stage.domain.remove_account("Juliet")
    assert usernames(stage) == {"romeo"}
    for client in (juliet, garden):
        await ended(stage, client, told)
    assert romeo.error is None


async def test_its_contacts_see_it_leave(stage):
    juliet = await stage.come("juliet", "balcony")
    romeo = await stage.come("romeo", "orchard")
    juliet.send(f"<presence to='{romeo.jid}'/>")
    romeo.take()
    await stage.domain.remove_account("juliet")
    (presence,) = romeo.take()
    assert (presence.get("type"), presence.get("from")) == (
        "unavailable",
        "juliet@localhost/balcony",
    )


async def test_who_does_not_exist_cannot_be_removed(stage, told):
    with pytest.raises(NoSuchAccount):
        await stage.domain.remove_account("nobody")
    assert told == []


async def test_another_process_may_remove(stage, told):
    juliet = await stage.come("juliet", "balcony")
    romeo = await stage.come("romeo", "orchard")
    guest = await stage.come("guest", "x")
    await stage.domain.removal.look()
    assert juliet.error is None
    remove_elsewhere(stage)
    await stage.domain.removal.look()
    await ended(stage, juliet, told)
    assert (romeo.error, guest.error) == (None, None)


async def test_another_process_may_remove_one_and_make_another_of_its_name(stage, told):
    juliet = await stage.come("juliet", "balcony")
    romeo = await stage.come("romeo", "orchard")
    remove_elsewhere(stage)
    stage.add_account("juliet")
    await stage.domain.removal.look()
    assert (juliet.error, told) == ("not-authorized", []), "it loses nothing of its own"
    again = await stage.come("juliet", "balcony")
    await stage.domain.removal.look()
    assert (again.error, romeo.error) == (None, None)


async def test_an_account_made_anew_while_it_is_looked_for_stays(stage, monkeypatch):
    accounts = stage.domain.accounts
    juliet = await stage.come("juliet", "balcony")
    read = accounts.births
    came = []

    async def remade_after(usernames):
        found = await read(usernames)
        if not came:
            monkeypatch.undo()
            await stage.domain.remove_account("juliet")
            stage.add_account("juliet")
            came.append(await stage.come("juliet", "balcony"))
        return found

    monkeypatch.setattr(accounts, "births", remade_after)
    await stage.domain.removal.look()
    assert juliet.error == "not-authorized"
    assert came[0].error is None


async def test_an_account_that_is_away_is_forgotten(stage):
    juliet = await stage.come("juliet", "balcony")
    ping = f"<iq type='set' id='p'><block xmlns='{ns.BLOCKING}'><item jid='a.b'/></block></iq>"
    assert (await juliet.ask(ping)).get("type") == "result"
    juliet.leave()
    remove_elsewhere(stage)
    await stage.domain.removal.look()
    stage.add_account("juliet")
    assert (await stage.come("juliet", "balcony")).link.owner.blocked == frozenset()


async def test_it_looks_again_and_again(stage, told, monkeypatch, caplog):
    monkeypatch.setattr("andiron.domain.accounts.removal._INTERVAL", 0.001)
    juliet = await stage.come("juliet", "balcony")
    remove_elsewhere(stage)
    stage.database.error = DatabaseError("it is away")
    task = asyncio.create_task(stage.domain.removal.run())
    await until(lambda: "it is away" in caplog.text)
    stage.database.error = None
    await until(lambda: juliet.error)
    task.cancel()
    assert juliet.error == "not-authorized"


async def test_messages_to_it_are_refused_from_then_on(stage):
    await stage.come("juliet", "balcony")
    romeo = await stage.come("romeo", "orchard")
    await stage.domain.remove_account("juliet")
    stage.store.accounts.discard("juliet")
    romeo.take()
    romeo.send("<message to='juliet@localhost'><body>hi</body></message>")
    await settle()
    assert [condition(answer) for answer in romeo.take()] == ["service-unavailable"]


async def test_who_has_signed_in_and_bound_nothing_is_put_out(stage):
    juliet, romeo = await stage.sign_in("juliet"), await stage.sign_in("romeo")
    removal, unbound = stage.domain.removal, stage.domain.router.unbound
    assert removal.end("juliet@localhost/balcony", "no") == 0
    assert removal.end("juliet@localhost", "the account is disabled") == 1
    assert (juliet.error, romeo.error) == ("not-authorized", None)
    await stage.domain.accounts.disabled.disable("romeo")
    await removal.look()
    assert romeo.error == "not-authorized"
    await stage.bind("nurse")
    assert unbound == set()
