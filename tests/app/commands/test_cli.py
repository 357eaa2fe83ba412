"""The command line, as an operator meets it."""

import builtins
import sqlite3
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from andiron.commands.cli import main
from andiron.settings import Settings

SNOW = "\N{SNOWMAN}"


@pytest.fixture(autouse=True)
def cheap_keys(monkeypatch):
    """Hash passwords no more than must be."""
    monkeypatch.setenv("ANDIRON_AUTH_ITERATIONS", "4096")


def run(*arguments, stdin=None):
    return CliRunner().invoke(main, arguments, input=stdin)


def succeed(*arguments, stdin=None):
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.output


def fail(*arguments, stdin=None, code=1):
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == code, result.output
    return result.output


def users():
    return succeed("user", "list").splitlines()


@pytest.fixture
def terminal(monkeypatch):
    """Let standard input be a terminal to ask on."""
    monkeypatch.setattr("andiron.commands.cli._on_terminal", lambda: True)


# Help


def walk(command, path=()):
    yield path, command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from walk(child, (*path, name))


COMMANDS = dict(walk(main))


def test_the_commands_that_there_are():
    assert {" ".join(path) for path in COMMANDS} == {
        "",
        "announce",
        "group",
        "group add",
        "group delete",
        "group list",
        "group remove",
        "health",
        "kick",
        "processes",
        "rooms",
        "serve",
        "sessions",
        "token",
        "top",
        "user",
        "user add",
        "user disable",
        "user enable",
        "user password",
        "user list",
        "user remove",
        "user export",
        "user import",
        "database",
        "database check",
        "database import",
        "config",
        "config check",
        "config show",
    }


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_is_complete(path):
    command = COMMANDS[path]
    assert command.help
    assert all(p.help for p in command.params if isinstance(p, click.Option)), path
    assert succeed(*path, "--help") == succeed(*path, "-h")


def test_help_names_both_ways_in():
    for path in ([], ["serve"]):
        assert "BOSH" in succeed(*path, "--help")


def test_version():
    assert succeed("--version").startswith("andiron 0.")


# Accounts


def test_one_account_after_another():
    assert "Account made: bob@localhost" in succeed(
        "user", "add", "bob", "--password-stdin", stdin="secret\n"
    )
    succeed("user", "add", "Alice", "--password-stdin", stdin="secret")
    assert users() == ["alice@localhost", "bob@localhost"]
    assert "Password changed" in succeed(
        "user", "password", "bob", "--password-stdin", stdin="other\n"
    )
    succeed("user", "remove", "bob", "--yes")
    assert users() == ["alice@localhost"]


def test_a_password_is_asked_for_twice(terminal):
    output = fail("user", "add", "bob", stdin="one\ntwo\n")
    assert "do not match" in output
    output = succeed("user", "add", "bob", stdin="secret\nsecret\n")
    assert "secret" not in output
    assert users() == ["bob@localhost"]


def test_without_a_terminal_one_is_told_how():
    assert "--password-stdin" in fail("user", "add", "bob", code=2)
    assert "--password-stdin" in fail("user", "password", "bob", code=2)


def test_removing_asks(terminal):
    succeed("user", "add", "bob", "--password-stdin", stdin="secret\n")
    fail("user", "remove", "bob", stdin="n\n")
    assert users() == ["bob@localhost"]
    assert "bob@localhost and its messages" in succeed("user", "remove", "bob", stdin="y\n")
    assert users() == []


@pytest.mark.parametrize(
    ("arguments", "stdin", "sentence"),
    [
        (["add", "bob", "--password-stdin"], "x", "There is an account bob already."),
        (["add", "a@b", "--password-stdin"], "x", "'a@b' cannot be the name of an account"),
        (
            ["add", "a@b", "--password-stdin"],
            "x",
            "(RFC 7622); give only what stands before the @.",
        ),
        (["add", "carol", "--password-stdin"], "", "A password cannot be empty."),
        (["password", "carol", "--password-stdin"], "x", "There is no account carol."),
        (["remove", "carol", "--yes"], None, "There is no account carol."),
    ],
)
def test_sentences_for_accounts(arguments, stdin, sentence):
    succeed("user", "add", "bob", "--password-stdin", stdin="secret\n")
    output = fail("user", *arguments, stdin=stdin)
    assert output.startswith("Error: ")
    assert sentence in output
    assert users() == ["bob@localhost"]


