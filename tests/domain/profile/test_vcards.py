"""vCards, XEP-0054."""

import pytest
from slixmpp.plugins.xep_0054.stanza import VCardTemp
from slixmpp.stanza import Iq
from slixmpp.xmlstream import register_stanza_plugin
from sqlalchemy import text
from support.domains import Stage, condition

from andiron.xmpp import namespaces as ns

register_stanza_plugin(Iq, VCardTemp)

VCARD = f"{{{ns.VCARD}}}"
PHOTO = "<PHOTO><TYPE>image/png</TYPE><BINVAL>aGk=</BINVAL></PHOTO>"
CARD = f"<vCard xmlns='{ns.VCARD}'><FN>Juliet &amp; co</FN>{PHOTO}</vCard>"


def get(to=""):
    addressed = f" to='{to}'" if to else ""
    return f"<iq type='get' id='v'{addressed}><vCard xmlns='{ns.VCARD}'/></iq>"


def put(card=CARD, to=""):
    addressed = f" to='{to}'" if to else ""
    return f"<iq type='set' id='v'{addressed}>{card}</iq>"


@pytest.fixture
async def stage():
    stage = Stage(max_vcard=1000)
    yield stage
    await stage.domain.stop()


@pytest.fixture
async def juliet(stage):
    return await stage.bind("juliet", "balcony")


@pytest.fixture
async def romeo(stage):
    return await stage.bind("romeo", "orchard")


@pytest.mark.parametrize("to", ["localhost", "juliet@localhost"])
async def test_it_is_announced(juliet, to):
    (query,) = await juliet.ask(
        f"<iq type='get' id='d' to='{to}'><query xmlns='{ns.DISCO_INFO}'/></iq>"
    )
    assert ns.VCARD in {feature.get("var") for feature in query}


@pytest.mark.parametrize("to", ["", "juliet@localhost"])
async def test_ones_own(juliet, to):
    (empty,) = await juliet.ask(get(to))
    assert (empty.tag, len(empty)) == (VCARD + "vCard", 0)
    answer = await juliet.ask(put(to=to))
    assert (answer.get("type"), len(answer)) == ("result", 0)
    (card,) = await juliet.ask(get(to))
    assert card.findtext(VCARD + "FN") == "Juliet & co"


@pytest.mark.parametrize("online", [True, False])
async def test_a_contacts(juliet, romeo, online):
    await juliet.ask(put())
    if not online:
        juliet.leave()
    answer = await romeo.ask(get("Juliet@localhost"))
    assert answer.get("from") == "juliet@localhost"
    assert answer[0].findtext(f"{VCARD}PHOTO/{VCARD}BINVAL") == "aGk="


async def test_an_account_without_looks_like_none(juliet, romeo):
    for request in (get, lambda to: put(to=to)):
        for to in ("juliet@localhost", "nobody@localhost"):
            answer = await romeo.ask(request(to))
            assert condition(answer) == "service-unavailable", to
    (card,) = await juliet.ask(get())
    assert len(card) == 0


async def test_an_empty_one_is_none(juliet, romeo):
    await juliet.ask(put())
    await juliet.ask(put(f"<vCard xmlns='{ns.VCARD}'/>"))
    assert condition(await romeo.ask(get("juliet@localhost"))) == "service-unavailable"


async def test_it_has_a_bound(juliet):
    frame = len(f"<vCard xmlns='{ns.VCARD}'><FN></FN></vCard>")
    fits = "é" * ((1000 - frame) // 2)
    assert (await juliet.ask(put(f"<vCard xmlns='{ns.VCARD}'><FN>{fits}</FN></vCard>"))).get(
        "type"
    ) == "result"
    refused = await juliet.ask(put(f"<vCard xmlns='{ns.VCARD}'><FN>{fits}é</FN></vCard>"))
    assert condition(refused) == "policy-violation"
    (card,) = await juliet.ask(get())
    assert card.findtext(VCARD + "FN") == fits


async def test_an_anonymous_user_has_none(stage):
    guest = await stage.bind("guest", "x")
    (card,) = await guest.ask(get())
    assert len(card) == 0
    assert condition(await guest.ask(put())) == "not-allowed"


async def test_it_goes_with_the_account(stage, juliet):
    await juliet.ask(put())
    with stage.database.engine.begin() as connection:
        connection.execute(text("delete from accounts where username = 'juliet'"))
        assert connection.scalar(text("select count(*) from vcards")) == 0


async def test_slixmpp_writes_and_reads(juliet, romeo):
    request = Iq()
    request["type"], request["id"] = "set", "v"
    request["vcard_temp"]["FN"] = "Juliet"
    request["vcard_temp"]["PHOTO"]["TYPE"] = "image/png"
    request["vcard_temp"]["PHOTO"]["BINVAL"] = b"\x89PNG"
    assert (await juliet.ask(str(request))).get("type") == "result"
    card = Iq(xml=await romeo.ask(get("juliet@localhost")))["vcard_temp"]
    assert (card["FN"], card["PHOTO"]["BINVAL"]) == ("Juliet", b"\x89PNG")
