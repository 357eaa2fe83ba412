"""``docs/commands.md`` says what every command's ``--help`` does; ``python FILE`` writes it anew.

``docs/cli.md``, which explains them, leaves out no command and names no option that is not there.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from andiron.commands.cli import main

DOCS = Path(__file__).parents[3] / "docs"
PAGE = DOCS / "commands.md"
HEAD = """# Commands

What each command says of itself with `--help`. [cli.md](cli.md) explains them.
"""


def contexts(
    command: click.Command, parent: click.Context | None = None
) -> Iterator[click.Context]:
    """Give a command and, where it is a group, all that are in it, as they are listed."""
    name = command.name if parent else "andiron"
    width = {} if parent else {"terminal_width": 88, "max_content_width": 88}
    context = click.Context(command, parent, info_name=name, **width, **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            yield from contexts(command.get_command(context, each), context)


def page() -> str:
    blocks = [
        f"\n## `{context.command_path}`\n\n```text\n{context.get_help()}\n```\n"
        for context in contexts(main)
    ]
    return HEAD + "".join(blocks)


def test_the_page_is_true():
    assert PAGE.read_text("utf-8") == page()


def test_every_command_is_explained():
    text = (DOCS / "cli.md").read_text("utf-8")
    commands = [
        context.command_path
        for context in contexts(main)
        if not isinstance(context.command, click.Group)
    ]
    assert len(commands) > 10
    assert [each for each in commands if not re.search(rf"^    {each}\b", text, re.M)] == []


def test_every_option_is_explained():
    text = (DOCS / "cli.md").read_text("utf-8")
    options = {
        option
        for context in contexts(main)
        for parameter in context.command.params
        for option in parameter.opts
        if option.startswith("--") and option != "--version"
    }
    assert {each for each in options if each not in text} == set()
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= options | {"--help"}


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(f"{PAGE} is up to date\n")
