"""Invitations, what is answered to them, and requests for a voice (XEP-0045 7.8.2, 7.13, 8.6)."""

from collections.abc import Callable
from typing import Final

from andiron.domain.client import Client
from andiron.domain.rooms.config import RoomConfig
from andiron.domain.rooms.naming import prepared_nick
from andiron.domain.rooms.occupant import Occupant
from andiron.domain.rooms.outbox import Way
from andiron.domain.rooms.privileges import RANK, Affiliation, Role
from andiron.domain.rooms.room import Room
from andiron.domain.rooms.ruling import (
    Change,
    Item,
    carry_out,
    change_affiliations,
    check_affiliations,
    obey,
)
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.forms import Field, Form, find_form, write_form
from andiron.xmpp.jid import JID, parse_jid
from andiron.xmpp.stanza import lang_attribute, language
from andiron.xmpp.tree import Tree, parse_tree
from andiron.xmpp.xml import Element

__all__ = ["Mediation", "mediate", "write_invitation"]

Post = Callable[[str, JID], None]
"""Sends a whole message of the room to an account that need not be in it."""

_X: Final = f"{{{ns.MUC_USER}}}x"
_INVITE: Final = f"{{{ns.MUC_USER}}}invite"
_DECLINE: Final = f"{{{ns.MUC_USER}}}decline"
_REASON: Final = f"{{{ns.MUC_USER}}}reason"
_CONTINUE: Final = f"{{{ns.MUC_USER}}}continue"
_MAX_INVITES: Final = 10
"""In one message."""
_MAX_INVITED: Final = 1000
"""Whom a room remembers to have been invited."""
_MAX_REASON: Final = 1000
_REQUEST: Final = "http://jabber.org/protocol/muc#request"


class Mediation:
    """What a room does for a message that is to itself and not for all."""

    def __init__(self, room: Room, client: Client, post: "Post") -> None:
        self.room = room
        self.client = client
        self.post = post
        self.members: list[str] = []
        """Who became a member by an invitation."""


def mediate(mediation: Mediation, element: Element) -> None:
    """Take a message of type normal or chat to the room itself."""
    tree = parse_tree(element)
    x = tree.find(_X)
    if x is not None and x.find(_INVITE) is not None:
        _invite(mediation, tree, x)
    elif x is not None and x.find(_DECLINE) is not None:
        _decline(mediation, tree, x)
    else:
        mediation.room.seat(mediation.client)
        form = find_form(tree)
        if form is None or form.form_type != _REQUEST:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "messages for all are groupchat")
        _voice(mediation, form)


def _invite(mediation: Mediation, tree: Tree, x: Tree) -> None:
    room, bare = mediation.room, mediation.client.account
    occupant = room.seat(mediation.client).occupant
    invites = x.findall(_INVITE)
    if len(invites) > _MAX_INVITES:
        raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too many invitations at once")
    if not _may_invite(room.config, occupant):
        raise StanzaError(StanzaCondition.FORBIDDEN, "you may not invite others")
    jids = [parse_jid(invite.get("to", "")) for invite in invites]
    if any(room.affiliation(jid.bare) is Affiliation.OUTCAST for jid in jids):
        raise StanzaError(StanzaCondition.FORBIDDEN, "this person is banned")
    if room.config.members_only:
        new = {
            jid.bare: Affiliation.MEMBER
            for jid in jids
            if room.affiliation(jid.bare) is Affiliation.NONE
        }
        check_affiliations(room, new)
        change_affiliations(room, {each: Change(member) for each, member in new.items()})
        mediation.members += new
    for invite, jid in zip(invites, jids, strict=True):
        _remember(room, jid.bare, bare)
        inner = _reason(invite)
        lang = language("", tree, x, invite, invite.find(_REASON))
        continued = invite.find(_CONTINUE)
        if continued is not None:
            thread = continued.get("thread")
            inner += f"<continue thread='{escape(thread)}'/>" if thread else "<continue/>"
        text = write_invitation(room, jid, bare, inner, tree.get("id", ""), lang)
        mediation.post(text, jid)


