import base64
import hashlib
import hmac
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scramp import ScramClient

from andiron.domain.accounts.credentials import Credentials, ScramKeys, derive
from andiron.domain.sign_in.scram import ScramServer
from andiron.xmpp.errors import SaslCondition, SaslError


def keys(hash_name: str, password: bytes, salt: bytes, iterations: int) -> ScramKeys:
    salted = hashlib.pbkdf2_hmac(hash_name, password, salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", hash_name)
    return ScramKeys(
        salt,
        iterations,
        hashlib.new(hash_name, client_key).digest(),
        hmac.digest(salted, b"Server Key", hash_name),
    )


EXAMPLES = {
    "RFC 5802 section 5": (
        "SCRAM-SHA-1",
        keys("sha1", b"pencil", base64.b64decode("QSXCR+Q6sek8bf92"), 4096),
        "3rfcNHYJY1ZVvWVs7j",
        "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    "RFC 7677 section 3": (
        "SCRAM-SHA-256",
        keys("sha256", b"pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096),
        "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_specifications(example: str):
    mechanism, known, nonce, client_first, server_first, client_final, server_final = EXAMPLES[
        example
    ]
    server = ScramServer(mechanism, client_first, nonce)
    assert (server.name, server.authzid) == ("user", "")
    assert server.challenge(Credentials({mechanism: known})) == server_first
    assert server.verify(client_final) == server_final


def refused(action, *arguments: str) -> str:
    with pytest.raises(SaslError) as caught:
        action(*arguments)
    assert caught.value.condition == SaslCondition.MALFORMED_REQUEST
    return caught.value.text


@pytest.mark.parametrize(
    ("client_first", "name", "authzid"),
    [
        ("n,,n=user,r=abc", "user", ""),
        ("y,,n=user,r=abc", "user", ""),
        ("n,a=user@localhost,n=user,r=abc", "user", "user@localhost"),
        ("n,a=us=2Cer,n=us=3Der,r=abc", "us=er", "us,er"),
        ("n,,n==3D2C,r=abc", "=2C", ""),
        ("n,,n==2C=3D,r=abc", ",=", ""),
        ("n,,n=\u00fc\U0001f525,r=!~", "\u00fc\U0001f525", ""),
        ("n,,n=user,r=abc,x=unknown,y=extension", "user", ""),
    ],
)
def test_who_the_client_claims_to_be(client_first: str, name: str, authzid: str):
    server = ScramServer("SCRAM-SHA-1", client_first)
    assert (server.name, server.authzid) == (name, authzid)


@pytest.mark.parametrize(
    "client_first",
    [
        "",
        ",",
        "n",
        "n,,",
        "n,,n=user",
        "n,,r=abc",
        "n,,n=,r=abc",
        "n,,n=user,r=",
        "n,,r=abc,n=user",
        "n,n=user,r=abc",
        "x,,n=user,r=abc",
        "N,,n=user,r=abc",
        "n,a=,n=user,r=abc",
        "n,user,n=user,r=abc",
        "n,,m=must,n=user,r=abc",
        "n,,n=us=er,r=abc",
        "n,,n=us=2cer,r=abc",
        "n,a=us=er,n=user,r=abc",
        "n,,n=user,r=a b",
        "n,,n=user,r=abc\n",
        "n,,n=user,r=\u00e4bc",
        "n,,n=us\x00er,r=abc",
        "n,,n=user,r=abc,",
        "n,,n=user,r=abc,x",
        "n,,n=user,r=abc,x=",
        "n,,n=user,r=abc,r=def",
        "n,,n=user,r=abc,1=x",
    ],
)
def test_a_malformed_first_message(client_first: str):
    refused(ScramServer, "SCRAM-SHA-1", client_first)


@pytest.mark.parametrize("binding", ["tls-exporter", "tls-unique", "tls-server-end-point"])
def test_channel_binding_is_refused_by_name(binding: str):
    text = refused(ScramServer, "SCRAM-SHA-1", f"p={binding},,n=user,r=abc")
    assert "channel binding" in text


@pytest.fixture(scope="module")
def pencil() -> Credentials:
    return derive("pencil", 4096)


@pytest.fixture
def server(pencil: Credentials) -> ScramServer:
    server = ScramServer("SCRAM-SHA-1", "n,,n=user,r=abc", "def")
    server.challenge(pencil)
    return server


@pytest.mark.parametrize(
    "client_final",
    [
        "",
        "p=AAAA",
        "c=biws,r=abcdef",
        "r=abcdef,c=biws,p=AAAA",
        "c=biws,r=abcdef,p=",
        "c=biws,r=abcdef,p=AAAA,x=late",
        "c=biws,r=abcdef,p=AAAA,p=AAAA",
        "c=biws,r=abcdef,p=A",
        "c=biws,r=abcdef,p=====",
        "c=biws,r=abcdef,p=AA\n==",
        "c=,r=abcdef,p=AAAA",
        "c=eSws,r=abcdef,p=AAAA",
        "c=biwsAAAA,r=abcdef,p=AAAA",
        "c=biws,r=abc,p=AAAA",
        "c=biws,r=abcdefg,p=AAAA",
        "c=biws,r=\u00e4,p=AAAA",
        "c=biws,r=abcdef,e=other-error,p=AAAA",
    ],
)
def test_a_malformed_final_message(server: ScramServer, client_final: str):
    assert refused(server.verify, client_final)


@pytest.mark.parametrize("proof", ["AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "A" * 4000])
def test_a_wrong_proof(server: ScramServer, proof: str):
    assert server.verify(f"c=biws,r=abcdef,p={proof}") is None


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize(("password", "right"), [("pencil", True), ("crayon", False)])
def test_another_implementations_client(
    pencil: Credentials, mechanism: str, password: str, right: bool
):
    client = ScramClient([mechanism], "us,er=x", password)
    server = ScramServer(mechanism, client.get_client_first())
    client.set_server_first(server.challenge(pencil))
    confirmation = server.verify(client.get_client_final())
    assert server.name == "us,er=x"
    assert (confirmation is not None) is right
    if confirmation is not None:
        client.set_server_final(confirmation)


def final(header: str, first_bare: str, server_first: str, extension: str = "") -> str:
    """Return what a client that knows ``pencil`` answers."""
    fields = dict(part.split("=", 1) for part in server_first.split(","))
    binding = base64.b64encode(header.encode()).decode()
    without_proof = f"c={binding},r={fields['r']}{extension}"
    salted = hashlib.pbkdf2_hmac(
        "sha256", b"pencil", base64.b64decode(fields["s"]), int(fields["i"])
    )
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    message = f"{first_bare},{server_first},{without_proof}"
    signature = hmac.digest(hashlib.sha256(client_key).digest(), message.encode(), "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    return f"{without_proof},p={base64.b64encode(proof).decode()}"


@pytest.mark.parametrize("header", ["n,,", "y,,", "n,a=user,", "y,a=us=2Cer@localhost,"])
@pytest.mark.parametrize("extension", ["", ",x=unknown", ",x=a,t=b"])
def test_all_that_a_client_may_say(pencil: Credentials, header: str, extension: str):
    bare = f"n=user,r=abc{extension}"
    server = ScramServer("SCRAM-SHA-256", header + bare)
    answer = final(header, bare, server.challenge(pencil), extension)
    assert server.verify(answer) is not None
    assert server.verify(answer[:-4] + ("AAA=" if answer[-4:] != "AAA=" else "BAA=")) is None


def test_a_proof_for_one_nonce_is_worth_nothing_for_another(pencil: Credentials):
    first = ScramServer("SCRAM-SHA-256", "n,,n=user,r=abc")
    answer = final("n,,", "n=user,r=abc", first.challenge(pencil))
    second = ScramServer("SCRAM-SHA-256", "n,,n=user,r=abc")
    challenge = second.challenge(pencil)
    assert first.verify(answer) is not None
    refused(second.verify, answer)
    nonce = challenge.split(",")[0]
    assert second.verify(f"c=biws,{nonce},p={answer.rsplit('p=', 1)[1]}") is None


def test_nonces_are_fresh_and_begin_with_the_clients(pencil: Credentials):
    nonces = set()
    for _ in range(50):
        server = ScramServer("SCRAM-SHA-1", "n,,n=user,r=abc")
        nonces.add(server.challenge(pencil).split(",")[0])
    assert len(nonces) == 50
    assert all(nonce.startswith("r=abc") and len(nonce) >= 29 for nonce in nonces)


PIECES = st.lists(
    st.one_of(
        st.sampled_from(["n,", "y,", "p=x,", ",", "a=", "n=", "r=", "c=biws", "p=", "m=", "=2C"]),
        st.text(st.characters(codec="utf-8"), max_size=4),
    ),
    max_size=12,
).map("".join)


@given(PIECES, PIECES)
def test_no_input_causes_anything_but_a_sasl_error(first: str, last: str):
    made_up = Credentials({"SCRAM-SHA-1": ScramKeys(b"salt", 4096, b"\0" * 20, b"\0" * 20)})
    for opening in (first, "n,,n=user,r=abc"):
        with suppress(SaslError):
            server = ScramServer("SCRAM-SHA-1", opening, "def")
            server.challenge(made_up)
            assert server.verify(last) is None
