"""Archiving preferences, XEP-0441: which messages an account wants to keep."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    column,
    delete,
    insert,
    select,
    table,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.client import Owner
from andiron.domain.database.database import Database
from andiron.domain.owners import Effect, NoSuchAccount
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.jid import parse_jid
from andiron.xmpp.tree import Tree

__all__ = [
    "USERNAME",
    "Policy",
    "Preferences",
    "known",
    "loaded",
    "loading",
    "read_preferences",
    "save",
    "write_preferences",
]

_PREFERENCES: Final = table(
    "archive_preferences",
    column("username", Text),
    column("policy", Text),
    column("always", Text),
    column("never", Text),
)
_ACCOUNTS: Final = table("accounts", column("username", Text))
USERNAME: Final = _ACCOUNTS.c.username
"""The column of :func:`loading` that says whose preferences they are."""


class Policy(StrEnum):
    """What is done with the messages of who is in no list (section 2.1.1)."""

    ALWAYS = "always"
    NEVER = "never"
    ROSTER = "roster"
    """Those of contacts in the roster are kept."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """An account's preferences; the part of its owner, absent while it has set none."""

    default: Policy
    always: frozenset[str] = frozenset()
    """Prepared JIDs whose messages are kept: full ones, or bare for any resource."""
    never: frozenset[str] = frozenset()
    """Those whose messages are not; a full JID goes before a bare one, and this list first."""

    def policy_for(self, peer: str, bare: str) -> Policy:
        """Return what is done with messages from or to a JID, also given as bare (section 2.3)."""
        if self.always or self.never:
            for jid in (peer, bare):
                if jid in self.never:
                    return Policy.NEVER
                if jid in self.always:
                    return Policy.ALWAYS
        return self.default


def read_preferences(payload: Tree, limit: int) -> Preferences:
    """Read ``<prefs/>`` with up to ``limit`` addresses. Raises :class:`StanzaError`."""
    try:
        policy = Policy(payload.get("default", ""))
    except ValueError:
        raise StanzaError(
            StanzaCondition.BAD_REQUEST, "the default is always, never or roster"
        ) from None
    always, never = _addresses(payload, "always", limit), _addresses(payload, "never", limit)
    if len(always) + len(never) > limit:
        raise StanzaError(StanzaCondition.POLICY_VIOLATION, f"{limit} addresses at most")
    return Preferences(policy, always, never)


def write_preferences(preferences: Preferences) -> str:
    """Return ``<prefs/>`` (section 2.1)."""
    return (
        f"<prefs xmlns='{ns.MAM}' default='{preferences.default}'>"
        f"{_list('always', preferences.always)}{_list('never', preferences.never)}</prefs>"
    )


def loading(beside: ColumnElement[Any]) -> Select[Any]:
    """Return a statement that reads what all accounts prefer, to be narrowed by :data:`USERNAME`.

    ``beside`` is read between that and what is for :func:`loaded`.
    """
    columns = _PREFERENCES.c
    both = _ACCOUNTS.outerjoin(_PREFERENCES, columns.username == USERNAME)
    query = select(USERNAME, beside, columns.policy, columns.always, columns.never)
    return query.select_from(both)


def loaded(policy: str | None, always: str, never: str) -> Preferences | None:
    """Return what :func:`loading` read; the policy is None where none was set."""
    if policy is None:
        return None
    return Preferences(Policy(policy), _split(always), _split(never))


async def save(database: Database, username: str, preferences: Preferences) -> None:
    """Keep an account's preferences. Raises :class:`DatabaseError`, :class:`NoSuchAccount`."""

    async def operation(connection: AsyncConnection) -> None:
        await connection.execute(delete(_PREFERENCES).where(_PREFERENCES.c.username == username))
        await connection.execute(
            insert(_PREFERENCES).values(
                username=username,
                policy=preferences.default,
                always="\n".join(sorted(preferences.always)),
                never="\n".join(sorted(preferences.never)),
            )
        )

    try:
        await database.write(operation, username)
    except IntegrityError:
        raise NoSuchAccount(f"There is no account {username}.") from None


def known(preferences: Preferences) -> Effect:
    """Return what lets an account's preferences be known, for :meth:`Owners.change`."""

    def effect(owner: Owner) -> None:
        owner.parts[Preferences] = preferences

    return effect


def _split(text: str) -> frozenset[str]:
    return frozenset(text.split("\n")) if text else frozenset()


def _addresses(payload: Tree, name: str, limit: int) -> frozenset[str]:
    found = payload.findall(f"{{{ns.MAM}}}{name}/{{{ns.MAM}}}jid")
    if len(found) > limit:
        raise StanzaError(StanzaCondition.POLICY_VIOLATION, f"{limit} addresses at most")
    return frozenset(str(parse_jid((jid.text or "").strip())) for jid in found)


def _list(name: str, jids: frozenset[str]) -> str:
    inner = "".join(f"<jid>{escape(jid)}</jid>" for jid in sorted(jids))
    return f"<{name}>{inner}</{name}>" if inner else f"<{name}/>"
