"""Which URLs there are, and what is said of others."""

import pytest

from andiron.cluster.redis.address import SETTING, Address, Keys, RedisError, parse


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", Address((("localhost", 6379),))),
        ("redis://localhost:6380/3", Address((("localhost", 6380),), database=3)),
        ("redis://[::1]:7000/", Address((("::1", 7000),))),
        ("redis://:p%40ss@h", Address((("h", 6379),), password="p@ss")),
        ("redis://u:p:q@h", Address((("h", 6379),), user="u", password="p:q")),
        ("rediss://h?ca=/etc/ca.pem", Address((("h", 6379),), tls=True, ca="/etc/ca.pem")),
        (
            "redis+sentinel://a,b:1/main/2",
            Address((("a", 26379), ("b", 1)), service="main", database=2),
        ),
        ("rediss+sentinel://a/main", Address((("a", 26379),), service="main", tls=True)),
    ],
)
def test_urls(url: str, address: Address) -> None:
    assert parse(url) == address


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "begin with redis://, rediss://"),
        ("http://secret", "begin with"),
        ("redis://", "host is missing"),
        ("redis://secret:0", "port is 0"),
        ("redis://secret:x", "65535"),
        ("redis://secret:70000", "65535"),
        ("redis://[secret", "brackets"),
        ("redis://h/secret", "number of a database"),
        ("redis://h/1/2", "number of a database"),
        ("redis://secret@h", "without a password"),
        ("redis://u:se@cret@h", "%40"),
        ("redis://u:se#cret@h", "%23"),
        ("redis://u:se cret@h", "%20"),
        ("redis://a,b", "redis+sentinel"),
        ("redis+sentinel://a", "name of the service"),
        ("redis+sentinel://a/se cret", "%20"),
        ("redis://h?secret=1", "ca=FILE at most"),
        ("redis://h?ca=/secret", "begins with rediss"),
    ],
)
def test_what_is_wrong_is_said_without_secrets(url: str, says: str) -> None:
    with pytest.raises(RedisError) as caught:
        parse(url)
    assert says in str(caught.value)
    assert SETTING in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_is_shown_has_no_secrets() -> None:
    address = parse("rediss://user:sesame@h:1/2")
    assert str(address) == "rediss://h:1/2"
    assert "sesame" not in repr(address)
    assert "user" not in repr(address).replace("user=", "")
    sentinels = parse("redis+sentinel://:sesame@a,[::1]:2/main")
    assert str(sentinels) == "redis+sentinel://a:26379,[::1]:2/main/0"


def test_all_keys_of_a_domain_are_in_one_slot() -> None:
    keys = Keys("chat.example")
    assert keys.key("journal", "ab") == "andiron:{chat.example}:journal:ab"
    assert keys.key() == "andiron:{chat.example}"
