import pytest

from andiron.sm.origin import origin_allowed, read_origin, why_refused


@pytest.mark.parametrize(
    ("origin", "host", "listed", "allowed"),
    [
        # The page's own host, by default ports and by others.
        ("https://chat.example", "chat.example", (), True),
        ("https://chat.example", "chat.example:443", (), True),
        ("http://chat.example", "chat.example:80", (), True),
        ("http://localhost:8000", "localhost:8000", (), True),
        ("https://CHAT.Example", "chat.eXample", (), True),
        ("http://[::1]:8000", "[::1]:8000", (), True),
        ("https://[2001:DB8::1]", "[2001:db8::1]", (), True),
        # Anything else.
        ("https://evil.example", "chat.example", (), False),
        ("https://chat.example:8443", "chat.example", (), False),
        ("http://chat.example", "chat.example:443", (), False),
        ("https://chat.example", "chat.example:80", (), False),
        ("https://chat.example.evil.example", "chat.example", (), False),
        ("https://sub.chat.example", "chat.example", (), False),
        ("http://[::1]:8001", "[::1]:8000", (), False),
        ("https://chat.example", "", (), False),
        # What is no origin of a page.
        ("null", "chat.example", (), False),
        ("", "chat.example", (), False),
        ("null", "null", (), False),
        ("chat.example", "chat.example", (), False),
        ("file://", "", (), False),
        ("ftp://chat.example", "chat.example", (), False),
        ("https://chat.example:port", "chat.example", (), False),
        ("https://chat.example:99999", "chat.example", (), False),
        ("https://[::1", "[::1", (), False),
        ("https://chat.example/page", "chat.example", (), False),
        ("https://evil.example", "chat.example/../", (), False),
        # Listed ones, which are compared with the scheme.
        ("https://www.example", "chat.example", ("https://www.example",), True),
        ("https://WWW.example:443", "chat.example", ("https://www.example",), True),
        ("https://www.example", "chat.example", ("https://a.example", "https://www.example"), True),
        ("http://www.example", "chat.example", ("https://www.example",), False),
        ("https://www.example:8443", "chat.example", ("https://www.example",), False),
        ("https://evil.example", "chat.example", ("https://www.example",), False),
        ("null", "chat.example", ("https://www.example",), False),
        ("https://evil.example", "chat.example", ("*",), True),
        ("null", "chat.example", ("*",), True),
    ],
)
def test_origins(origin, host, listed, allowed):
    assert origin_allowed(origin, host, listed) is allowed


@pytest.mark.parametrize(
    ("headers", "given"),
    [
        ([(b"host", b"a.example")], None),
        ([(b"Host", b"a.example"), (b"Origin", b"https://b")], ("https://b", "a.example")),
        ([(b"origin", b"https://\xff")], ("https://\xff", "")),
        ([(b"origin", b"https://a"), (b"origin", b"https://a")], ("", "")),
        ([(b"host", b"a"), (b"host", b"a"), (b"origin", b"https://a")], ("", "")),
    ],
)
def test_reading_the_headers(headers, given):
    assert read_origin(headers) == given


def test_the_operator_learns_what_would_let_a_page_in():
    assert why_refused("https://a.example", "127.0.0.1:8000", "ANDIRON_BOSH_ORIGINS") == (
        "pages of 'https://a.example' may not connect to '127.0.0.1:8000'; if they shall, list"
        " that origin in ANDIRON_BOSH_ORIGINS, and if they are this site's own, let the proxy"
        " pass Host on as it came"
    )
    assert "only ANDIRON_BOSH_ORIGINS=* lets them" in why_refused(
        "null", "", "ANDIRON_BOSH_ORIGINS"
    )


def test_what_a_stranger_writes_is_neither_long_nor_a_line_of_its_own():
    text = why_refused("https://a\nERROR" + "a" * 5000, "b" * 5000, "X")
    assert "\n" not in text
    assert len(text) < 500


def test_an_origin_longer_than_any_is_nobodys():
    host = "a" * 1000
    assert not origin_allowed(f"https://{host}", host, [f"https://{host}"])
