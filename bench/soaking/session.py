"""One client and its account. It knows what it sent, and what it should get."""

import asyncio
import collections
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from load.sasl import Client

from soaking import words
from soaking.link import Addresses, Link

Connect: TypeAlias = Callable[["Session", Addresses], Awaitable[Link]]
PARTNERS = (1, 2, 7)
PAUSE = 0.5
"""Seconds, at the most, before a lost client connects again."""


class Crowd(Protocol):
    """What a session belongs to."""

    addresses: Addresses
    sessions: "list[Session]"
    faults: collections.Counter[str]
    refusals: collections.Counter[str]
    arrived: int
    owed: int

    leaving: bool

    def changed(self, session: "Session") -> None:
        """Hear that a session has come, or is told more of the others."""

    def may_enter(self, room: int, session: "Session") -> bool:
        """Tell whether a room is made, or this one is to do that."""

    def made(self, room: int) -> None:
        """Hear that a room is, and let the others in."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose presence a session sees, in which room it is, and with how many; None for none."""

    mate: int | None = None
    room: int | None = None
    company: int = 0


class Session:
    """A client."""

    def __init__(self, crowd: Crowd, number: int, connect: Connect, place: Place) -> None:
        self.crowd = crowd
        self.number = number
        self.mate = place.mate
        self.room = place.room
        self.company = place.company
        self.link: Link | None = None
        self.sm_id = ""
        self.handled = 0
        self.acked = 0
        self.unacked: collections.deque[str] = collections.deque()
        self.sent: collections.Counter[str] = collections.Counter()
        self.received: collections.Counter[str] = collections.Counter()
        self.occupants: set[str] = set()
        self.befriended: set[str] = set()
        self.leaving = False
        self.heard = ""
        self.heard_at = 0.0
        self.resumed_at = 0.0
        self.anew: collections.Counter[str] = collections.Counter()
        """Why it had to begin anew, and how often."""
        self._connect = connect
        self._sasl = self._client()

    def _client(self) -> Client:
        return Client("SCRAM-SHA-256", words.name(self.number), words.PASSWORD)

    def __str__(self) -> str:
        return (
            f"ready {self.ready}, {len(self.occupants)} of {self.company} in the room,"
            f" {self.befriended}, last heard {self.heard[:100]}"
        )

    @property
    def ready(self) -> bool:
        """Whether it is connected, and where it belongs."""
        return self.link is not None and self.link.ready

    @property
    def settled(self) -> bool:
        """Whether it is connected, and has been told of whom it sees."""
        friends = self.mate is None or self.befriended >= {"asked", "answered"}
        return self.ready and friends and len(self.occupants) == self.company

    def fault(self, what: str) -> None:
        if not self.crowd.leaving:
            self.crowd.faults[what] += 1

    def refused(self, what: str) -> None:
        self.crowd.refusals[what] += 1

    async def live(self) -> None:
        """Keep connected until the end."""
        while not self.leaving:
            with contextlib.suppress(OSError):
                link = await self._connect(self, self.crowd.addresses)
                await link.ended
            if not self.leaving:
                await asyncio.sleep(random.random() * PAUSE)

    def carried_by(self, link: Link) -> None:
        self.link = link
        self.heard_at = time.monotonic()

    def look(self, silence: float) -> None:
        """Ask whether the server is there; give the connection up that is silent for too long."""
        if self.link is None or self.link.ended.done():
            return
        if time.monotonic() - self.heard_at > silence:
            self.refused("nothing")
            self.link.kill("reset")
        elif self.ready:
            self.link.send(words.REQUEST)

    # What is said to it

    def receive(self, link: Link, text: str) -> None:
        if link is not self.link:
            return
        self.heard, self.heard_at = text, time.monotonic()
        hear = HEARD.get(text[1:3])
        if hear is None:
            self.fault(text[:200])
        else:
            hear(self, link, text)

    def _stream(self, link: Link, text: str) -> None:
        if "<mechanisms" in text:
            self._sasl = self._client()
            link.send(words.AUTH.format(self._sasl.first().decode()))
        elif "<connection-timeout" in text or ("<system-shutdown" in text and not link.ready):
            # Who is still signing in is only sent away.
            self.refused(text[text.index("><") + 1 :].partition(" ")[0])
        elif "<stream:error" in text:
            self.fault(text[:200])
        elif self.sm_id:
            link.send(words.RESUME.format(self.sm_id, self.handled))
        else:
            link.send(words.BIND)

    def _challenged(self, link: Link, text: str) -> None:
        found = words.TEXT.search(text)
        link.send(words.RESPONSE.format(self._sasl.answer(found and found[1]).decode()))

    def _failed(self, link: Link, text: str) -> None:
        """Take what kept it from resuming, and begin anew; what is not covered is sent again."""
        if "<temporary-auth-failure" in text:
            self.refused("temporary-auth-failure")
            link.kill("reset")
            return
        if words.SASL in text or not self.sm_id:
            self.fault(text[:200])
            return
        self.occupants.clear()
        why = TEXT_OF.get(text[text.index(">") + 1 : text.index(">") + 16], text[:200])
        self.anew[why] += 1
        self.sm_id = ""
        if words.H.search(text):
            self._confirmed(link, text)
        link.send(words.BIND)

    def _iq(self, link: Link, text: str) -> None:
        if "id='bind'" in text:
            link.send(words.ENABLE)
            return
        self.handled += 1
        kind, name = words.TYPE.search(text), words.ID.search(text)
        assert kind
        assert name
        if kind[1] == "set":
            self.stanza(words.RESULT.format(name[1]))
        elif kind[1] != "result":
            self.fault(text[:200])
        elif name[1] == "unlock":
            assert self.room is not None
            self.crowd.made(self.room)

    def _enabled(self, link: Link, text: str) -> None:
        found = words.ID.search(text)
        assert found
        self.sm_id = found[1]
        self.handled = self.acked = 0
        self._send_again(link)
        link.ready = True
        self._come()
        self.crowd.changed(self)

    def _come(self) -> None:
        """Be there for one's contact, and in the room."""
        if self.mate is not None:
            self.stanza(words.ROSTER)
            self.stanza(words.AVAILABLE)
            self.stanza(words.SUBSCRIPTION.format(kind="subscribe", to=words.bare(self.mate)))
        self.enter()

    def enter(self) -> None:
        """Enter the room, if that is there yet, or to be made by this one."""
        room = self.room
        if room is None or not self.sm_id or not self.crowd.may_enter(room, self):
            return
        self.stanza(words.ENTER.format(room=words.room(room), nick=words.name(self.number)))

    def _resumed(self, link: Link, text: str) -> None:
        self._confirmed(link, text)
        self._send_again(link)
        link.ready = True
        self.resumed_at = time.monotonic()
        self.crowd.changed(self)

    def _send_again(self, link: Link) -> None:
        for waiting in self.unacked:
            link.send(waiting)

    def _confirmed(self, _link: Link, text: str) -> None:
        found = words.H.search(text)
        assert found
        h = int(found[1])
        if not 0 <= h - self.acked <= len(self.unacked):
            self.fault(f"h is {h}, {self.acked} before, {len(self.unacked)} are unacknowledged")
            return
        for _ in range(h - self.acked):
            self.unacked.popleft()
        self.acked = h

    # Stanzas

    def _message(self, _link: Link, text: str) -> None:
        self.handled += 1
        kind = words.TYPE.search(text)
        if "<subject" in text:
            return
        if kind is None or kind[1] not in ("chat", "groupchat"):
            self.fault(text[:200])
        else:
            self._count(kind[1], text)

    def _presence(self, _link: Link, text: str) -> None:
        self.handled += 1
        kind, sender = words.TYPE.search(text), words.SENDER.search(text)
        address = sender[1] if sender else ""
        if address.startswith("room"):
            self._seen_in_room(kind[1] if kind else "", address.partition("/")[2], text)
        elif kind is None:
            # One's own comes back, too (RFC 6121 section 4.4.2).
            if words.MARK.search(text) and address != words.full(self.number):
                self._count("presence", text)
        elif self.mate is not None and address == words.bare(self.mate):
            self._befriended(kind[1])
        else:
            self.fault(f"presence: {text[:200]}")

    def _befriended(self, kind: str) -> None:
        if kind == "subscribe":
            assert self.mate is not None
            self.befriended.add("asked")
            self.stanza(words.SUBSCRIPTION.format(kind="subscribed", to=words.bare(self.mate)))
        elif kind == "subscribed":
            self.befriended.add("answered")
        else:
            self.fault(f"the contact is {kind}")
        self.crowd.changed(self)

    def _seen_in_room(self, kind: str, nick: str, text: str) -> None:
        if kind:
            self.fault(f"presence in a room: {kind}")
            return
        if words.MARK.search(text):
            self._count("room presence", text)
            return
        if nick in self.occupants:
            self.fault("an occupant has entered twice")
        self.occupants.add(nick)
        if "code='201'" in text:
            assert self.room is not None
            self.stanza(words.UNLOCK.format(room=words.room(self.room)))
        self.crowd.changed(self)

    def _count(self, kind: str, text: str) -> None:
        mark = words.MARK.search(text)
        assert mark, text
        sender, number = mark[1], int(mark[2])
        key = f"{kind} {sender}"
        expected = self.received[key]
        self.received[key] = max(expected, number + 1)
        if number < expected:
            self.fault(f"{kind}: doubled")
        elif number > expected:
            self.fault(f"{kind}: out of order or lost")
        else:
            self.crowd.arrived += 1

    # What it says

    def stanza(self, text: str) -> None:
        """Send a stanza, now or when connected again."""
        self.unacked.append(text)
        if self.ready:
            assert self.link is not None
            self.link.send(text)
            if not random.randrange(10):
                self.link.send(words.REQUEST)

    def write(self) -> None:
        """Tell a partner something, or the room, or show a new status."""
        turn = random.random()
        if self.room is not None and turn < 0.05:
            self._say("groupchat", words.room(self.room), len(self.occupants))
        elif self.room is not None and turn < 0.1:
            to = f"{words.room(self.room)}/{words.name(self.number)}"
            self._show("room presence", f" to='{to}'", len(self.occupants))
        elif self.mate is not None and turn < 0.2:
            self._show("presence", "", 1)
        else:
            partner = (self.number + random.choice(PARTNERS)) % len(self.crowd.sessions)
            self._say("chat", words.full(partner), 1)

    def _show(self, kind: str, to: str, copies: int) -> None:
        number = self.sent[kind]
        self.sent[kind] += 1
        self.crowd.owed += copies
        self.stanza(words.STATUS.format(to=to, sender=self.number, number=number))

    def _say(self, kind: str, to: str, copies: int) -> None:
        number = self.sent[to]
        self.sent[to] += 1
        self.crowd.owed += copies
        padding = "x" * random.randrange(400)
        self.stanza(
            words.MESSAGE.format(
                to=to, kind=kind, sender=self.number, number=number, padding=padding
            )
        )


TEXT_OF = {"<item-not-found": "item-not-found"}
HEARD: dict[str, Callable[[Session, Link, str], None]] = {
    "op": lambda _session, _link, _text: None,
    "st": Session._stream,
    "ch": Session._challenged,
    "su": lambda _session, link, _text: link.restart(),
    "iq": Session._iq,
    "en": Session._enabled,
    "re": Session._resumed,
    "fa": Session._failed,
    "me": Session._message,
    "pr": Session._presence,
    "r ": lambda session, link, _text: link.send(words.ACK.format(session.handled)),
    "a ": Session._confirmed,
}
