"""Where the owners of accounts have been in from, that guesses from elsewhere cannot hinder.

Pure, and in memory alone.
"""

from collections import OrderedDict
from typing import Final

__all__ = ["Places"]

_PLACES: Final = 8
"""How many places of one account are remembered: somebody's home, phone and office."""
_STRIKES: Final = 5
"""After how many failures in a row a place is as good as any."""


class Places:
    """The places from which accounts signed in lately, at most eight of each.

    Accounts and places are keys that say nothing by themselves. ``most`` bounds
    the accounts; who was longest away is forgotten first.
    """

    __slots__ = ("_known", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[bytes, dict[bytes, int]] = OrderedDict()
        """Of each account the failures in a row from each place, the latest place last."""

    def __len__(self) -> int:
        """Return how many accounts are remembered."""
        return len(self._known)

    def knows(self, account: bytes, place: bytes) -> bool:
        """Tell whether the account's owner has been in from there."""
        return place in self._known.get(account, ())

    def succeeded(self, account: bytes, place: bytes) -> None:
        """Remember that the account's owner is there."""
        places = self._known.setdefault(account, {})
        self._known.move_to_end(account)
        places.pop(place, None)
        places[place] = 0
        if len(places) > _PLACES:
            del places[next(iter(places))]
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def failed(self, account: bytes, place: bytes) -> None:
        """Count a wrong password from there; somebody else may be there, too."""
        places = self._known.get(account)
        if places is None or place not in places:
            return
        places[place] += 1
        if places[place] >= _STRIKES:
            del places[place]
            if not places:
                del self._known[account]
