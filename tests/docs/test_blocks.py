"""Every block of code in the documentation is run or read by a test, or it is said why not."""

import re
import shlex
import subprocess
import textwrap
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from support.pages import BLOCKS, PAGES, ROOT, Block, commands
from uvicorn.main import main as uvicorn

from andiron.commands.cli import main
from andiron.settings import Settings

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Python: how many blocks a page has, and which tests run them.
PYTHON = {
    "README.md": (2, ["tests/test_readme.py"]),
    "docs/api.md": (3, ["tests/app/test_api_doc.py", "tests/servers/test_site_code.py"]),
    "docs/bots.md": (1, ["tests/app/test_bots_doc.py"]),
    "docs/domain.md": (1, ["tests/domain/test_domain_doc.py"]),
    "docs/http-api.md": (1, ["tests/servers/test_site_code.py"]),
    "docs/mounting.md": (8, ["tests/app/test_mounting_doc.py"]),
    "docs/operator.md": (1, ["tests/app/test_operator_doc.py"]),
    "docs/pep.md": (1, ["tests/app/test_pep_doc.py"]),
    "docs/testing.md": (3, ["tests/app/testing/test_doc.py"]),
    "docs/tutorial.md": (6, ["tests/app/test_tutorial_doc.py"]),
    "docs/tutorial-django.md": (3, ["tests/servers/test_tutorials.py"]),
    "docs/tutorial-fastapi.md": (4, ["tests/servers/test_tutorials.py"]),
    "docs/users.md": (9, ["tests/app/test_users_doc.py", "tests/servers/test_site_users.py"]),
}

# Which programs the commands name, and who runs them.
PROGRAMS = {
    "andiron": "read here by itself; run by test_sessions.py, tests/app/commands and others",
    "pip": "read here: the extras are those of pyproject.toml",
    "make": "read here: the targets are those of the Makefile",
    "uvicorn": "read here by uvicorn itself; run by tests/servers and tests/interop",
    "gunicorn": "run by tests/servers",
    "hypercorn": "run by tests/servers",
    "granian": "run by tests/servers",
    "daphne": "run by tests/servers",
    ".venv/bin/pytest": "read here: the folders and files are there",
    "python": "run by tests/interop/sites.py",
    "python3": "makes a virtual environment, as .ci/run does",
    "npm": "run by .ci/peers, which puts Converse.js where the examples look for it",
    "export": "the shell's own",
    "for": "the shell's own",
    "openssl": "a random text",
    "cd": "the shell's own",
    ".": "the shell's own",
    "django-admin": "run by tests/servers/test_tutorials.py",
    "cp": "put in place by root",
    "docker": "needs an engine; tests/test_dockerfile.py and tests/test_deploy.py read the files",
    "kubectl": "needs a cluster; tests/test_deploy.py reads the file",
    "opentelemetry-instrument": "OpenTelemetry's own, around a command of ours",
    "systemctl": "needs a machine of its own; tests/test_deploy.py reads the unit",
    "/opt/andiron/bin/pip": "as pip",
    "curl": "test_requests.py makes the same request",
    "sqlite3": "the database's own; tests/domain/database/test_sqlite.py",
    "grep": "run by test_sessions.py on what the page shows",
    "chown": "needs ejabberd's account",
    "sudo": "needs a PostgreSQL of the machine's; tests/domain/database start their own",
    "pg_dump": "needs a PostgreSQL of the machine's",
    "mkdir": "needs ejabberd's account",
    "ejabberdctl": "run by tests/domain/portability/test_ejabberd.py",
    "prosody-migrator": "needs root; its format is read by tests/domain/portability",
}

