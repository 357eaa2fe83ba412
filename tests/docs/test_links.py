"""Links that lead out of the documentation, by their form: a net to follow them is not needed.

``make docs`` sees to those within it, and ``make links`` follows these where there is a net.
"""

import re
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from support.pages import PAGES, ROOT

URLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
REPOSITORY = URLS["Repository"]
HOSTS = {
    "github.com",
    "keepachangelog.com",
    "opentelemetry.io",
    "prometheus.io",
    "pytest-asyncio.readthedocs.io",
    "semver.org",
    "slixmpp.readthedocs.io",
    "www.starlette.io",
}
"""Whose pages the documentation sends people to: a new one is looked at before it stands here."""


def links(page: Path) -> set[str]:
    tokens = MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8"))
    inner = [child for token in tokens for child in token.children or []]
    found = [each.attrGet("href") or each.attrGet("src") for each in inner]
    return {str(link) for link in found if link}


ALL = {
    (str(page.relative_to(ROOT)), link)
    for page in [*PAGES, ROOT / "CHANGELOG.md"]
    for link in links(page)
}
ALL |= {("pyproject.toml", link) for link in URLS.values()}
ALL -= {(page, link) for page, link in ALL if link.startswith("http://localhost:")}
OUTWARD = sorted((page, link) for page, link in ALL if re.match(r"\w+:|//", link))
INWARD = sorted((page, link) for page, link in ALL - set(OUTWARD) if not page.startswith("docs/"))


@pytest.mark.parametrize(("page", "link"), OUTWARD)
def test_what_leads_out_is_whole_and_secure(page: str, link: str) -> None:
    parts = urlsplit(link)
    assert parts.scheme == "https"
    assert parts.netloc in HOSTS
    assert re.fullmatch(r"https://[\w.-]+(/([\w./~%-]*[\w/])?)?(#[\w.-]+)?", link), link


def test_hosts_that_nobody_links_to_are_not_listed() -> None:
    assert {urlsplit(link).netloc for _, link in OUTWARD} == HOSTS


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings get where it is shown."""
    found = re.findall(r"(?m)^#+ (.+)$", page.read_text("utf-8"))
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in found]
    return {heading.replace(" ", "-") for heading in plain}


def leads_somewhere(path: Path, anchor: str) -> bool:
    return path.exists() and (not anchor or anchor in anchors(path))


@pytest.mark.parametrize(
    "link", sorted({link for _, link in OUTWARD if link.startswith(f"{REPOSITORY}/")})
)
def test_what_leads_to_the_repository_is_there(link: str) -> None:
    kind, _, rest = link.removeprefix(f"{REPOSITORY}/").partition("/")
    if kind == "issues":
        return
    assert kind in {"blob", "tree"}
    branch, _, name = rest.partition("/")
    path, _, anchor = name.partition("#")
    assert branch == "main"
    assert leads_somewhere(ROOT / unquote(path), anchor), link


@pytest.mark.parametrize(("page", "link"), INWARD)
def test_pages_that_are_not_in_the_site_lead_to_what_is_there(page: str, link: str) -> None:
    path, _, anchor = link.partition("#")
    here = ROOT / page
    assert leads_somewhere((here.parent / unquote(path)) if path else here, anchor), link
