"""The demonstration's two accounts, which its page signs in as.

They are made in the configured database, so a mark beside them says which
they are: an account of the same name that somebody else made, or whose
password somebody has changed since, is not touched.
"""

import base64
import hmac
import json
import secrets
from itertools import count
from typing import Final

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.accounts.credentials import verify_password
from andiron.domain.database.database import Database

NAMES: Final = ("alice", "bob")
_MARK: Final = "demo_accounts"
_SECRET: Final = "demo_secret"  # noqa: S105 - the name of one
_LENGTH: Final = 12
"""Bytes of a password."""


async def make_demo_accounts(database: Database, accounts: Accounts) -> list[tuple[str, str]]:
    """Return the names of two accounts and their passwords.

    Those stay the same from start to start: whoever has the page open comes back after one.
    """
    marks = await _marks(database)
    secret = await database.get_or_set_meta(_SECRET, secrets.token_urlsafe())
    made = []
    for wanted in NAMES:
        name, exists = await _free_name(wanted, marks, accounts)
        password = _password(secret, name)
        if not exists:
            await accounts.create(name, password)
        elif not verify_password(await accounts.credentials(name), password):
            await accounts.set_password(name, password)
        marks[name] = await _fingerprint(accounts, name)
        await database.set_meta(_MARK, json.dumps(marks))
        made.append((name, password))
    return made


async def demo_names(database: Database) -> list[str]:
    """Return the names of the accounts that were made."""
    return sorted(await _marks(database))


def _password(secret: str, name: str) -> str:
    """Return what an account's password is in this database."""
    digest = hmac.digest(secret.encode(), name.encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:_LENGTH]).decode()


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
