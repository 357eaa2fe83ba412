"""The form by which owners set up a room (XEP-0045 sections 10.1.3, 10.2 and 15.5.3)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from andiron.domain.rooms.config import PrivateMessages, RoomConfig
from andiron.domain.rooms.privileges import Affiliation, Role
from andiron.domain.rooms.room import Room
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.forms import Field, Form, write_form
from andiron.xmpp.jid import parse_jid

__all__ = ["read_affiliations", "read_config", "write_config"]

_CONFIG: Final = "muc#roomconfig_"
_ADMINS: Final = f"{_CONFIG}roomadmins"
_OWNERS: Final = f"{_CONFIG}roomowners"
_PROTECTED: Final = f"{_CONFIG}passwordprotectedroom"
_SECRET: Final = f"{_CONFIG}roomsecret"
_MAX_USERS: Final = f"{_CONFIG}maxusers"
_WHOIS: Final = f"{_CONFIG}whois"
_LOGGING: Final = f"{_CONFIG}enablelogging"
_HISTORY: Final = "muc#maxhistoryfetch"
_MAX_TEXT: Final = 1000
_ROLES: Final = (
    ("Moderators", Role.MODERATOR),
    ("Participants", Role.PARTICIPANT),
    ("Visitors", Role.VISITOR),
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """A field that stands for one attribute of :class:`RoomConfig`."""

    var: str
    attribute: str
    label: str
    type: str
    read: Callable[[Form, str], Any]
    options: tuple[tuple[str, str], ...] = ()


def _text(form: Form, var: str) -> str:
    text = form.text(var)
    if len(text) > _MAX_TEXT:
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, f"{var} is too long")
    return text


def _flag(form: Form, var: str) -> bool:
    return form.flag(var)


def _private(form: Form, var: str) -> PrivateMessages:
    try:
        return PrivateMessages(form.text(var))
    except ValueError:
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, f"{var} is no such value") from None


def _roles(form: Form, var: str) -> frozenset[Role]:
    try:
        return frozenset(map(Role, form.fields[var])) - {Role.NONE}
    except ValueError:
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, f"{var} has no such role") from None


_FIELDS: Final = (
    _Kind(f"{_CONFIG}roomname", "name", "Name of the room", "text-single", _text),
    _Kind(f"{_CONFIG}roomdesc", "description", "What it is about", "text-single", _text),
    _Kind(f"{_CONFIG}lang", "lang", "Language spoken", "text-single", _text),
    _Kind(f"{_CONFIG}persistentroom", "persistent", "Keep it when it is empty", "boolean", _flag),
    _Kind(f"{_CONFIG}publicroom", "public", "List it for everybody", "boolean", _flag),
    _Kind(f"{_CONFIG}membersonly", "members_only", "Let only members in", "boolean", _flag),
    _Kind(
        f"{_CONFIG}moderatedroom",
        "moderated",
        "Let only those speak who were given a voice",
        "boolean",
        _flag,
    ),
    _Kind(
        f"{_CONFIG}allow_voice_requests",
        "voice_requests",
        "Let visitors ask for a voice",
        "boolean",
        _flag,
    ),
    _Kind(
        f"{_CONFIG}changesubject",
        "change_subject",
        "Let participants change the subject",
        "boolean",
        _flag,
    ),
    _Kind(
        f"{_CONFIG}allowinvites", "allow_invites", "Let everybody invite others", "boolean", _flag
    ),
    _Kind(
        f"{_CONFIG}allowpm",
        "private_messages",
        "Who may send private messages",
        "list-single",
        _private,
        (
            ("Anyone", PrivateMessages.ANYONE),
            ("Those with a voice", PrivateMessages.PARTICIPANTS),
            ("Moderators", PrivateMessages.MODERATORS),
            ("Nobody", PrivateMessages.NONE),
        ),
    ),
    _Kind(_LOGGING, "archived", "Keep an archive of the messages", "boolean", _flag),
    _Kind(
        f"{_CONFIG}presencebroadcast",
        "broadcast",
        "Whose presence everybody sees",
        "list-multi",
        _roles,
        _ROLES,
    ),
    _Kind(
        f"{_CONFIG}getmemberlist",
        "member_list",
        "Who may see the list of members",
        "list-multi",
        _roles,
        _ROLES,
    ),
)


def write_config(room: Room) -> str:
    """Return the form as it stands, for an owner to fill in."""
    config = room.config
    fields = [
        _field(kind, getattr(config, kind.attribute))
        for kind in _FIELDS
        if room.archiving or kind.var != _LOGGING
    ]
    fields += [
        Field(
            _PROTECTED,
            (_bool(bool(config.password)),),
            "boolean",
            "Ask for a password at the door",
        ),
        Field(_SECRET, (config.password,), "text-private", "The password"),
        Field(
            _WHOIS,
            ("anyone" if config.jids_shown else "moderators",),
            "list-single",
            "Who sees the occupants' addresses",
            (("Moderators", "moderators"), ("Anyone", "anyone")),
        ),
        Field(
            _MAX_USERS,
            (str(room.max_occupants),),
            "list-single",
            "How many may be in it",
            _sizes(room),
        ),
        Field(
            _HISTORY,
            (str(room.limits.history if config.history < 0 else config.history),),
            "text-single",
            "How many past messages those who enter may get",
        ),
        Field(_ADMINS, room.those(Affiliation.ADMIN), "jid-multi", "Admins"),
        Field(_OWNERS, room.those(Affiliation.OWNER), "jid-multi", "Owners"),
    ]
    return write_form(
        "form", ns.MUC_ROOM_CONFIG, fields, title=f"Configuration of {config.name or room.jid}"
    )


def read_config(form: Form, room: Room) -> RoomConfig:
    """Return the room's configuration with what a submitted form changes.

    Fields that it leaves out stay as they are. Raises :class:`StanzaError` for
    values that cannot be.
    """
    if form.fields and form.form_type not in {"", ns.MUC_ROOM_CONFIG}:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "not a configuration form")
    changes: dict[str, Any] = {
        kind.attribute: kind.read(form, kind.var) for kind in _FIELDS if kind.var in form.fields
    }
    if not room.archiving and changes.pop("archived", False):
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "no archive is kept here")
    if _WHOIS in form.fields:
        if form.text(_WHOIS) not in {"anyone", "moderators"}:
            raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, f"{_WHOIS} is no such value")
        changes["jids_shown"] = form.text(_WHOIS) == "anyone"
    if _MAX_USERS in form.fields:
        changes["max_occupants"] = _max_occupants(form.text(_MAX_USERS), room)
    if _HISTORY in form.fields:
        # More than are there nobody gets, and the form shows what holds.
        changes["history"] = min(_number(form.text(_HISTORY), _HISTORY), room.limits.history_max)
    if _SECRET in form.fields or _PROTECTED in form.fields:
        changes["password"] = _password(form, room)
    return replace(room.config, **changes)


def read_affiliations(form: Form, room: Room) -> dict[str, Affiliation]:
    """Return whose affiliations the lists of admins and owners change, to what."""
    changes: dict[str, Affiliation] = {}
    for var, affiliation in ((_ADMINS, Affiliation.ADMIN), (_OWNERS, Affiliation.OWNER)):
        if var not in form.fields:
            continue
        listed = {parse_jid(jid.strip()).bare for jid in form.fields[var] if jid.strip()}
        for bare in set(room.those(affiliation)) - listed:
            changes.setdefault(bare, Affiliation.NONE)
        changes.update(dict.fromkeys(listed, affiliation))
    return {bare: new for bare, new in changes.items() if room.affiliation(bare) is not new}


def _password(form: Form, room: Room) -> str:
    protected = form.flag(_PROTECTED, default=bool(form.text(_SECRET)))
    if not protected:
        return ""
    password = _text(form, _SECRET) if _SECRET in form.fields else room.config.password
    if not password:
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "which password?")
    return password


def _max_occupants(value: str, room: Room) -> int:
    if value in {"", "none"}:
        return 0
    number = _number(value, _MAX_USERS)
    if not 0 < number <= room.limits.max_occupants:
        raise StanzaError(
            StanzaCondition.NOT_ACCEPTABLE, f"from 1 to {room.limits.max_occupants} occupants"
        )
    return number


def _number(value: str, var: str) -> int:
    value = value.strip()
    if not (value.isascii() and value.isdecimal() and len(value) < 9):
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, f"{var} is a number")
    return int(value)


def _sizes(room: Room) -> tuple[tuple[str, str], ...]:
    bound = room.limits.max_occupants
    sizes = {10, 20, 50, 100, 200, 500, bound, room.max_occupants}
    return tuple((str(size), str(size)) for size in sorted(sizes) if size <= bound)


def _field(kind: _Kind, value: Any) -> Field:
    if kind.type == "boolean":
        values: tuple[str, ...] = (_bool(value),)
    elif kind.type == "list-multi":
        values = tuple(sorted(value))
    else:
        values = (value,)
    return Field(kind.var, values, kind.type, kind.label, kind.options)


def _bool(value: bool) -> str:
    return "1" if value else "0"
