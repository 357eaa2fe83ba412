"""Functions that decide about messages, before these go their way."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from andiron.domain.client import Client
from andiron.domain.patience import TimeLimit, within
from andiron.hooks.complaints import Complaints
from andiron.hooks.hooks import MessageHook
from andiron.hooks.values import Message, Refuse
from andiron.xmpp.content import BODY, SUBJECT
from andiron.xmpp.errors import StanzaCondition, StanzaError, StreamError
from andiron.xmpp.escape import escape_text
from andiron.xmpp.stanza import with_child, without
from andiron.xmpp.tree import parse_tree
from andiron.xmpp.xml import Element

__all__ = ["Deciding"]

logger = logging.getLogger("andiron.hooks")

_SAID_AGAIN: Final = frozenset({BODY, "{http://jabber.org/protocol/xhtml-im}html"})
"""What says the same as the body, in another language or form."""
_SHOWN: Final = _SAID_AGAIN | {SUBJECT}
_HANGS: Final = 3
"""How often in a row a function may take too long for one account before it is given a rest."""
_REST: Final = 30.0
"""Seconds in which such a function is not asked: what it would keep waiting goes on."""


@dataclass(slots=True)
class _Rest:
    """How often in a row a function hung over the messages of one account."""

    hung: int = 0
    until: float = 0.0
    """Until when it is not asked about them."""


class _Rests(dict[int, _Rest]):
    """Those of one account, by the number of the function: who makes it hang pays alone."""


class _UndecidedError(Exception):
    """A function has not decided."""


class Deciding:
    """A :data:`~andiron.domain.messages.screening.Screen` by the site's functions, in turn."""

    def __init__(
        self,
        hooks: Sequence[MessageHook],
        timeout: float,
        is_room: Callable[[str], bool],
        read: Callable[[str], Element],
        clock: Callable[[], float],
    ) -> None:
        """``is_room`` tells whether an address is a room's, ``read`` reads an element anew."""
        self._hooks = tuple(hooks)
        self._timeout = timeout
        self._is_room = is_room
        self._read = read
        self._clock = clock
        self._complaints = Complaints("message", clock)

    async def __call__(self, client: Client, element: Element) -> Element:
        """Return what becomes of a message. Raises :class:`StanzaError` where it is refused."""
        for number, hook in enumerate(self._hooks):
            rests: _Rests = client.owner.parts.setdefault(_Rests, _Rests())
            rest = rests.setdefault(number, _Rest())
            try:
                element = await self._decide(hook, rest, client, element)
            except _UndecidedError:
                if hook.on_failure == "refuse":
                    raise StanzaError(
                        StanzaCondition.RESOURCE_CONSTRAINT,
                        "the message could not be looked at, try again later",
                    ) from None
        return element

    async def _decide(
        self, hook: MessageHook, rest: _Rest, client: Client, element: Element
    ) -> Element:
        if self._clock() < rest.until:
            raise _UndecidedError
        try:
            work = hook.decide(self._described(client, element))
            answer: object = await within(self._timeout, "message", work)
        except TimeLimit:
            self._hung(rest, client)
            raise _UndecidedError from None
        except Exception as error:  # noqa: BLE001 - whatever went wrong in the site's own code
            self._complaints.tell(error)
            raise _UndecidedError from None
        rest.hung = 0
        if answer is None:
            return element
        if isinstance(answer, Refuse):
            raise StanzaError(StanzaCondition.POLICY_VIOLATION, answer.text)
        if not isinstance(answer, str):
            logger.error(
                "A message hook returns None, a text or Refuse, not %s", type(answer).__name__
            )
            raise _UndecidedError
        try:
            return self._read(_with_body(element, answer).text)
        except StreamError as error:
            logger.error("What a message hook gave cannot be sent: %s", error.condition)  # noqa: TRY400
            raise _UndecidedError from None

    def _hung(self, rest: _Rest, client: Client) -> None:
        logger.warning("A message hook took longer than %g s (hook_timeout)", self._timeout)
        rest.hung += 1
        if rest.hung >= _HANGS:
            rest.hung = 0
            rest.until = self._clock() + _REST
            logger.error(
                "A message hook hangs, and is not asked about messages of %s for %g s",
                client.account,
                _REST,
            )

    def _described(self, client: Client, element: Element) -> Message:
        tree, to = parse_tree(element), element.get("to")
        return Message(
            account=client.account,
            sender=client.jid,
            to=to,
            kind=element.get("type") or "normal",
            to_room=self._is_room(to),
            body=tree.findtext(BODY) or "",
            subject=tree.findtext(SUBJECT) or "",
            texts=tuple("".join(child.itertext()) for child in tree if child.tag in _SHOWN),
            id=element.get("id"),
            xml=element.text,
        )


def _with_body(element: Element, body: str) -> Element:
    rest = without(element, lambda child: child.tag in _SAID_AGAIN)
    text = with_child(rest.text, f"<body>{escape_text(body)}</body>")
    return Element(text, element.namespace, element.name, element.attributes)
