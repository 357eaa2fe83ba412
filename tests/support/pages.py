"""The pages of the documentation, as the blocks of code in them."""

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("examples/**/README.md")),
]


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code: fenced with its language, or indented, which has none."""

    page: str
    line: int
    language: str
    text: str

    @property
    def first(self) -> str:
        """Its first line, by which tests speak of it."""
        return self.text.partition("\n")[0]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, also of those within lists."""
    name = str(page.relative_to(ROOT))
    return [
        Block(name, token.map[0] + 1, token.info, token.content)
        for token in MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8"))
        if token.type in {"fence", "code_block"} and token.map is not None
    ]


BLOCKS = [block for page in PAGES for block in blocks(page)]


def commands(text: str) -> list[str]:
    """Return the commands of a block: all of its lines, or those with a prompt where some have."""
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return prompted or [line for line in lines if line]
