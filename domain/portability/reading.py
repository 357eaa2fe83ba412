"""Makes an account's content from the records of a document (XEP-0227 section 4)."""

import base64
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from andiron.domain.accounts.credentials import (
    MAX_ITERATIONS,
    MECHANISMS,
    MIN_ITERATIONS,
    ScramKeys,
)
from andiron.domain.archive.ids import ID_BITS, first_at, parse_id, time_of
from andiron.domain.archive.preferences import read_preferences
from andiron.domain.config import DomainConfig
from andiron.domain.contacts.roster import Item
from andiron.domain.contacts.subscriptions import Contact, State
from andiron.domain.portability import document
from andiron.domain.portability.canonical import canonical
from andiron.domain.portability.content import Content
from andiron.domain.portability.document import Record
from andiron.domain.portability.reading_nodes import NodeReader
from andiron.domain.portability.unreadable import UnreadableError
from andiron.domain.profile.photo import photo_of
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaError
from andiron.xmpp.jid import JID, parse_jid, prepared
from andiron.xmpp.tree import Tree

__all__ = ["ContentReader", "UnreadableError"]

_KEY_SIZES: Final = {"SCRAM-SHA-1": 20, "SCRAM-SHA-256": 32, "SCRAM-SHA-512": 64}
_COUNT: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_SALT_SIZES: Final = range(4, 256)
_SCRAM_PASSWORD: Final = re.compile(
    r"scram:(?:(sha1?|sha256|sha512),)?([A-Za-z0-9+/=]+),([A-Za-z0-9+/=]+),([A-Za-z0-9+/=]+),(\d+)"
)
_HASHES: Final = {"sha": "SCRAM-SHA-1", "sha1": "SCRAM-SHA-1"} | {
    hash_name: mechanism for mechanism, hash_name in MECHANISMS.items()
}
_DELAY: Final = f"{{{ns.DELAY}}}delay"
_CLIENT: Final = frozenset({f"{{{ns.CLIENT}}}", f"{{{ns.PIE}}}"})
"""Where stanzas are found: Prosody leaves their namespace out."""
_STANZA_ID: Final = f"{{{ns.STANZA_ID}}}stanza-id"
_ARCHIVED: Final = "{urn:xmpp:mam:tmp}archived"
"""What servers wrote before there were stanza ids, and ejabberd still does."""
_SCRAM: Final = f"{{{ns.PIE_SCRAM}}}"
_ROSTER: Final = f"{{{ns.ROSTER}}}"
_PRIVACY: Final = f"{{{ns.PRIVACY}}}"
_BLOCKING: Final = f"{{{ns.BLOCKING}}}"
_FORWARDED: Final = f"{{{ns.FORWARD}}}forwarded"
_SUBSCRIPTIONS: Final = frozenset({"none", "to", "from", "both"})


