"""What the commands of XEP-0133 do, asked by slixmpp's own plugins."""

import asyncio
import logging

import pytest
import slixmpp

from andiron.testing import StreamEndedError

NUMBER = "get-online-users-num"
WITHIN = 60.0


def known(loop, context):
    """Let go of the errors that slixmpp's callbacks are told of: it leaves a future of each."""
    if not isinstance(context.get("exception"), slixmpp.exceptions.IqError):
        loop.default_exception_handler(context)


class Admin:
    """A client with the plugins for ad-hoc commands and administration."""

    def __init__(self, bot):
        self.bot = bot
        asyncio.get_running_loop().set_exception_handler(known)
        for plugin in ("xep_0030", "xep_0004", "xep_0050", "xep_0133"):
            bot.register_plugin(plugin)

    async def run(self, name, **fields):
        """Return the fields of the result and the note; of a failure its condition and text."""
        ended = asyncio.get_running_loop().create_future()

        def fill_in(iq, session):
            form = self.bot.plugin["xep_0004"].make_form(ftype="submit")
            form.add_field(
                var="FORM_TYPE", ftype="hidden", value="http://jabber.org/protocol/admin"
            )
            for var, value in fields.items():
                kind = "text-multi" if isinstance(value, list) else "text-single"
                form.add_field(var=var.replace("_v", "-v"), ftype=kind, value=value)
            session["payload"] = form
            session["next"] = finish
            self.bot.plugin["xep_0050"].complete_command(session)

        def finish(iq, session):
            command = iq["command"]
            ((_, note),) = command["notes"]
            ended.set_result((command["form"].get_values(), note))

        def fail(iq, session):
            error = iq["error"]
            ended.set_result(f"{error['condition']}: {error['text']}")

        start = finish if name == NUMBER else fill_in
        getattr(self.bot.plugin["xep_0133"], name.replace("-", "_"))(
            jid="example.org", session={"next": start, "error": fail}
        )
        async with asyncio.timeout(WITHIN):
            return await ended


@pytest.fixture
async def admin(chat):
    await chat.domain.accounts.provide("admin")
    bot = chat.client("admin")
    found = Admin(bot)
    started = asyncio.get_running_loop().create_future()
    bot.add_event_handler("session_start", lambda _: started.set_result(None))
    bot.connect()
    async with asyncio.timeout(WITHIN):
        await started
    yield found
    await bot.disconnect()