# Everything else, by its first line, and why it is not run as it stands.
SHOWN = {
    ("docs/architecture.md", "app/         andiron"): "a drawing; test_architecture.py reads it",
    ("docs/architecture.md", "domain.py   "): "a drawing; test_architecture.py reads it",
    ("docs/architecture.md", "romeo's browser"): "a drawing",
    ("docs/architecture.md", "  browser          browser"): "a drawing",
    ("docs/changelog.md", ""): "no code: the site's own way to show the changelog",
    ("docs/cli.md", "ADDRESS"): "tests/app/commands/test_operating.py prints such a table",
    ("docs/cli.md", "PROCESS "): "tests/app/commands/test_operating.py prints such a table",
    ("docs/deployment.md", "2026-01-31"): "tests/app/serving/test_logs.py writes such lines",
    ("docs/database.md", "andiron: The database"): "tests/domain/database/test_holders.py",
    ("docs/database.md", "CREATE SCHEMA"): "tests/domain/database/test_postgres.py has its like",
    ("docs/deployment.md", "DOMAIN="): "Compose's; tests/test_deploy.py knows what is asked for",
    ("docs/deployment.md", "ANDIRON_SOCKET="): "settings; tests/interop/test_web_servers.py",
    ("docs/moving.md", "local stores ="): "Prosody's, which has the migrator for root only",
    ("docs/operator.md", "2026-01-31"): "tests/app/http_api/test_admission.py has such lines",
    ("docs/scaling.md", "upstream andiron"): "nginx's; test_nginx.py lets it read them",
    ("docs/security.md", "client_header_timeout"): "nginx's; test_nginx.py lets it read them",
    ("docs/uploads.md", "location /upload/"): "test_nginx.py compares it with deploy/nginx.conf",
    ("docs/widget.md", "Content-Security-Policy:"): "tests/interop/examples/component.mjs",
}


def reason(block: Block) -> str | None:
    """Return why a block is only shown; None for one that is run or read."""
    if block.page == "docs/commands.md":
        return "tests/app/commands/test_commands_doc.py has made it"
    for (page, first), why in SHOWN.items():
        if block.page == page and block.first.startswith(first):
            return why
    return None


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language and not reason(block)]


SHELL = of("")
# Templates of Django are a part of what tests/servers/test_tutorials.py makes.
LANGUAGES = {"", "python", "toml", "html", "html+django", "js", "css"}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_it_is_known_what_becomes_of_a_block(block: Block) -> None:
    assert reason(block) or block.language in LANGUAGES
    if reason(block) is None and block.language == "python":
        assert block.page in PYTHON


def test_nothing_is_spoken_of_that_is_not_there() -> None:
    for page, first in SHOWN:
        assert [b for b in BLOCKS if b.page == page and b.first.startswith(first)], (page, first)
    for where in [*SHOWN.values(), *PROGRAMS.values()]:
        for name in re.findall(r"(?:tests/|\.ci/|deploy/|\btest_)[\w./]*\w", where):
            path = ROOT / name if "/" in name else ROOT / "tests" / "docs" / name
            assert path.exists(), name


