"""The functions that a site gives."""

from dataclasses import fields
from functools import partial

import pytest

from andiron import create_app
from andiron.settings import SettingsError
from andiron.site_functions import SiteFunctions

NAMES = [each.name for each in fields(SiteFunctions)]


@pytest.mark.parametrize("name", NAMES)
def test_what_the_site_is_asked_by_is_async(name):
    class Asked:
        async def __call__(self, *_told):
            return None

    def synchronous(*_told):
        return None

    for function in (synchronous, "juliet"):
        with pytest.raises(SettingsError, match=f"{name}= must be an async function"):
            create_app(**{name: function})
    for function in (Asked(), Asked().__call__, partial(Asked().__call__, 1)):
        create_app(**{name: function})