@pytest.fixture
def audited(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [each.getMessage() for each in caplog.records if each.name == "andiron.audit"]


async def test_commands_are_found(admin):
    found = await admin.bot.plugin["xep_0133"].get_commands(jid="example.org")
    nodes = {node.partition("#")[2] for _, node, _ in found["disco_items"]["items"]}
    assert nodes == {
        *("add-user", "delete-user", "disable-user", "reenable-user", "end-user-session"),
        *("change-user-password", "user-stats", "get-online-users-num"),
        *("get-online-users-list", "announce"),
    }


async def test_an_account_is_made_and_gets_another_password(chat, admin, audited):
    fields = {"accountjid": "romeo@example.org", "password": "rose"}
    differ = await admin.run("add-user", **fields, password_verify="rise")
    assert differ == "not-acceptable: the passwords differ"
    _, note = await admin.run("add-user", **fields, password_verify="rose")
    assert note == "romeo@example.org was made"
    assert await chat.domain.accounts.names() == ["admin", "romeo"]
    again = await admin.run("add-user", **fields)
    assert again == "conflict: There is an account romeo already."
    before = await chat.domain.accounts.credentials("romeo")
    await admin.run("change-user-password", accountjid="romeo@example.org", password="thorn")
    assert await chat.domain.accounts.credentials("romeo") != before
    gone = await admin.run("change-user-password", accountjid="x@example.org", password="thorn")
    assert gone == "item-not-found: There is no account x."
    none = await admin.run("add-user", accountjid="x@example.org", password="a\tb")
    assert none.startswith("not-acceptable: ")
    for wrong in ("a@elsewhere.org", "a@example.org/r", "example.org", "@"):
        assert isinstance(await admin.run("add-user", accountjid=wrong, password="x"), str)
    assert await chat.domain.accounts.names() == ["admin", "romeo"]
    assert audited()[:3] == [
        "admin@example.org executed add-user in vain: not-acceptable: the passwords differ",
        "admin@example.org executed add-user: romeo@example.org was made",
        "admin@example.org executed add-user in vain: There is an account romeo already.",
    ]
    assert not any(word in line for word in ("rose", "rise", "thorn") for line in audited())


async def test_accounts_are_disabled_enabled_and_deleted(chat, admin, audited):
    romeo, juliet = await chat.client_of("romeo"), await chat.client_of("juliet")
    both = ["romeo@example.org", "Juliet@example.org"]
    _, note = await admin.run("disable-user", accountjids=both)
    assert note == "romeo@example.org, juliet@example.org were disabled"
    for client in (romeo, juliet):
        with pytest.raises(StreamEndedError, match="not-authorized"):
            await client.next(lambda _: False)
    with pytest.raises(StreamEndedError, match="account-disabled"):
        await chat.client_of("romeo")
    await admin.run("reenable-user", accountjids=both)
    await chat.client_of("romeo")
    for more, why in (
        ("x@example.org", "item-not-found: There is no account x."),
        ("admin@example.org", "not-allowed: this account is your own"),
        ("nurse@example.org/r", "not-acceptable: give the accounts' addresses, without a resource"),
    ):
        assert await admin.run("delete-user", accountjids=[*both, more]) == why
        assert await admin.run("disable-user", accountjids=[*both, more]) == why
    assert await chat.domain.accounts.names() == ["admin", "juliet", "romeo"]
    assert await chat.people.disabled() == []
    await admin.run("delete-user", accountjids=["romeo@example.org"])
    assert await chat.domain.accounts.names() == ["admin", "juliet"]
    assert audited()[-1] == "admin@example.org executed delete-user: romeo@example.org was removed"


async def test_sessions_are_ended(chat, admin):
    phone, desk = await chat.client_of("romeo"), await chat.client_of("romeo")
    _, note = await admin.run("end-user-session", accountjids=[phone.jid])
    assert note == f"1 session of {phone.jid} ended"
    with pytest.raises(StreamEndedError, match="not-authorized"):
        await phone.next(lambda _: False)
    _, note = await admin.run("end-user-session", accountjids=["romeo@example.org", phone.jid])
    assert note == f"1 session of romeo@example.org, {phone.jid} ended"
    with pytest.raises(StreamEndedError, match="not-authorized"):
        await desk.next(lambda _: False)


async def test_who_is_online(chat, admin):
    for name in ("romeo", "juliet", "juliet"):
        await chat.client_of(name)
    values, _ = await admin.run(NUMBER)
    assert values["onlineusersnum"] == "3"
    values, _ = await admin.run("get-online-users-list", max_items="none")
    everybody = ["admin@example.org", "juliet@example.org", "romeo@example.org"]
    assert values["onlineuserjids"] == everybody
    values, note = await admin.run("get-online-users-list", max_items="2")
    assert (values["onlineuserjids"], note) == (everybody[:2], "3 online")
    assert "a number" in await admin.run("get-online-users-list", max_items="many")


async def test_an_accounts_statistics(chat, admin):
    juliet = await chat.client_of("juliet")
    await juliet.ask(
        "<query xmlns='jabber:iq:roster'><item jid='romeo@example.org'/></query>", kind="set"
    )
    values, _ = await admin.run("user-stats", accountjid="juliet@example.org")
    assert values["rostersize"] == "1"
    assert values["onlineresources"] == [juliet.jid.partition("/")[2]]
    assert values["ipaddresses"] == ["in-process"]
    assert "no account x" in await admin.run("user-stats", accountjid="x@example.org")


async def test_an_announcement(chat, admin):
    romeo = await chat.client_of("romeo")
    _, note = await admin.run("announce", subject="Soon", announcement=["A restart,", "at noon."])
    assert note == "1 session told"
    said = await romeo.receive()
    assert (said.sender, said.kind, said.body) == (
        "example.org",
        "headline",
        "A restart,\nat noon.",
    )


async def test_nobody_else_is_served(chat):
    await chat.domain.accounts.provide("romeo")
    bot = chat.client("romeo")
    other = Admin(bot)
    started = asyncio.get_running_loop().create_future()
    bot.add_event_handler("session_start", lambda _: started.set_result(None))
    bot.connect()
    async with asyncio.timeout(WITHIN):
        await started
    assert await other.run(NUMBER) == "forbidden: "
    with pytest.raises(slixmpp.exceptions.IqError, match="item-not-found"):
        await bot.plugin["xep_0133"].get_commands(jid="example.org")
    await bot.disconnect()
