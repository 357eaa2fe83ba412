"""User search (XEP-0055) as clients see it."""

import pytest
from support.domains import CLIENT, Stage, condition, settle

from andiron.domain.config import RoomsConfig, SearchScope
from andiron.domain.database.database import DatabaseError
from andiron.domain.person import Person
from andiron.domain.sign_in.site import Site
from andiron.xmpp import namespaces as ns

SEARCH = f"{{{ns.SEARCH}}}"
DATA = f"{{{ns.DATA}}}"
HOST = "search.localhost"


async def scene(scope=SearchScope.EVERYBODY, **options):
    stage = Stage(search=scope, **options)
    stage.add_account("nurse", "nurse2")
    for name, shown in (("juliet", "Juliet Capulet"), ("nurse", "Angelica <Capulet>")):
        owner = await stage.domain.owners.load(f"{name}@localhost")
        await stage.domain.welcome(owner, Person(name, shown))
    return stage, await stage.bind("romeo", "here")


@pytest.fixture
async def romeo():
    stage, client = await scene()
    yield client
    await stage.domain.stop()


def request(inner, kind="set", to=HOST):
    return f"<iq type='{kind}' id='s' to='{to}'><query xmlns='{ns.SEARCH}'>{inner}</query></iq>"


def submitted(value, form_type=ns.SEARCH, kind="submit"):
    return (
        f"<x xmlns='{ns.DATA}' type='{kind}'>"
        f"<field var='FORM_TYPE'><value>{form_type}</value></field>"
        f"<field var='nick'><value>{value}</value></field></x>"
    )


async def search(client, name):
    """Return the addresses and names that are found, or the condition of the error."""
    answer = await client.ask(request(f"<nick>{name}</nick>"))
    if answer.get("type") == "error":
        return condition(answer)
    return {
        item.get("jid"): item.findtext(f"{SEARCH}nick") for item in answer.iter(f"{SEARCH}item")
    }


FOUND = {"juliet@localhost": "Juliet Capulet", "nurse@localhost": "Angelica <Capulet>"}


async def test_it_is_found_at_the_domain(romeo):
    items = await romeo.ask(
        f"<iq type='get' id='i' to='localhost'><query xmlns='{ns.DISCO_ITEMS}'/></iq>"
    )
    assert HOST in {item.get("jid") for item in items[0]}
    told = await romeo.ask(
        f"<iq type='get' id='i' to='{HOST}'><query xmlns='{ns.DISCO_INFO}'/></iq>"
    )
    assert ns.SEARCH in {each.get("var") for each in told[0]}
    assert (told[0][0].get("category"), told[0][0].get("type")) == ("directory", "user")
    none = await romeo.ask(
        f"<iq type='get' id='i' to='{HOST}'><query xmlns='{ns.DISCO_ITEMS}'/></iq>"
    )
    assert len(none[0]) == 0


async def test_what_may_be_asked_for_is_told(romeo):
    (query,) = await romeo.ask(request("", "get"))
    assert query.find(f"{SEARCH}nick") is not None
    assert [field.get("var") for field in query.iter(f"{DATA}field")] == ["FORM_TYPE", "nick"]


async def test_people_are_found_by_names_and_accounts(romeo):
    assert await search(romeo, "capulet") == FOUND
    assert await search(romeo, "ANGEL*") == {"nurse@localhost": "Angelica <Capulet>"}
    assert await search(romeo, "nurse2") == {"nurse2@localhost": ""}
    assert await search(romeo, "rom") == {}


async def test_so_they_are_by_a_form(romeo):
    answer = await romeo.ask(request(submitted("capulet")))
    rows = [
        {field.get("var"): field.findtext(f"{DATA}value") for field in item}
        for item in answer.iter(f"{DATA}item")
    ]
    assert {row["jid"]: row["nick"] for row in rows} == FOUND
    reported = answer.find(f"{SEARCH}query/{DATA}x/{DATA}reported")
    assert [field.get("var") for field in reported] == ["jid", "nick"]


@pytest.mark.parametrize("name", ["", "*", "**", "j", " j ", "\N{ZERO WIDTH JOINER}"])
async def test_nobody_lists_all(romeo, name):
    assert await search(romeo, name) in ("not-acceptable", {})


