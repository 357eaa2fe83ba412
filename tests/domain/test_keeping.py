"""What accounts keep, on each kind of database."""

import pytest
from support.domains import condition
from support.house import House, ask
from support.waiting import until

from andiron.domain.contacts.roster import roster_of
from andiron.xmpp import namespaces as ns

ITEMS = "<item jid='tybalt@localhost'/><item jid='a.example'/>"
BLOCK = f"<block xmlns='{ns.BLOCKING}'>{ITEMS}</block>"
BLOCKLIST = f"<blocklist xmlns='{ns.BLOCKING}'/>"
CARD = f"<vCard xmlns='{ns.VCARD}'><FN>Júliet</FN></vCard>"
LAST = f"<query xmlns='{ns.LAST}'/>"
NOTES = f"<query xmlns='{ns.PRIVATE}'><notes xmlns='urn:n'>{{}}</notes></query>"
FIELDS = "<username>juliet</username><password>new one</password>"


@pytest.fixture
async def house(lasting_url):
    house = House(lasting_url)
    await house.domain.start()
    for name in ("romeo", "juliet"):
        await house.domain.accounts.create(name, name)
    yield house
    await house.stop()


async def test_what_is_kept_is_found_again(house, lasting_url):
    juliet = await house.come("juliet", "juliet")
    for kept in ("first", "second"):
        for payload in (NOTES.format(kept), BLOCK, CARD):
            assert (await ask(juliet, "set", payload)).get("type") == "result"
    await house.stop()

    again = House(lasting_url)
    await again.domain.start()
    juliet, romeo = await again.come("juliet", "juliet"), await again.come("romeo", "romeo")
    ((notes,),) = await ask(juliet, "get", NOTES.format(""))
    assert notes.text == "second"
    (blocked,) = await ask(juliet, "get", BLOCKLIST)
    assert [item.get("jid") for item in blocked] == ["a.example", "tybalt@localhost"]
    ((name,),) = await ask(romeo, "get", CARD, "juliet@localhost")
    assert name.text == "Júliet"
    await again.stop()


async def test_who_leaves_was_last_seen(house):
    juliet, romeo = await house.come("juliet", "juliet"), await house.come("romeo", "romeo")
    for _ in range(2):
        juliet.send("<presence/>")
        juliet.send("<presence type='subscribed' to='romeo@localhost'/>")
        romeo.send("<presence type='subscribe' to='juliet@localhost'/>")
        await until(lambda: "romeo@localhost" in _seers(house))
        juliet.leave()
        juliet = await house.come("juliet", "juliet")
    (query,) = await ask(romeo, "get", LAST, "juliet@localhost")
    assert 0 <= int(query.get("seconds")) < 60


def _seers(house):
    contacts = roster_of(house.domain.owners.get("juliet@localhost")).contacts
    return {jid for jid, contact in contacts.items() if contact.state.is_seen}


async def test_a_password_and_an_account_end(house):
    juliet, romeo = await house.come("juliet", "juliet"), await house.come("romeo", "romeo")
    for payload in (NOTES.format("x"), BLOCK, CARD):
        await ask(juliet, "set", payload)
    changed = await ask(juliet, "set", f"<query xmlns='{ns.REGISTER}'>{FIELDS}</query>")
    assert changed.get("type") == "result"
    assert await house.come("juliet", "juliet") is None
    assert await house.come("juliet", "new one") is not None
    await ask(juliet, "set", f"<query xmlns='{ns.REGISTER}'><remove/></query>")
    await until(lambda: juliet.transport.closed)
    assert juliet.error == "not-authorized"
    assert await house.come("juliet", "new one") is None
    assert condition(await ask(romeo, "get", CARD, "juliet@localhost")) == "service-unavailable"
    await house.domain.accounts.create("juliet", "third")
    third = await house.come("juliet", "third")
    (blocked,) = await ask(third, "get", BLOCKLIST)
    assert list(blocked) == []
