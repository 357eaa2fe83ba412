"""The drawings of ``docs/architecture.md`` leave out no package."""

import tomllib

from support.pages import BLOCKS, ROOT

PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
HOUSE, DOMAIN, *_ = [block.text for block in BLOCKS if block.page == "docs/architecture.md"]


def test_every_package_is_in_the_drawing_of_the_house() -> None:
    drawn = [each for each in PACKAGES if not each.startswith("andiron.domain.")]
    assert [each for each in drawn if f" {each} " not in HOUSE] == []


def test_every_wing_is_in_the_drawing_of_the_domain() -> None:
    wings = [each.removeprefix("andiron.domain.") for each in PACKAGES if "domain." in each]
    assert [wing for wing in wings if f"{wing}/" not in DOMAIN] == []
