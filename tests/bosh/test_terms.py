import pytest
from support.bosh import BoshWorld

from andiron.bosh.body import Body
from andiron.bosh.config import BoshConfig
from andiron.bosh.terms import TEXT_XML, negotiate

CONFIG = BoshConfig(wait=60, hold=2, inactivity=30, polling=5, maxpause=120)


def terms(**wishes):
    return negotiate(Body({"rid": "1", **wishes}, []), CONFIG)


@pytest.mark.parametrize(
    ("wishes", "wait", "hold", "requests", "inactivity"),
    [
        ({}, 60, 1, 2, 30),
        ({"wait": "30", "hold": "2"}, 30, 2, 3, 30),
        ({"wait": "3600", "hold": "9"}, 60, 2, 3, 30),
        ({"wait": "0"}, 0, 1, 2, 40),
        ({"hold": "0"}, 60, 0, 1, 40),
        ({"wait": "-1", "hold": "x"}, 60, 1, 2, 30),
        ({"wait": "9" * 20, "hold": "1.5"}, 60, 1, 2, 30),
    ],
)
def test_wishes_are_capped(wishes, wait, hold, requests, inactivity):
    agreed = terms(**wishes)
    assert (agreed.wait, agreed.hold, agreed.requests, agreed.inactivity) == (
        wait,
        hold,
        requests,
        inactivity,
    )


@pytest.mark.parametrize(
    ("ver", "version", "legacy"),
    [
        (None, None, True),
        ("", None, True),
        ("x", None, True),
        ("1.5", (1, 5), True),
        ("1.6", (1, 6), False),
        ("1.10", (1, 10), False),
        ("1.11", (1, 11), False),
        ("1.12", (1, 11), False),
        ("2.0", (1, 11), False),
    ],
)
def test_versions(ver, version, legacy):
    agreed = terms() if ver is None else terms(ver=ver)
    assert (agreed.version, agreed.legacy) == (version, legacy)


@pytest.mark.parametrize(
    ("content", "used"),
    [
        ("text/html", "text/html"),
        ("text/xml; charset=utf-8", "text/xml; charset=utf-8"),
        ('text/plain;charset="utf-8"', 'text/plain;charset="utf-8"'),
        ("", TEXT_XML),
        ("text", TEXT_XML),
        ("text/html\r\nset-cookie: x=y", TEXT_XML),
        ("text/html\n", TEXT_XML),
        ("text/\xfctml", TEXT_XML),
        ("a/" + "x" * 100, TEXT_XML),
    ],
)
def test_the_content_type_is_the_clients_wish(content, used):
    assert terms(content=content).content_type == used


def test_what_real_clients_send_is_no_hindrance():
    world = BoshWorld()
    gloox = {"route": "xmpp:localhost:5222", "ack": "0", "secure": "false", "xml_lang": "en"}
    client = world.client(**gloox, content="text/xml; charset=utf-8")
    assert client.sid
    assert client.created.attribute("requests") == "2"
    assert world.client(secure="true", ver="1.6").sid
