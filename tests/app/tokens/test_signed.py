"""Tokens that are right, and those that somebody made to look so (RFC 8725)."""

import base64
import hmac
import json
import logging
import time
from math import inf

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.keys import KEYS, SECRET

from andiron.domain.sign_in.tokens import UnfitToken, has_form_of_jwt
from andiron.tokens.keys import of_jwks, of_pem, of_private_pem, of_secret
from andiron.tokens.signed import Expected, JsonWebTokens, sign

HOUR = 3600
LATER = int(time.time()) + 10 * HOUR


class Reader(JsonWebTokens):
    """Lets in whom a token lets in, and tells no two kinds of others apart."""

    def read(self, token):
        try:
            return super().read(token)
        except UnfitToken:
            return None


def reader(*keys, **expected):
    return Reader(lambda: keys or (of_secret(SECRET, ()),), Expected(**expected))


def claims(**more):
    """Return what a sound token says; a claim that is given as None is left out."""
    said = {"sub": "juliet", "exp": int(time.time()) + HOUR} | more
    return {name: value for name, value in said.items() if value is not None}


def token(key=SECRET, algorithm="HS256", headers=None, **more):
    return jwt.encode(claims(**more), key, algorithm, headers=headers)


def part(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def by_hand(header, payload, key=None, hash_name="sha256"):
    """Return a token that is put together without a library which would object."""
    signed = f"{part(header)}.{part(payload)}"
    by = SECRET.encode() if key is None else key
    return f"{signed}.{part(hmac.digest(by, signed.encode(), hash_name))}"


def test_what_a_token_says():
    grant = reader(skew=0).read(token(exp=LATER))
    assert (grant.name, grant.until) == ("juliet", LATER)


def test_who_came_in_by_the_skew_stays_as_long():
    assert reader(skew=30).read(token(exp=LATER)).until == LATER + 30


def test_a_stream_may_outlive_its_token_where_that_is_wanted():
    assert reader(outlives=True).read(token()).until == inf


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_secret(algorithm):
    assert reader().read(token(algorithm=algorithm)).name == "juliet"
    assert reader().read(token("another " + SECRET, algorithm)) is None


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        ("RSA", "RS256"),
        ("RSA", "PS512"),
        ("P-256", "ES256"),
        ("P-384", "ES384"),
        ("P-521", "ES512"),
        ("Ed25519", "EdDSA"),
    ],
)
def test_a_public_key(kind, algorithm):
    made = token(KEYS.private(kind), algorithm)
    assert reader(*of_pem(KEYS.public_pem(kind), ())).read(made).name == "juliet"
    assert reader(*of_jwks(KEYS.jwks(KEYS.jwk(kind)), ())).read(made).name == "juliet"
    other = "P-256" if kind == "RSA" else "RSA"
    assert reader(*of_pem(KEYS.public_pem(other), ())).read(made) is None


# Keys of a set


@pytest.mark.parametrize("headers", [None, {"kid": "new"}])
def test_the_key_of_a_set_is_found_by_its_name_or_by_trying(headers):
    found = of_jwks(KEYS.jwks(KEYS.jwk("RSA", kid="old"), KEYS.jwk("other RSA", kid="new")), ())
    made = token(KEYS.private("other RSA"), "RS256", headers)
    assert reader(*found).read(made).name == "juliet"


def test_a_name_of_another_key_does_not_fit():
    found = of_jwks(KEYS.jwks(KEYS.jwk("RSA", kid="old"), KEYS.jwk("other RSA", kid="new")), ())
    made = token(KEYS.private("other RSA"), "RS256", {"kid": "old"})
    assert reader(*found).read(made) is None


def test_what_of_several_keys_was_wrong_is_told(caplog):
    caplog.set_level(logging.INFO)
    found = of_jwks(KEYS.jwks(KEYS.jwk("RSA"), KEYS.jwk("P-256")), ())
    assert reader(*found).read(token(KEYS.private("P-256"), "ES256", exp=1)) is None
    assert "it has expired" in caplog.text


# Algorithms


