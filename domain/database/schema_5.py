"""What schema version 5 adds: what the site says of its people."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, MetaData, Table, Text

__all__ = ["create"]


def create(metadata: MetaData) -> None:
    """Declare all new tables; ``metadata`` knows that of the accounts."""
    _directory(metadata)
    _disabled_accounts(metadata)
    _introductions(metadata)
    _shared_groups(metadata)


def _directory(metadata: MetaData) -> None:
    directory = Table(
        "directory",
        metadata,
        Column("entry", Text, primary_key=True),
        Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), primary_key=True),
        Column("shown", Text, nullable=False),
    )
    Index("directory_by_account", directory.c.username)


def _disabled_accounts(metadata: MetaData) -> None:
    Table(
        "disabled_accounts",
        metadata,
        Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), primary_key=True),
    )


def _introductions(metadata: MetaData) -> None:
    Table(
        "introductions",
        metadata,
        Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), primary_key=True),
        Column("name", Text, nullable=False),
        Column("photo", Text, nullable=False),
    )


def _shared_groups(metadata: MetaData) -> None:
    groups = Table(
        "shared_groups",
        metadata,
        Column("name", Text, primary_key=True),
        Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), primary_key=True),
        Column("said", Boolean, primary_key=True),
    )
    Index("shared_groups_by_account", groups.c.username)