@pytest.mark.parametrize("form", [submitted("ca", "other"), submitted("ca", kind="cancel")])
async def test_another_form_is_refused(romeo, form):
    assert condition(await romeo.ask(request(form))) == "bad-request"


@pytest.mark.parametrize(
    "text",
    [
        request("<nick>capulet</nick>", to=f"somebody@{HOST}"),
        f"<iq type='get' id='s' to='{HOST}'><vCard xmlns='{ns.VCARD}'/></iq>",
        f"<iq type='get' id='s' to='{HOST}'><query xmlns='{ns.DISCO_INFO}' node='x'/></iq>",
        f"<message to='{HOST}'><body>Hi</body></message>",
    ],
)
async def test_nothing_else_is_there(romeo, text):
    assert condition(await romeo.ask(text)) == "service-unavailable"


@pytest.mark.parametrize(
    "text",
    [
        f"<presence to='{HOST}'/>",
        f"<presence to='{HOST}' type='unavailable'/>",
        f"<message to='{HOST}' type='error'/>",
        f"<iq type='result' id='x' to='{HOST}'/>",
    ],
)
async def test_what_needs_no_answer_gets_none(romeo, text):
    romeo.send(text)
    await settle()
    romeo.send("<presence type='unavailable'/>")
    await settle()
    assert [each for each in romeo.take() if each.get("type") == "error"] == []


async def test_guests_may_not_search():
    stage, _romeo = await scene()
    guest = await stage.bind("guest", "here")
    assert await search(guest, "capulet") == "not-allowed"
    await stage.domain.stop()


async def test_one_searches_so_often(romeo):
    for _ in range(30):
        assert await search(romeo, "capulet") == FOUND
    assert await search(romeo, "capulet") == "resource-constraint"
    romeo.stage.now += 60
    assert await search(romeo, "capulet") == FOUND


async def test_so_many_are_found_and_no_more():
    stage, romeo = await scene(max_found=1)
    assert await search(romeo, "capulet") == {"juliet@localhost": "Juliet Capulet"}
    await stage.domain.stop()


async def test_who_is_blocked_or_disabled_is_not_found(romeo):
    block = f"<block xmlns='{ns.BLOCKING}'><item jid='nurse@localhost'/></block>"
    await romeo.ask(f"<iq type='set' id='b'>{block}</iq>")
    assert set(await search(romeo, "capulet")) == {"juliet@localhost"}
    await romeo.stage.domain.accounts.disabled.disable("juliet")
    assert await search(romeo, "capulet") == {}


async def test_only_those_of_ones_groups_are_found_where_that_is_set():
    stage, romeo = await scene(SearchScope.GROUPS)
    assert await search(romeo, "capulet") == {}
    await stage.domain.groups.add("House", ["romeo", "nurse"])
    assert set(await search(romeo, "capulet")) == {"nurse@localhost"}
    await stage.domain.stop()


async def test_only_those_are_found_whom_one_may_contact(caplog):
    async def may_contact(_one, other):
        if other == "nurse":
            raise LookupError
        return other != "nurse2"

    stage, romeo = await scene(site=Site(may_contact=may_contact))
    assert set(await search(romeo, "capulet")) == {"juliet@localhost"}
    assert await search(romeo, "nurse") == {}
    assert "may_contact= failed" in caplog.text
    await stage.domain.stop()


async def test_a_database_that_fails_is_an_error(romeo):
    romeo.stage.database.error = DatabaseError("gone")
    assert await search(romeo, "capulet") == "internal-server-error"
    romeo.stage.database.error = None


async def test_without_the_setting_there_is_no_search():
    stage = Stage()
    romeo = await stage.bind("romeo", "here")
    answer = await romeo.ask(request("", "get"))
    assert answer.find(f"{CLIENT}error") is not None
    await stage.domain.stop()


async def test_rooms_cannot_be_where_search_is():
    with pytest.raises(DatabaseError, match="rooms_host"):
        Stage(search=SearchScope.EVERYBODY, rooms=RoomsConfig(host=HOST))
