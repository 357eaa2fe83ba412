"""Private XML Storage, XEP-0049: what an account's clients keep for themselves."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Text, column, delete, func, insert, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.database.database import Database
from andiron.domain.database.key_sizes import MAX_TAG, fits
from andiron.domain.registry import IqRequest, Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.tree import serialise

__all__ = ["PrivateStorage"]

_STORAGE: Final = table(
    "private_storage", column("username", Text), column("tag", Text), column("text", Text)
)


class PrivateStorage:
    """Keeps one element of each name and namespace for each account."""

    def __init__(self, database: Database, max_size: int, max_elements: int) -> None:
        """Take the bounds: bytes of one element as it is kept, and elements of one account."""
        self._database = database
        self._max_size = max_size
        self._max_elements = max_elements

    def register(self, registry: Registry) -> None:
        """Answer accounts that ask for their own."""
        for kind, handler in (("get", self._get), ("set", self._set)):
            registry.add(Target.ACCOUNT, kind, ns.PRIVATE, "query", handler)
            # Some clients ask the domain, where there is nothing but the asker's own either.
            registry.add(Target.DOMAIN, kind, ns.PRIVATE, "query", handler)
        registry.add_feature(Target.DOMAIN, ns.PRIVATE)

    async def _get(self, request: IqRequest) -> str:
        asked = self._tags(request)
        username = request.username()

        async def operation(connection: AsyncConnection) -> dict[str, str]:
            query = select(_STORAGE.c.tag, _STORAGE.c.text).where(
                _STORAGE.c.username == username, _STORAGE.c.tag.in_(asked)
            )
            return {row.tag: row.text for row in await connection.execute(query)}

        found = await self._database.read(operation)
        inner = "".join(
            found[child.tag] if child.tag in found else serialise(child)
            for child in request.payload
        )
        return f"<query xmlns='{ns.PRIVATE}'>{inner}</query>"

    async def _set(self, request: IqRequest) -> str:
        tags = self._tags(request)
        username = request.username()
        # An element with nothing in it reads like one that was never kept.
        kept = {
            child.tag: serialise(child)
            for child in request.payload
            if len(child) or child.text or child.attrib
        }
        if any(len(text.encode()) > self._max_size for text in kept.values()):
            raise StanzaError(
                StanzaCondition.POLICY_VIOLATION, f"at most {self._max_size} bytes an element"
            )

        async def operation(connection: AsyncConnection) -> None:
            own = _STORAGE.c.username == username
            await connection.execute(delete(_STORAGE).where(own, _STORAGE.c.tag.in_(tags)))
            count = select(func.count()).select_from(_STORAGE).where(own)
            others = await connection.scalar(count) or 0
            if kept and others + len(kept) > self._max_elements:
                raise StanzaError(
                    StanzaCondition.RESOURCE_CONSTRAINT, f"at most {self._max_elements} elements"
                )
            if kept:
                rows = [{"username": username, "tag": tag, "text": kept[tag]} for tag in kept]
                await connection.execute(insert(_STORAGE), rows)

        await self._database.write(operation, username)
        return ""

    def _tags(self, request: IqRequest) -> Sequence[str]:
        """Return the names of what is asked for; raises what the table of errors says."""
        tags = {child.tag: None for child in request.payload}
        if not tags:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "an element of which namespace?")
        if len(tags) > self._max_elements:
            raise StanzaError(StanzaCondition.POLICY_VIOLATION, "too many elements at once")
        if not all(fits(tag, MAX_TAG) for tag in tags):
            raise StanzaError(
                StanzaCondition.NOT_ACCEPTABLE,
                f"an element's name and namespace have at most {MAX_TAG} bytes",
            )
        own = f"{{{ns.PRIVATE}}}"
        if any(tag.startswith(own) or not tag.startswith("{") for tag in tags):
            raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "an element has its own namespace")
        return list(tags)
