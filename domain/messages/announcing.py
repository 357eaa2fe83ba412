"""What is told to who is there and to nobody later: headlines, announcements to all.

RFC 6121 section 5.2.2, XEP-0133 section 4.23.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from andiron.domain.messages.composing import message_text, new_id
from andiron.domain.router import Router
from andiron.xmpp.errors import StanzaError
from andiron.xmpp.stanza import from_attribute

__all__ = ["announce", "tell"]

_AT_ONCE: Final = 50
"""Accounts that are told before others have their turn."""


async def announce(router: Router, clock: Callable[[], float], body: str, subject: str = "") -> int:
    """Send a headline to every session that is available; return to how many.

    Those that hibernate get it when they are resumed, and nobody else later. Nobody blocks
    his own server (XEP-0191). The caller has looked at how long the texts are.
    """
    sender, identity, told = from_attribute(router.domain), new_id(), 0
    for done, account in enumerate(list(router.accounts), 1):
        text = message_text(sender, account, "headline", identity, subject, body)
        told += tell(router, account, text, clock())
        if done % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return told


def tell(router: Router, account: str, text: str, now: float) -> int:
    """Send a headline to the sessions of an account that are available; return to how many."""
    told = 0
    for client in router.available(account):
        if client.reachable:
            with suppress(StanzaError):
                client.deliver(text, now)
                told += 1
    return told
