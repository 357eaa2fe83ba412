"""The pictures of the documentation: each is there, small, in use, and told in words.

They are taken by ``tests/interop/test_pictures.py``.
"""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
USES = [
    (page, *found)
    for page in sorted(DOCS.glob("*.md"))
    for found in re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", page.read_text("utf-8"))
]


@pytest.mark.parametrize(("page", "words", "image"), USES, ids=[use[2] for use in USES])
def test_a_picture_is_there_and_told_in_words(page: Path, words: str, image: str) -> None:
    assert (page.parent / image).is_file()
    assert len(words) > 40
    assert words.endswith(".")


def test_every_picture_is_in_use() -> None:
    used = {(page.parent / image).resolve() for page, _, image in USES}
    assert used == set((DOCS / "images").iterdir())


def test_pictures_are_small() -> None:
    large = [path.name for path in (DOCS / "images").iterdir() if path.stat().st_size > 60_000]
    assert large == []
