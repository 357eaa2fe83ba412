"""``docs/settings.md`` lists every setting as it is; ``python FILE`` writes its table anew."""

import re
import sys
from pathlib import Path

from andiron.settings import Settings
from andiron.settings.words import default_text, expected

DOC = Path(__file__).parents[3] / "docs" / "settings.md"
TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


def table():
    rows = ["| setting | default | value | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = default_text(field)
        default = default if default in {"none", "empty"} else f"`{default}`"
        rows.append(f"| `{name}` | {default} | {expected(field)} | {field.description} |")
    return "\n".join(rows) + "\n"


def test_the_table_is_true():
    assert TABLE.findall(DOC.read_text("utf-8")) == [table()]


def test_every_setting_is_described_in_a_sentence():
    for name, field in Settings.model_fields.items():
        assert re.fullmatch(r"[A-Z].*[^.]\.", field.description), name


if __name__ == "__main__":
    DOC.write_text(TABLE.sub(lambda _: table(), DOC.read_text("utf-8"), count=1), "utf-8")
    sys.stdout.write(f"{DOC} is up to date\n")
