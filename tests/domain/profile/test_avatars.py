"""Conversion between avatars and vCards, XEP-0398."""

import base64
import hashlib

import pytest
from support.domains import CLIENT, Stage, settle

from andiron.domain.profile.photo import photo_of
from andiron.xmpp import namespaces as ns

VCARD = f"{{{ns.VCARD}}}"
UPDATE = f"{{{ns.VCARD_UPDATE}}}"
PUBSUB = f"{{{ns.PUBSUB}}}"
PNG = b"\x89PNG\r\n\x1a\n picture"
ENCODED = base64.b64encode(PNG).decode()
SHA1 = hashlib.sha1(PNG, usedforsecurity=False).hexdigest()
OPEN = "open"


def put(photo=True, name="Juliet"):
    picture = f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{ENCODED}</BINVAL></PHOTO>" if photo else ""
    card = f"<vCard xmlns='{ns.VCARD}'><FN>{name}</FN>{picture}</vCard>"
    return f"<iq type='set' id='v'>{card}</iq>"


def get(to=""):
    addressed = f" to='{to}'" if to else ""
    return f"<iq type='get' id='v'{addressed}><vCard xmlns='{ns.VCARD}'/></iq>"


def publish(node, identity, payload, access=OPEN):
    options = (
        f"<publish-options><x xmlns='{ns.DATA}' type='submit'><field var='FORM_TYPE'>"
        f"<value>{ns.PUBSUB}#publish-options</value></field>"
        f"<field var='pubsub#access_model'><value>{access}</value></field></x></publish-options>"
    )
    item = f"<publish node='{node}'><item id='{identity}'>{payload}</item></publish>"
    return f"<iq type='set' id='p'><pubsub xmlns='{ns.PUBSUB}'>{item}{options}</pubsub></iq>"


def data(identity=SHA1, content=ENCODED, access=OPEN):
    payload = f"<data xmlns='{ns.AVATAR_DATA}'>{content}</data>"
    return publish(ns.AVATAR_DATA, identity, payload, access)


def metadata(identity=SHA1, infos=None):
    if infos is None:
        infos = f"<info id='{identity}' bytes='{len(PNG)}' type='image/png'/>"
    payload = f"<metadata xmlns='{ns.AVATAR_METADATA}'>{infos}</metadata>"
    return publish(ns.AVATAR_METADATA, identity, payload)


async def ask(client, request):
    answer = await client.ask(request)
    assert answer.get("type") == "result"
    return answer


async def card(client, to=""):
    return (await ask(client, get(to)))[0]


async def published(client, node, to="juliet@localhost"):
    """Return the items of a node of juliet's, ids and payloads."""
    answer = await client.ask(
        f"<iq type='get' id='i' to='{to}'>"
        f"<pubsub xmlns='{ns.PUBSUB}'><items node='{node}'/></pubsub></iq>"
    )
    if answer.get("type") == "error":
        return None
    return [(item.get("id"), item[0]) for item in answer.iter(f"{PUBSUB}item")]


def photos(client):
    """Return what the presences since the last call said of pictures."""
    return [
        stanza.findtext(f"{UPDATE}x/{UPDATE}photo")
        for stanza in client.take()
        if stanza.tag == CLIENT + "presence"
    ]


@pytest.fixture
async def stage():
    stage = Stage(max_vcard=2000)
    yield stage
    await stage.domain.stop()


@pytest.fixture
async def juliet(stage):
    return await stage.come("juliet", "balcony")


@pytest.fixture
async def romeo(stage):
    return await stage.come("romeo", "orchard")


async def test_it_is_announced(juliet):
    (query,) = await ask(
        juliet,
        f"<iq type='get' id='d' to='juliet@localhost'><query xmlns='{ns.DISCO_INFO}'/></iq>",
    )
    assert ns.PEP_VCARD_CONVERSION in {feature.get("var") for feature in query}


# From the vCard


