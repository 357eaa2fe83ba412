"""How ``make docs`` makes a site of these pages. They stay plain Markdown that reads anywhere."""

import re
import tomllib
from pathlib import Path

from docutils.nodes import Element, TextElement
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError

from andiron.version import __version__

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]

project = "Andiron"
author = "The Andiron developers"
release = version = __version__
language = "en"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_external_toc",
]
root_doc = "index"
nitpicky = True
# The documentation of others is elsewhere, and type variables have none.
nitpick_ignore_regex = [
    (r"py:.*", r"(_?asyncio|collections|datetime|httpx|slixmpp|starlette|xml)\..*"),
    (r"py:.*", r"andiron\..*\.[A-Z]"),
    (r"py:class", r"andiron\.hooks\.hooks\.MessageHook"),
]
smartquotes = False
highlight_language = "none"

myst_heading_anchors = 4
myst_links_external_new_tab = False

python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = "Andiron"
html_static_path = ["_static"]
html_css_files = ["andiron.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
html_theme_options = {
    "source_edit_link": f"{REPOSITORY}/edit/main/docs/{{filename}}",
    "source_view_link": f"{REPOSITORY}/blob/main/docs/{{filename}}",
    "light_css_variables": {
        "color-brand-primary": "#b5400d",
        "color-brand-content": "#96340a",
        "color-brand-visited": "#7a4a35",
        "color-sidebar-link-text": "var(--color-foreground-secondary)",
        "color-sidebar-link-text--top-level": "var(--color-foreground-secondary)",
    },
    "dark_css_variables": {
        "color-brand-primary": "#ff9457",
        "color-brand-content": "#ffab7c",
        "color-brand-visited": "#d9a48a",
        "color-sidebar-link-text": "var(--color-foreground-secondary)",
        "color-sidebar-link-text--top-level": "var(--color-foreground-secondary)",
    },
}

linkcheck_timeout = 20
linkcheck_retries = 2

# The prompt of an example that shows what a command says is no part of the command.
copybutton_prompt_text = "$ "

FILE_NAME = re.compile(r"\[[\w-]+\.(?:md|rst)\](?=\([\w-]+\.(?:md|rst)(?:#[^)\s]+)?\))")
LINK = re.compile(r"(?<=\]\()\.\./([^)#\s]+)")


def suit_the_site(_app: Sphinx, name: str, source: list[str]) -> None:
    """Let links out of ``docs/`` lead to the repository, and those within bear titles.

    In the repository files have names, on the site pages have titles.
    """

    def address(link: re.Match[str]) -> str:
        if link[1] == "CHANGELOG.md":
            return "changelog.md"
        target = ROOT / link[1]
        if not target.exists():
            raise SphinxError(f"docs/{name}.md leads to {link[1]}, which is not there")
        return f"{REPOSITORY}/{'tree' if target.is_dir() else 'blob'}/main/{link[1]}"

    source[0] = FILE_NAME.sub("[]", LINK.sub(address, source[0]))


def by_last_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: TextElement
) -> Element | None:
    """Find what a docstring names by another path than that by which it is public."""
    if node.get("refdomain") != "py":
        return None
    python = env.get_domain("py")
    target = node["reftarget"]
    public = [name for name, known in python.objects.items() if not known.aliased]
    for end in (f".{target}", f".{target.rpartition('.')[2]}"):
        found = [name for name in public if name.endswith(end)]
        if len(found) == 1:
            break
    else:
        return None
    return python.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], found[0], node, shown
    )


ELSEWHERE = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//"
    r"|<link\b[^>]*\bhref=[\"']?(?:https?:)?//|(?:url\([\"']?|@import\s+[\"'])(?:https?:)?//"
)


def stand_alone(app: Sphinx, failed: Exception | None) -> None:
    """Refuse a site that loads anything from elsewhere: it can be served where no net is."""
    if failed is None:
        for path in (*app.outdir.rglob("*.html"), *app.outdir.rglob("*.css")):
            if found := ELSEWHERE.search(path.read_text("utf-8")):
                raise SphinxError(f"{path} loads something from elsewhere: {found[0]}")


def setup(app: Sphinx) -> dict[str, bool]:
    """Take part in the making of the site."""
    app.connect("source-read", suit_the_site)
    app.connect("missing-reference", by_last_name)
    app.connect("build-finished", stand_alone)
    return {"parallel_read_safe": True}
