"""The database's schema, version by version.

A migration is never changed once released: it describes its version for good,
so it names its tables itself and imports none. To change the schema, append a
migration, and a fixture of the version before it to the tests.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    column,
    insert,
    inspect,
    select,
    table,
    text,
    update,
)
from sqlalchemy.schema import CreateColumn

from andiron.domain.database import schema_2, schema_5

__all__ = ["MIGRATIONS", "SchemaError", "upgrade"]

Migration = Callable[[Connection], None]

META: Final = table("andiron_meta", column("key", Text), column("value", Text))
"""Facts about this database; its presence says that the database is Andiron's."""
_VERSION_KEY: Final = "schema_version"


class SchemaError(Exception):
    """The database is not one that this version of Andiron can use; says why and what to do."""


def _accounts_and_offline_messages(connection: Connection) -> None:
    metadata = MetaData()
    Table(
        "andiron_meta",
        metadata,
        Column("key", Text, primary_key=True),
        Column("value", Text, nullable=False),
    )
    Table("accounts", metadata, Column("username", Text, primary_key=True))
    Table(
        "credentials",
        metadata,
        Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), primary_key=True),
        Column("mechanism", Text, primary_key=True),
        Column("iterations", Integer, nullable=False),
        Column("salt", LargeBinary, nullable=False),
        Column("stored_key", LargeBinary, nullable=False),
        Column("server_key", LargeBinary, nullable=False),
    )
    offline = Table(
        "offline_messages",
        metadata,
        Column("id", Integer, Identity(), primary_key=True),
        Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), nullable=False),
        Column("stamp", Double, nullable=False),
        Column("text", Text, nullable=False),
    )
    Index("offline_messages_by_account", offline.c.username, offline.c.id)
    _create(metadata, connection)


def _a_chat_client_at_home(connection: Connection) -> None:
    metadata = MetaData()
    Table("accounts", metadata, Column("username", Text, primary_key=True))
    schema_2.create(metadata)
    _create(metadata, connection)


def _reasons_of_affiliations(connection: Connection) -> None:
    reason = Column("reason", Text, nullable=False, server_default="")
    _add(connection, "room_affiliations", reason)


def _shares_of_who_waits_and_languages_in_rooms(connection: Connection) -> None:
    """Note whose a message that waits is, which is not known of old ones, and its size."""
    language = Column("subject_lang", Text, nullable=False, server_default="")
    _add(connection, "rooms", language)
    table = "offline_messages"
    _add(connection, table, Column("sender", Text, nullable=False, server_default=""))
    _add(connection, table, Column("size", BigInteger, nullable=False, server_default="0"))
    is_sqlite = connection.dialect.name == "sqlite"
    size = "length(CAST(text AS BLOB))" if is_sqlite else "octet_length(text)"
    connection.execute(text(f"UPDATE {table} SET size = {size}"))  # noqa: S608
    # By it alone it is known how much waits, without a look at long texts.
    connection.execute(
        text(f"CREATE INDEX offline_messages_by_sender ON {table} (username, sender, size)")
    )


def _what_the_site_says_of_its_people(connection: Connection) -> None:
    metadata = MetaData()
    Table("accounts", metadata, Column("username", Text, primary_key=True))
    schema_5.create(metadata)
    _create(metadata, connection)


def _which_account_of_a_name_it_is(connection: Connection) -> None:
    _add(connection, "accounts", Column("born", Text, nullable=False, server_default=""))


def _create(metadata: MetaData, connection: Connection) -> None:
    """Create tables that behave on PostgreSQL as on SQLite."""
    for declared in metadata.tables.values():
        for each in declared.columns:
            _refine(each, connection)
    metadata.create_all(connection)


def _refine(column: Column[Any], connection: Connection) -> None:
    """Let text sort by its bytes, whatever the database's language, and no count end at 2³¹."""
    if connection.dialect.name == "postgresql":
        if isinstance(column.type, Text):
            column.type = Text(collation="C")
        elif column.identity is not None:
            column.type = BigInteger()


def _add(connection: Connection, table: str, column: Column[Any]) -> None:
    """Add a column to a table, as :func:`_create` would have made it."""
    _refine(column, connection)
    Table(table, MetaData(), column)
    written = CreateColumn(column).compile(dialect=connection.dialect)
    connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {written}"))


MIGRATIONS: Final[tuple[Migration, ...]] = (
    _accounts_and_offline_messages,
    _a_chat_client_at_home,
    _reasons_of_affiliations,
    _shares_of_who_waits_and_languages_in_rooms,
    _what_the_site_says_of_its_people,
    _which_account_of_a_name_it_is,
)
"""What leads from version 0, an empty database, to 1, from 1 to 2, and so on."""


def _untold(_version: int, _of: int) -> None:
    """Tell nobody."""


def upgrade(
    connection: Connection,
    migrations: Sequence[Migration] = MIGRATIONS,
    *,
    begun: Callable[[int, int], object] = _untold,
) -> bool:
    """Apply the next migration; return False when there was none to apply.

    ``begun`` is told before which version it leads to, and which is the last.
    Call it in a transaction of its own until it returns False. Raises
    :class:`SchemaError` for a database that is newer than ``migrations``, or
    another program's.
    """
    version = _version(connection)
    if version > len(migrations):
        raise SchemaError(
            f"was written by a newer Andiron (its schema is version {version}, this one knows"
            f" {len(migrations)}); install that version again, or name another database"
        )
    if version == len(migrations):
        return False
    begun(version + 1, len(migrations))
    migrations[version](connection)
    if version == 0:
        connection.execute(insert(META).values(key=_VERSION_KEY, value="1"))
    else:
        connection.execute(
            update(META).where(META.c.key == _VERSION_KEY).values(value=str(version + 1))
        )
    return True


def _version(connection: Connection) -> int:
    tables = inspect(connection).get_table_names()
    if not tables:
        return 0
    if META.name in tables:
        stored = connection.scalar(select(META.c.value).where(META.c.key == _VERSION_KEY))
        if stored is not None and stored.isdecimal():
            return int(stored)
    raise SchemaError("belongs to another program; name a database that Andiron has for itself")