async def test_a_picture_in_the_vcard_is_published(juliet, romeo):
    await ask(juliet, put())
    for client in (juliet, romeo):
        ((identity, payload),) = await published(client, ns.AVATAR_DATA)
        assert (identity, payload.text) == (SHA1, ENCODED)
        ((identity, payload),) = await published(client, ns.AVATAR_METADATA)
        assert identity == SHA1
        assert payload[0].attrib == {"bytes": str(len(PNG)), "id": SHA1, "type": "image/png"}


async def test_the_same_picture_is_published_once(stage, juliet):
    await ask(juliet, put())
    writes = stage.database.writes
    await ask(juliet, put(name="Jule"))
    assert stage.database.writes == writes + 1


async def test_a_vcard_without_picture_leaves_the_avatar(juliet):
    await ask(juliet, put())
    await ask(juliet, put(photo=False))
    assert len(await published(juliet, ns.AVATAR_METADATA)) == 1


async def test_nodes_that_are_otherwise_stay_so(juliet, romeo):
    await ask(juliet, data("other", access="presence"))
    await ask(juliet, put())
    assert [identity for identity, _ in await published(juliet, ns.AVATAR_DATA)][-1] == SHA1
    assert await published(romeo, ns.AVATAR_DATA) is None


# To the vCard


async def test_an_avatar_goes_into_the_vcard(juliet, romeo):
    await ask(juliet, put(photo=False))
    await ask(juliet, data())
    await ask(juliet, metadata())
    for found in (await card(juliet), await card(romeo, "juliet@localhost")):
        assert found.findtext(VCARD + "FN") == "Juliet"
        photo = photo_of(found)
        assert photo is not None
        assert (photo.id, photo.type) == (SHA1, "image/png")


async def test_an_avatar_alone_makes_a_vcard_and_goes_with_it(juliet):
    await ask(juliet, data())
    await ask(juliet, metadata())
    assert photo_of(await card(juliet)) is not None
    await ask(juliet, metadata("none", ""))
    assert len(await card(juliet)) == 0


async def test_removing_an_avatar_leaves_the_rest(juliet):
    await ask(juliet, put())
    await ask(juliet, metadata("none", ""))
    found = await card(juliet)
    assert [child.tag for child in found] == [VCARD + "FN"]


@pytest.mark.parametrize(
    "requests",
    [
        [metadata()],
        [data(access="presence"), metadata()],
        [data("0" * 40), metadata("0" * 40)],
        [data(content="?"), metadata()],
        [data(content=ENCODED + "A" * 4000), metadata()],
        [data(), metadata(infos=f"<info id='{SHA1}' type='image/png' url='https://x/'/>")],
        [data()],
    ],
)
async def test_avatars_that_do_not_go_into_the_vcard(juliet, requests):
    for request in requests:
        await ask(juliet, request)
    assert photo_of(await card(juliet)) is None


async def test_an_avatar_without_room_leaves_the_vcard_as_it_was(juliet):
    big = base64.b64encode(PNG + b"x" * 3000).decode()
    identity = hashlib.sha1(base64.b64decode(big), usedforsecurity=False).hexdigest()
    await ask(juliet, put(photo=False))
    await ask(juliet, data(identity, big))
    await ask(juliet, metadata(identity))
    assert [child.tag for child in await card(juliet)] == [VCARD + "FN"]


# In presence


async def test_presence_names_the_picture(stage, juliet, romeo):
    await ask(juliet, put())
    juliet.send(f"<presence><x xmlns='{ns.VCARD_UPDATE}'/></presence>")
    assert photos(juliet) == [SHA1]
    juliet.send(f"<presence to='{romeo.jid}'/>")
    assert photos(romeo) == [SHA1]
    juliet.send("<presence type='unavailable'/>")
    assert photos(juliet) == [None]
    juliet.leave()
    stage.domain.owners.forget("juliet@localhost")
    again = await stage.bind("juliet", "balcony")
    again.send("<presence/>")
    await settle()
    assert photos(again) == [SHA1]


async def test_it_is_gone_with_the_picture(juliet):
    await ask(juliet, put())
    await ask(juliet, put(photo=False))
    juliet.send("<presence/>")
    assert photos(juliet) == [None]
