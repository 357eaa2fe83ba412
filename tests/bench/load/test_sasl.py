"""The generator's SASL, against scramp and the example of RFC 5802."""

import base64

import pytest
from load.link import LoadError
from load.sasl import Client
from scramp import ScramMechanism


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_what_needs_no_challenge():
    assert base64.b64decode(Client("PLAIN", "user1", "pw").first()) == b"\0user1\0pw"
    assert Client("ANONYMOUS", "user1", "pw").first() == b""


def test_the_example_of_the_rfc():
    client = Client("SCRAM-SHA-1", "user", "pencil")
    client.bare = "n=user,r=fyko+d2lbbFgONRv9qkxdawL"
    nonce = "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
    answer = client.answer(b64(f"r={nonce},s=QSXCR+Q6sek8bf92,i=4096"))
    assert base64.b64decode(answer).decode() == (f"c=biws,r={nonce},p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=")
    client.verify(b64("v=rmF9pqV8S7suAoZWja4dJRkFsKQ="))


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_a_server_believes_it_and_is_believed(mechanism: str):
    server = ScramMechanism(mechanism)
    kept = server.make_auth_info("pw", iteration_count=4096)
    conversation = server.make_server(lambda _name: kept)
    client = Client(mechanism, "user1", "pw")
    conversation.set_client_first(base64.b64decode(client.first()).decode())
    answer = client.answer(b64(conversation.get_server_first()))
    conversation.set_client_final(base64.b64decode(answer).decode())
    client.verify(b64(conversation.get_server_final()))


@pytest.mark.parametrize("challenge", ["r=other,s=QSXCR+Q6sek8bf92,i=4096", "r={nonce},i=4096", ""])
def test_a_bad_challenge(challenge: str):
    client = Client("SCRAM-SHA-1", "user1", "pw")
    nonce = client.bare.partition(",r=")[2]
    with pytest.raises((LoadError, ValueError)):
        client.answer(b64(challenge.format(nonce=nonce)))


def test_a_server_that_does_not_know_the_password():
    client = Client("SCRAM-SHA-1", "user1", "pw")
    with pytest.raises(LoadError):
        client.verify(b64("v=AAAA"))
    client.answer(b64(f"r={client.bare.partition(',r=')[2]}x,s=QSXCR+Q6sek8bf92,i=4096"))
    for success in (b64("v=AAAA"), "", None):
        with pytest.raises(LoadError):
            client.verify(success)
