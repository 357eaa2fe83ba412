import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.thorough import examples

from andiron.domain.accounts import credentials as module
from andiron.domain.accounts.credentials import (
    MECHANISMS,
    MIN_ITERATIONS,
    Credentials,
    ScramKeys,
    decoy,
    derive,
    verify_password,
)


@pytest.fixture(scope="module")
def pencil() -> Credentials:
    return derive("pencil", MIN_ITERATIONS)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_keys_are_those_of_rfc_5802_section_3(pencil: Credentials, mechanism: str):
    keys = pencil.keys[mechanism]
    hash_name = MECHANISMS[mechanism]
    salted = hashlib.pbkdf2_hmac(hash_name, b"pencil", keys.salt, MIN_ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", hash_name)
    assert keys.iterations == MIN_ITERATIONS
    assert keys.stored_key == hashlib.new(hash_name, client_key).digest()
    assert keys.server_key == hmac.digest(salted, b"Server Key", hash_name)


def test_every_mechanism_and_password_has_a_salt_of_its_own(pencil: Credentials):
    again = derive("pencil", MIN_ITERATIONS)
    salts = {keys.salt for made in (pencil, again) for keys in made.keys.values()}
    assert len(salts) == 2 * len(MECHANISMS)


@pytest.mark.parametrize(
    ("password", "right"),
    [
        ("pencil", True),
        ("pen\u00adcil", True),  # a soft hyphen, mapped to nothing (RFC 4013 section 2.1)
        ("\uff50encil", True),  # a fullwidth letter, normalised (section 2.2)
        ("Pencil", False),
        ("pencil ", False),
        ("", False),
        ("\x00", False),
        ("pencil" * 1000, False),
        ("\ud800", False),
    ],
)
def test_verifying(pencil: Credentials, password: str, right: bool):
    assert verify_password(pencil, password) is right


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "cannot be empty"),
        ("\u00ad", "invisible characters alone"),
        ("x" * 1025, "longer than 1024 bytes"),
        ("é" * 600, "longer than 1024 bytes"),
        ("bell\x07", "control characters"),
        ("\U0001f525", "newer than Unicode 3.2"),
        ("\u0627x\u0628", "right-to-left"),
        ("\ud800", "cannot contain"),
    ],
)
def test_a_password_nobody_could_sign_in_with_is_refused(password: str, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        derive(password, MIN_ITERATIONS)


@settings(max_examples=examples(20), deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_a_password_is_either_refused_or_works(password: str):
    try:
        made = derive(password, MIN_ITERATIONS)
    except ValueError:
        with pytest.raises(ValueError, match=r"^A password cannot "):
            derive(password, MIN_ITERATIONS)
    else:
        assert verify_password(made, password)


def test_keys_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch, pencil: Credentials):
    compared: list[tuple[bytes, bytes]] = []

    def watch(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return False

    monkeypatch.setattr(module.hmac, "compare_digest", watch)
    assert not verify_password(pencil, "pencil")
    assert len(compared) == 1


def shape(keys: ScramKeys) -> tuple[int, int, int, int]:
    return (len(keys.salt), keys.iterations, len(keys.stored_key), len(keys.server_key))


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_decoy_looks_like_the_real_thing(pencil: Credentials, mechanism: str):
    made_up = decoy(b"secret", "alice", MIN_ITERATIONS)
    assert shape(made_up.keys[mechanism]) == shape(pencil.keys[mechanism])


def test_a_decoy_is_stable_and_no_two_are_alike():
    assert decoy(b"secret", "alice", 4096) == decoy(b"secret", "alice", 4096)
    different = [
        decoy(b"secret", "alice", 4096),
        decoy(b"secret", "bob", 4096),
        decoy(b"other", "alice", 4096),
        decoy(b"secret", "alice", 10_000),
    ]
    salts = {keys.salt for made in different for keys in made.keys.values()}
    assert len(salts) == len(different) * len(MECHANISMS)


def test_no_password_fits_a_decoy():
    assert not verify_password(decoy(b"secret", "alice", MIN_ITERATIONS), "pencil")
