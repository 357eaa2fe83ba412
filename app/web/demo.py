"""The demonstration's two accounts, which its page signs in as.

They are made in the configured database, so a mark beside them says which
they are: an account of the same name that somebody else made, or whose
password somebody has changed since, is not touched.
"""

import json
import secrets
from collections.abc import Mapping
from itertools import count
from typing import Final

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.database.database import Database

NAMES: Final = ("alice", "bob")
_MARK: Final = "demo_accounts"


def demo_passwords() -> dict[str, str]:
    """Return a new password for each of :data:`NAMES`."""
    return {name: secrets.token_urlsafe(12) for name in NAMES}


async def make_demo_accounts(
    database: Database, accounts: Accounts, passwords: Mapping[str, str] | None = None
) -> list[tuple[str, str]]:
    """Return the names of two accounts and their passwords: those given, or new ones."""
    marks = await _marks(database)
    made = []
    for wanted, password in (passwords or demo_passwords()).items():
        name, exists = await _free_name(wanted, marks, accounts)
        if exists:
            await accounts.set_password(name, password)
        else:
            await accounts.create(name, password)
        marks[name] = await _fingerprint(accounts, name)
        await database.set_meta(_MARK, json.dumps(marks))
        made.append((name, password))
    return made


async def demo_names(database: Database) -> list[str]:
    """Return the names of the accounts that were made."""
    return sorted(await _marks(database))


async def _free_name(wanted: str, marks: dict[str, str], accounts: Accounts) -> tuple[str, bool]:
    """Return ``wanted`` or a name like it that is ours or nobody's, and whether it exists."""
    for number in count(1):
        name = wanted if number == 1 else f"{wanted}{number}"
        if not await accounts.exists(name):
            return name, False
        if marks.get(name) == await _fingerprint(accounts, name):
            return name, True
        marks.pop(name, None)
    raise AssertionError


async def _fingerprint(accounts: Accounts, name: str) -> str:
    """Return what changes whenever the account gets another password: its salts."""
    credentials = await accounts.credentials(name)
    return "".join(keys.salt.hex() for _, keys in sorted(credentials.keys.items()))


async def _marks(database: Database) -> dict[str, str]:
    marks: dict[str, str] = json.loads(await database.get_meta(_MARK) or "{}")
    return marks
