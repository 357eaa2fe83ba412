"""Slots: what is signed is known again, and nothing else; names and types that clients write."""

import re
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.domain.uploads.slot import Signer, Slot, folder_of, id_of, media_type, safe_name

SLOT = Slot("t" * 32, "très cool.jpg", "image/jpeg", 23456, "romeo", 1_700_000_300)
SIGNER = Signer(b"secret")


def read(slot=SLOT, signer=SIGNER, **changed):
    asked = replace(slot, **changed)
    return SIGNER.read(asked.token, asked.name, signer.authorization(slot))


def test_a_slot_is_known_again():
    assert read() == SLOT


@pytest.mark.parametrize("changed", [{"token": "u" * 32}, {"name": "other.jpg"}, {"name": ""}])
def test_it_is_for_its_path_only(changed):
    assert read(**changed) is None


def test_it_is_of_ours_only():
    assert read(signer=Signer(b"another")) is None


@pytest.mark.parametrize("field", ["type", "size", "owner", "expires"])
def test_what_it_allows_cannot_be_changed(field):
    value = getattr(SLOT, field)
    other = replace(SLOT, **{field: value + 1 if isinstance(value, int) else value + "x"})
    claim = SIGNER.authorization(other).partition(".")[0]
    mac = SIGNER.authorization(SLOT).partition(".")[2]
    assert SIGNER.read(SLOT.token, SLOT.name, f"{claim}.{mac}") is None


GOOD = SIGNER.authorization(SLOT)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer .",
        "Bearer " + GOOD,
        "Basic " + GOOD.partition(" ")[2],
        GOOD[:-1],
        GOOD[:-4] + "====",
        GOOD + "\x00",
        GOOD + "é",
        GOOD.replace(".", ".."),
        GOOD.partition(".")[0],
        "Bearer " + "x" * 100_000,
        "Bearer \udc80.\udc80",
    ],
)
def test_headers_that_are_none(header):
    assert SIGNER.read(SLOT.token, SLOT.name, header) is None


@given(st.text(), st.text(), st.text())
def test_no_text_is_a_signature(token, name, header):
    assert SIGNER.read(token, name, header) is None
    assert SIGNER.read(token, name, f"Bearer {header}") is None


def test_a_name_cannot_take_on_a_part_of_the_claim():
    shifted = SIGNER.read(SLOT.token + "\n", SLOT.name, GOOD)
    assert shifted is None


@given(st.text(min_size=1), st.text(), st.integers(0, 2**60))
def test_any_owner_comes_back(owner, name, size):
    slot = replace(SLOT, owner=owner, name=name, size=size)
    if any("\ud800" <= char <= "\udfff" for char in owner + name):
        return
    assert SIGNER.read(slot.token, slot.name, SIGNER.authorization(slot)) == slot


@pytest.mark.parametrize(
    "token", ["", "..", "t" * 31, "t" * 33, "/" * 32, "é" * 32, "t" * 32 + "\n"]
)
def test_what_cannot_be_a_token_has_no_id(token):
    assert id_of(token) is None


def test_paths_are_made_of_hashes():
    assert re.fullmatch("[0-9a-f]{64}", id_of("t" * 32) or "")
    assert re.fullmatch("[0-9a-f]{32}", folder_of("../../romeo"))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("très cool.jpg", "très cool.jpg"),
        ("tre\u0300s.jpg", "très.jpg"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\x.txt", "x.txt"),
        ("/", "file"),
        ("..", "file"),
        (" . ", "file"),
        ("", "file"),
        (".bashrc", "bashrc"),
        ("a\x00b\r\nc.txt", "ab  c.txt"),
        ("a\u2028b.txt", "a b.txt"),
        ('"; filename=evil.exe', "_; filename=evil.exe"),
        ("cod\u202egpj.exe", "codgpj.exe"),
        ("\U0001f468\u200d\U0001f469.png", "\U0001f468\u200d\U0001f469.png"),
        ("bad\ud800.txt", "bad.txt"),
        ("a?b*c|d<e>f:g.txt", "a_b_c_d_e_f_g.txt"),
        ("archive.tar.gz", "archive.tar.gz"),
        ("noending", "noending"),
        ("x" * 300 + ".jpeg", "x" * 195 + ".jpeg"),
        ("é" * 300 + ".png", "é" * 98 + ".png"),
        ("x." + "y" * 300, "x." + "y" * 198),
        ("dots...", "dots"),
    ],
)
def test_names_are_made_safe(given, kept):
    assert safe_name(given) == kept


@given(st.text(st.characters(), max_size=400))
def test_a_safe_name_is_safe(name):
    safe = safe_name(name)
    assert safe_name(safe) == safe
    assert 1 <= len(safe.encode()) <= 200
    assert not re.search(r'[\x00-\x1f\x7f/\\"]|^[. ]|[. ]$', safe)
    assert safe not in {".", ".."}
    assert re.fullmatch(r"[\w.~%-]+", quote(safe, safe=""), re.ASCII)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("image/png", "image/png"),
        (" Image/PNG ", "image/png"),
        ("text/plain; charset=utf-8", "text/plain"),
        ("text/plain ;x", "text/plain"),
        ("image/svg+xml", "image/svg+xml"),
        ("", None),
        ("image", None),
        ("image/", None),
        ("/png", None),
        ("image/png/x", None),
        ("image/*", None),
        ("text/html\r\nx: y", None),
        ("text/plain; a\r\nx: y", None),
        ("imäge/png", None),
        ("a" * 100 + "/png", None),
    ],
)
def test_media_types(text, kind):

    assert media_type(text) == kind
