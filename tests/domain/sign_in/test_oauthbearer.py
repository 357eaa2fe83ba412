"""What a client says in OAUTHBEARER (RFC 7628 section 3.1), read strictly."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.domain.sign_in.oauthbearer import INVALID, read_message
from andiron.xmpp.errors import SaslError


@pytest.mark.parametrize(
    ("message", "authzid", "token"),
    [
        ("n,,\x01auth=Bearer abc\x01\x01", "", "abc"),
        ("y,,\x01auth=Bearer abc\x01\x01", "", "abc"),
        ("n,,\x01auth=bearer   a.b-c_~+/==\x01\x01", "", "a.b-c_~+/=="),
        ("n,a=juliet@localhost,\x01auth=BEARER abc\x01\x01", "juliet@localhost", "abc"),
        ("n,a=a=2Cb=3Dc,\x01auth=Bearer abc\x01\x01", "a,b=c", "abc"),
        ("n,,\x01host=localhost\x01port=443\x01auth=Bearer abc\x01\x01", "", "abc"),
        ("n,,\x01auth=Bearer abc\x01extension=a b\r\n\tc\x01\x01", "", "abc"),
        ("n,,\x01auth=\x01\x01", "", ""),
    ],
)
def test_a_token_and_who_wants_to_be_whom(message, authzid, token):
    assert read_message(message) == (authzid, token)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "\x01",
        "abc",
        "n,,\x01\x01",
        "n,,\x01auth=Bearer abc\x01",
        "n,,auth=Bearer abc\x01\x01",
        "n,\x01auth=Bearer abc\x01\x01",
        ",,\x01auth=Bearer abc\x01\x01",
        "n,juliet,\x01auth=Bearer abc\x01\x01",
        "n,a=,\x01auth=Bearer abc\x01\x01",
        "n,a=x=y,\x01auth=Bearer abc\x01\x01",
        "p=tls-unique,,\x01auth=Bearer abc\x01\x01",
        "n,,\x01auth=Basic abc\x01\x01",
        "n,,\x01auth=Bearer\x01\x01",
        "n,,\x01auth=Bearer a b\x01\x01",
        "n,,\x01auth=Bearer a\xe9\x01\x01",
        "n,,\x01auth=Bearer abc\x01auth=Bearer def\x01\x01",
        "n,,\x01auth2=Bearer abc\x01\x01",
        "n,,\x01auth=Bearer abc\x01\x01more",
        "n,,\x01auth=Bearer abc\x00\x01\x01",
    ],
)
def test_what_no_client_says_that_knows_the_protocol(message):
    with pytest.raises(SaslError) as raised:
        read_message(message)
    assert raised.value.condition == "malformed-request"


@given(st.text(st.sampled_from("n,a=\x01uthBer c2CD.\x00é"), max_size=40))
def test_no_message_causes_anything_but_a_sasl_error(message):
    with suppress(SaslError):
        read_message(message)


def test_the_refusal_is_json():
    assert json.loads(INVALID) == {"status": "invalid_token"}
