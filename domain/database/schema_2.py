"""The tables of schema version 2, a function for each specification.

What belongs to an account refers to it with a cascade, so that removing the
account removes it, everywhere.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

__all__ = ["create"]


def create(metadata: MetaData) -> None:
    """Declare all tables of this version; ``metadata`` knows those of the version before."""
    _blocking(metadata)
    _private_storage(metadata)
    _vcards(metadata)
    _last_seen(metadata)
    _pubsub(metadata)
    _roster(metadata)
    _rooms(metadata)
    _uploads(metadata)
    _archive(metadata)


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


def _pubsub(metadata: MetaData) -> None:
    nodes = Table(
        "pubsub_nodes",
        metadata,
        Column("id", Integer, Identity(), primary_key=True),
        owner(),
        Column("node", Text, nullable=False),
        Column("config", Text, nullable=False),
        Column("item_count", BigInteger, nullable=False),
        Column("byte_count", BigInteger, nullable=False),
        UniqueConstraint("username", "node"),
    )
    Table(
        "pubsub_entities",
        metadata,
        Column("node_id", BigInteger, ForeignKey(nodes.c.id, ondelete="CASCADE"), primary_key=True),
        Column("jid", Text, primary_key=True),
        Column("affiliation", Text, nullable=False),
        Column("subscribed", Boolean, nullable=False),
        Index("pubsub_entities_by_jid", "jid"),
    )
    Table(
        "pubsub_items",
        metadata,
        Column("id", Integer, Identity(), primary_key=True),
        Column("node_id", BigInteger, ForeignKey(nodes.c.id, ondelete="CASCADE"), nullable=False),
        Column("item", Text, nullable=False),
        Column("publisher", Text, nullable=False),
        Column("stamp", Double, nullable=False),
        Column("bytes", BigInteger, nullable=False),
        Column("payload", Text, nullable=False),
        UniqueConstraint("node_id", "item"),
        Index("pubsub_items_in_order", "node_id", "id"),
    )


def _roster(metadata: MetaData) -> None:
    Table(
        "roster_versions",
        metadata,
        Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), primary_key=True),
        Column("version", BigInteger, nullable=False),
    )
    contacts = Table(
        "contacts",
        metadata,
        Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), primary_key=True),
        Column("jid", Text, primary_key=True),
        Column("listed", Boolean, nullable=False),
        Column("subscription", Text, nullable=False),
        Column("ask", Boolean, nullable=False),
        Column("approved", Boolean, nullable=False),
        Column("request", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("groups", Text, nullable=False),
    )
    Index("contacts_by_jid", contacts.c.jid)


def _vcards(metadata: MetaData) -> None:
    Table(
        "vcards",
        metadata,
        Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), primary_key=True),
        Column("text", Text, nullable=False),
        Column("photo", Text, nullable=False),
    )


def _last_seen(metadata: MetaData) -> None:
    Table(
        "last_seen",
        metadata,
        Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), primary_key=True),
        Column("stamp", Double, nullable=False),
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


def _archive(metadata: MetaData) -> None:
    for name, owner_column in (
        ("archive", Column("owner", ForeignKey("accounts.username", ondelete="CASCADE"))),
        ("room_archive", Column("owner", Text)),
    ):
        Table(
            name,
            metadata,
            owner_column,
            Column("id", BigInteger, autoincrement=False),
            Column("peer", Text, nullable=False),
            Column("resource", Text, nullable=False),
            Column("text", Text, nullable=False),
            # There must be no index by the id alone: the order of all messages would tempt
            # PostgreSQL to pass over those of others.
            PrimaryKeyConstraint("owner", "id"),
            Index(
                f"{name}_by_peer",
                text("(owner || ' ' || peer)"),
                "id",
                # Whole ones would make rows that PostgreSQL refuses (:mod:`.key_sizes`).
                text("substr(resource, 1, 63)"),
            ),
        )
    Table(
        "archive_preferences",
        metadata,
        Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), primary_key=True),
        Column("policy", Text, nullable=False),
        Column("always", Text, nullable=False),
        Column("never", Text, nullable=False),
    )


def _rooms(metadata: MetaData) -> None:
    Table(
        "rooms",
        metadata,
        Column("name", Text, primary_key=True),
        Column("created_by", Text, nullable=False),
        Column("secret", LargeBinary, nullable=False),
        Column("config", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("subject_nick", Text, nullable=False),
        Column("subject_stamp", Double, nullable=False),
        Column("vcard", Text, nullable=False),
    )
    Table(
        "room_affiliations",
        metadata,
        Column("room", ForeignKey("rooms.name", ondelete="CASCADE"), primary_key=True),
        Column("jid", Text, primary_key=True),
        Column("affiliation", Text, nullable=False),
        Column("nick", Text, nullable=False),
        # Null for addresses that are no account's, and for bans, which stay.
        Column("username", ForeignKey("accounts.username", ondelete="CASCADE"), index=True),
    )