def test_everything_is_copied_into_an_empty_database(monkeypatch, tmp_path):
    old, new = (f"sqlite:///{tmp_path}/{name}.db" for name in ("old", "new"))
    monkeypatch.setenv("ANDIRON_DATABASE", old)
    succeed("user", "add", "alice", "--password-stdin", stdin="x\n")
    monkeypatch.setenv("ANDIRON_DATABASE", new)
    assert succeed("database", "import", old) == "Rows copied: 4\n"
    assert users() == ["alice@localhost"]
    assert "Error: There is something in the database already" in fail("database", "import", old)


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all.db", "sqlite:///typo.db"])
def test_nothing_is_made_where_there_is_nothing_to_copy(url):
    output = fail("database", "import", url)
    assert output.startswith("Error: There is no database /")
    assert output.endswith(".db; correct the URL to copy from.\n")
    assert not list(Path().iterdir())


def test_nothing_is_made_where_another_programs_database_shall_be_copied():
    with closing(sqlite3.connect("other.db")) as other:
        other.execute("CREATE TABLE things (name)")
    assert fail("database", "import", "sqlite:///other.db").startswith("Error: The database other")
    assert not Path("andiron.db").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["user", "list"],
        ["user", "export"],
        ["user", "export", "bob", "--output", "bob.xml"],
        ["user", "remove", "bob", "--yes"],
        ["user", "password", "bob", "--password-stdin"],
        ["database", "check"],
    ],
    ids=" ".join,
)
def test_what_only_looks_makes_no_database(arguments):
    output = fail(*arguments, stdin="x\n")
    assert f"Error: There is no database {Path('andiron.db').absolute()}; " in output
    assert "ANDIRON_DATABASE" in output
    assert not list(Path().iterdir())


def test_a_url_to_copy_from_that_is_none():
    output = fail("database", "import", "postgres://me:secret@db/andiron", code=2)
    assert "Invalid value for URL: it must be one such as sqlite:///andiron.db" in output
    assert "postgres:// is unknown; write postgresql://" in output
    assert "ANDIRON_DATABASE" not in output
    assert "secret" not in output


def test_a_database_that_cannot_be_opened(monkeypatch):
    monkeypatch.setenv("ANDIRON_DATABASE", "sqlite:////nowhere/at/all.db")
    assert "Error: The database /nowhere/at/all.db cannot be written" in fail(
        "user", "add", "bob", "--password-stdin", stdin="x\n"
    )


def test_many_accounts_from_a_file():
    Path("people").write_text("alice  pass word\n\n bob\tsecret \n", "utf-8")
    assert "Accounts made: 2" in succeed("user", "add", "--from-file", "people")
    assert "Accounts made: 1" in succeed("user", "add", "--from-file", "-", stdin="carol x\n")
    assert users() == ["alice@localhost", "bob@localhost", "carol@localhost"]


def test_lines_that_are_wrong_are_named_and_nothing_is_done():
    succeed("user", "add", "carol", "--password-stdin", stdin="secret\n")
    Path("people").write_text(
        "alice fine\nbob\na@b hidden1\nCAROL hidden2\nALICE hidden3\ndave hidden\x07\n", "utf-8"
    )
    output = fail("user", "add", "--from-file", "people")
    assert [line.partition(":")[0] for line in output.splitlines()] == [
        "Error",
        "line 2",
        "line 3",
        "line 4",
        "line 5",
        "line 6",
    ]
    assert "; give only what stands before the @\nline 4" in output
    assert "hidden" not in output
    assert users() == ["carol@localhost"]


def test_a_file_of_wrong_lines_is_cut_short():
    output = fail("user", "add", "--from-file", "-", stdin="alone\n" * 5_000)
    assert len(output.splitlines()) == 12
    assert output.endswith("and 4990 more\n")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "Give NAME, or --from-file FILE alone."),
        (["bob", "--from-file", "people"], 2, "Give NAME, or --from-file FILE alone."),
        (["--password-stdin", "--from-file", "people"], 2, "Give NAME, or --from-file FILE alone."),
        (["--from-file", "nowhere"], 2, "No such file"),
        (["--from-file", "people"], 1, "The file is not UTF-8"),
    ],
)
def test_arguments_that_make_no_sense(arguments, code, sentence):
    Path("people").write_bytes(b"bob \xff\n")
    assert sentence in fail("user", "add", *arguments, code=code)


