"""XEP-0045 section 5, walked in full."""

from itertools import product

import pytest

from andiron.domain.rooms.privileges import (
    AFFILIATION_CHANGES,
    INITIAL_ROLES,
    RANK,
    ROLE_CHANGES,
    Affiliation,
    Role,
    Standing,
    check_affiliation_change,
    check_role_change,
    role_after,
)
from andiron.xmpp.errors import StanzaError

OUTCAST, NONE, MEMBER, ADMIN, OWNER = Affiliation
NOBODY, VISITOR, PARTICIPANT, MODERATOR = Role
INSIDE = (VISITOR, PARTICIPANT, MODERATOR)


def outcome(check, *arguments) -> str:
    try:
        check(*arguments)
    except StanzaError as error:
        return str(error.condition)
    return "allowed"


def test_power_grows_in_the_order_of_the_specification():
    assert sorted(RANK, key=RANK.__getitem__) == [OUTCAST, NONE, MEMBER, ADMIN, OWNER]


@pytest.mark.parametrize(
    ("moderated", "affiliation", "role"),
    [
        (True, NONE, VISITOR),
        (True, MEMBER, PARTICIPANT),
        (True, ADMIN, MODERATOR),
        (True, OWNER, MODERATOR),
        (False, NONE, PARTICIPANT),
        (False, MEMBER, PARTICIPANT),
        (False, ADMIN, MODERATOR),
        (False, OWNER, MODERATOR),
        (True, OUTCAST, NOBODY),
        (False, OUTCAST, NOBODY),
    ],
)
def test_initial_roles(moderated, affiliation, role):
    assert INITIAL_ROLES[moderated][affiliation] is role


def test_every_change_of_role_is_in_the_table():
    changes = {(old, new) for old in INSIDE for new in Role if old is not new}
    assert set(ROLE_CHANGES) == changes


def expected_of_role(actor: Standing, target: Standing, new: Role) -> str:
    """Return what sections 8.2 to 8.4, 9.6 and 9.7 say, sentence by sentence."""
    admin = actor.affiliation in (ADMIN, OWNER)
    if actor.role is not MODERATOR and not admin:
        return "forbidden"
    if target.role is new:
        return "allowed"
    order = [OUTCAST, NONE, MEMBER, ADMIN, OWNER]
    theirs, mine = order.index(target.affiliation), order.index(actor.affiliation)
    loses_what_it_must_keep = new is not MODERATOR and target.affiliation in (ADMIN, OWNER)
    is_at_the_level = target.affiliation is MEMBER and mine <= theirs
    if new is VISITOR and (loses_what_it_must_keep or is_at_the_level):
        return "not-allowed"
    if MODERATOR in (target.role, new) and not admin:
        return "not-allowed" if new is NOBODY else "forbidden"
    if new is NOBODY:
        return "not-allowed" if theirs > mine else "allowed"
    return "not-allowed" if loses_what_it_must_keep else "allowed"


STANDINGS = [
    Standing(affiliation, role) for affiliation, role in product((NONE, MEMBER, ADMIN, OWNER), Role)
]


@pytest.mark.parametrize("actor", STANDINGS, ids=lambda each: f"{each.affiliation} {each.role}")
def test_who_may_change_which_role(actor):
    seen = set()
    for target in STANDINGS:
        if target.role is NOBODY:
            continue
        for new in Role:
            found = outcome(check_role_change, actor, target, new)
            assert found == expected_of_role(actor, target, new), (target, new)
            seen.add(found)
    is_powerful = actor.role is MODERATOR or actor.affiliation in (ADMIN, OWNER)
    assert ("allowed" in seen) == is_powerful


@pytest.mark.parametrize("affiliation", [NONE, MEMBER, ADMIN, OWNER])
def test_every_moderator_may_kick_himself_and_nobody_else_that(affiliation):
    for role in INSIDE:
        each = Standing(affiliation, role)
        may = role is MODERATOR or affiliation in (ADMIN, OWNER)
        found = outcome(lambda who: check_role_change(who, who, NOBODY, himself=True), each)
        assert found == ("allowed" if may else "forbidden")


def expected_of_affiliation(actor: Affiliation, old: Affiliation, new: Affiliation) -> str:
    if actor is OWNER:
        return "allowed"
    if actor is not ADMIN or new in (ADMIN, OWNER):
        return "forbidden"
    if old in (ADMIN, OWNER):
        # Sections 9.1 and 9.2 of a ban; 10.4, 10.5, 10.7 and 10.8 of everything else.
        return "not-allowed" if new is OUTCAST else "forbidden"
    return "allowed"


@pytest.mark.parametrize(("actor", "old", "new"), list(product(Affiliation, repeat=3)))
def test_who_may_change_which_affiliation(actor, old, new):
    found = outcome(check_affiliation_change, actor, old, new)
    assert found == expected_of_affiliation(actor, old, new)
    assert AFFILIATION_CHANGES.keys() == set(Affiliation)


@pytest.mark.parametrize("moderated", [True, False])
@pytest.mark.parametrize("role", INSIDE)
@pytest.mark.parametrize(("old", "new"), list(product(Affiliation, repeat=2)))
def test_the_role_that_follows_from_an_affiliation(moderated, role, old, new):
    after = role_after(role, old, new, moderated=moderated)
    if new is OUTCAST:
        assert after is NOBODY
    elif new in (ADMIN, OWNER):
        assert after is MODERATOR
    elif old in (ADMIN, OWNER):
        assert after is INITIAL_ROLES[moderated][new]
    elif role is VISITOR and new is MEMBER:
        assert after is PARTICIPANT
    elif role is VISITOR:
        assert after is (VISITOR if moderated else PARTICIPANT)
    else:
        assert after is role