def write_invitation(
    room: Room, jid: JID, inviter: str, inner: str = "", identity: str = "", lang: str = ""
) -> str:
    """Return the room's message to who is invited (section 7.8.2).

    ``lang`` is the language of ``inner``.
    """
    config = room.config
    password = f"<password>{escape(config.password)}</password>" if config.password else ""
    marked = (f" id='{escape(identity)}'" if identity else "") + lang_attribute(lang)
    return (
        f"<message xmlns='{ns.CLIENT}'{room.from_attribute} to='{escape(jid.full)}'{marked}>"
        f"<x xmlns='{ns.MUC_USER}'><invite from='{escape(inviter)}'>{inner}</invite>{password}</x>"
        "</message>"
    )


def _may_invite(config: RoomConfig, occupant: Occupant) -> bool:
    if RANK[occupant.affiliation] >= RANK[Affiliation.ADMIN]:
        return True
    if config.members_only:
        return config.allow_invites and occupant.affiliation is Affiliation.MEMBER
    return config.allow_invites or occupant.role is Role.MODERATOR


def _remember(room: Room, invited: str, inviter: str) -> None:
    room.invited.pop(invited, None)
    while len(room.invited) >= _MAX_INVITED:
        del room.invited[next(iter(room.invited))]
    room.invited[invited] = inviter


def _decline(mediation: Mediation, tree: Tree, x: Tree) -> None:
    """Tell who invited that the answer is no; nobody else can be reached in this way."""
    room, bare = mediation.room, mediation.client.account
    decline = x.find(_DECLINE)
    assert decline is not None
    to = parse_jid(decline.get("to", ""))
    inviter = room.invited.get(bare)
    if inviter is None or to.bare not in (inviter, room.jid):
        raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "there was no such invitation")
    del room.invited[bare]
    jid = parse_jid(inviter)
    identity = tree.get("id", "")
    marked = f" id='{escape(identity)}'" if identity else ""
    marked += lang_attribute(language("", tree, x, decline, decline.find(_REASON)))
    mediation.post(
        f"<message xmlns='{ns.CLIENT}'{room.from_attribute} to='{escape(jid.full)}'{marked}>"
        f"<x xmlns='{ns.MUC_USER}'><decline from='{escape(bare)}'>{_reason(decline)}</decline></x>"
        "</message>",
        jid,
    )


def _reason(tree: Tree) -> str:
    reason = (tree.findtext(_REASON) or "").strip()[:_MAX_REASON]
    return f"<reason>{escape(reason)}</reason>" if reason else ""


def _voice(mediation: Mediation, form: Form) -> None:
    """Ask the moderators for a voice, or give one as a moderator (sections 7.13 and 8.6)."""
    room, client = mediation.room, mediation.client
    occupant = room.seat(client).occupant
    if "muc#request_allow" in form.fields:
        if form.flag("muc#request_allow"):
            nick = prepared_nick(room, form.text("muc#roomnick"))
            item = Item(nick=nick, role=Role.PARTICIPANT)
            carry_out(room, obey(room, client, [item]))
        elif occupant.role is not Role.MODERATOR:
            raise StanzaError(StanzaCondition.FORBIDDEN, "only moderators grant a voice")
        return
    if occupant.role is not Role.VISITOR or not room.config.voice_requests:
        raise StanzaError(StanzaCondition.FORBIDDEN, "no requests for a voice")
    moderators = [seat for seat in room.seats.values() if seat.occupant.role is Role.MODERATOR]
    asked = write_form(
        "form",
        _REQUEST,
        [
            Field("muc#role", ("participant",), "list-single", "Requested role"),
            Field("muc#jid", (occupant.shown.jid,), "jid-single", "Who asks"),
            Field("muc#roomnick", (occupant.nick,), "text-single", "Nickname"),
            Field("muc#request_allow", ("false",), "boolean", "Grant a voice?"),
        ],
        title="Request for a voice",
    )
    head = f"<message xmlns='{ns.CLIENT}'{room.from_attribute}"
    room.outbox.broadcast(Way.MESSAGE, moderators, head, f">{asked}</message>")
