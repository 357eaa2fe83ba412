"""Which hosts are served: no name that was led here from elsewhere (DNS rebinding)."""

import pytest

from andiron.settings import Settings, SettingsError
from andiron.web.hosts import Hosts

SERVED = Hosts.of(
    Settings(
        domain="Chat.Example.Org",
        public_url="https://www.example.net:8443/chat",
        host="andiron.lan",
        allowed_hosts=("München.example", "*.club.example", "*.überall.example"),
    )
)


def scope(*hosts: bytes, version: str = "1.1"):
    headers = [(b"host", host) for host in hosts]
    return {"type": "http", "http_version": version, "headers": [(b"origin", b"x"), *headers]}


def status(hosts: Hosts, *given: bytes, version: str = "1.1") -> int:
    refusal = hosts.refusal(scope(*given, version=version))
    return refusal.status if refusal is not None else 200


@pytest.mark.parametrize(
    "host",
    [
        b"localhost",
        b"LocalHost:8000",
        b"app.localhost:3000",
        b"localhost.",
        b"127.0.0.1:8000",
        b"127.9.9.9",
        b"192.168.1.5:8000",
        b"[::1]:8000",
        b"[::1]",
        b"[FE80::1]:80",
        b"[::ffff:127.0.0.1]",
        b"chat.example.org",
        b"CHAT.example.org.:443",
        b"web.chat.example.org",
        b"www.example.net",
        b"andiron.lan:8000",
        b"xn--mnchen-3ya.example",
        b"XN--MNCHEN-3YA.example:1",
        b"any.club.example",
        b"one.xn--berall-2ya.example",
    ],
)
def test_what_is_this_servers_is_served(host: bytes):
    assert status(SERVED, host) == 200


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example:8000",
        b"localhost.evil.example",
        b"evillocalhost",
        b"127.0.0.1.evil.example",
        b"chat.example.org.evil.example",
        b"evilchat.example.org",
        b"example.org",
        b"example.net",
        b"club.example",
        b"evilclub.example",
        b"xn--mnchen-3yb.example",
        b"127.1",
        b"2130706433",
        b"0x7f.0.0.1",
        b"127.0.0.1..",
        b"localhost..",
        b"..localhost.evil",
    ],
)
def test_any_other_is_misdirected(host: bytes):
    assert status(SERVED, host) == 421


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        (b"",),
        (b"localhost", b"localhost"),
        (b"localhost", b"evil.example"),
        (b"localhost:http",),
        (b"localhost:999999",),
        (b"localhost:80:80",),
        (b"localhost, evil.example",),
        (b"localhost evil.example",),
        (b"user@localhost",),
        (b"localhost/",),
        (b"http://localhost",),
        (b"m\xc3\xbcnchen.example",),
        (b"m\xfcnchen.example",),
        (b"[::1",),
        (b"::1",),
        (b"[::1].evil.example",),
        (b"[:::1]",),
        (b"[::1%25lo]",),
        (b"[127.0.0.1]",),
        (b"localhost\x00",),
        (b"a" * 301,),
    ],
)
def test_what_names_no_host_or_several_is_a_bad_request(hosts: tuple[bytes, ...]):
    assert status(SERVED, *hosts) == 400


def test_before_http_1_1_a_request_need_not_name_its_host():
    assert status(SERVED, version="1.0") == 200
    assert status(SERVED, b"evil.example", version="1.0") == 421
    assert status(SERVED, b"localhost", b"localhost", version="1.0") == 400


def test_a_star_is_any():
    hosts = Hosts.of(Settings(allowed_hosts=("*",)))
    assert status(hosts, b"evil.example") == status(hosts) == 200


@pytest.mark.parametrize("domain", ["127.0.0.1", "[::1]", "localhost", "münchen.example"])
def test_the_domain_may_be_an_address_or_of_any_script(domain: str):
    hosts = Hosts.of(Settings(domain=domain))
    assert status(hosts, b"xn--mnchen-3ya.example") == (200 if domain[0] == "m" else 421)
    assert status(hosts, b"127.0.0.1") == 200


def test_the_operator_is_told_once_and_how_to_mend_it(caplog: pytest.LogCaptureFixture):
    hosts = Hosts.of(Settings())
    for _ in range(2):
        assert status(hosts, b"chat.example.org:8000") == 421
    assert status(hosts, b"\xff") == 400
    (record,) = caplog.records
    assert "chat.example.org:8000" in record.getMessage()
    assert "ANDIRON_ALLOWED_HOSTS" in record.getMessage()


def test_a_stranger_fills_neither_log_nor_memory(caplog: pytest.LogCaptureFixture):
    hosts = Hosts.of(Settings())
    for number in range(2000):
        assert status(hosts, f"{number}.evil.example".encode()) == 421
    assert len(caplog.records) <= 20
    assert hosts._served.cache_info().currsize <= 256


@pytest.mark.parametrize("name", ["localhost:80", "https://a.example", "", "a b", "*.", "a.*.b"])
def test_what_is_no_name_stops_the_start(name: str):
    with pytest.raises(SettingsError, match="allowed_hosts"):
        Settings(allowed_hosts=(name,))
