"""The sites in examples/, installed as their README says, with two people who chat on each.

What ``<andiron-chat>`` does beyond that is tried on the first of them.
"""

from pathlib import Path

import pytest

from tests.interop import server as servers
from tests.interop.sites import EXAMPLES, TARGETS, site
from tests.interop.steps import screenshots, take

pytestmark = pytest.mark.peer

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", TARGETS)
async def test_two_people_chat_on_the_site(
    name: str, node: str, chromium: str, fresh: Path, tmp_path: Path
) -> None:
    with site(name, fresh, tmp_path) as address:
        arguments = [name, address, str(servers.free_port()), screenshots(tmp_path)]
        command = [node, "examples.mjs", *arguments]
        steps = await take(HERE / "examples", *command, chromium=chromium)
    assert len(steps) == 11


async def test_the_component(node: str, chromium: str, fresh: Path, tmp_path: Path) -> None:
    with site("starlette", fresh, tmp_path, ANDIRON_AUTH_ANONYMOUS="true") as address:
        command = [node, "component.mjs", address, screenshots(tmp_path)]
        steps = await take(HERE / "examples", *command, chromium=chromium)
    assert len(steps) > 10


@pytest.mark.parametrize("name", TARGETS)
def test_the_readme_says_what_is_needed(name: str) -> None:
    readme = (EXAMPLES / name / "README.md").read_text()
    for line in (EXAMPLES / name / "requirements.txt").read_text().split():
        assert line in readme
    assert f"uvicorn {TARGETS[name]}" in readme
