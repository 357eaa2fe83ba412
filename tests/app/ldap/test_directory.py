"""Passwords that an OpenLDAP server is asked about."""

import asyncio
import base64
import socket

import pytest
from support.asgi import AsgiClient
from support.slapd import PNG, running

from andiron import create_app
from andiron.domain.person import Person
from andiron.ldap.configured import ldap_authenticate
from andiron.ldap.directory import LdapError
from andiron.settings import Settings
from andiron.testing import running as serving
from andiron.xmpp import namespaces as ns

pytestmark = pytest.mark.peer

DN = "uid={},dc=example,dc=org"
BASE = {
    "ldap_base": "dc=example,dc=org",
    "ldap_bind_dn": "cn=chat,dc=example,dc=org",
    "ldap_bind_password": "secret",
}
JULIET = Person("juliet", "Juliet Capulet", PNG)


@pytest.fixture(scope="module")
def slapd(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("slapd")
    with running(program("slapd", "/usr/sbin/slapd"), folder, base64.b64encode(PNG).decode()) as it:
        yield it


def asking(slapd, way="dn", **settings):
    found = {"ldap_user_dn": DN} if way == "dn" else BASE
    given = {"ldap_url": slapd.url, "site_timeout": 5} | found | settings
    return ldap_authenticate(Settings(**given), None)


@pytest.mark.parametrize("way", ["dn", "search"])
async def test_a_right_password_says_who_it_is(slapd, way):
    authenticate = asking(slapd, way)
    assert await authenticate("juliet", "sesame") == JULIET
    assert await authenticate("juliet", "wrong") is False
    assert await authenticate("nobody", "sesame") is False
    assert await authenticate("o,brien", "sesame") == Person("o,brien")


@pytest.mark.parametrize("way", ["dn", "search"])
@pytest.mark.parametrize("password", ["", "\0", "\0sesame"])
async def test_no_password_is_no_proof(slapd, way, password):
    assert await asking(slapd, way)("juliet", password) is False


@pytest.mark.parametrize("way", ["dn", "search"])
@pytest.mark.parametrize(
    "name",
    [
        "*",
        "jul*",
        "juliet)(uid=*",
        "*)(|(uid=*",
        "juliet,dc=example,dc=org",
        "juliet\\2cdc=example",
        "juliet+cn=Juliet",
        "\\",
        "#",
    ],
)
async def test_a_name_is_nothing_but_a_name(slapd, way, name):
    assert await asking(slapd, way)(name, "sesame") is False


async def test_who_is_found_twice_is_nobody(slapd):
    assert await asking(slapd, "search")("twin", "sesame") is False


async def test_attributes_are_as_they_are_set(slapd):
    named = asking(slapd, ldap_name_attribute="CN", ldap_photo_attribute="")
    assert await named("juliet", "sesame") == Person("juliet", "Juliet")
    nameless = asking(slapd, "search", ldap_name_attribute="", ldap_photo_attribute="")
    assert await nameless("juliet", "sesame") == Person("juliet")


@pytest.mark.parametrize("way", ["dn", "search"])
async def test_tls_with_a_certificate_that_is_trusted(slapd, way):
    tls = {"ldap_ca_file": slapd.ca_file}
    assert await asking(slapd, way, ldap_url=slapd.tls_url, **tls)("juliet", "sesame") == JULIET
    assert await asking(slapd, way, ldap_start_tls=True, **tls)("juliet", "sesame") == JULIET


async def test_a_certificate_that_is_not_trusted_or_of_another_is_refused(slapd):
    for settings in (
        {"ldap_url": slapd.tls_url},
        {"ldap_start_tls": True},
        {"ldap_url": slapd.other_name, "ldap_ca_file": slapd.ca_file},
    ):
        with pytest.raises(LdapError):
            await asking(slapd, **settings)("juliet", "sesame")


async def test_a_service_that_is_refused_is_a_fault_and_no_wrong_password(slapd):
    with pytest.raises(LdapError, match="refuses ldap_bind_dn") as raised:
        await asking(slapd, "search", ldap_bind_password="other")("juliet", "sesame")
    assert "other" not in str(raised.value)
    with pytest.raises(LdapError):
        await asking(slapd, "search", ldap_bind_dn="no dn")("juliet", "sesame")


async def test_a_server_that_is_away_is_a_fault(slapd):
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(LdapError):
        await asking(slapd, ldap_url=f"ldap://localhost:{port}")("juliet", "sesame")


async def plain(chat, message):
    client = AsgiClient(chat)
    assert "SCRAM" not in await client.opened()
    return await client.authenticate("PLAIN", message)


async def test_people_sign_in_by_it_and_appear(slapd):
    chat = create_app(ldap_url=slapd.url, ldap_user_dn=DN, shutdown_timeout=0.01)
    async with serving(chat) as sign_in:
        assert "<not-authorized/>" in await plain(chat, "\0juliet\0wrong")
        assert "<success" in await plain(chat, "\0juliet\0sesame")
        romeo = await sign_in("romeo")
        vcard = await romeo.ask(f"<vCard xmlns='{ns.VCARD}'/>", to="juliet")
        assert vcard.tree[0].findtext(f"{{{ns.VCARD}}}FN") == "Juliet Capulet"


async def test_a_server_that_hangs_holds_nobody_else_up(caplog):
    loop = asyncio.get_running_loop()
    with socket.create_server(("localhost", 0)) as deaf:
        url = f"ldap://localhost:{deaf.getsockname()[1]}"
        chat = create_app(ldap_url=url, ldap_user_dn=DN, site_timeout=0.5, shutdown_timeout=0.01)
        async with serving(chat) as sign_in:
            trying = loop.create_task(plain(chat, "\0juliet\0sesame"))
            romeo = await sign_in("romeo")
            await romeo.send("romeo", "goes on")
            assert (await romeo.receive()).body == "goes on"
            assert "<temporary-auth-failure/>" in await trying
    assert "authenticate=" in caplog.text
    assert "sesame" not in caplog.text
