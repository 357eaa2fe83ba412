"""What hooks are told, and what they may answer."""

from dataclasses import dataclass

__all__ = ["Message", "Refuse", "RoomEvent", "RoomMessage", "SignIn", "SignOff", "Started"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The application has started."""

    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A client has signed in and bound a resource."""

    account: str
    address: str
    """The account's address with the resource."""
    transport: str
    """``websocket``, ``bosh`` or ``in-process``."""
    ip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff:
    """A session has ended for good; one that only lost its connection has not yet."""

    account: str
    address: str
    transport: str
    reason: str
    """Such as ``client-closed``, ``connection-lost``, ``expired``, ``kicked``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of a client, before it goes its way."""

    account: str
    """Whose it is."""
    sender: str
    """The account's address with the resource."""
    to: str
    """The address as the client wrote it; empty: its own account."""
    kind: str
    """``chat``, ``normal``, ``groupchat`` or ``headline``; ``error`` for one that has a body."""
    to_room: bool
    """Whether it is for a room, or for one in a room."""
    body: str
    """Empty for what has none, such as a change of a room's subject, or an invitation.

    The first, where there are several in other languages.
    """
    subject: str
    texts: tuple[str, ...]
    """All that clients may show of it: bodies and subjects in each language, and XHTML-IM."""
    id: str
    xml: str
    """All of it, as the client sent it."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The answer against a message; its sender is told the text, up to 255 characters of it.

    Raises :class:`TypeError` for a text that is none.
    """

    text: str = ""

    def __post_init__(self) -> None:
        """Fail in the hook that made it, rather than when it is written."""
        if not isinstance(self.text, str):
            raise TypeError(f"Refuse tells a text, not {type(self.text).__name__}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomEvent:
    """A room was made or is no more, or somebody has entered or left it."""

    room: str
    account: str
    """Who entered or left, or who made the room; the domain's own for the site."""
    nick: str = ""
    """By which nickname; empty where it is about the room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomMessage:
    """Something was said to all in a room."""

    room: str
    account: str
    nick: str
    body: str
    subject: str
    """What the room talks about from now on, where there is no body."""
    archive_id: str
    """Its id in the room's archive; empty where none is kept."""
