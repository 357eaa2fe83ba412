"""How many connections may be held by those who have not signed in."""

from collections import Counter
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any, Final, Generic, TypeVar

_IPV6_NETWORK: Final = 64
"""Bits of an IPv6 address that one customer has to himself at least."""
_RESERVED: Final = 4
"""Newcomers have this part of the room at least, however many are signing in."""

K = TypeVar("K")


class Strangers:
    """Counts the connections that have not signed in, in all and by address.

    The addresses of one IPv6 network of 64 bits count as one.
    """

    __slots__ = ("_by_network", "_most", "count", "most_per_address", "refused", "reserved")

    def __init__(self, most: int, most_per_address: int) -> None:
        self._most = most
        self.reserved = most // _RESERVED
        """For how many of those there always is room."""
        self.most_per_address = most_per_address
        self._by_network: Counter[str] = Counter()
        self.count = 0
        self.refused = 0
        """How many were not admitted."""

    def room(self, taken: int) -> int:
        """Return how many may be there of those of whom less is known, and ``taken`` is more."""
        return max(self._most - self.count - taken, self.reserved)

    def admit(self, address: str) -> bool:
        """Count one more connection, or return False where there is no room."""
        if not self.has_room(address):
            self.refused += 1
            return False
        self.count += 1
        self._by_network[network_of(address)] += 1
        return True

    def has_room(self, address: str) -> bool:
        """Tell whether one more would be admitted."""
        here = self._by_network[network_of(address)]
        return self.count < self._most and here < self.most_per_address

    def release(self, address: str) -> None:
        """Count one less: it signed in, or it ended."""
        network = network_of(address)
        self.count -= 1
        self._by_network[network] -= 1
        if not self._by_network[network]:
            del self._by_network[network]


@lru_cache(maxsize=1024)
def is_local(address: str) -> bool:
    """Tell whether who connects is this machine: a proxy that says no more, a socket file."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return True


class Newcomers(Generic[K]):
    """Those who have begun to ask for something and not done so yet, in the order of their coming.

    Where there are too many, in all or of one address, those who have taken
    longest make room: whoever asks in one go is always heard. They have the
    room that ``strangers``, and ``others`` who go first, leave them.
    """

    __slots__ = ("_by_network", "_crowded", "_networks", "_others", "_strangers")

    def __init__(self, strangers: Strangers, others: "Newcomers[Any] | tuple[()]" = ()) -> None:
        self._strangers = strangers
        self._others = others
        self._networks: dict[K, str] = {}
        self._by_network: dict[str, dict[K, None]] = {}
        self._crowded: set[str] = set()

    def __len__(self) -> int:
        return len(self._networks)

    def __contains__(self, who: K) -> bool:
        return who in self._networks

    def add(self, who: K, network: str) -> None:
        """Count one more as the latest; an empty ``network``, as a proxy's, is not counted by.

        It is what :func:`network_of` makes of an address.
        """
        self.remove(who)
        self._networks[who] = network
        if network:
            known = self._by_network.setdefault(network, {})
            known[who] = None
            if len(known) > self._strangers.most_per_address:
                self._crowded.add(network)

    def remove(self, who: K) -> None:
        """Count one less, if it was counted: it has asked, or is gone."""
        network = self._networks.pop(who, "")
        if network:
            known = self._by_network[network]
            del known[who]
            if not known:
                del self._by_network[network]
                self._crowded.discard(network)

    @property
    def crowded(self) -> bool:
        """Whether some must go."""
        here, strangers = len(self._networks), self._strangers
        many = here > strangers.reserved and here > strangers.room(len(self._others))
        return many or bool(self._crowded)

    def surplus(self) -> list[K]:
        """Count those no more who must go, and return them."""
        gone: list[K] = []
        for network in self._crowded:
            known = list(self._by_network[network])
            gone += known[: max(0, len(known) - self._strangers.most_per_address)]
        self._crowded.clear()
        for who in gone:
            self.remove(who)
        room = self._strangers.room(len(self._others))
        while len(self) > room:
            gone.append(next(iter(self._networks)))
            self.remove(gone[-1])
        return gone


@lru_cache(maxsize=1024)
def network_of(address: str) -> str:
    """Return what counts as one customer: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return (int(parsed) >> (128 - _IPV6_NETWORK)).to_bytes(_IPV6_NETWORK // 8).hex()
