"""Roles and affiliations, and who may change them: XEP-0045 section 5 as tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from andiron.xmpp.errors import StanzaCondition, StanzaError

__all__ = [
    "AFFILIATION_CHANGES",
    "INITIAL_ROLES",
    "RANK",
    "ROLE_CHANGES",
    "Affiliation",
    "Need",
    "Role",
    "Standing",
    "check_affiliation_change",
    "check_role_change",
    "role_after",
]


class Role(StrEnum):
    """What an occupant may do while it is in the room (section 5.1)."""

    NONE = "none"
    VISITOR = "visitor"
    PARTICIPANT = "participant"
    MODERATOR = "moderator"


class Affiliation(StrEnum):
    """How a person stands to the room for good (section 5.2), in the order of power."""

    OUTCAST = "outcast"
    NONE = "none"
    MEMBER = "member"
    ADMIN = "admin"
    OWNER = "owner"


_R, _A, _C = Role, Affiliation, StanzaCondition

RANK: Final[Mapping[Affiliation, int]] = {
    affiliation: rank for rank, affiliation in enumerate(Affiliation)
}

INITIAL_ROLES: Final[Mapping[bool, Mapping[Affiliation, Role]]] = {
    False: {
        _A.OUTCAST: _R.NONE,
        _A.NONE: _R.PARTICIPANT,
        _A.MEMBER: _R.PARTICIPANT,
        _A.ADMIN: _R.MODERATOR,
        _A.OWNER: _R.MODERATOR,
    },
    True: {
        _A.OUTCAST: _R.NONE,
        _A.NONE: _R.VISITOR,
        _A.MEMBER: _R.PARTICIPANT,
        _A.ADMIN: _R.MODERATOR,
        _A.OWNER: _R.MODERATOR,
    },
}
"""Whether the room is moderated, the affiliation, and the role to begin with (section 5.1.2)."""


class Need(StrEnum):
    """Who may change a role."""

    MODERATOR = "a moderator"
    ADMIN = "an admin or owner"


ROLE_CHANGES: Final[Mapping[tuple[Role, Role], Need]] = {
    (_R.VISITOR, _R.NONE): Need.MODERATOR,
    (_R.VISITOR, _R.PARTICIPANT): Need.MODERATOR,
    (_R.VISITOR, _R.MODERATOR): Need.ADMIN,
    (_R.PARTICIPANT, _R.NONE): Need.MODERATOR,
    (_R.PARTICIPANT, _R.VISITOR): Need.MODERATOR,
    (_R.PARTICIPANT, _R.MODERATOR): Need.ADMIN,
    (_R.MODERATOR, _R.NONE): Need.ADMIN,
    (_R.MODERATOR, _R.VISITOR): Need.ADMIN,
    (_R.MODERATOR, _R.PARTICIPANT): Need.ADMIN,
}
"""Who may lead an occupant from one role to another (section 5.1.3)."""


def _row(*conditions: StanzaCondition | None) -> Mapping[Affiliation, StanzaCondition | None]:
    return dict(zip(Affiliation, conditions, strict=True))


_NO: Final = _row(*[_C.FORBIDDEN] * 5)
_F, _N = _C.FORBIDDEN, _C.NOT_ALLOWED

AFFILIATION_CHANGES: Final[
    Mapping[Affiliation, Mapping[Affiliation, Mapping[Affiliation, StanzaCondition | None]]]
] = {
    _A.OUTCAST: dict.fromkeys(Affiliation, _NO),
    _A.NONE: dict.fromkeys(Affiliation, _NO),
    _A.MEMBER: dict.fromkeys(Affiliation, _NO),
    _A.ADMIN: {
        # To:              outcast none member admin owner
        _A.OUTCAST: _row(None, None, None, _F, _F),
        _A.NONE: _row(None, None, None, _F, _F),
        _A.MEMBER: _row(None, None, None, _F, _F),
        _A.ADMIN: _row(_N, _F, _F, _F, _F),
        _A.OWNER: _row(_N, _F, _F, _F, _F),
    },
    _A.OWNER: dict.fromkeys(Affiliation, _row(*[None] * 5)),
}
"""Whose wish, from which affiliation, to which: the error it gets (sections 5.2.2, 9 and 10).

An admin who bans his equal or better reaches too high (section 9.1); who takes
their status from them changes a list that is the owners' (sections 10.4 to 10.8).
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How somebody stands in the room at the moment."""

    affiliation: Affiliation
    role: Role


def check_role_change(
    actor: Standing, target: Standing, role: Role, *, himself: bool = False
) -> None:
    """Raise the error for a change of role that ``actor`` may not make (sections 8 and 9.6).

    ``himself`` says that it is of his own role: every moderator may kick himself
    (the end of section 8.2), as everybody may leave.
    """
    need = ROLE_CHANGES.get((target.role, role))
    is_admin = RANK[actor.affiliation] >= RANK[_A.ADMIN]
    if actor.role is not _R.MODERATOR and not is_admin:
        raise StanzaError(_C.FORBIDDEN, "only moderators change roles")
    if need is None or (himself and role is _R.NONE):
        return
    spared = _is_spared(actor.affiliation, target, role)
    # From whom nobody takes a voice, a mere moderator cannot, either (section 8.4).
    if need is Need.ADMIN and not is_admin and not (spared and role is _R.VISITOR):
        raise StanzaError(
            _C.NOT_ALLOWED if role is _R.NONE else _C.FORBIDDEN, "only admins change moderators"
        )
    if spared:
        raise StanzaError(_C.NOT_ALLOWED, "not with one of this affiliation")


def _is_spared(actor: Affiliation, target: Standing, role: Role) -> bool:
    """Tell whether the target's affiliation keeps it from losing its role."""
    affiliation = target.affiliation
    if role is _R.NONE:
        # Section 8.2: not by a lower affiliation.
        return RANK[affiliation] > RANK[actor]
    if role is _R.VISITOR:
        # Section 8.4: never an admin or owner, nor one at or above the moderator's level.
        return affiliation in _KEEP_VOICE or (
            affiliation is not _A.NONE and RANK[affiliation] >= RANK[actor]
        )
    # Section 9.7: an admin or owner is a moderator as long as he is that.
    return role is _R.PARTICIPANT and affiliation in _KEEP_VOICE


_KEEP_VOICE: Final = frozenset({_A.ADMIN, _A.OWNER})


def check_affiliation_change(actor: Affiliation, old: Affiliation, new: Affiliation) -> None:
    """Raise the error for a change of affiliation that ``actor`` may not make."""
    condition = AFFILIATION_CHANGES[actor][old][new]
    if condition is not None:
        raise StanzaError(condition, "not with this affiliation")


def role_after(role: Role, old: Affiliation, new: Affiliation, *, moderated: bool) -> Role:
    """Return the role of an occupant whose affiliation changed (the end of section 5.1.3).

    What an affiliation gives is gained with it; only what it alone gave is lost.
    """
    initial = INITIAL_ROLES[moderated][new]
    if new in _KEEP_VOICE or new is _A.OUTCAST or old in _KEEP_VOICE:
        return initial
    if role is _R.VISITOR:
        return initial
    return role
