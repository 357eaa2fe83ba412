"""Ad-hoc commands on the wire: who finds them, and each step that may be wrong."""

import logging

import pytest

from andiron import create_app
from andiron.domain.administration.service import FORM_TYPE
from andiron.testing import running
from andiron.xmpp import namespaces as ns

COMMAND = f"{{{ns.COMMANDS}}}command"
DELETE = f"{FORM_TYPE}#delete-user"


def command(node, inner="", **attributes):
    given = "".join(f" {name}='{value}'" for name, value in attributes.items())
    return f"<command xmlns='{ns.COMMANDS}' node='{node}'{given}>{inner}</command>"


def form(kind="submit", form_type=FORM_TYPE, **fields):
    inner = "".join(
        f"<field var='{var}'><value>{value}</value></field>"
        for var, value in {"FORM_TYPE": form_type, **fields}.items()
    )
    return f"<x xmlns='{ns.DATA}' type='{kind}'>{inner}</x>"


async def execute(client, *args, **attributes):
    return await client.ask(command(*args, **attributes), kind="set", to="example.org")


async def opened(client, node=DELETE):
    answer = await execute(client, node)
    return answer.tree.find(COMMAND).get("sessionid")


async def disco(client, what, node=""):
    asked = f" node='{node}'" if node else ""
    return await client.ask(
        f"<query xmlns='http://jabber.org/protocol/disco#{what}'{asked}/>", to="example.org"
    )


async def test_admins_find_commands(chat):
    admin = await chat.client_of("admin")
    assert f"<feature var='{ns.COMMANDS}'/>" in (await disco(admin, "info")).text
    listed = await disco(admin, "items", ns.COMMANDS)
    assert f"node='{DELETE}' name='Delete User'" in listed.text
    assert (
        "category='automation' type='command-list'"
        in (await disco(admin, "info", ns.COMMANDS)).text
    )
    one = (await disco(admin, "info", DELETE)).text
    assert "category='automation' type='command-node' name='Delete User'" in one
    assert f"<feature var='{ns.DATA}'/>" in one
    assert (await disco(admin, "items", DELETE)).kind == "result"


async def test_nobody_else_finds_or_executes_any(chat, caplog):
    caplog.set_level(logging.INFO)
    other = await chat.client_of("other")
    assert ns.COMMANDS not in (await disco(other, "info")).text
    for node in (ns.COMMANDS, DELETE):
        for what in ("info", "items"):
            assert (await disco(other, what, node)).condition == "item-not-found"
    for node in (DELETE, "nonsense"):
        assert (await execute(other, node)).condition == "forbidden"
    (first, _) = [each for each in caplog.records if each.name == "andiron.audit"]
    assert first.getMessage() == f"other@example.org may not execute {DELETE}"
    assert first.session


async def test_the_hash_of_capabilities_is_the_same_for_all(chat):
    admin, other = await chat.client_of("admin"), await chat.client_of("other")
    node = chat.domain.caps.partition("ver='")[2].partition("'")[0]
    told = [(await disco(each, "info", f"urn:x-andiron#{node}")).text for each in (admin, other)]
    assert all(text.count("<feature") == told[0].count("<feature") for text in told)
    assert ns.COMMANDS not in told[0]


async def test_a_form_is_given_and_can_be_cancelled(chat):
    admin = await chat.client_of("admin")
    answer = await execute(admin, DELETE)
    tree = answer.tree.find(COMMAND)
    assert (tree.get("status"), tree.get("node")) == ("executing", DELETE)
    assert "<actions execute='complete'><complete/></actions>" in answer.text
    assert "type='jid-multi'" in answer.text
    session = tree.get("sessionid")
    answer = await execute(admin, DELETE, sessionid=session, action="cancel")
    assert answer.tree.find(COMMAND).get("status") == "canceled"
    assert (await execute(admin, DELETE, sessionid=session, action="cancel")).text.count(
        "bad-sessionid"
    )
    session = await opened(admin)
    answer = await execute(admin, DELETE, form("cancel"), sessionid=session)
    assert answer.tree.find(COMMAND).get("status") == "canceled"


