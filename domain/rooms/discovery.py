"""What rooms and their service tell of themselves (XEP-0045 section 6, XEP-0030, XEP-0128)."""

from typing import Final

from andiron.domain.about.disco import info
from andiron.domain.registry import DiscoForm, Identity
from andiron.domain.rooms.privileges import Affiliation
from andiron.domain.rooms.room import Room
from andiron.xmpp import namespaces as ns
from andiron.xmpp.forms import Field

__all__ = ["SELF_PING", "STABLE_ID", "room_info", "service_info"]

STABLE_ID: Final = "http://jabber.org/protocol/muc#stable_id"
SELF_PING: Final = "http://jabber.org/protocol/muc#self-ping-optimization"
_COMMON: Final = (
    ns.DISCO_INFO,
    ns.DISCO_ITEMS,
    ns.MUC,
    STABLE_ID,
    ns.OCCUPANT_ID,
    ns.VCARD,
)


def service_info(name: str, features: tuple[str, ...]) -> str:
    """Return what the service is and can (section 6.2)."""
    return info([Identity("conference", "text", name)], sorted({*_COMMON, *features}))


def room_info(room: Room, features: tuple[str, ...], *, inside: bool) -> str:
    """Return what a room is and can (section 6.4).

    Who is not ``inside``, in it or affiliated with it, is not told what goes
    on in a room that is hidden or for members only.
    """
    config = room.config
    kinds = (
        "muc_public" if config.public else "muc_hidden",
        "muc_persistent" if config.persistent else "muc_temporary",
        "muc_membersonly" if config.members_only else "muc_open",
        "muc_moderated" if config.moderated else "muc_unmoderated",
        "muc_nonanonymous" if config.jids_shown else "muc_semianonymous",
        "muc_passwordprotected" if config.password else "muc_unsecured",
    )
    open_to_all = config.public and not config.members_only and not config.password
    form = DiscoForm(ns.MUC_ROOM_INFO, tuple(_fields(room, told=inside or open_to_all)))
    name = config.name or room.node
    return info(
        [Identity("conference", "text", name)],
        sorted({*_COMMON, SELF_PING, *features, *kinds}),
        [form],
    )


def _fields(room: Room, *, told: bool) -> list[Field]:
    config = room.config
    fields = [Field("muc#roominfo_description", (config.description,), "text-single")]
    if config.lang:
        fields.append(Field("muc#roominfo_lang", (config.lang,), "text-single"))
    if room.photos:
        fields.append(Field("muc#roominfo_avatarhash", room.photos, "text-multi"))
    changeable = "1" if config.change_subject else "0"
    fields += [
        Field("muc#roominfo_subjectmod", (changeable,), "boolean"),
        Field("muc#roomconfig_changesubject", (changeable,), "boolean"),
        Field("muc#roomconfig_roomname", (config.name,), "text-single"),
        Field("muc#maxhistoryfetch", (str(_history(room)),), "text-single"),
    ]
    if told:
        fields += [
            Field("muc#roominfo_occupants", (str(len(room.occupants)),), "text-single"),
            Field("muc#roominfo_subject", (room.subject.text,), "text-single"),
        ]
    if told and config.jids_shown:
        owners = room.those(Affiliation.OWNER)
        fields.append(Field("muc#roominfo_contactjid", owners, "jid-multi"))
    return fields


def _history(room: Room) -> int:
    wanted = room.limits.history if room.config.history < 0 else room.config.history
    return min(wanted, room.limits.history_max)
