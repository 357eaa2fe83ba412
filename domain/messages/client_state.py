"""Client State Indication, XEP-0352: what can wait while nobody looks waits.

While a client is inactive, presence and messages of chat states alone are held
back, the latest of each sender. Anything else flushes them first, so that the
client sees all in the order in which it came.
"""

from collections.abc import Callable, Mapping
from typing import Final

from andiron.domain.router import TRIFLES
from andiron.xmpp import namespaces as ns
from andiron.xmpp.tree import Tree, parse_tree
from andiron.xmpp.xml import Element

FEATURE: Final = f"<csi xmlns='{ns.CSI}'/>"
"""The stream feature (section 4.1)."""

_IDLE_PRESENCE: Final = ("", "unavailable")
_WRAPPERS: Final = frozenset({f"{{{ns.CARBONS}}}sent", f"{{{ns.CARBONS}}}received"})
_FORWARDED: Final = f"{{{ns.FORWARD}}}forwarded"
_CLIENT_MESSAGE: Final = f"{{{ns.CLIENT}}}message"
_SELF: Final = f"{{{ns.MUC_USER}}}x/{{{ns.MUC_USER}}}status[@code='110']"


class Inactive:
    """Stands before the session of a client that nobody looks at: its gate.

    Its methods take the place of the session's own; ``flush`` ends nothing, it
    only sends what is held.
    """

    __slots__ = ("_changed", "_deliver", "_held", "_limit", "_read")

    def __init__(
        self,
        deliver: Callable[[str, float], None],
        changed: Callable[[], object],
        read: Callable[[str], Element],
        limit: int,
        held: Mapping[str, str] | None = None,
    ) -> None:
        """Take the session's ``deliver`` and ``changed``, and what reads a stanza of ours again.

        ``limit`` is how many stanzas may be held; one more flushes them. ``held`` is what
        :meth:`freeze` gave.
        """
        self._deliver = deliver
        self._changed = changed
        self._read = read
        self._limit = limit
        self._held: dict[str, str] = dict(held or {})

    def freeze(self) -> Mapping[str, str]:
        """Return what is held, by what it is the latest of.

        A text may be more than that, which is not written down.
        """
        return {key: str(text) for key, text in self._held.items()}

    def deliver(self, text: str, now: float) -> None:
        """Take a message."""
        if ns.CHAT_STATES in text and "<body" not in text:
            element = self._read(text)
            if _is_trifle(parse_tree(element)):
                self._hold(f"message {_talk(element)}", text, now)
                return
        self._send(text, now)

    def inform(self, text: str, now: float) -> None:
        """Take a presence."""
        element = self._read(text)
        if element.get("type") in _IDLE_PRESENCE and not _is_about_itself(element):
            self._hold(f"presence {element.get('from')}", text, now)
        else:
            self._send(text, now)

    def forward(self, text: str, now: float) -> None:
        """Take an iq."""
        self._send(text, now)

    def flush(self, now: float) -> None:
        """Send what is held, in the order in which the latest of each came."""
        held, self._held = self._held, {}
        if not held:
            return
        self._changed()
        for text in held.values():
            self._deliver(text, now)

    def _hold(self, key: str, text: str, now: float) -> None:
        self._held.pop(key, None)
        self._held[key] = text
        self._changed()
        if len(self._held) > self._limit:
            self.flush(now)

    def _send(self, text: str, now: float) -> None:
        self.flush(now)
        self._deliver(text, now)


def _is_about_itself(element: Element) -> bool:
    """Tell whether a presence is a room's word about the client: news that it waits for."""
    return "110" in element.text and parse_tree(element).find(_SELF) is not None


def _talk(element: Element) -> str:
    """Return what tells one talk's chat states from another's: all addresses in the message."""
    if ns.FORWARD in element.text:
        inner = parse_tree(element).find(f"*/{_FORWARDED}/{_CLIENT_MESSAGE}")
        if inner is not None:
            return f"{inner.get('from', '')} {inner.get('to', '')}"
    return element.get("from")


def _is_trifle(message: Tree) -> bool:
    """Tell whether a message, or the one that it is a copy of, has chat states alone."""
    for child in message:
        if child.tag in _WRAPPERS:
            inner = child.find(f"{_FORWARDED}/{_CLIENT_MESSAGE}")
            if inner is None or not _is_trifle(inner):
                return False
        elif not child.tag.startswith(TRIFLES):
            return False
    return True