def test_python_is_run() -> None:
    counts = Counter(block.page for block in of("python"))
    assert dict(counts) == {page: count for page, (count, _) in PYTHON.items()}
    for page, (_, tests) in PYTHON.items():
        for test in tests:
            assert page.rpartition("/")[2] in (ROOT / test).read_text(), test


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_is_sound(block: Block) -> None:
    compile(textwrap.dedent(block.text), str(block), "exec")


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_settings_are_settings(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "andiron.toml"
    path.write_text(block.text, "utf-8")
    monkeypatch.setenv("ANDIRON_CONFIG", str(path))
    assert Settings().domain == "example.org"


WIDGET = "".join(path.read_text() for path in sorted((ROOT / "app/web/widget").iterdir()))
SLOTS = set(re.findall(r"h\('slot', { name: '(\w+)'", WIDGET))
PROPERTIES = set(re.findall(r"var\((--andiron-[\w-]+)", WIDGET))


def test_all_that_pages_can_set_is_in_the_tables() -> None:
    text = (ROOT / "docs" / "widget.md").read_text()
    assert set(re.findall(r"^\| `(--andiron-[\w-]+)`", text, re.MULTILINE)) == PROPERTIES
    table = text.partition("## Slots")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == SLOTS


@pytest.mark.parametrize("block", of("html"), ids=str)
def test_pages_name_what_the_component_has(block: Block) -> None:
    assert "<andiron-chat>" in block.text
    assert set(re.findall(r'src="([^"]*)"', block.text)) <= {"/chat/widget.js"}
    for slot in re.findall(r'slot="(\w+)"', block.text):
        assert slot in SLOTS


@pytest.mark.parametrize("block", of("css"), ids=str)
def test_styles_set_what_the_component_knows(block: Block) -> None:
    properties = set(re.findall(r"--andiron-[\w-]+", block.text))
    assert properties
    assert properties <= PROPERTIES


@pytest.mark.peer
@pytest.mark.parametrize("block", of("js"), ids=str)
def test_scripts_are_sound(block: Block, program: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "script.mjs").write_text(block.text)
    node = program("node", "nodejs")
    subprocess.run([node, "--check", str(tmp_path / "script.mjs")], check=True)
    assert [each for each in re.findall(r"'(andiron-\w+)'", block.text) if each not in WIDGET] == []


def simple(command: str) -> Iterator[list[str]]:
    """Give the simple commands in one of the shell's, each as its words, without assignments."""
    plain = re.sub(r"\$\((.*?)\)", r"; \1 ;", command)
    lexer = shlex.shlex(plain, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if not re.fullmatch(r"[;&|]+", word):
            words.append(word)
            continue
        while words and (re.match(r"[A-Z_]+=", words[0]) or words[0] in {"do", "done"}):
            words.pop(0)
        if words:
            yield words
        words = []


WORDS = [
    pytest.param(words, id=f"{block} {words[0]}")
    for block in SHELL
    for command in commands(block.text)
    for words in simple(command)
]


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_the_shell_can_read_it(block: Block) -> None:
    text = "\n".join(commands(block.text))
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


@pytest.mark.parametrize("words", WORDS)
def test_the_program_is_known(words: list[str]) -> None:
    assert words[0] in PROGRAMS


def test_every_program_is_named() -> None:
    assert {parameter.values[0][0] for parameter in WORDS} == set(PROGRAMS)


def calls(program: str) -> list[object]:
    return [each for each in WORDS if each.values[0][0] == program]


@pytest.mark.parametrize("words", calls("andiron"))
def test_andiron_understands_it(words: list[str]) -> None:
    command: click.Command = main
    # In a synopsis what may be left out is in brackets.
    rest = [word for word in re.sub(r"[\[\]]", "", " ".join(words[1:])).split() if word != ">"]
    context = click.Context(command, info_name="andiron", **main.context_settings)
    while isinstance(command, click.Group):
        found = command.get_command(context, rest.pop(0))
        assert found is not None
        command, context = found, click.Context(found, context, info_name=found.name)
    _, left, _ = command.make_parser(context).parse_args(args=rest)
    assert left == [] or any("\N{HORIZONTAL ELLIPSIS}" in word for word in words)


@pytest.mark.parametrize("words", calls("uvicorn"))
def test_uvicorn_understands_it(words: list[str]) -> None:
    _, left, _ = uvicorn.make_parser(click.Context(uvicorn)).parse_args(args=words[1:])
    assert left == []


@pytest.mark.parametrize("words", calls("pip"))
def test_the_extras_are_there(words: list[str]) -> None:
    assert words[1] == "install"
    extras = re.findall(r"andiron\[([\w,]+)\]", " ".join(words))
    assert set(",".join(extras).split(",")) <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("words", calls("make"))
def test_the_target_is_there(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("words", calls(".venv/bin/pytest"))
def test_the_tests_are_there(words: list[str]) -> None:
    assert all((ROOT / word).exists() for word in words[1:] if word.startswith("tests/"))


def test_all_pages_are_looked_at() -> None:
    assert len(PAGES) > 25