# Settings


def test_config_check(monkeypatch):
    assert "sound (no andiron.toml" in succeed("config", "check")
    Path("andiron.toml").write_text("port = 1")
    assert "sound (andiron.toml" in succeed("config", "check")
    monkeypatch.setenv("ANDIRON_API_TOKEN", "short")
    assert "api_token (ANDIRON_API_TOKEN) has a token that is none" in fail("config", "check")
    monkeypatch.delenv("ANDIRON_API_TOKEN")
    monkeypatch.setenv("ANDIRON_METRICS_TOKEN", "short")
    assert "metrics_token (ANDIRON_METRICS_TOKEN) has a token" in fail("config", "check")
    monkeypatch.delenv("ANDIRON_METRICS_TOKEN")
    monkeypatch.setenv("ANDIRON_DOMIAN", "x")
    assert fail("config", "check") == (
        "Error: ANDIRON_DOMIAN is not a setting: did you mean ANDIRON_DOMAIN?\n"
    )


@pytest.mark.parametrize(
    ("database", "sentence"),
    [
        ("sqlite:////nowhere/at/all.db", "/nowhere/at/all.db cannot be written (No such file"),
        ("sqlite:///file/x.db", "file/x.db cannot be written (Not a directory)"),
        ("sqlite:///folder", "folder cannot be written (it is not a file)"),
        ("postgresql://u@h/d?sslmode=verify-full&sslrootcert=/no.pem", "sslrootcert is not a file"),
    ],
)
def test_config_check_looks_where_the_database_would_be(monkeypatch, database, sentence):
    Path("file").touch()
    Path("folder").mkdir()
    monkeypatch.setenv("ANDIRON_DATABASE", database)
    output = fail("config", "check")
    assert sentence in output
    assert "ANDIRON_DATABASE" in output


def test_config_check_of_a_folder_that_is_not_writable(monkeypatch):
    monkeypatch.setattr("os.access", lambda _path, _mode: False)
    assert "andiron.db cannot be written (Permission denied)" in fail("config", "check")


def test_config_check_looks_at_what_sessions_are_written_down_in():
    Path("andiron.db-sessions").write_text("andiron journal 99 0123456789abcdef\n")
    assert "a newer Andiron" in fail("config", "check")


def test_config_check_makes_nothing():
    succeed("config", "check")
    assert not list(Path().iterdir())


def test_config_show(monkeypatch):
    Path("andiron.toml").write_text("port = 1\nstream.management.max = 5")
    monkeypatch.setenv("ANDIRON_PORT", "2")
    lines = succeed("config", "show").splitlines()
    assert [line.partition(" = ")[0] for line in lines] == list(Settings.model_fields)
    assert "port = 2  # ANDIRON_PORT" in lines
    assert 'stream_management_max = 5  # "stream.management.max" in andiron.toml' in lines
    assert "domain = localhost  # default" in lines


# Serving


def test_serve_takes_options_before_settings(monkeypatch):
    served = []
    monkeypatch.setattr("andiron.serving.server.run", lambda one, _again: served.append(one))
    monkeypatch.setenv("ANDIRON_PORT", "2")
    succeed("serve", "--host", "::1", "--port", "3", "--demo")
    succeed("serve")
    assert [(s.host, s.port, s.demo) for s in served] == [
        ("::1", 3, True),
        ("127.0.0.1", 2, False),
    ]


def test_serve_listens_where_the_command_line_says(monkeypatch):
    served = []
    monkeypatch.setattr("andiron.serving.server.run", lambda one, _again: served.append(one))
    monkeypatch.setenv("ANDIRON_SOCKET", "configured.sock")
    succeed("serve")
    succeed("serve", "--socket", "given.sock")
    succeed("serve", "--port", "3")
    succeed("serve", "--host", "::1")
    assert [s.socket for s in served] == ["configured.sock", "given.sock", "", ""]
    assert "Give --socket, or --host and --port." in fail(
        "serve", "--socket", "given.sock", "--port", "3", code=2
    )


