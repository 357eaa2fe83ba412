"""Iq requests that the domain sends to its clients, and their answers (RFC 6120 section 8.2.3)."""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

from andiron.domain.client import Client
from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape
from andiron.xmpp.xml import Element

__all__ = ["Answer", "Questions"]

Answer = Callable[[Client, Element, float], None]
"""Takes the ``result`` or ``error`` of a resource. It must not keep the client alive itself."""

_OPEN: Final = 16
"""Questions that one resource may leave unanswered; one more, and the oldest is given up."""


class Questions:
    """The requests that wait for their answers; they are forgotten with the session."""

    def __init__(self, domain: str) -> None:
        """Take the address that asks."""
        self._from = escape(domain)
        self._open: WeakKeyDictionary[Client, OrderedDict[str, Answer]] = WeakKeyDictionary()

    def ask(self, client: Client, payload: str, answer: Answer, now: float) -> None:
        """Send ``<iq type='get'/>`` to a resource; ``answer`` is called at most once."""
        waiting = self._open.setdefault(client, OrderedDict())
        if len(waiting) >= _OPEN:
            waiting.popitem(last=False)
        identity = secrets.token_urlsafe(9)
        waiting[identity] = answer
        client.forward(
            f"<iq xmlns='{ns.CLIENT}' type='get' id='{identity}' from='{self._from}'"
            f" to='{escape(client.jid)}'>{payload}</iq>",
            now,
        )

    def answered(self, client: Client, element: Element, now: float) -> None:
        """Take an answer of a resource to the domain; one that nobody waits for is let go."""
        waiting = self._open.get(client)
        if waiting is None:
            return
        answer = waiting.pop(element.get("id"), None)
        if not waiting:
            del self._open[client]
        if answer is not None:
            answer(client, element, now)

    def forget(self, client: Client) -> None:
        """Wait no more for what a resource has to say."""
        self._open.pop(client, None)