@pytest.mark.parametrize("name", ["none", "None", "NONE", "", "HS257", None, 7, ["HS256"]])
@pytest.mark.parametrize("key", ["secret", "public"])
def test_what_is_not_signed_is_refused(name, key):
    keys = () if key == "secret" else of_pem(KEYS.public_pem("RSA"), ())
    signed, _, signature = by_hand({"alg": name, "typ": "JWT"}, claims()).rpartition(".")
    for end in ("", signature):
        assert reader(*keys).read(f"{signed}.{end}") is None


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("kind", ["RSA", "P-256", "Ed25519"])
def test_a_public_key_is_no_secret(kind, algorithm):
    """Who knows the public key, as everybody does, signs by it as if it were the secret."""
    pem = KEYS.public_pem(kind)
    jwk = json.dumps(KEYS.jwk(kind)).encode()
    for key in (pem, pem.strip(), jwk, b""):
        made = by_hand({"alg": algorithm}, claims(), key, f"sha{algorithm[2:]}")
        assert reader(*of_pem(pem, ())).read(made) is None
        assert reader(*of_jwks(KEYS.jwks(KEYS.jwk(kind)), ())).read(made) is None


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_a_secret_is_no_public_key(algorithm):
    assert reader().read(token(KEYS.private("RSA"), algorithm)) is None


def test_the_key_that_a_token_brings_is_not_used():
    """RFC 7515 sections 4.1.2 to 4.1.6: ``jwk``, ``jku``, ``x5u`` and ``x5c``."""
    brought = {"jwk": KEYS.jwk("other RSA"), "jku": "https://evil.example", "x5c": ["AAAA"]}
    made = token(KEYS.private("other RSA"), "RS256", brought)
    assert reader(*of_pem(KEYS.public_pem("RSA"), ())).read(made) is None


def test_algorithms_that_are_not_wanted():
    keys = of_pem(KEYS.public_pem("RSA"), ("PS256",))
    assert reader(*keys).read(token(KEYS.private("RSA"), "PS256")).name == "juliet"
    assert reader(*keys).read(token(KEYS.private("RSA"), "RS256")) is None


def test_extensions_that_must_be_understood_are_not():
    made = by_hand({"alg": "HS256", "crit": ["x"], "x": 1}, claims())
    assert reader().read(made) is None


# Claims


@pytest.mark.parametrize(
    "more",
    [
        {"exp": None},
        {"exp": 1},
        {"exp": "soon"},
        {"exp": True},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": ["juliet"]},
        {"nbf": LATER},
        {"iat": LATER},
        {"nbf": "later"},
        {"aud": "https://elsewhere.example"},
    ],
)
def test_claims_that_are_missing_or_wrong(more):
    assert reader().read(token()).name == "juliet"
    assert reader().read(by_hand({"alg": "HS256"}, claims(**more))) is None


def test_clocks_may_differ_by_the_skew():
    now = int(time.time())
    assert reader(skew=60).read(token(exp=now - 30)).name == "juliet"
    assert reader(skew=10).read(token(exp=now - 30)) is None
    assert reader(skew=60).read(token(nbf=now + 30)).name == "juliet"
    assert reader(skew=10).read(token(nbf=now + 30)) is None


@pytest.mark.parametrize("given", [None, "https://evil.example", "", 7, ["https://id.example"]])
def test_another_issuer(given):
    ours = reader(issuer="https://id.example")
    assert ours.read(token(iss="https://id.example")).name == "juliet"
    assert ours.read(by_hand({"alg": "HS256"}, claims(iss=given))) is None


@pytest.mark.parametrize("given", [None, "shop", "", [], ["shop"], 7, {"chat": 1}])
def test_another_audience(given):
    ours = reader(audience=("chat", "xmpp"))
    for sound in ("chat", "xmpp", ["shop", "chat"]):
        assert ours.read(token(aud=sound)).name == "juliet"
    assert ours.read(by_hand({"alg": "HS256"}, claims(aud=given))) is None


def test_another_claim_names_the_user():
    ours = reader(claim="preferred_username")
    assert ours.read(token(sub="f81d4fae", preferred_username="juliet")).name == "juliet"
    assert ours.read(token()) is None
    assert ours.read(by_hand({"alg": "HS256"}, claims(sub=7, preferred_username="a"))).name == "a"


