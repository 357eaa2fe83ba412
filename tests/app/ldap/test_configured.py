"""A directory that cannot be asked as the settings say stops the start with a sentence."""

import builtins

import pytest

from andiron import create_app
from andiron.settings import SettingsError

GOOD = {"ldap_url": "ldaps://ldap.example.org", "ldap_user_dn": "uid={},dc=example,dc=org"}
SEARCH = {"ldap_url": "ldaps://ldap.example.org", "ldap_base": "dc=example,dc=org"}


@pytest.mark.parametrize(
    "settings",
    [
        GOOD,
        SEARCH,
        GOOD | {"ldap_url": "ldap://ldap.example.org:1389/", "ldap_start_tls": True},
        GOOD | {"ldap_url": "ldap://127.0.0.1"},
        GOOD | {"ldap_url": "ldap://localhost"},
        SEARCH | {"ldap_bind_dn": "cn=chat", "ldap_bind_password": "x"},
    ],
)
def test_what_can_be(settings):
    assert create_app(**settings)


async def allowed(_username, _password):
    return True


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (GOOD | {"ldap_url": "https://ldap.example.org"}, "must be as ldaps://"),
        (GOOD | {"ldap_url": "ldaps://"}, "must be as ldaps://"),
        (GOOD | {"ldap_url": "ldaps://ldap.example.org/dc=example"}, "must be as ldaps://"),
        (GOOD | {"ldap_url": "ldaps://ldap.example.org:x"}, "is no URL"),
        (GOOD | {"ldap_url": "ldap://ldap.example.org"}, "in the clear"),
        (GOOD | {"ldap_start_tls": True}, "leave out ldap_start_tls"),
        (GOOD | {"ldap_user_dn": ""}, "needs one of ldap_user_dn"),
        (GOOD | {"ldap_base": "dc=example"}, "needs one of ldap_user_dn"),
        (GOOD | {"ldap_user_dn": "uid=x"}, "needs one {}"),
        (SEARCH | {"ldap_filter": "(uid=x)"}, "ldap_filter .* needs one {}"),
        (SEARCH | {"ldap_bind_dn": "cn=chat"}, "go together"),
        (GOOD | {"ldap_ca_file": "/nowhere.pem"}, "ldap_ca_file .* cannot be used"),
        (GOOD | {"authenticate": allowed}, "exclude each other"),
    ],
)
def test_what_cannot_be(settings, sentence):
    with pytest.raises(SettingsError, match=sentence):
        create_app(**settings)


def test_without_ldap3_the_remedy_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("andiron.ldap.directory"):
            raise ModuleNotFoundError("No module named 'ldap3'", name="ldap3")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"pip install 'andiron\[ldap\]'"):
        create_app(**GOOD)
