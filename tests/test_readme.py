"""What the README says holds: examples run, defaults are the defaults, links lead on."""

import re
import tomllib
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

from andiron.settings import Settings
from andiron.settings.words import default_text

ROOT = Path(__file__).parent.parent
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")]
ROWS = re.findall(r"^\| `ANDIRON_(\w+)` \| (\S.*?) \|", README, re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES, ids=["starlette", "fastapi"])
async def test_example_mounts_and_starts(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), namespace)
    app = namespace["app"]
    async with app.router.lifespan_context(app):  # type: ignore[attr-defined]
        assert (await get(app, "/chat/healthz")).text == "ok\n"  # type: ignore[arg-type]
        assert (await get(app, "/chat/ws")).status_code == 426  # type: ignore[arg-type]
    assert (await get(app, "/chat/healthz")).status_code == 503  # type: ignore[arg-type]


async def get(app: ASGIApp, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(path)


@pytest.mark.parametrize(("name", "default"), ROWS)
def test_default_is_as_stated(name: str, default: str) -> None:
    assert default_text(Settings.model_fields[name.lower()]) == default.strip("`")


def test_ten_settings_are_named() -> None:
    assert len(ROWS) >= 10


@pytest.mark.parametrize("page", [f"docs/{path.name}" for path in ROOT.glob("docs/*.md")])
def test_links_lead_to_files(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())
    missing = [link for link in links if not (path.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_what_is_named_of_the_checkout_is_there(page: Path) -> None:
    named = re.findall(r"`((?:tests|examples|bench|deploy|docs)/[\w./-]+)`", page.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_links_lead_there_from_an_index_of_packages_too() -> None:
    """Where the README is shown alone, a relative link leads nowhere."""
    links = re.findall(r"\]\(([^)#]+)", README)
    assert len(links) > 15
    own = URLS["Repository"] + "/blob/main/"
    assert [link for link in links if not link.startswith(own)] == []
    assert [link for link in links if not (ROOT / link.removeprefix(own)).is_file()] == []


@pytest.mark.parametrize("name", URLS)
def test_project_links_lead_to_files(name: str) -> None:
    repository = URLS["Repository"]
    found = re.fullmatch(rf"{repository}(?:/(?:blob|tree)/main/(.+)|/issues)?", URLS[name])
    assert found
    assert found[1] is None or (ROOT / found[1]).exists()
