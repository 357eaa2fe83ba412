"""Clients that do their part of XEP-0198: they count, keep what is not acknowledged, come back."""

import re

from andiron.xmpp import namespaces as ns
from support.domains import AUTH, Client, Stage, settle

_MESSAGE = re.compile(r"<message[^>]* id='(\d+)'")
_COUNT = re.compile(r" h='(\d+)'")
_STANZAS = ("<message", "<iq", "<presence")


def number_of(text: str) -> str | None:
    """Return which message a stanza is, or is a copy of, by its id; None for any other."""
    found = _MESSAGE.search(text) if text.startswith("<message") else None
    return found[1] if found else None


def stanzas(texts: list[str]) -> list[str]:
    """Return the stanzas among what came."""
    return [text for text in texts if text.startswith(_STANZAS)]


class Resuming:
    """A client of a session that can be resumed; ``lost`` while it has no connection."""

    def __init__(self, client: Client) -> None:
        self.client = client
        management = client.session.management
        assert management is not None
        self.sm_id = management.id
        self.lost = False

    def lose(self) -> None:
        self.client.lose()
        self.client.transport.lost = True
        self.lost = True

    async def resume(self, stage: Stage, name: str, h: int) -> bool:
        """Come back; tell whether the session was there still."""
        again = stage.connect()
        again.open()
        again.send(AUTH.format(name))
        await settle()
        again.open()
        again.take()
        again.send(f"<resume xmlns='{ns.SM_3}' h='{h}' previd='{self.sm_id}'/>")
        again.session = again.transport.session
        self.client, self.lost = again, False
        return again.session.management is not None


class Sender(Resuming):
    """Keeps what it said until that is acknowledged, and says it again when it is back."""

    def __init__(self, name: str, client: Client) -> None:
        super().__init__(client)
        self.name = name
        self.h = 0
        self.acked = 0
        self.kept: list[str] = []
        """What is not acknowledged."""
        self._resuming = False

    async def come_back(self, stage: Stage) -> None:
        self._resuming = True
        assert await self.resume(stage, self.name, self.h)

    def say(self, text: str) -> None:
        self.kept.append(text)
        if not self.lost and not self._resuming:
            self.client.send(text)

    def read(self) -> list[str]:
        """Read all that came; return what was refused, by number."""
        texts = self.client.transport.take()
        for text in texts:
            if text.startswith(("<a ", "<resumed ")):
                self._confirm(text)
        came = stanzas(texts)
        self.h += len(came)
        if not self.lost and not self._resuming:
            self.client.send(f"<a xmlns='{ns.SM_3}' h='{self.h}'/>")
            self.client.send(f"<r xmlns='{ns.SM_3}'/>")
        return [number_of(text) or "" for text in came if " type='error'" in text]

    def _confirm(self, text: str) -> None:
        count = _COUNT.search(text)
        assert count is not None
        h = int(count[1])
        del self.kept[: h - self.acked]
        self.acked = h
        if text.startswith("<resumed "):
            self._resuming = False
            if not self.lost:
                for each in self.kept:
                    self.client.send(each)
