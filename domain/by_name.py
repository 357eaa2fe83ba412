"""What others keep of an account by its name alone: its places in rooms, and at others' nodes.

No row of it refers to the account, so none goes with that.
"""

from typing import Final

from sqlalchemy import Text, column, delete, table
from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["forget_affiliations", "forget_entity"]

_AFFILIATED: Final = table("room_affiliations", column("jid", Text), column("affiliation", Text))
_ENTITIES: Final = table("pubsub_entities", column("jid", Text))
_BANNED: Final = "outcast"
"""Bans are of a name, whoever has it, as block lists are."""


async def forget_affiliations(connection: AsyncConnection, bare: str) -> None:
    """Keep of an address nothing that rooms have granted it; its bans stay."""
    columns = _AFFILIATED.c
    mine = (columns.jid == bare, columns.affiliation != _BANNED)
    await connection.execute(delete(_AFFILIATED).where(*mine))


async def forget_entity(connection: AsyncConnection, bare: str) -> None:
    """Let an address, whose account was removed, have to do with no node any more."""
    # From "bare/" to "bare0", "0" being next to "/", are its full JIDs.
    jid = _ENTITIES.c.jid
    mine = (jid == bare) | ((jid >= f"{bare}/") & (jid < f"{bare}0"))
    await connection.execute(delete(_ENTITIES).where(mine))
