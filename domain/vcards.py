"""vcard-temp, XEP-0054: what an account tells of its person, the picture among it (XEP-0153)."""

from typing import Final

from sqlalchemy import Text, column, delete, insert, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.database import Database
from andiron.domain.registry import IqRequest, Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.tree import serialise

__all__ = ["VCards"]

_VCARDS: Final = table("vcards", column("username", Text), column("text", Text))


class VCards:
    """The vCards of all accounts. Everybody of the domain may read them (section 3.3)."""

    def __init__(self, database: Database, max_size: int) -> None:
        """Take how many bytes one may have, as it is kept."""
        self._database = database
        self._max_size = max_size

    def register(self, registry: Registry) -> None:
        """Answer for every account.

        An attempt to change somebody else's finds no handler: who gets
        ``forbidden``, as section 3.2 has it, would know that the account exists.
        """
        registry.add(Target.ACCOUNT, "get", ns.VCARD, "vCard", self._own)
        registry.add(Target.ACCOUNT, "set", ns.VCARD, "vCard", self._set)
        registry.add(Target.CONTACT, "get", ns.VCARD, "vCard", self._contacts)
        for target in Target:
            registry.add_feature(target, ns.VCARD)

    async def read(self, username: str) -> str:
        """Return an account's vCard, empty where there is none."""

        async def operation(connection: AsyncConnection) -> str:
            query = select(_VCARDS.c.text).where(_VCARDS.c.username == username)
            return await connection.scalar(query) or ""

        return await self._database.read(operation)

    async def _own(self, request: IqRequest) -> str:
        """Answer with one's own; none is an empty one, which no client takes for a failure."""
        return await self.read(request.link.owner.username) or f"<vCard xmlns='{ns.VCARD}'/>"

    async def _contacts(self, request: IqRequest) -> str:
        """Answer with a contact's; an account without one looks like none (section 3.3)."""
        text = await self.read(request.to.partition("@")[0])
        if not text:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
        return text

    async def _set(self, request: IqRequest) -> str:
        username = request.username()
        text = serialise(request.payload) if len(request.payload) else ""
        if len(text.encode()) > self._max_size:
            raise StanzaError(StanzaCondition.POLICY_VIOLATION, f"at most {self._max_size} bytes")

        async def operation(connection: AsyncConnection) -> None:
            await connection.execute(delete(_VCARDS).where(_VCARDS.c.username == username))
            if text:
                await connection.execute(insert(_VCARDS).values(username=username, text=text))

        await self._database.write(operation)
        return ""