async def test_what_is_wrong_with_a_step(chat):
    admin = await chat.client_of("admin")
    await chat.client_of("romeo")
    assert (await execute(admin, "nonsense")).condition == "item-not-found"
    assert "malformed-action" in (await execute(admin, DELETE, action="leap")).text
    assert "bad-action" in (await execute(admin, DELETE, action="complete")).text
    session = await opened(admin)
    whole = form(accountjids="romeo@example.org")
    wrong = [
        ("bad-action", "", {"action": "prev"}),
        ("bad-payload", "", {"action": "complete"}),
        ("bad-payload", form("form", accountjids="romeo@example.org"), {}),
        ("bad-payload", form(form_type="other", accountjids="romeo@example.org"), {}),
        ("bad-payload", form(accountjids=" "), {}),
        ("bad-payload", form(), {}),
    ]
    for condition, inner, attributes in wrong:
        answer = await execute(admin, DELETE, inner, sessionid=session, **attributes)
        assert condition in answer.text
        assert answer.condition == "bad-request"
    assert "bad-sessionid" in (await execute(admin, DELETE, whole, sessionid="x")).text
    other = f"{FORM_TYPE}#disable-user"
    assert "bad-sessionid" in (await execute(admin, other, whole, sessionid=session)).text
    second = await chat.client_of("admin")
    assert "bad-sessionid" in (await execute(second, DELETE, whole, sessionid=session)).text
    # The one that was given the form can correct it all the while.
    done = await execute(admin, DELETE, whole, sessionid=session, action="complete")
    assert done.tree.find(COMMAND).get("status") == "completed"
    assert "bad-sessionid" in (await execute(admin, DELETE, whole, sessionid=session)).text


async def test_a_failure_is_an_error_and_a_note(chat):
    """XEP-0133 section 5 wants the one, XEP-0050 the other, and of clients each shows one."""
    admin = await chat.client_of("admin")
    session = await opened(admin)
    fields = form(accountjids="nobody@example.org")
    answer = await execute(admin, DELETE, fields, sessionid=session, action="complete")
    assert (answer.kind, answer.condition) == ("error", "item-not-found")
    told = answer.tree.find(COMMAND)
    assert (told.get("status"), told.get("sessionid")) == ("completed", session)
    note = told.find(f"{{{ns.COMMANDS}}}note")
    assert (note.get("type"), note.text) == ("error", "There is no account nobody.")
    assert f">{note.text}</text>" in answer.text
    assert "bad-sessionid" in (await execute(admin, DELETE, fields, sessionid=session)).text


async def test_only_so_many_forms_are_open(chat, monkeypatch):
    monkeypatch.setattr("andiron.domain.administration.adhoc._SESSIONS", 2)
    admin = await chat.client_of("admin")
    first = await opened(admin)
    for _ in range(2):
        await opened(admin)
    answer = await execute(admin, DELETE, sessionid=first, action="cancel")
    assert "bad-sessionid" in answer.text


async def test_without_admins_there_is_nothing():
    async with running(create_app(domain="example.org")) as client:
        somebody = await client("admin")
        assert (await execute(somebody, DELETE)).condition == "service-unavailable"
        assert (await disco(somebody, "items", ns.COMMANDS)).condition == "item-not-found"


@pytest.mark.parametrize("name", ["add-user", "change-user-password"])
async def test_passwords_do_not_pass_in_the_clear(chat, name, monkeypatch):
    admin = await chat.client_of("admin")
    (session,) = chat._home.manager.sessions
    object.__setattr__(session.channel, "secure", False)
    assert (await execute(admin, f"{FORM_TYPE}#{name}")).condition == "not-authorized"
    assert (await execute(admin, DELETE)).kind == "result"
