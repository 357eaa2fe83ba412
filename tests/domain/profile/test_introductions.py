"""An account shows what the site says of its owner, until the owner says otherwise."""

import base64
import hashlib

import pytest
from support.domains import CLIENT, Stage

from andiron import Person
from andiron.domain.config import PubSubConfig
from andiron.domain.database.database import DatabaseError
from andiron.domain.person import shown_name
from andiron.xmpp import namespaces as ns

VCARD = f"{{{ns.VCARD}}}"
PUBSUB = f"{{{ns.PUBSUB}}}"
UPDATE = f"{{{ns.VCARD_UPDATE}}}"
PNG = b"\x89PNG\r\n\x1a\n picture"
JPEG = b"\xff\xd8\xff another"
JULIET = "juliet@localhost"


def sha1(image):
    return hashlib.sha1(image, usedforsecurity=False).hexdigest()


@pytest.fixture
async def stage():
    stage = Stage(max_vcard=20_000)
    yield stage
    await stage.domain.stop()


async def introduce(stage, **said):
    owner = await stage.domain.owners.load(JULIET)
    await stage.domain.welcome(owner, Person("juliet", **said))


async def ask(stage, payload, kind="get", to=""):
    """Ask as juliet, or as romeo where somebody is asked."""
    client = await stage.bind("romeo" if to else "juliet", "asking")
    addressed = f" to='{to}'" if to else ""
    return await client.ask(f"<iq type='{kind}' id='a'{addressed}>{payload}</iq>")


async def card(stage):
    """Return the names and the picture's id, as everybody sees them."""
    (vcard,) = await ask(stage, f"<vCard xmlns='{ns.VCARD}'/>", to=JULIET)
    if vcard.tag == CLIENT + "error":
        return None
    image = base64.b64decode(vcard.findtext(f"{VCARD}PHOTO/{VCARD}BINVAL", ""))
    return vcard.findtext(f"{VCARD}FN"), vcard.findtext(f"{VCARD}NICKNAME"), image


async def published(stage, node):
    """Return the last item of a node, as everybody sees it."""
    pubsub = f"<pubsub xmlns='{ns.PUBSUB}'><items node='{node}'/></pubsub>"
    answer = await ask(stage, pubsub, to=JULIET)
    items = [item[0] for item in answer.iter(f"{PUBSUB}item")]
    return items[-1] if items else None


async def nick(stage):
    item = await published(stage, ns.NICK)
    return None if item is None else item.text


async def avatar(stage):
    """Return the id of the published picture and the picture itself."""
    metadata = await published(stage, ns.AVATAR_METADATA)
    if metadata is None or not len(metadata):
        return None
    data = await published(stage, ns.AVATAR_DATA)
    return metadata[0].get("id"), base64.b64decode(data.text)


async def put_card(stage, inner):
    answer = await ask(stage, f"<vCard xmlns='{ns.VCARD}'>{inner}</vCard>", "set")
    assert answer.get("type") == "result"


async def test_a_name_and_a_picture_are_shown_everywhere(stage):
    await introduce(stage, display_name="Juliet Capulet", avatar=PNG)
    assert await card(stage) == ("Juliet Capulet", "Juliet Capulet", PNG)
    assert await nick(stage) == "Juliet Capulet"
    assert await avatar(stage) == (sha1(PNG), PNG)
    juliet = await stage.bind("juliet", "balcony")
    juliet.send("<presence/>")
    (presence,) = juliet.take()
    assert presence.findtext(f"{UPDATE}x/{UPDATE}photo") == sha1(PNG)


async def test_what_the_site_changes_is_changed(stage):
    await introduce(stage, display_name="Juliet Capulet", avatar=PNG)
    await introduce(stage, display_name="Juliet Montague", avatar=JPEG)
    assert await card(stage) == ("Juliet Montague", "Juliet Montague", JPEG)
    assert await nick(stage) == "Juliet Montague"
    assert await avatar(stage) == (sha1(JPEG), JPEG)


