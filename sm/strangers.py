"""How many connections may be signing in at one time."""

from collections import Counter
from ipaddress import IPv6Address, ip_address
from typing import Final

_IPV6_NETWORK: Final = 64
"""Bits of an IPv6 address that one customer has to himself at least."""


class Strangers:
    """Counts the connections that have not signed in, in all and by address.

    The addresses of one IPv6 network of 64 bits count as one.
    """

    __slots__ = ("_by_network", "_most", "_most_per_address", "count")

    def __init__(self, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._by_network: Counter[str] = Counter()
        self.count = 0

    def admit(self, address: str) -> bool:
        """Count one more connection, or return False where there is no room."""
        network = network_of(address)
        if self.count >= self._most or self._by_network[network] >= self._most_per_address:
            return False
        self.count += 1
        self._by_network[network] += 1
        return True

    def release(self, address: str) -> None:
        """Count one less: it signed in, or it ended."""
        network = network_of(address)
        self.count -= 1
        self._by_network[network] -= 1
        if not self._by_network[network]:
            del self._by_network[network]


def is_local(address: str) -> bool:
    """Tell whether who connects is this machine: a proxy that says no more, a socket file."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return True


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
