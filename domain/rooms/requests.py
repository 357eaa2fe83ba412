"""Iq requests to the service, to rooms and to those in them (XEP-0045 sections 6, 7.10 to 10).

A request for a handler is a room, who asks, and the payload.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from andiron.domain.about.disco import info, items
from andiron.domain.client import Client
from andiron.domain.registry import Identity
from andiron.domain.rooms import picture
from andiron.domain.rooms.discovery import room_info, service_info
from andiron.domain.rooms.form import write_config
from andiron.domain.rooms.inviting import write_invitation
from andiron.domain.rooms.listing import list_items
from andiron.domain.rooms.owning import (
    Destruction,
    read_destruction,
    read_new_config,
)
from andiron.domain.rooms.privileges import Affiliation
from andiron.domain.rooms.registering import register, registration_form
from andiron.domain.rooms.room import Room
from andiron.domain.rooms.rooms import Rooms
from andiron.domain.rooms.ruling import Decree, carry_out, obey, read_items
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.jid import parse_jid
from andiron.xmpp.rsm import read_set, slice_of
from andiron.xmpp.stanza import with_child
from andiron.xmpp.tree import Tree

__all__ = ["Request", "answer_room", "answer_service"]

_RESERVED_NICK: Final = "x-roomuser-item"
_TRAFFIC: Final = "http://jabber.org/protocol/muc#traffic"
_NAME: Final = "Chat rooms"
_PAGE: Final = 500
"""How many rooms one answer lists."""


@dataclass(frozen=True, slots=True)
class Request:
    """An iq request to the service or a room."""

    rooms: Rooms
    client: Client
    kind: str
    payload: Tree
    now: float
    lang: str
    """The language of what it says (RFC 6120 section 8.1.5)."""

    @property
    def payer(self) -> str:
        """Who causes what is stored for it, as of :meth:`Database.write`."""
        return self.client.owner.username


def answer_service(request: Request) -> str | Awaitable[str]:
    """Answer a request to the service itself."""
    handler = _SERVICE.get((request.kind, request.payload.tag))
    if handler is None:
        raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
    return handler(request)


def answer_room(request: Request, room: Room) -> str | Awaitable[str]:
    """Answer a request to a room."""
    handler = _ROOM.get((request.kind, request.payload.tag))
    if handler is None:
        raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
    client = request.client
    if room.is_locked(request.now) and not room.has_rank(client.account, Affiliation.OWNER):
        raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "the room is being set up")
    return handler(request, room)


# The service


def _service_info(request: Request) -> str:
    if request.payload.get("node"):
        raise StanzaError(StanzaCondition.ITEM_NOT_FOUND)
    return service_info(_NAME, request.rooms.features)


def _service_items(request: Request) -> str:
    """List the rooms that are public, page by page where they are many (section 6.3)."""
    if request.payload.get("node"):
        raise StanzaError(StanzaCondition.ITEM_NOT_FOUND)
    names = {
        room.jid: room.config.name or room.node
        for room in request.rooms.by_name.values()
        if room.config.public and not room.is_locked(request.now)
    }
    jids = sorted(names)
    page = slice_of(jids, read_set(request.payload), _PAGE, _PAGE)
    listed = items((jid, names[jid]) for jid in jids[page.start : page.stop])
    if request.payload.find(_SET) is None and len(jids) <= _PAGE:
        return listed
    return with_child(listed, page.xml)


def _nothing(_request: Request, _room: Room | None = None) -> str:
    return ""


# A room


def _room_info(request: Request, room: Room) -> str:
    node = request.payload.get("node")
    account = request.client.account
    if node == _RESERVED_NICK:
        nick = room.nicks.get(account)
        identities = [Identity("conference", "text", nick)] if nick else []
        return info(identities, (), node=node)
    if node == _TRAFFIC:
        raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "everything may pass")
    if node:
        raise StanzaError(StanzaCondition.ITEM_NOT_FOUND)
    member = room.has_rank(account, Affiliation.MEMBER)
    # Clients that read of it ask at once, and take the refusal that others get for an error.
    registers = (ns.REGISTER,) if member else ()
    features = request.rooms.features_of(room) + registers
    return room_info(room, features, inside=member or request.client in room.seats)


def _room_items(request: Request, room: Room) -> str:
    """Tell who is in the room, to those who are (section 6.5)."""
    node = request.payload.get("node")
    if node:
        raise StanzaError(StanzaCondition.ITEM_NOT_FOUND)
    if request.client not in room.seats:
        return items(())
    shown = [each for each in room.occupants.values() if room.is_shown(each)]
    return items((f"{room.jid}/{each.nick}", "") for each in shown)


def _list(request: Request, room: Room) -> str:
    return list_items(room, request.client, request.payload)


def _rule(request: Request, room: Room) -> str | Awaitable[str]:
    """Change roles and affiliations (sections 8, 9 and 10.3 to 10.8)."""
    decree = obey(room, request.client, read_items(request.payload, room))
    invited = _newcomers(room, decree)
    changed = carry_out(room, decree)
    for bare in invited:
        jid = parse_jid(bare)
        text = write_invitation(room, jid, request.client.account)
        request.rooms.post(room, request.client, text, jid, request.now)
    return request.rooms.affiliated(room, changed, request.payer)


def _newcomers(room: Room, decree: Decree) -> list[str]:
    """Return who should be told of a new membership: of a room that needs it (section 9.5)."""
    if not room.config.members_only:
        return []
    return [
        bare
        for bare, change in decree.affiliations.items()
        if change.affiliation is Affiliation.MEMBER
        and room.affiliation(bare) is Affiliation.NONE
        and not room.occupants_of(bare)
    ]


def _get_config(request: Request, room: Room) -> str:
    _check_owner(request, room)
    return f"<query xmlns='{ns.MUC_OWNER}'>{write_config(room)}</query>"


def _set_config(request: Request, room: Room) -> str | Awaitable[str]:
    _check_owner(request, room)
    rooms = request.rooms
    destruction = read_destruction(request.payload, request.lang)
    if destruction is not None:
        return rooms.destroy(room, destruction, request.payer)
    new = read_new_config(request.payload, room)
    if new is not None and new.config.persistent and not request.client.owner.registered:
        raise StanzaError(StanzaCondition.NOT_ALLOWED, "nothing is kept for this account")
    if new is not None:
        return rooms.configure(room, new, _nick(request, room), request.payer)
    if room.locked_until:
        # Section 10.1.3: who cancels the first configuration wants no room.
        return rooms.destroy(room, Destruction(), request.payer)
    return ""


def _check_owner(request: Request, room: Room) -> None:
    if not room.has_rank(request.client.account, Affiliation.OWNER):
        raise StanzaError(StanzaCondition.FORBIDDEN, "only owners may do this")


def _nick(request: Request, room: Room) -> str:
    seat = room.seats.get(request.client)
    return seat.occupant.nick if seat else ""


def _get_vcard(_request: Request, room: Room) -> str:
    return room.vcard or f"<vCard xmlns='{ns.VCARD}'/>"


def _set_vcard(request: Request, room: Room) -> str | Awaitable[str]:
    if not room.has_rank(request.client.account, Affiliation.ADMIN):
        raise StanzaError(StanzaCondition.FORBIDDEN, "only owners and admins may do this")
    picture.set_vcard(room, request.payload)
    return request.rooms.updated(room, request.payer)


def _mam(request: Request, room: Room) -> str | Awaitable[str]:
    return request.rooms.archives.answer(room, request.client, request.kind, request.payload)


def _registration(request: Request, room: Room) -> str:
    return registration_form(room, request.client)


def _register(request: Request, room: Room) -> str | Awaitable[str]:
    register(room, request.client, request.payload)
    return request.rooms.affiliated(room, [request.client.account], request.payer)


_Handler = Callable[[Request, Room], str | Awaitable[str]]
_SET: Final = f"{{{ns.RSM}}}set"
_INFO: Final = f"{{{ns.DISCO_INFO}}}query"
_ITEMS: Final = f"{{{ns.DISCO_ITEMS}}}query"
_PING: Final = f"{{{ns.PING}}}ping"
_ADMIN: Final = f"{{{ns.MUC_ADMIN}}}query"
_OWNER: Final = f"{{{ns.MUC_OWNER}}}query"
_REGISTER: Final = f"{{{ns.REGISTER}}}query"
_VCARD: Final = f"{{{ns.VCARD}}}vCard"

_SERVICE: Final[dict[tuple[str, str], Callable[[Request], str | Awaitable[str]]]] = {
    ("get", _INFO): _service_info,
    ("get", _ITEMS): _service_items,
    ("get", _PING): _nothing,
}
_ROOM: Final[dict[tuple[str, str], _Handler]] = {
    ("get", _INFO): _room_info,
    ("get", _ITEMS): _room_items,
    ("get", _PING): _nothing,
    ("get", _ADMIN): _list,
    ("set", _ADMIN): _rule,
    ("get", _OWNER): _get_config,
    ("set", _OWNER): _set_config,
    ("get", _VCARD): _get_vcard,
    ("set", _VCARD): _set_vcard,
    ("get", _REGISTER): _registration,
    ("set", _REGISTER): _register,
    ("get", f"{{{ns.MAM}}}query"): _mam,
    ("set", f"{{{ns.MAM}}}query"): _mam,
    ("get", f"{{{ns.MAM}}}metadata"): _mam,
}
