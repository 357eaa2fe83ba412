"""The tables that an account's content is in."""

from typing import Final

from sqlalchemy import Double, Text, column, table

__all__ = ["BLOCKED", "DISABLED", "PREFERENCES", "PRIVATE", "SEEN", "VCARDS"]

BLOCKED: Final = table("blocked", column("username", Text), column("jid", Text))
DISABLED: Final = table("disabled_accounts", column("username", Text))
PRIVATE: Final = table(
    "private_storage", column("username", Text), column("tag", Text), column("text", Text)
)
VCARDS: Final = table(
    "vcards", column("username", Text), column("text", Text), column("photo", Text)
)
PREFERENCES: Final = table(
    "archive_preferences",
    column("username", Text),
    column("policy", Text),
    column("always", Text),
    column("never", Text),
)
SEEN: Final = table("last_seen", column("username", Text), column("stamp", Double))
