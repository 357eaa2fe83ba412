"""Keeps each archive within a size, by letting go of its oldest messages (XEP-0313 section 8)."""

from andiron.domain.archive.store import ArchiveStore

__all__ = ["Trimming"]


class Trimming:
    """What is known of the size of one store's archives, and what makes them smaller.

    Only what came since is counted each time, until an archive seems too large: then all
    of it is, since something may have been removed, too.
    """

    def __init__(self, store: ArchiveStore, most: int) -> None:
        """``most`` is the bytes of text that one archive may have; 0: any number."""
        self._store = store
        self._most = most
        self._counted: dict[str, tuple[int, int]] = {}

    async def run(self) -> None:
        """Look at every archive once. Raises :class:`DatabaseError`."""
        if not self._most:
            return
        self._counted = {owner: await self._trim(owner) async for owner in self._store.owners()}

    async def _trim(self, owner: str) -> tuple[int, int]:
        """Return the last message that was counted, and the bytes of all."""
        last, size = await self._count(owner, *self._counted.get(owner, (0, 0)))
        if size <= self._most:
            return last, size
        last, size = await self._count(owner, 0, 0)
        while size > self._most:
            end = 0
            for identity, length in await self._store.sizes(owner, 0):
                end, size = identity, size - length
                if size <= self._most:
                    break
            if not end:
                break
            await self._store.remove_through(owner, end)
        return last, size

    async def _count(self, owner: str, last: int, size: int) -> tuple[int, int]:
        while found := await self._store.sizes(owner, last):
            last = found[-1][0]
            size += sum(length for _, length in found)
        return last, size
