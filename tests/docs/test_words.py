"""What the documentation names is there, and the defaults that it tells are the defaults."""

import re

import pytest
from support.pages import PAGES, ROOT

from andiron.settings import Settings

SETTINGS = Settings.model_fields
TEXTS = {str(page.relative_to(ROOT)): page.read_text("utf-8") for page in PAGES}
# Variables of the environment that are no settings.
OTHERS = {"CONFIG", "DEFAULTS", "SCREENSHOTS"}
UNITS = {"": 1, " s": 1, " KiB": 1024, " MiB": 1024**2}
DEFAULTS = [
    pytest.param(name, value, unit, id=f"{page} {name}")
    for page, text in TEXTS.items()
    for name, value, unit in re.findall(
        r"`([a-z_]+)` \(([\d,.]+)( s| KiB| MiB)?[),;]", text.replace("ANDIRON_", "")
    )
    if name in SETTINGS
]


@pytest.mark.parametrize("page", TEXTS)
def test_files_that_are_named_are_there(page: str) -> None:
    named = re.findall(
        r"`((?:app|bench|bosh|deploy|docs|domain|examples|inprocess|sm|tests|websocket|xmpp|\.ci)/"
        r"[\w./-]*)`",
        TEXTS[page],
    )
    assert [each for each in named if not (ROOT / each).exists()] == []


@pytest.mark.parametrize("page", TEXTS)
def test_variables_are_those_of_settings(page: str) -> None:
    named = set(re.findall(r"\bANDIRON_([A-Z]\w*)", TEXTS[page])) - OTHERS
    assert [each for each in named if each.lower().removesuffix("_file") not in SETTINGS] == []


@pytest.mark.parametrize(("name", "value", "unit"), DEFAULTS)
def test_a_default_is_the_default(name: str, value: str, unit: str) -> None:
    assert float(value.replace(",", "")) * UNITS[unit] == SETTINGS[name].default


def test_many_defaults_are_told() -> None:
    assert len(DEFAULTS) > 20
