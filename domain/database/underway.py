"""What is under way, for whom: so that who needs its outcome can tell, or wait for it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["UnderWay"]


class UnderWay:
    """Work by a name, such as writes for an account that are not committed yet."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends: dict[str, set[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        """Return for how many names something is under way."""
        return len(self._ends)

    def __contains__(self, name: str) -> bool:
        return name in self._ends

    @contextmanager
    def one(self, name: str) -> Iterator[None]:
        """Have one more under way for a name while the block runs."""
        ends = self._ends.setdefault(name, set())
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ends.add(end)
        try:
            yield
        finally:
            end.set_result(None)
            ends.discard(end)
            if not ends:
                del self._ends[name]

    async def settled(self, name: str) -> None:
        """Return when all that is under way for a name is over, however it ends."""
        if ends := self._ends.get(name):
            await asyncio.wait(list(ends))
