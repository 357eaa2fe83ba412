"""What may wait in one process, in all and of each client."""

from collections import Counter

__all__ = ["WaitingRoom"]


class WaitingRoom:
    """Room for ``most`` bytes, of one network's for ``most_of_one``."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._by_network: Counter[str] = Counter()
        self.taken = 0
        """How many bytes wait."""

    def enter(self, network: str, size: int) -> bool:
        """Let so many bytes wait, or return False where there is no room.

        An empty ``network``, as a proxy's that says no more, is not counted by.
        """
        here = self._by_network.get(network, 0)
        if self.taken + size > self._most or (network and here + size > self._most_of_one):
            return False
        self.taken += size
        if network:
            self._by_network[network] = here + size
        return True

    def leave(self, network: str, size: int) -> None:
        """Let them wait no more."""
        self.taken -= size
        if network:
            self._by_network[network] -= size
            if not self._by_network[network]:
                del self._by_network[network]
