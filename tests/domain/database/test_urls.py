import pytest

from andiron.domain.database import postgres, sqlite
from andiron.domain.database.database import Database, DatabaseError
from andiron.domain.database.urls import parse, problem


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("sqlite://", sqlite),
        ("sqlite:///:memory:", sqlite),
        ("sqlite:///andiron.db", sqlite),
        ("sqlite+aiosqlite:////var/lib/andiron.db", sqlite),
        ("postgresql://db/andiron", postgres),
        ("postgresql+asyncpg://me:p%40ss@[::1]:5432/andiron?sslmode=require", postgres),
        ("postgresql://me@/andiron?host=/run/postgresql&port=5433", postgres),
        ("postgresql://me:a/b:c#d?e@db/andiron", postgres),
    ],
)
def test_a_url_that_can_be_used(url: str, kind: object):
    assert problem(url) == ""
    assert parse(url)[0] is kind


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("", "it is empty"),
        ("andiron.db", "does not begin with sqlite:// or postgresql://"),
        ("/var/lib/secret", "does not begin with sqlite://"),
        ("me:secret@db/andiron", "does not begin with"),
        ("'sqlite:///andiron.db'", "the quotes around it"),
        (' "sqlite:///andiron.db"', "a space before or after it"),
        ("sqlite:/andiron.db", "sqlite: must be followed by //"),
        ("postgresql:/me:secret@db/andiron", "postgresql: must be followed by //"),
        ("postgres://me:secret@db/andiron", "postgres:// is unknown; write postgresql://"),
        ("postgressql://me:secret@db/x", "postgressql:// is unknown; write postgresql://"),
        ("PostgreSQL://me:secret@db/x", "PostgreSQL:// is unknown; write postgresql://"),
        ("sqlite3:///andiron.db", "sqlite3:// is unknown; write sqlite://"),
        ("postgresql+psycopg://a:secret@b/c", "the driver psycopg in postgresql+psycopg:// is"),
        ("postgres+psycopg2://a:secret@b/c", "write postgresql://"),
        ("sqlite+pysqlite:///andiron.db", "the driver pysqlite in sqlite+pysqlite:// is not one"),
        ("mysql://a:secret@b/c", "mysql:// is not supported, only sqlite:// and postgresql://"),
        ("oracle+asyncpg://x/y", "oracle+asyncpg:// is not supported"),
        ("sqlite://andiron.db", "a third slash and a path: sqlite:///andiron.db"),
        ("sqlite://host/file.db", "there is no host"),
        ("sqlite://me:secret@host/file.db", "takes no user"),
        ("sqlite:///file.db?mode=ro", "takes no options"),
        ("postgresql://a:secret@b:port/c", "is no port number"),
        ("postgresql://a:secret/c", "is no port number; a user has an @ behind it"),
        ("postgresql://a:secret@b", "it names no database"),
        ("postgresql://a:secret@b/", "it names no database"),
        ("postgresql://a:b@secret@b/c", "an @ in the user or the password is written %40"),
        ("postgresql://a:secret@b/c?password=secret", "may be host, port, ssl"),
        ("postgresql://a:secret@b/c?sslmod=require", "sslmode, sslrootcert, nothing else"),
        ("postgresql://a:secret@b/c?host=d&host=e", "it says host twice"),
        ("postgresql://a:secret@b/c?port=secret", "the port after the ? is not a number"),
    ],
)
async def test_the_part_that_is_wrong_is_named_and_no_secret(url: str, part: str):
    found = problem(url)
    assert part in found
    assert "secret" not in found
    with pytest.raises(DatabaseError) as caught:
        await Database.open(url)
    assert str(caught.value) == (
        "ANDIRON_DATABASE must be a database URL such as sqlite:///andiron.db or"
        f" postgresql://user:password@host/name: {found}."
    )