class ContentReader:
    """Reads one account; what is over the domain's bounds, or makes no sense, is not taken.

    ``note`` is told in a few words what was left out, the same only once.
    """

    def __init__(
        self,
        username: str,
        config: DomainConfig,
        note: Callable[[str], None],
    ) -> None:
        self.content = Content(username)
        self._account = f"{username}@{config.domain}"
        self._domain = config.domain
        self._config = config
        self._latest = 0
        self._noted: set[str] = set()
        self._tell = note
        self._nodes = NodeReader(self.content, self._account, config.pubsub, self._note)
        self._readers: Mapping[tuple[str, str], Callable[[Record], None]] = {
            (document.ROSTER, f"{_ROSTER}item"): self._contact,
            (document.USER, f"{_SCRAM}scram-credentials"): self._credentials,
            (document.USER, f"{{{ns.DISABLED}}}disabled"): self._disabled,
            (document.USER, f"{{{ns.VCARD}}}vCard"): self._vcard,
            (document.USER, f"{_PRIVACY}query"): self._privacy,
            (document.USER, f"{_BLOCKING}blocklist"): self._blocklist,
            (document.USER, f"{{{ns.MAM}}}prefs"): self._preferences,
            (document.USER, f"{{{ns.LAST}}}query"): self._last,
            (document.ARCHIVE, f"{{{ns.MAM}}}result"): self._archived,
            **{(document.USER, f"{space}presence"): self._presence for space in _CLIENT},
            **{(document.OFFLINE, f"{space}message"): self._offline for space in _CLIENT},
        }

    def password(self, text: str) -> None:
        """Take the attribute; some of ejabberd's hold SCRAM keys."""
        found = _SCRAM_PASSWORD.fullmatch(text)
        if found is None:
            self.content.password = text
            return
        name, stored, server, salt, iterations = found.groups()
        self._keys(_HASHES[name or "sha"], salt, stored, server, iterations)

    def _disabled(self, _record: Record) -> None:
        self.content.disabled = True

    def read(self, record: Record) -> None:
        """Take a record. Raises :class:`UnreadableError`."""
        try:
            if record.parent == document.PRIVATE:
                self._private(record)
            elif record.parent in {document.PUBSUB, document.PUBSUB_OWNER, document.ITEMS}:
                self._nodes.read(record)
            elif reader := self._readers.get((record.parent, record.tree.tag)):
                reader(record)
            else:
                self._note(f"{_named(record.tree)} is unknown and was left out")
        except StanzaError as error:
            raise UnreadableError(error.text or str(error.condition), record.place) from None

    def finish(self) -> None:
        """Check what depends on all records. Raises :class:`UnreadableError`."""
        self._nodes.finish()
        for jid in self.content.requests:
            listed = self.content.contacts.get(jid)
            state = listed.contact.state if listed else State.NONE
            if state.is_seen:
                continue
            pending = State.of(state.subscription, ask=state.ask, pending=True)
            old = listed or Item(jid)
            contact = Contact(pending, old.contact.listed, old.contact.approved)
            self.content.contacts[jid] = Item(jid, contact, old.name, old.groups)

    def _note(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            self._tell(text)

    def _credentials(self, record: Record) -> None:
        values = {
            child.tag.removeprefix(_SCRAM): (child.text or "").strip() for child in record.tree
        }
        mechanism = record.tree.get("mechanism", "")
        if mechanism not in MECHANISMS:
            self._note(f"the keys for {mechanism} were left out")
            return
        if mechanism in self.content.keys:
            return
        try:
            self._keys(
                mechanism,
                values["salt"],
                values["stored-key"],
                values["server-key"],
                values["iter-count"],
            )
        except KeyError as error:
            raise UnreadableError(f"the SCRAM credentials have no {error}", record.place) from None
        except UnreadableError as error:
            raise UnreadableError(error.reason, record.place) from None

    def _keys(self, mechanism: str, salt: str, stored: str, server: str, iterations: str) -> None:
        size = _KEY_SIZES[mechanism]
        try:
            parts = [base64.b64decode(text, validate=True) for text in (salt, stored, server)]
            if len(parts[1]) > size:  # ejabberd encodes them twice
                parts = [base64.b64decode(text, validate=True) for text in parts]
        except ValueError:
            raise UnreadableError("the SCRAM credentials cannot be decoded") from None
        keys = ScramKeys(
            parts[0], int(iterations) if _COUNT.fullmatch(iterations) else 0, *parts[1:]
        )
        if not MIN_ITERATIONS <= keys.iterations <= MAX_ITERATIONS:
            raise UnreadableError(
                f"SCRAM credentials have between {MIN_ITERATIONS} and {MAX_ITERATIONS} iterations"
            )
        sizes = {len(keys.stored_key), len(keys.server_key)}
        if len(keys.salt) not in _SALT_SIZES or sizes != {size}:
            raise UnreadableError("the SCRAM credentials have a salt or keys of a wrong size")
        self.content.keys[mechanism] = keys

    def _contact(self, record: Record) -> None:
        item, bounds = record.tree, self._config.roster
        subscription = item.get("subscription", "none")
        if subscription == "remove":
            return
        jid = _bare(item, "jid", record)
        if jid == self._account:
            self._note("the account itself was left out of its roster")
            return
        if subscription not in _SUBSCRIPTIONS:
            raise UnreadableError(f"{subscription!r} is no subscription", record.place)
        groups = tuple(
            dict.fromkeys(group.text for group in item.findall(f"{_ROSTER}group") if group.text)
        )
        name = item.get("name", "")
        if len(groups) > bounds.max_groups:
            raise UnreadableError(f"more than {bounds.max_groups} groups", record.place)
        if max(map(len, (name, *groups))) > bounds.max_name:
            raise UnreadableError(
                f"a name of more than {bounds.max_name} characters in the roster", record.place
            )
        state = State.of(subscription, ask=item.get("ask") == "subscribe", pending=False)
        approved = item.get("approved") in {"true", "1"}
        self.content.contacts[jid] = Item(
            jid, Contact(state, listed=True, approved=approved), name, groups
        )
        self._bound(len(self.content.contacts), bounds.max_contacts, "contacts", record)

    def _presence(self, record: Record) -> None:
        kind = record.tree.get("type")
        if kind == "unavailable":
            self.content.last_seen = _time(record.tree.find(_DELAY), record)
            return
        if kind != "subscribe":
            self._note(f"presence of type {kind} was left out")
            return
        jid = _bare(record.tree, "from", record)
        if jid == self._account:
            return
        bounds = self._config.roster
        tree = self._stanza(record.tree)
        tree.set("from", jid)
        tree.set("to", self._account)
        text = canonical(tree)
        if len(text) > bounds.max_request:
            tree[:] = []
            text = canonical(tree)
        self.content.requests[jid] = text
        self._bound(len(self.content.requests), bounds.max_requests, "requests", record)

    def _offline(self, record: Record) -> None:
        message = self._stanza(record.tree)
        stamp = time.time()
        delays = message.findall(_DELAY)
        own = [each for each in delays if prepared(each.get("from", self._domain)) == self._domain]
        if delays:
            delay = (own or delays)[-1]
            stamp = _time(delay, record)
            if own:
                message.remove(delay)
        self.content.offline.append(canonical(message), stamp)
        self._bound(
            len(self.content.offline), self._config.max_offline, "messages that wait", record
        )

    def _archived(self, record: Record) -> None:
        forwarded = record.tree.find(_FORWARDED)
        message = (
            next(
                (child for child in forwarded if child.tag.endswith("}message")),
                None,
            )
            if forwarded is not None
            else None
        )
        if forwarded is None or message is None:
            raise UnreadableError("an archived message has no message in it", record.place)
        stamp = _time(forwarded.find(_DELAY), record)
        sender, recipient = _address(message, "from"), _address(message, "to")
        peer = recipient if sender is None or sender.bare == self._account else sender
        if peer is None:
            raise UnreadableError("an archived message has no correspondent", record.place)
        identity = self._identity(record.tree.get("id", ""), stamp)
        moment = identity >> ID_BITS
        # What has an id of ours is there once; others say the same thing twice at times.
        is_own = identity == parse_id(record.tree.get("id", ""))
        is_doubtful = moment <= self._latest and not is_own
        self._latest = max(moment, self._latest)
        self.content.archive.append(
            identity,
            is_doubtful,
            peer.bare,
            peer.resource,
            canonical(self._stanza(message)),
        )

    def _identity(self, text: str, stamp: float) -> int:
        """Return an id of our own as it was, else a new one of the same moment.

        New ones of a moment are in the order of the document.
        """
        known = parse_id(text)
        if known is not None and time_of(known) == stamp:
            return known
        return first_at(round(stamp * 1000)) + len(self.content.archive) % (1 << ID_BITS)

    def _stanza(self, tree: Tree) -> Tree:
        """Return a stanza in the namespace of clients, with both addresses prepared.

        Ids that another archive gave are left out.
        """
        if not tree.tag.startswith(f"{{{ns.CLIENT}}}"):
            outer = tree.tag[: tree.tag.index("}") + 1]
            for each in tree.iter():
                if each.tag.startswith(outer):
                    each.tag = f"{{{ns.CLIENT}}}{each.tag.removeprefix(outer)}"
        for child in [*tree.findall(_STANZA_ID), *tree.findall(_ARCHIVED)]:
            if (
                prepared(child.get("by", "")) == self._account
                and parse_id(child.get("id", "")) is None
            ):
                tree.remove(child)
        for name in ("from", "to"):
            if address := tree.get(name):
                tree.set(name, prepared(address) or address)
        tree.tail = None
        return tree

    def _private(self, record: Record) -> None:
        text = canonical(record.tree)
        size, tag = self._config.max_private_size, record.tree.tag
        if not tag.startswith("{") or tag.startswith(f"{{{ns.PRIVATE}}}"):
            raise UnreadableError("an element in private storage has no namespace", record.place)
        self._bound(len(text.encode()), size, "bytes of an element in private storage", record)
        self.content.private[tag] = text
        self._bound(
            len(self.content.private),
            self._config.max_private,
            "elements in private storage",
            record,
        )

    def _vcard(self, record: Record) -> None:
        if not len(record.tree):
            return
        text = canonical(record.tree)
        self._bound(len(text.encode()), self._config.max_vcard, "bytes of the vCard", record)
        photo = photo_of(record.tree)
        self.content.vcard = text
        self.content.photo = photo.id if photo else ""

    def _privacy(self, record: Record) -> None:
        """Take who is denied by the default list (XEP-0016); the rest has no counterpart here."""
        default = record.tree.find(f"{_PRIVACY}default")
        name = default.get("name") if default is not None else None
        for each in record.tree.findall(f"{_PRIVACY}list"):
            if each.get("name") != name:
                self._note("privacy lists besides the default one were left out")
                continue
            for item in each.findall(f"{_PRIVACY}item"):
                if item.get("type") == "jid" and item.get("action") == "deny":
                    self._block(item, "value", record)
                elif item.get("action") == "deny" or item.get("type"):
                    self._note("rules of the privacy list that block no address were left out")

    def _blocklist(self, record: Record) -> None:
        for item in record.tree.findall(f"{_BLOCKING}item"):
            self._block(item, "jid", record)

    def _block(self, item: Tree, attribute: str, record: Record) -> None:
        jid = _address(item, attribute)
        if jid is None:
            raise UnreadableError("whom the account blocks is not said", record.place)
        self.content.blocked.add(jid.full)
        self._bound(len(self.content.blocked), self._config.max_blocked, "blocked", record)

    def _preferences(self, record: Record) -> None:
        archive = self._config.archive
        if archive is not None:
            self.content.preferences = read_preferences(record.tree, archive.max_preferences)

    def _last(self, record: Record) -> None:
        """Take ejabberd's, which are seconds since 1970."""
        seconds = record.tree.get("seconds", "")
        if seconds.isascii() and seconds.isdecimal() and len(seconds) < 12:
            self.content.last_seen = float(seconds)

    def _bound(self, count: int, limit: int, what: str, record: Record) -> None:
        if count > limit:
            raise UnreadableError(f"more than {limit} {what}", record.place)


def _address(tree: Tree, attribute: str) -> JID | None:
    """Return an address; None where there is none. Raises :class:`StanzaError`."""
    text = tree.get(attribute)
    return parse_jid(text) if text else None


def _bare(tree: Tree, attribute: str, record: Record) -> str:
    jid = _address(tree, attribute)
    if jid is None:
        raise UnreadableError(f"{_named(tree)} has no {attribute}", record.place)
    return str(jid.bare)


def _time(delay: Tree | None, record: Record) -> float:
    """Return the Unix time that a delay tells (XEP-0203)."""
    try:
        moment = datetime.fromisoformat(delay.get("stamp", "") if delay is not None else "")
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp(), 3)
    except (ValueError, OverflowError):
        raise UnreadableError("a message does not say its time", record.place) from None


def _named(tree: Tree) -> str:
    namespace, _, name = tree.tag.rpartition("}")
    return f"<{name} xmlns='{namespace[1:]}'/>" if namespace else f"<{name}/>"
