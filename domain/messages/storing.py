"""A message's way into the store of who is away (RFC 6121 section 8.5.2.2, XEP-0160).

It is stored in its sender's turns. So what one sends stays in order, and waits for nothing
that others have sent.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, TypeAlias

from andiron.domain.messages.bouncing import Bouncer
from andiron.domain.messages.mailbox import Mailbox
from andiron.domain.messages.offline_store import OfflineFull, OfflineStore, Waiting
from andiron.domain.messages.owing import Owing
from andiron.domain.owners import NoSuchAccount
from andiron.domain.router import Action, Situation, message_row, refuse, worth_keeping
from andiron.sm.frozen import Plain
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.stanza import with_child
from andiron.xmpp.xml import Element

__all__ = ["Admission", "Settlement", "Storing", "is_storable", "sender_of", "storable"]

logger = logging.getLogger("andiron.domain")

Admission = Callable[[], Awaitable[str]]
"""Says what is added to a message that is stored; raises :class:`StanzaError` against it."""
Settlement = Callable[[StanzaError | None], None]
"""Told once that a message is stored, or why it is refused."""
_Debt: TypeAlias = tuple[Element, Waiting, str]
"""A message as it came, what is to be stored of it, and the key under which it is written down."""


class Storing:
    """Stores messages for accounts.

    ``spawn`` runs a coroutine to its end, also while the domain stops. ``stored`` is called
    with an account for which something is in the store now.
    """

    def __init__(
        self,
        domain: str,
        store: OfflineStore,
        bouncer: Bouncer,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        stored: Callable[[str], object],
    ) -> None:
        self._domain = domain
        self._store = store
        self._bouncer = bouncer
        self._spawn = spawn
        self._stored: Final = stored
        self._owing: Owing | None = None
        self._refused = list[tuple[str, str, StanzaError]]()
        """What another process left and found no room: by which key, the message, and why."""

    async def write_down(self, owing: Owing) -> None:
        """Have what was taken over written down until it is stored, from now on.

        What another process left so is stored first; see also :meth:`refuse_left`. Raises
        :class:`DatabaseError`.
        """
        refused = list[tuple[Any, OfflineFull]]()
        for debt in owing.left():
            account, text, stamp, sender, *born = debt
            username, waiting = account.partition("@")[0], Waiting(text, stamp, sender)
            if await self._store.has(username, waiting):
                continue
            with contextlib.suppress(NoSuchAccount):
                added = self._store.add_all(username, [waiting], self.payer(sender), *born)
                refused += [(debt, full) for full in await added if full is not None]
        owing.take_over()
        self._owing = owing
        self._refused = [(owing.owed(debt), debt[1], _is_full(full)) for debt, full in refused]

    def refuse_left(self, read: Callable[[str], Element]) -> None:
        """Tell its sender of what another process left and the store had no room for.

        Call it when the sessions of that process are there again. ``read`` reads a stanza again.
        """
        refused, self._refused = self._refused, []
        for key, text, error in refused:
            self._settle(read(text), key, error)

    def payer(self, sender: str) -> str:
        """Return who causes that a message is stored: its sender, a bare JID.

        What comes from services, such as rooms, is one's each, and what the server says its own.
        """
        name, at, host = sender.partition("@")
        return name if host == self._domain else at + host

    def keep(
        self,
        box: Mailbox,
        account: str,
        message: Waiting,
        settle: Settlement,
        admit: Admission | None,
        born: str | None,
    ) -> None:
        """Store a message, in its turn; see :meth:`Offline.keep`."""
        over = box.comes(self.payer(message.sender))
        self._spawn(self._keep(box, account, message, settle, admit, born, over))

    async def _keep(
        self,
        box: Mailbox,
        account: str,
        message: Waiting,
        settle: Settlement,
        admit: Admission | None,
        born: str | None,
        over: Callable[[], None],
    ) -> None:
        error: StanzaError | None
        try:
            async with box.lock:  # Hereafter the store keeps the order of each sender's.
                if admit is not None and (mark := await admit()):
                    message = message._replace(text=with_child(message.text, mark))
            (error,) = await self._put(account, [message], self.payer(message.sender), born)
        except StanzaError as refusal:
            error = refusal
        except Exception:
            # Whatever failed, the sender must hear that the message is not kept.
            logger.exception("%s: an account could not be read", account)
            error = StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR)
        finally:
            over()
        settle(error)
        if error is None:
            self._stored(account)

    def keep_again(
        self, box: Mailbox, account: str, message: Waiting, element: Element, born: str
    ) -> None:
        """Store a message that was taken over before, and is not with anybody."""
        key = self._owe(account, message, born)

        def settle(error: StanzaError | None) -> None:
            self._settle(element, key, error)

        self.keep(box, account, message, settle, None, born)

    def put_back(
        self,
        box: Mailbox,
        account: str,
        messages: Iterable[tuple[Element, Waiting]],
        born: str,
    ) -> None:
        """Store messages that were held: behind what is on its way there, before what comes."""
        lines: dict[str, list[_Debt]] = {}
        for element, message in messages:
            debt = element, message, self._owe(account, message, born)
            lines.setdefault(self.payer(message.sender), []).append(debt)
        for payer, debts in lines.items():
            self._spawn(self._put_back(box, account, debts, payer, born, box.comes(payer)))

    async def _put_back(
        self,
        box: Mailbox,
        account: str,
        debts: Sequence[_Debt],
        payer: str,
        born: str,
        over: Callable[[], None],
    ) -> None:
        try:
            async with box.lock:
                pass  # What was to be stored earlier has asked for it earlier.
            errors = await self._put(account, [message for _, message, _ in debts], payer, born)
        finally:
            over()
        for (element, _, key), error in zip(debts, errors, strict=True):
            self._settle(element, key, error)
        if None in errors:
            self._stored(account)

    def _owe(self, account: str, message: Waiting, born: str) -> str:
        """Write down that a message is to be stored; return by which key."""
        if self._owing is None:
            return ""
        # A text may be more than that, by which it is known here.
        debt: Plain = [account, str(message.text), message.stamp, message.sender, born]
        return self._owing.owed(debt)

    def _settle(self, element: Element, key: str, error: StanzaError | None) -> None:
        if key and self._owing is not None:
            self._owing.paid(key)
        if error is not None:
            self._bouncer.bounce(element, error)

    async def _put(
        self, account: str, messages: Sequence[Waiting], payer: str, born: str | None = None
    ) -> list[StanzaError | None]:
        """Store messages; return the error for the sender of each that is not stored."""
        username = account.partition("@")[0]
        try:
            refusals = await self._store.add_all(username, messages, payer, born)
        except NoSuchAccount:
            return [StanzaError(StanzaCondition.SERVICE_UNAVAILABLE) for _ in messages]
        except Exception:
            logger.exception("%s: %d messages could not be stored", account, len(messages))
            return [StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR) for _ in messages]
        return [None if full is None else _is_full(full) for full in refusals]


def storable(element: Element) -> bool:
    """Tell whether a message may wait in the store, by the table."""
    return message_row(element)[Situation.OFFLINE] is Action.STORE and worth_keeping(element)


def is_storable(element: Element) -> bool:
    """Tell whether a message may wait in the store, by the table; raises what it answers."""
    action = message_row(element)[Situation.OFFLINE]
    refuse(action)
    return storable(element)


def sender_of(element: Element) -> str:
    """Return the bare JID that a message is from."""
    return element.get("from").partition("/")[0]


def _is_full(error: OfflineFull) -> StanzaError:
    """Return what XEP-0160 section 2 tells a sender for whose message there is no room.

    A store that is full looks like that of an account which does not exist, but to
    who has something in it anyway.
    """
    return StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, str(error))
