"""What schema version 5 adds: what the site says of its people."""

from sqlalchemy import Column, ForeignKey, MetaData, Table, Text

__all__ = ["create"]


def create(metadata: MetaData) -> None:
    """Declare all new tables; ``metadata`` knows that of the accounts."""
    _introductions(metadata)


def _introductions(metadata: MetaData) -> None:
    Table(
        "introductions",
        metadata,
        Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), primary_key=True),
        Column("name", Text, nullable=False),
        Column("photo", Text, nullable=False),
    )
