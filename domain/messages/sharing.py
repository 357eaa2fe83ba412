"""What several resources of an account are given is one message.

All resources of the highest priority get what is for the account (RFC 6121 section 8.5.2.1.1),
and others see a copy (XEP-0280). The account has it as soon as one of them has acknowledged it.
Only when all have ended without that it must go another way (XEP-0198 section 4), and once.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, Self, cast
from weakref import ref

from andiron.domain.client import Client, Owner
from andiron.sm.frozen import Noted, Plain
from andiron.xmpp.errors import StanzaError

__all__ = ["Share", "Shared", "again", "begin", "left", "seat"]

_NOBODY: Final[Collection[Client]] = ()
_FEW: Final = 32
"""Messages of an account that may be known though nobody is to be given them any more."""


class Shared:
    """A message that several resources are given, and which of them have it, or will.

    Until :meth:`given` somebody is about to give it.
    """

    __slots__ = ("__weakref__", "_giving", "former", "holders", "names", "over")

    def __init__(self, names: list[Plain], former: str = "", *, giving: bool = False) -> None:
        self.names = names
        """Its number among those of the account, then the names of the sessions it was given."""
        self.former = former
        """The message, where it is more than its text."""
        self.holders: dict[Client, bool] = {}
        """Resources whose sessions go on, each with whether it could acknowledge this."""
        self.over = False
        """Whether it needs no other way: an ended session acknowledged it, or it has gone one."""
        self._giving = giving

    def give(self, client: Client, share: "Share", now: float) -> None:
        """Give a resource its share. Raises :class:`StanzaError` where that has no room."""
        name = client.session.name
        self.holders[client] = client.session.managed
        if name:
            self.names.append(name)
        try:
            client.deliver(share, now)
        except StanzaError:
            self.holders.pop(client, None)
            if name:
                self.names.remove(name)
            raise

    def given(self) -> bool:
        """Note that all were given it; tell whether somebody has it.

        Else it has ended their sessions, and the caller finds it another way.
        """
        self._giving = False
        return not self.claim()

    def claim(self, among: Collection[Client] = _NOBODY) -> bool:
        """Tell whether the caller is to find another way: nobody has it but ``among``.

        Those have it no more then, and whoever asks next is told that it needs none.
        """
        if self._giving or self.over or any(holder not in among for holder in self.holders):
            return False
        self.holders.clear()
        self.over = True
        return True


class Share(Noted):
    """What one resource is given of it: the message, or a copy of it.

    It goes as the very object from queue to queue.
    """

    __slots__ = ("is_copy", "shared")

    shared: Shared
    is_copy: bool

    @classmethod
    def made(cls, text: str, shared: Shared, *, is_copy: bool = False) -> Self:
        """Return ``text`` as a share."""
        share = cls.of(text, [is_copy, shared.names])
        share.shared = shared
        share.is_copy = is_copy
        return share


class _Messages:
    """The messages of one account that are shared and on their way to somebody, by number."""

    __slots__ = ("_known", "_most", "last")

    def __init__(self) -> None:
        self.last = 0
        """The highest number so far."""
        # What nobody holds any more is dropped now and then: much less work than at once.
        self._known: dict[int, ref[Shared]] = {}
        self._most = _FEW

    def add(self, number: int, shared: Shared) -> None:
        """Know a message as long as somebody is to be given it."""
        if len(self._known) >= self._most:
            self._known = {each: found for each, found in self._known.items() if found()}
            self._most = max(_FEW, 2 * len(self._known))
        self._known[number] = ref(shared)
        self.last = max(self.last, number)

    def get(self, number: int) -> Shared | None:
        """Return a message by its number, if it is known still."""
        found = self._known.get(number)
        return None if found is None else found()

    def items(self) -> list[tuple[int, Shared]]:
        """Return all."""
        found = [(number, each()) for number, each in self._known.items()]
        return [(number, shared) for number, shared in found if shared is not None]


def begin(owner: Owner, text: str) -> Share:
    """Return a message that several resources of an account are to be given, one after another."""
    messages = _of(owner)
    number = messages.last + 1
    shared = Shared([number], "" if type(text) is str else text, giving=True)
    messages.add(number, shared)
    return Share.made(text, shared)


def left(client: Client, back: Iterable[str]) -> None:
    """Note that a session has ended: its account has what its client acknowledged.

    ``back`` is what it did not, as it did not what is held for it, nor what came before stream
    management was there.
    """
    messages: _Messages | None = client.owner.parts.get(_Messages)
    if messages is None:
        return
    held = [each.text for each in (client.held or {}).values()]
    lost = {id(text.shared) for text in (*back, *held) if isinstance(text, Share)}
    told = set[Client]()
    known = messages.items()
    for _, shared in known:
        if shared.holders.pop(client, False) and id(shared) not in lost:
            shared.over = True
            told.update(shared.holders)
    for other in told:
        other.had = {
            str(number): True for number, shared in known if shared.over and other in shared.holders
        }
        other.session.changed()


# Outliving the process


def again(owner: Owner, text: str) -> str:
    """Return a text that was written down as the share that it was, if it was one."""
    if not isinstance(text, Noted):
        return text
    messages = _of(owner)
    is_copy, names = cast(Any, text.note)
    number = names[0]
    shared = messages.get(number)
    if shared is None:
        shared = Shared(names)
        messages.add(number, shared)
    return Share.made(text, shared, is_copy=is_copy)


def seat(client: Client, had: Mapping[str, bool]) -> None:
    """Let a resource that was taken up have what its session was given.

    All sessions of its account have their shares again. ``had`` is what it had written down.
    """
    messages: _Messages | None = _of(client.owner) if had else client.owner.parts.get(_Messages)
    if messages is None:
        return
    name = client.session.name
    for number, shared in messages.items():
        if name in shared.names:
            shared.holders[client] = True
        if str(number) in had:
            shared.over = True
    # What is written down may outlast the messages: no new one is to be taken for one of them.
    messages.last = max(messages.last, *map(int, had), 0)
    client.had = dict(had) or None


def _of(owner: Owner) -> _Messages:
    found: _Messages | None = owner.parts.get(_Messages)
    if found is None:
        found = owner.parts[_Messages] = _Messages()
    return found
