"""What is under way, for whom: so that who needs its outcome can tell, or wait for it."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

__all__ = ["UnderWay"]


class UnderWay:
    """Work by a name, such as writes for an account that are not committed yet."""

    __slots__ = ("_ends", "_next")

    def __init__(self) -> None:
        self._ends: dict[str, dict[asyncio.Future[None], None]] = {}
        self._next: asyncio.Future[None] | None = None
        """The next time that all is over for a name."""

    def __len__(self) -> int:
        """Return for how many names something is under way."""
        return len(self._ends)

    def __contains__(self, name: str) -> bool:
        return name in self._ends

    def __iter__(self) -> Iterator[str]:
        return iter(self._ends)

    def begin(self, name: str) -> Callable[[], None]:
        """Have one more under way for a name, until what is returned is called."""
        ends = self._ends.setdefault(name, {})
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ends[end] = None

        def over() -> None:
            end.set_result(None)
            del ends[end]
            if not ends:
                del self._ends[name]
                if self._next is not None:
                    self._next.set_result(None)
                    self._next = None

        return over

    @contextmanager
    def one(self, name: str) -> Iterator[None]:
        """Have one more under way for a name while the block runs."""
        over = self.begin(name)
        try:
            yield
        finally:
            over()

    async def settled(self, name: str) -> None:
        """Return when all that is under way for a name is over, however it ends."""
        if ends := self._ends.get(name):
            await asyncio.wait(list(ends))

    async def one_settled(self, names: Collection[str]) -> None:
        """Return when nothing is under way any more for one of some names, or for any other."""
        if names and all(name in self._ends for name in names):
            if self._next is None:
                self._next = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._next])
