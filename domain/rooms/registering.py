"""Reserving a nickname in a room: XEP-0045 sections 7.10 and 7.12, XEP-0077.

Nobody becomes a member by it, who could then enter or speak where an admin
must say so: it is for those who have an affiliation.
"""

from typing import Final

from andiron.domain.client import Client
from andiron.domain.rooms.naming import check_nick, prepared_nick
from andiron.domain.rooms.privileges import Affiliation
from andiron.domain.rooms.room import Room
from andiron.domain.rooms.ruling import Change, change_affiliations
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.forms import Field, find_form, write_form
from andiron.xmpp.tree import Tree

__all__ = ["register", "registration_form"]

_FORM: Final = "http://jabber.org/protocol/muc#register"
_NICK: Final = "muc#register_roomnick"
_REMOVE: Final = f"{{{ns.REGISTER}}}remove"


def registration_form(room: Room, client: Client) -> str:
    """Return what must be told for a registration, or under what nickname one is registered."""
    _check(room, client)
    nick = room.nicks.get(client.account, "")
    inner = f"<registered/><username>{escape(nick)}</username>" if nick else ""
    fields = [Field(_NICK, (nick,), "text-single", "Nickname", required=True)]
    form = write_form("form", _FORM, fields, title="A nickname of one's own")
    return f"<query xmlns='{ns.REGISTER}'>{inner}{form}</query>"


def register(room: Room, client: Client, query: Tree) -> None:
    """Reserve a nickname, or give it up and with it a membership."""
    _check(room, client)
    bare = client.account
    if query.find(_REMOVE) is not None:
        room.nicks.reserve(bare, "")
        if room.affiliation(bare) is Affiliation.MEMBER:
            change_affiliations(room, {bare: Change(Affiliation.NONE)})
        return
    form = find_form(query)
    if form is None or form.type != "submit" or form.form_type != _FORM:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "not a registration form")
    nick = prepared_nick(room, form.text(_NICK))
    check_nick(room, nick, bare)
    room.nicks.reserve(bare, nick)


def _check(room: Room, client: Client) -> None:
    if not room.has_rank(client.account, Affiliation.MEMBER):
        raise StanzaError(StanzaCondition.NOT_ALLOWED, "ask an admin to make you a member")
