"""What a room says of an occupant, as text (XEP-0045 sections 7.2.2, 7.6, 7.14 and 17.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from andiron.domain.rooms.occupant import Occupant
from andiron.domain.rooms.privileges import Role
from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape

__all__ = ["Detail", "gone_tail", "presence_head", "presence_tail", "written_detail"]


@dataclass(frozen=True, slots=True)
class Detail:
    """What a presence tells besides who it is about."""

    codes: tuple[int, ...] = ()
    new_nick: str = ""
    actor: str = ""
    """The nickname of who did it."""
    reason: str = ""
    inner: str = ""
    """Children in place of those of the occupant's presence, where it is unavailable."""
    identity: str = ""
    """The stanza's id."""


def written_detail(detail: Detail) -> str:
    """Return what stands inside an item: who did it, and why."""
    actor = f"<actor nick='{escape(detail.actor)}'/>" if detail.actor else ""
    return f"{actor}<reason>{escape(detail.reason)}</reason>" if detail.reason else actor


def presence_head(occupant: Occupant) -> str:
    """Return how every presence of an occupant begins, up to the recipient's address."""
    return f"<presence xmlns='{ns.CLIENT}'{occupant.from_attribute}"


def presence_tail(occupant: Occupant, detail: Detail, *, jid: bool) -> str:
    """Return what follows the address of an available presence."""
    identity = f" id='{escape(detail.identity)}'" if detail.identity else ""
    x = _x(occupant, detail, occupant.role, detail.codes, jid=jid)
    return f"{identity}>{occupant.shown.inner}{x}{occupant.identity}</presence>"


def gone_tail(
    occupant: Occupant, detail: Detail, role: Role, *, jid: bool, codes: Sequence[int]
) -> str:
    """Return what follows the address of an unavailable presence."""
    x = _x(occupant, detail, role, codes, jid=jid)
    return f" type='unavailable'>{detail.inner}{x}{occupant.identity}</presence>"


def _x(occupant: Occupant, detail: Detail, role: Role, codes: Sequence[int], *, jid: bool) -> str:
    whose = f" jid='{escape(occupant.shown.jid)}'" if jid else ""
    nick = f" nick='{escape(detail.new_nick)}'" if detail.new_nick else ""
    inside = written_detail(detail)
    item = f"<item affiliation='{occupant.affiliation}' role='{role}'{whose}{nick}"
    item += f">{inside}</item>" if inside else "/>"
    statuses = "".join(f"<status code='{code}'/>" for code in codes)
    return f"<x xmlns='{ns.MUC_USER}'>{item}{statuses}</x>"
