"""The tables of schema version 2, a function for each specification.

What belongs to an account refers to it with a cascade, so that removing the
account removes it, everywhere.
"""

from sqlalchemy import Column, ForeignKey, MetaData, Table, Text

__all__ = ["create"]


def create(metadata: MetaData) -> None:
    """Declare all tables of this version; ``metadata`` knows those of the version before."""
    _blocking(metadata)


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