async def test_what_the_site_does_not_speak_of_stays(stage):
    await introduce(stage, display_name="Juliet", avatar=PNG)
    await introduce(stage)
    assert await card(stage) == ("Juliet", "Juliet", PNG)


async def test_a_picture_is_taken_away(stage):
    await introduce(stage, display_name="Juliet", avatar=PNG)
    await introduce(stage, avatar=b"")
    assert await card(stage) == ("Juliet", "Juliet", b"")
    assert await avatar(stage) is None


async def test_what_the_user_has_changed_stays_and_the_rest_follows(stage):
    await introduce(stage, display_name="Juliet", avatar=PNG)
    await put_card(stage, "<FN>J.</FN><NICKNAME>Juliet</NICKNAME><NOTE>mine</NOTE>")
    await introduce(stage, display_name="Juliet Montague", avatar=JPEG)
    assert await card(stage) == ("J.", "Juliet Montague", b"")
    assert await nick(stage) == "Juliet Montague"


async def test_a_nickname_of_the_users_own_stays(stage):
    await introduce(stage, display_name="Juliet")
    item = f"<item id='current'><nick xmlns='{ns.NICK}'>Jule</nick></item>"
    publish = f"<pubsub xmlns='{ns.PUBSUB}'><publish node='{ns.NICK}'>{item}</publish></pubsub>"
    await ask(stage, publish, "set")
    await introduce(stage, display_name="Juliet Montague")
    assert await nick(stage) == "Jule"
    assert (await card(stage))[0] == "Juliet Montague"


async def test_who_had_a_card_before_the_site_spoke_keeps_it(stage):
    await put_card(stage, "<FN>Mine</FN>")
    await introduce(stage, display_name="Juliet")
    assert await card(stage) == ("Mine", "Juliet", b"")


async def test_the_same_word_again_writes_nothing(stage):
    await introduce(stage, display_name="Juliet", avatar=PNG)
    writes = stage.database.writes
    await introduce(stage, display_name="Juliet", avatar=PNG)
    await introduce(stage, display_name=" Juliet\n")
    await introduce(stage, display_name="Juliet", avatar=b"<svg/>")
    assert stage.database.writes == writes


@pytest.mark.parametrize("image", [b"<svg onload='alert()'/>", b"GIF", PNG + bytes(15_000)])
async def test_what_is_no_picture_or_too_large_is_left_out(stage, image, caplog):
    caplog.set_level("INFO")
    await introduce(stage, display_name="Juliet", avatar=image)
    assert await card(stage) == ("Juliet", "Juliet", b"")
    assert "the picture of juliet@localhost is" in caplog.text


async def test_a_card_that_has_no_room_is_logged(stage, caplog):
    await put_card(stage, f"<NOTE>{'x' * 19_900}</NOTE>")
    await introduce(stage, display_name="Juliet" * 30)
    assert "what the site says of juliet@localhost could not be kept" in caplog.text


async def test_a_database_that_fails_is_logged_and_nobody_is_kept_out(stage, caplog):
    owner = await stage.domain.owners.load(JULIET)
    stage.database.error = DatabaseError("gone")
    await stage.domain.welcome(owner, Person("juliet", "Juliet"))
    assert "what the site says of juliet@localhost could not be kept: gone" in caplog.text


async def test_an_account_that_may_publish_nothing_has_its_card():
    stage = Stage(pubsub=PubSubConfig(quota=1))
    await introduce(stage, display_name="Juliet", avatar=PNG)
    assert await card(stage) == ("Juliet", "Juliet", PNG)
    await stage.domain.stop()


def test_a_name_is_one_line_that_can_be_seen():
    assert shown_name(" Juliet \n\t Capulet\x00\u202e ") == "Juliet Capulet"
    assert shown_name("\x01\u2028") == ""
    assert len(shown_name("x" * 10_000)) == 200
    assert shown_name("👩‍💻") == "👩‍💻"
