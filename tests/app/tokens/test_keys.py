"""Which keys are taken, for which algorithms, and that files are read anew."""

import json
import logging
import os
from functools import partial
from pathlib import Path

import pytest
from support.keys import KEYS, SECRET

from andiron.tokens.keys import KeyFile, of_jwks, of_pem, of_private_pem, of_secret

RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
KINDS = {
    "RSA": RSA,
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA",),
}


@pytest.mark.parametrize(
    ("length", "algorithms"),
    [
        (32, ("HS256",)),
        (47, ("HS256",)),
        (48, ("HS256", "HS384")),
        (64, ("HS256", "HS384", "HS512")),
    ],
)
def test_a_secret_is_fit_for_what_it_is_long_enough_for(length, algorithms):
    assert of_secret(SECRET[:length], ()).algorithms == algorithms


def test_a_short_secret_is_none():
    with pytest.raises(ValueError, match="32 bytes or more"):
        of_secret(SECRET[:31], ())


@pytest.mark.parametrize(("kind", "algorithms"), KINDS.items())
def test_a_public_key_is_fit_for_the_algorithms_of_its_kind(kind, algorithms):
    (key,) = of_pem(KEYS.public_pem(kind), ())
    assert key.algorithms == algorithms
    (key,) = of_jwks(KEYS.jwks(KEYS.jwk(kind, kid="a")), ())
    assert (key.algorithms, key.name) == (algorithms, "a")
    assert of_private_pem(KEYS.private_pem(kind), ()).algorithms == algorithms


def test_only_wanted_algorithms_are_taken():
    (key,) = of_pem(KEYS.public_pem("RSA"), ("PS256", "ES256"))
    assert key.algorithms == ("PS256",)
    assert of_secret(SECRET, ("HS512",)).algorithms == ("HS512",)
    with pytest.raises(ValueError, match="is fit for HS256 alone, and token_algorithms wants"):
        of_secret(SECRET[:32], ("HS512",))


@pytest.mark.parametrize("kind", ["weak RSA", "secp256k1"])
def test_a_key_that_is_too_weak_or_of_another_kind(kind):
    with pytest.raises(ValueError, match="another kind of key"):
        of_pem(KEYS.public_pem(kind), ())
    with pytest.raises(ValueError, match="a JWK Set"):
        of_jwks(KEYS.jwks(KEYS.jwk(kind)), ())


@pytest.mark.parametrize("data", [b"", b"secret", b"\xff\xfe", KEYS.private_pem("P-256")])
def test_what_is_no_public_key(data):
    with pytest.raises(ValueError, match="a public key in PEM"):
        of_pem(data, ())


@pytest.mark.parametrize("data", [b"", b"secret", KEYS.public_pem("P-256")])
def test_what_is_no_private_key(data):
    with pytest.raises(ValueError, match="a private key in PEM"):
        of_private_pem(data, ())


OCT = {"kty": "oct", "k": "c2VjcmV0" * 8, "alg": "HS256"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"7",
        b"{}",
        b'{"keys": 7}',
        b'{"keys": []}',
        b'{"keys": [7, null, {}]}',
        b"[" * 100_000,
        KEYS.jwks(OCT),
        KEYS.jwks(KEYS.jwk("RSA", use="enc")),
        KEYS.jwks(KEYS.jwk("RSA", alg="RSA-OAEP")),
        KEYS.jwks(KEYS.jwk("RSA", alg="HS256")),
        KEYS.jwks(KEYS.jwk("RSA") | {"n": "AA"}),
        KEYS.jwks({"kty": "RSA"}),
    ],
)
def test_a_set_without_a_usable_key(data):
    with pytest.raises(ValueError, match="must hold a JWK Set"):
        of_jwks(data, ())


def test_of_a_set_only_usable_keys_are_taken():
    found = of_jwks(
        KEYS.jwks(
            OCT,
            KEYS.jwk("RSA", kid="a", alg="PS256", use="sig"),
            {"kty": "new"},
            KEYS.jwk("P-256"),
        ),
        (),
    )
    assert [(key.name, key.algorithms) for key in found] == [("a", ("PS256",)), ("", ("ES256",))]


# Files


def put(path, data):
    """Replace a file as a careful operator does."""
    other = Path(f"{path}.new")
    other.write_bytes(data)
    os.replace(other, path)


def jwks_file(path):
    return KeyFile(str(path), partial(of_jwks, wanted=()))


def test_a_file_is_read_again_when_it_changes(tmp_path):
    path = tmp_path / "keys.json"
    put(path, KEYS.jwks(KEYS.jwk("P-256", kid="old")))
    file = jwks_file(path)
    before = file.keys
    assert file.keys is before
    put(path, KEYS.jwks(KEYS.jwk("P-256", kid="old"), KEYS.jwk("RSA", kid="new")))
    assert [key.name for key in file.keys] == ["old", "new"]


def test_a_file_that_becomes_unusable_is_complained_of_once(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = tmp_path / "keys.json"
    put(path, KEYS.jwks(KEYS.jwk("P-256")))
    file = jwks_file(path)
    before = file.keys
    path.unlink()
    for _ in range(3):
        assert file.keys is before
    assert caplog.text.count("cannot be read: No such file") == 1
    put(path, b"{")
    for _ in range(3):
        assert file.keys is before
    assert caplog.text.count("must hold a JWK Set") == 1
    put(path, json.dumps({"keys": [KEYS.jwk("P-384")]}).encode())
    assert file.keys[0].algorithms == ("ES384",)
    assert "were read anew" in caplog.text


def test_a_file_that_is_not_there_at_the_start(tmp_path):
    with pytest.raises(FileNotFoundError):
        jwks_file(tmp_path / "keys.json")
