"""How applications are made."""

import pytest

from andiron import create_app
from andiron.settings import Settings, SettingsError


def test_settings_and_overrides():
    settings = Settings(port=1, domain="a.example")
    assert create_app(settings).settings is settings
    assert create_app(settings, port=2).settings == settings.replaced(port=2)
    with pytest.raises(SettingsError):
        create_app(domian="a.example")


def test_settings_are_named():
    with pytest.raises(SettingsError, match=r"'example.org'.*create_app\(domain=…\)"):
        create_app("example.org")