def test_serve_names_the_extra_that_is_missing(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name == "andiron.serving.server":
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert fail("serve") == (
        "Error: 'andiron serve' needs uvicorn; install it with: pip install 'andiron[server]'\n"
    )


# What is stored


def test_a_database_that_is_sound():
    succeed("user", "add", "bob", "--password-stdin", stdin="secret")
    result = run("database", "check")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "Found: 0\n")


@pytest.fixture
def former():
    """Let there be an account and a contact that were stored by other rules."""
    succeed("user", "add", "bob", "--password-stdin", stdin="secret")
    with closing(sqlite3.connect("andiron.db")) as database, database:
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute("UPDATE accounts SET username = ?", (SNOW,))
        database.execute("UPDATE credentials SET username = ?", (SNOW,))
        database.execute(
            "INSERT INTO contacts VALUES (?, 'al@x.', 1, 'none', 0, 0, '', '', '')", (SNOW,)
        )


def test_what_was_stored_by_other_rules_is_told(former):
    result = run("database", "check")
    assert (result.exit_code, result.stderr) == (1, "Found: 2\n")
    account, contact = result.stdout.splitlines()
    assert account.startswith(f"account: '{SNOW}' is no address: the localpart has U+2603 SNOWMAN")
    assert contact.startswith(f"contact of {SNOW}: 'al@x.' is prepared to another form, 'al@x'. ")


def test_an_account_takes_another_name(former):
    succeed("user", "export", SNOW, "--output", "all.xml")
    document = Path("all.xml").read_text("utf-8")
    Path("all.xml").write_text(document.replace(f"name='{SNOW}'", "name='snow'"), "utf-8")
    assert "contacts: 1" in succeed("user", "import", "all.xml")
    succeed("user", "remove", SNOW, "--yes")
    assert users() == ["snow@localhost"]
    assert run("database", "check").stdout == ""


@pytest.fixture
def watched(monkeypatch):
    """Somebody watches standard error, and sees all that is said there."""
    monkeypatch.setattr("andiron.commands.progress.on_terminal", lambda: True)
    monkeypatch.setattr("andiron.commands.progress._PAUSE", 0)


def test_it_is_told_how_far_a_long_check_is(former, watched):
    stderr = run("database", "check").stderr
    assert "\r\x1b[Kaccounts: 1\r\x1b[K" in stderr
    assert "\r\x1b[Kcontacts: 1\r\x1b[K" in stderr
    assert stderr.endswith("\r\x1b[KFound: 2\n")


def test_it_is_told_how_far_exports_imports_and_copies_are(watched, monkeypatch):
    succeed("user", "add", "--from-file", "-", stdin="alice a\nbob b\n")
    exported = run("user", "export", "--output", "all.xml").stderr
    assert "\r\x1b[KAccounts: 0 of 2 (0%)\r\x1b[KAccounts: 1 of 2 (50%)\r\x1b[K" in exported
    for name in ("alice", "bob"):
        succeed("user", "remove", name, "--yes")
    imported = run("user", "import", "all.xml").stderr
    assert imported == "\r\x1b[KAccounts: 1\r\x1b[KAccounts: 2\r\x1b[K"
    monkeypatch.setenv("ANDIRON_DATABASE", "sqlite:///copy.db")
    copied = run("database", "import", "sqlite:///andiron.db")
    assert "accounts: 2 of 2 (100%)" in copied.stderr


def test_nothing_is_told_where_nobody_watches():
    succeed("user", "add", "alice", "--password-stdin", stdin="a\n")
    assert run("user", "export", "--output", "all.xml").stderr == ""


def test_an_account_is_disabled_and_enabled():
    succeed("user", "add", "--from-file", "-", stdin="alice a\nbob b\n")
    succeed("user", "disable", "Alice")
    succeed("user", "disable", "alice")
    assert users() == ["alice@localhost\tdisabled", "bob@localhost"]
    succeed("user", "enable", "alice")
    assert users() == ["alice@localhost", "bob@localhost"]
    for command in ("disable", "enable"):
        assert "There is no account carol." in fail("user", command, "carol")
