"""Reads an account's keys, or hands back made-up ones, by the same work in the same time.

One statement reads as many rows by as many look-ups whether there is such an
account or not, so that nobody can tell by how long an answer takes.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    LargeBinary,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    select,
    table,
    union_all,
)
from sqlalchemy.types import TypeEngine

from andiron.domain.account_rows import ACCOUNTS
from andiron.domain.accounts.credentials import MECHANISMS, ScramKeys

__all__ = ["CREDENTIALS", "keys_or"]

CREDENTIALS: Final = table(
    "credentials",
    column("username", Text),
    column("mechanism", Text),
    column("iterations", Integer),
    column("salt", LargeBinary),
    column("stored_key", LargeBinary),
    column("server_key", LargeBinary),
)

LookUp = Callable[[Select[Any], Mapping[str, Any]], Awaitable[Sequence[Any]]]

_KEYS: Final[Mapping[str, TypeEngine[Any]]] = {
    "salt": LargeBinary(),
    "iterations": Integer(),
    "stored_key": LargeBinary(),
    "server_key": LargeBinary(),
}
"""What is kept of a password, in the order of :class:`ScramKeys`."""

_NAMED: Final = [[f"{name}_{number}" for name in _KEYS] for number in range(len(MECHANISMS))]
"""What the made-up keys of each mechanism are called in the statement."""

_USERNAME: Final = bindparam("username", type_=Text())
_MADE_UP: Final = union_all(
    *(
        select(
            cast(mechanism, Text).label("mechanism"),
            *(
                cast(bindparam(f"{name}_{number}", type_=kind), kind).label(name)
                for name, kind in _KEYS.items()
            ),
        )
        for number, mechanism in enumerate(MECHANISMS)
    )
).subquery("made_up")

_ANY: Final = ACCOUNTS.alias("any_account")
# Where there is no such account, another's rows are read and left alone.
_READ: Final = func.coalesce(
    select(ACCOUNTS.c.username).where(ACCOUNTS.c.username == _USERNAME).scalar_subquery(),
    select(func.min(_ANY.c.username)).scalar_subquery(),
)


def _chosen(name: str) -> ColumnElement[Any]:
    return case((CREDENTIALS.c.username == _USERNAME, CREDENTIALS.c[name]), else_=_MADE_UP.c[name])


_QUERY: Final = select(
    _MADE_UP.c.mechanism,
    CREDENTIALS.c.username == _USERNAME,
    *(_chosen(name) for name in _KEYS),
).select_from(
    _MADE_UP.outerjoin(
        CREDENTIALS,
        and_(
            CREDENTIALS.c.username == _READ,
            CREDENTIALS.c.mechanism == _MADE_UP.c.mechanism,
        ),
    )
)


async def keys_or(
    look_up: LookUp, username: str, made_up: Mapping[str, ScramKeys]
) -> tuple[dict[str, ScramKeys], set[str]]:
    """Return a username's keys by mechanism, and of which mechanisms they are the account's own.

    ``made_up`` holds keys of every mechanism, for an account that is not there
    or has none of that mechanism. ``look_up`` is :meth:`Database.look_up`.
    """
    given: dict[str, Any] = {"username": username}
    for number, mechanism in enumerate(MECHANISMS):
        given.update(zip(_NAMED[number], made_up[mechanism], strict=True))
    keys_by_mechanism: dict[str, ScramKeys] = {}
    own: set[str] = set()
    for mechanism, is_own, *found in await look_up(_QUERY, given):
        keys_by_mechanism[mechanism] = ScramKeys(*found)
        if is_own:
            own.add(mechanism)
    return keys_by_mechanism, own
