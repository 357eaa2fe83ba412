"""Pictures in vCards, as avatars and in presence, XEP-0153 and XEP-0084."""

import base64
import hashlib
from xml.etree.ElementTree import fromstring

import pytest
from slixmpp.plugins.xep_0084.stanza import MetaData

from andiron.domain.client import Owner
from andiron.domain.profile.photo import (
    Photo,
    announced,
    photo_of,
    read_data,
    read_metadata,
    with_photo,
)
from andiron.xmpp import namespaces as ns
from andiron.xmpp.xml import Guard

PNG = b"\x89PNG\r\n\x1a\n picture"
ENCODED = base64.b64encode(PNG).decode()
SHA1 = hashlib.sha1(PNG, usedforsecurity=False).hexdigest()
UPDATE = f"{{{ns.VCARD_UPDATE}}}"


def vcard(photo="", more=""):
    return fromstring(f"<vCard xmlns='{ns.VCARD}'><FN>J</FN>{photo}{more}</vCard>")


def photo(kind="image/png", data=ENCODED):
    return f"<PHOTO><TYPE>{kind}</TYPE><BINVAL>{data}</BINVAL></PHOTO>"


def test_a_picture_is_read():
    assert photo_of(vcard(photo())) == Photo(ENCODED, len(PNG), SHA1, "image/png")


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (b"\x89PNG", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF1234WEBP", "image/webp"),
    ],
)
@pytest.mark.parametrize("told", ["", "text/html", "image/<x>", "PNG"])
def test_a_type_that_is_none_is_guessed(image, kind, told):
    told = told.replace("<", "&lt;")
    found = photo_of(vcard(photo(told, base64.b64encode(image).decode())))
    assert found is not None
    assert found.type == kind


def test_white_space_is_nothing():
    lines = "\n".join(ENCODED[at : at + 8] for at in range(0, len(ENCODED), 8))
    assert photo_of(vcard(photo(data=f"\n  {lines} \t"))) == photo_of(vcard(photo()))


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "<PHOTO/>",
        "<PHOTO><EXTVAL>https://example.org/a.png</EXTVAL></PHOTO>",
        photo(data=""),
        photo(data="a"),
        photo(data="&lt;svg/>"),
        photo("", base64.b64encode(b"<svg/>").decode()),
    ],
)
def test_what_is_no_picture(inner):
    assert photo_of(vcard(inner)) is None


def test_a_picture_takes_the_place_of_others():
    picture = Photo("bmV3", 3, "id", "image/gif")
    text = with_photo(vcard(photo() + photo(), "<NICKNAME>&lt;j></NICKNAME>"), picture)
    card = fromstring(text)
    assert [child.tag.partition("}")[2] for child in card] == ["FN", "NICKNAME", "PHOTO"]
    assert card.findtext(f"{{{ns.VCARD}}}NICKNAME") == "<j>"
    assert photo_of(card) == Photo("bmV3", 3, hashlib.sha1(b"new").hexdigest(), "image/gif")
    assert photo_of(fromstring(with_photo(card, None))) is None
    assert with_photo(fromstring(f"<vCard xmlns='{ns.VCARD}'/>"), None) == (
        f"<vCard xmlns='{ns.VCARD}'/>"
    )


def test_slixmpp_reads_what_is_published():
    picture = photo_of(vcard(photo()))
    assert picture is not None
    (info,) = MetaData(xml=fromstring(picture.to_metadata()))["items"]
    assert (info["id"], info["bytes"], info["type"]) == (SHA1, len(PNG), "image/png")
    assert read_metadata(fromstring(picture.to_metadata())) == (SHA1, "image/png")
    assert read_data(fromstring(picture.to_data()), "image/png") == picture


@pytest.mark.parametrize(
    ("infos", "expected"),
    [
        ("", ("", "")),
        ("<info id='a' type='image/png' url='https://x/'/>", None),
        ("<info id='a' url='https://x/'/><info id='b' type='image/gif'/>", ("b", "image/gif")),
        ("<info/>", ("", "")),
    ],
)
def test_metadata(infos, expected):
    tree = fromstring(f"<metadata xmlns='{ns.AVATAR_METADATA}'>{infos}</metadata>")
    assert read_metadata(tree) == expected


# Presence


def update(inner=""):
    return f"<x xmlns='{ns.VCARD_UPDATE}'>{inner}</x>"


@pytest.mark.parametrize(
    ("inner", "photo", "expected"),
    [
        ("", "", None),
        ("", "abc", "abc"),
        ("<status>hi</status>", "abc", "abc"),
        (update(), "abc", "abc"),
        (update(), "", None),
        (update("<photo/>"), "abc", ""),
        (update("<photo>own</photo>"), "abc", "own"),
        (update("<photo>own</photo>"), "", "own"),
        (update("<photo>own</photo>").replace("update", "upd&#97;te"), "abc", "own"),
        (f"<c xmlns='{ns.CAPS}'/>{update()}<status/>", "abc", "abc"),
    ],
)
def test_what_presence_says(inner, photo, expected):
    owner = Owner("juliet@localhost")
    owner.parts[Photo] = photo
    element = Guard().read(f"<presence xmlns='jabber:client'>{inner}</presence>")
    said = announced(owner, element)
    tree = fromstring(said.text)
    found = tree.findall(f"{UPDATE}x/{UPDATE}photo")
    assert [photo.text or "" for photo in found] == ([] if expected is None else [expected])
    assert len(tree.findall(f"{UPDATE}x")) == (expected is not None or "update" in inner)
    assert (said.name, said.attributes) == (element.name, element.attributes)