@pytest.mark.parametrize("exp", [10**18, 10**400, 1e300])
def test_a_token_for_ever_is_for_longer_than_any_clock_goes(exp):
    made = by_hand({"alg": "HS256"}, claims(exp=exp))
    assert 2**40 <= reader().read(made).until < 2**41


@pytest.mark.parametrize("exp", [b"Infinity", b"NaN", b"-Infinity", b"1" * 5000])
def test_a_number_that_is_none_is_no_time(exp):
    payload = b'{"sub":"juliet","exp":' + exp + b"}"
    assert reader().read(by_hand({"alg": "HS256"}, payload)) is None


@pytest.mark.parametrize(
    "more", [{"exp": 1}, {"exp": None}, {"nbf": LATER}, {"iss": "b"}, {"aud": "d"}, {"sub": 7}]
)
def test_a_token_that_a_key_signed_is_unfit_and_no_guess(more):
    sound = {"iss": "a", "aud": "c"}
    ours = JsonWebTokens(lambda: (of_secret(SECRET, ()),), Expected(issuer="a", audience=("c",)))
    assert ours.read(by_hand({"alg": "HS256"}, claims(**sound))).name == "juliet"
    with pytest.raises(UnfitToken):
        ours.read(by_hand({"alg": "HS256"}, claims(**sound | more)))
    assert ours.read(by_hand({"alg": "HS256"}, claims(**sound | more), b"guess")) is None


# Whatever else comes


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "é.é.é",
        "\ud800.a.b",
        "a" * 8192,
        "." * 8192,
        f"{part(b'[' * 5000)}.{part(b'{}')}.",
        f"{part(b'[]')}.{part(b'{}')}.",
        by_hand({"alg": "HS256"}, b"[" * 5000),
        by_hand({"alg": "HS256"}, b"[]"),
        by_hand({"alg": "HS256"}, b"\xff"),
        by_hand({"alg": "HS256", "kid": 7}, claims()),
        by_hand({"alg": "HS256", "b64": False}, claims()),
        by_hand({"alg": "HS256", "zip": "DEF"}, b"\x78\x9c"),
        by_hand({"alg": "HS256"}, claims()) + "=x",
        by_hand({"alg": "HS256"}, claims()) + ".more",
    ],
)
def test_what_is_no_token(text):
    assert reader().read(text) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(["sub", "exp", "nbf", "iat", "iss", "aud", "jti", "crit", "b64", "kid"])


@given(st.dictionaries(NAMES, JSON), st.dictionaries(NAMES, JSON))
def test_nothing_in_a_token_causes_an_error(header, payload):
    ours = reader(issuer="a", audience=("b",))
    ours.read(by_hand({"alg": "HS256"} | header, payload))
    ours.read(by_hand({"alg": "HS256"}, claims(iss="a", aud="b") | payload))


@given(st.text(st.sampled_from("eyJ0.-_=ab{"), max_size=60))
def test_no_text_causes_an_error(text):
    assert reader().read(text) is None


def test_no_token_and_nothing_in_it_is_logged(caplog):
    caplog.set_level(logging.DEBUG)
    for made in (token(sub="private-name", exp=1), token(sub="private-name", aud="private-aud")):
        assert reader().read(made) is None
        assert made not in caplog.text
    assert "it has expired" in caplog.text
    assert "for another audience (token_audience)" in caplog.text
    assert "private" not in caplog.text


# Making one


@pytest.mark.parametrize(
    "expected",
    [
        Expected(),
        Expected(issuer="https://id.example", audience=("chat", "xmpp"), claim="name"),
    ],
)
@pytest.mark.parametrize("kind", ["secret", "RSA", "Ed25519"])
def test_a_token_that_is_made_is_taken(kind, expected):
    if kind == "secret":
        key = of_secret(SECRET, ())
        keys = (key,)
    else:
        key = of_private_pem(KEYS.private_pem(kind), ())
        keys = of_pem(KEYS.public_pem(kind), ())
    made = sign("juliet", key, expected, HOUR)
    assert has_form_of_jwt(made)
    grant = JsonWebTokens(lambda: keys, expected).read(made)
    assert grant.name == "juliet"
    assert 0 < grant.until - time.time() <= HOUR + expected.skew
