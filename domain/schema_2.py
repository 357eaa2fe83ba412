"""The tables of schema version 2, a function for each specification.

What belongs to an account refers to it with a cascade, so that removing the
account removes it, everywhere.
"""

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, MetaData, Table, Text

__all__ = ["create"]


def create(metadata: MetaData) -> None:
    """Declare all tables of this version; ``metadata`` knows those of the version before."""
    _blocking(metadata)
    _private_storage(metadata)
    _vcards(metadata)
    _uploads(metadata)


def owner() -> "Column[str]":
    """Return the column that says whose a row is."""
    return Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), nullable=False)


def _blocking(metadata: MetaData) -> None:
    Table(
        "blocked",
        metadata,
        Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), primary_key=True),
        Column("jid", Text, primary_key=True),
    )


def _private_storage(metadata: MetaData) -> None:
    Table(
        "private_storage",
        metadata,
        Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), primary_key=True),
        Column("tag", Text, primary_key=True),
        Column("text", Text, nullable=False),
    )


def _vcards(metadata: MetaData) -> None:
    Table(
        "vcards",
        metadata,
        Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), primary_key=True),
        Column("text", Text, nullable=False),
    )


def _uploads(metadata: MetaData) -> None:
    uploads = Table(
        "uploads",
        metadata,
        Column("id", Text, primary_key=True),
        owner(),
        Column("name", Text, nullable=False),
        Column("type", Text, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("stamp", Double, nullable=False),
    )
    Index("uploads_by_account", uploads.c.username, uploads.c.stamp, uploads.c.size)
    Index("uploads_by_age", uploads.c.stamp)
