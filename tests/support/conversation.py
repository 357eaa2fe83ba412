"""Conversations written as the specifications write them, held against a session in memory."""

import re
from typing import Final
from xml.etree import ElementTree

from andiron.sm.config import SmConfig
from andiron.xmpp import namespaces as ns
from support.sessions import MemoryTransport, World

STANZAS: Final = "urn:ietf:params:xml:ns:xmpp-stanzas"
EXPIRED: Final = f"<text xmlns='{STANZAS}' xml:lang='en'>expired</text>"
NOT_FOUND: Final = f"S: <failed><item-not-found xmlns='{STANZAS}'/></failed>"

_NAMESPACES: Final = {
    **dict.fromkeys(("message", "presence", "iq"), ns.CLIENT),
    **dict.fromkeys(("enable", "enabled", "resume", "resumed", "failed", "r", "a"), ns.SM_3),
}
_ROOT: Final = re.compile(r"<([a-z]+)(?![^<>]*\sxmlns=)")
_PLACE: Final = re.compile(r"\\\{(\w+)\\\}")


class Conversation:
    """One client's part; :meth:`talk` plays a script of ``C:`` and ``S:`` lines.

    A root without a namespace gets the usual one. ``{name}`` in what the server
    says stands for anything the first time, and for the same ever after; ``{_}`` for anything.
    """

    def __init__(self, world: World, transport: MemoryTransport, **known: str) -> None:
        self.world = world
        self.transport = transport
        self.known = known
        transport.take()

    def talk(self, script: str) -> None:
        """Play the script; the server must say what stands there and nothing else."""
        for line in filter(None, map(str.strip, script.splitlines())):
            who, text = line[:2], line[2:].strip()
            if who == "C:":
                assert self.transport.sent == []
                for name, value in self.known.items():
                    text = text.replace(f"{{{name}}}", value)
                self.world.receive(self.transport, _qualified(text))
            else:
                assert who == "S:", line
                self._expect(text)
        assert self.transport.sent == []

    def _expect(self, text: str) -> None:
        assert self.transport.sent, f"the server did not say {text}"
        said = _canonical(self.transport.sent.pop(0))
        pattern = re.escape(_canonical(_qualified(text)))
        seen: set[str] = set()

        def place(match: re.Match[str]) -> str:
            name = match[1]
            if name == "_":
                return '[^"<>]*'
            if name in self.known:
                return re.escape(self.known[name])
            if name in seen:
                return f"(?P={name})"
            seen.add(name)
            return f'(?P<{name}>[^"<>]*)'

        match = re.fullmatch(_PLACE.sub(place, pattern), said)
        assert match, f"expected {_canonical(_qualified(text))}\n    said {said}"
        self.known.update(match.groupdict())


def _qualified(text: str) -> str:
    match = _ROOT.match(text)
    namespace = _NAMESPACES.get(match[1]) if match else None
    return text if namespace is None else _ROOT.sub(rf"<\1 xmlns='{namespace}'", text, count=1)


def _canonical(text: str) -> str:
    return ElementTree.canonicalize(text)


def failed(condition: str) -> str:
    """Return the script line of a refusal whose text is for people."""
    return (
        f"S: <failed><{condition} xmlns='{STANZAS}'/>"
        f"<text xmlns='{STANZAS}' xml:lang='en'>{{_}}</text></failed>"
    )


def bound(
    config: SmConfig | None = None, *, account: str = "juliet", world: World | None = None
) -> Conversation:
    """Return a conversation with a bound resource."""
    world = world or World(config)
    return Conversation(world, world.bind(account))


def resumable(
    config: SmConfig | None = None, *, account: str = "juliet", world: World | None = None
) -> Conversation:
    """Return a conversation whose session can be resumed."""
    conversation = bound(config, account=account, world=world)
    conversation.talk("""
        C: <enable resume='true'/>
        S: <enabled id='{sm}' resume='true' max='{max}'/>
    """)
    return conversation


def again(conversation: Conversation, account: str = "juliet") -> Conversation:
    """Return the same client on a new connection, signed in and not bound."""
    world = conversation.world
    return Conversation(world, world.sign_in(account), **conversation.known)


def deliver(conversation: Conversation, *bodies: str, kind: str = "message") -> None:
    """Let the backend deliver stanzas to the conversation's session."""
    session = conversation.transport.session
    for body in bodies:
        session.deliver(f"<{kind} xmlns='jabber:client' id='{body}'/>", conversation.world.now)


def delay(stamp: str) -> str:
    return f"<delay xmlns='urn:xmpp:delay' from='localhost' stamp='{stamp}'/>"


def waited(*ids: str) -> str:
    """Return the script lines of messages that waited; each has one stamp, whenever it comes."""
    return "\n".join(f"S: <message id='{id_}'>{delay(f'{{stamp_{id_}}}')}</message>" for id_ in ids)


def closed_with(conversation: Conversation) -> str:
    """Return the stream error that a connection ended with."""
    error = conversation.transport.closed
    assert not isinstance(error, bool), "no error was sent"
    return error.to_xml()


def undelivered(world: World, account: str = "juliet") -> list[str]:
    return [lost.text for lost in world.backend.undelivered[f"{account}@localhost"]]
