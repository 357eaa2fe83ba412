"""The accounts of the embedded domain, and the keys of their passwords."""

import asyncio
import hmac
import os
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.account_rows import (
    ACCOUNTS,
    add,
    among,
    births,
    exists,
    need,
    note_departed,
)
from andiron.domain.accounts.credentials import (
    MAX_ITERATIONS,
    MECHANISMS,
    MIN_ITERATIONS,
    Credentials,
    ScramKeys,
    decoy,
    derive,
)
from andiron.domain.accounts.disabling import DisabledAccounts
from andiron.domain.accounts.former import FormerAccounts, forget_former
from andiron.domain.accounts.lookup import CREDENTIALS, keys_or
from andiron.domain.contacts.roster_rows import forget_all
from andiron.domain.database.database import Database
from andiron.domain.database.key_sizes import MAX_USERNAME, fits
from andiron.domain.owners import AccountError, NoSuchAccount
from andiron.xmpp.jid import InvalidJID, account_jid

__all__ = [
    "AccountError",
    "AccountExists",
    "Accounts",
    "InvalidName",
    "InvalidPassword",
    "NoSuchAccount",
    "insert_accounts",
    "stored_keys",
]

_DECOY_META: Final = "decoy_secret"
_KNOWN: Final = 10_000
"""Accounts whose existence is remembered, so that a message to one needs no query first."""


class AccountExists(AccountError):  # noqa: N818
    """There is an account of that name."""


class InvalidName(AccountError):  # noqa: N818
    """No account can have that name."""


class InvalidPassword(AccountError):  # noqa: N818
    """No account can have that password."""


class Accounts:
    """The accounts in a database.

    A *name* is what a person typed; a *username* is the prepared localpart of
    the account's JID (RFC 7622 section 3.3). Every method raises
    :class:`DatabaseError` when the database fails.
    """

    def __init__(self, database: Database, domain: str, iterations: int = 10_000) -> None:
        """Take the rounds of hashing for new passwords; accounts keep those they were made with."""
        if not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
            raise ValueError(
                f"iterations must be between {MIN_ITERATIONS} and {MAX_ITERATIONS}: {iterations}"
            )
        self._database = database
        self.disabled = DisabledAccounts(database)
        """Which of them nobody may sign in to."""
        self.former = FormerAccounts(database)
        """Which were removed, and are not forgotten yet."""
        self._domain = domain
        self._iterations = iterations
        self._known: OrderedDict[str, None] = OrderedDict()
        self._forgotten = 0
        """How often one was forgotten: what was read before that is not remembered after it."""
        self._secret: bytes | None = None
        self._iterations_in_use: set[int] = set()

    def username(self, name: str) -> str:
        """Return the username that a name stands for; raises :class:`InvalidName`."""
        try:
            return account_jid(name, self._domain).node
        except InvalidJID as error:
            hint = "; give only what stands before the @" if "@" in name else ""
            raise InvalidName(
                f"{name!r} cannot be the name of an account: it {error.reason} (RFC 7622){hint}."
            ) from None

    def new_username(self, name: str) -> str:
        """Return the username for a new account; raises :class:`InvalidName`.

        Accounts that were made with longer ones, in SQLite, go on.
        """
        username = self.username(name)
        if not fits(username, MAX_USERNAME):
            raise InvalidName(
                f"{name!r} cannot be the name of a new account: it is longer than"
                f" {MAX_USERNAME} bytes."
            )
        return username

    async def stored_username(self, name: str) -> str:
        """Return the username that a name stands for, or the very name where that is one.

        Some were made by former rules, and nobody's name stands for them any more.
        Raises :class:`InvalidName`.
        """
        there = name.isprintable() and await self.existing([name])
        return name if there else self.username(name)

    async def create(self, name: str, password: str) -> str:
        """Make an account and return its username.

        Raises :class:`AccountExists`, :class:`InvalidName` or :class:`InvalidPassword`.
        """
        return (await self.create_many([(name, password)]))[0]

    async def create_many(self, accounts: Iterable[tuple[str, str]]) -> list[str]:
        """Make accounts from names and passwords, all of them or none; return their usernames.

        Raises what :meth:`create` raises, for the first account that cannot be.
        """
        named = [(self.new_username(name), password) for name, password in accounts]
        _refuse_twice(named)
        derived = await asyncio.to_thread(_derive_all, named, self._iterations)

        usernames = [username for username, _ in derived]

        async def operation(connection: AsyncConnection) -> None:
            await insert_accounts(connection, derived, self._domain)
            await forget_all(connection, usernames, self._domain)

        if derived:
            await self._database.write(operation)
            self._iterations_in_use.add(self._iterations)
        return usernames

    async def provide(self, username: str) -> None:
        """Make an account without a password, unless there is one: who is let in otherwise has it.

        Raises :class:`InvalidName`.
        """
        username = self.new_username(username)

        async def operation(connection: AsyncConnection) -> None:
            if not await exists(connection, username):
                await add(connection, [username])
                await forget_former(connection, [username], self._domain)
                await forget_all(connection, [username], self._domain)

        await self._database.write(operation, username)

    async def set_password(self, name: str, password: str) -> None:
        """Replace an account's password.

        Raises :class:`NoSuchAccount`, :class:`InvalidName` or :class:`InvalidPassword`.
        """
        username = self.username(name)
        credentials = await asyncio.to_thread(_derive, username, password, self._iterations)

        async def operation(connection: AsyncConnection) -> None:
            await need(connection, username)
            await connection.execute(delete(CREDENTIALS).where(CREDENTIALS.c.username == username))
            await _store(connection, [(username, credentials)])

        await self._database.write(operation, username)
        self._iterations_in_use.add(self._iterations)

    async def remove(self, name: str) -> str:
        """Remove an account and all that is stored for it; return its username.

        Its sessions, if it may have any, are ended by :class:`.removal.Removal`.
        Raises :class:`NoSuchAccount` or :class:`InvalidName`.
        """
        username = await self.stored_username(name)

        async def operation(connection: AsyncConnection) -> None:
            # What belongs to the account goes with it: its rows refer to it with a cascade.
            removed = await connection.execute(
                delete(ACCOUNTS).where(ACCOUNTS.c.username == username)
            )
            if not removed.rowcount:
                raise NoSuchAccount(f"There is no account {username}.")
            await note_departed(connection, [username])

        # Behind all that it was about to write, of which nothing must be left to another account
        # of that name.
        await self._database.write(operation, username)
        self.forget(username)
        return username

    def forget(self, username: str) -> None:
        """Forget that there is an account, which was removed."""
        self._known.pop(username, None)
        self._forgotten += 1

    async def exists(self, username: str) -> bool:
        """Tell whether there is an account.

        One that another process removed may be remembered here as existing;
        storing something for it raises :class:`NoSuchAccount`.
        """
        if username in self._known:
            self._known.move_to_end(username)
            return True
        forgotten = self._forgotten
        there = bool(await self.births([username]))
        if there:
            self._remember(username, forgotten)
        return there

    def _remember(self, username: str, forgotten: int) -> None:
        if forgotten != self._forgotten:
            return  # It may be gone since that was read.
        self._known[username] = None
        self._known.move_to_end(username)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    async def existing(self, usernames: Sequence[str]) -> set[str]:
        """Return those of the usernames that have an account in the database."""
        return set(await self.births(usernames))

    async def births(self, usernames: Sequence[str]) -> dict[str, str]:
        """Return what tells accounts from others of their names, of those there are."""
        return await self._database.read(lambda connection: births(connection, usernames))

    async def standing(self, username: str) -> tuple[str | None, bool]:
        """Return what :meth:`births` does of an account, and whether nobody may sign in to it.

        Where there is none that is None.
        """
        forgotten = self._forgotten
        born, disabled = await self.disabled.read(username)
        if born is not None:
            self._remember(username, forgotten)
        else:
            self.forget(username)
        return born, disabled

    async def names(self) -> list[str]:
        """Return all usernames in order."""

        async def operation(connection: AsyncConnection) -> Sequence[str]:
            query = select(ACCOUNTS.c.username).order_by(ACCOUNTS.c.username)
            return (await connection.scalars(query)).all()

        return list(await self._database.read(operation))

    async def credentials(self, username: str) -> Credentials:
        """Return an account's credentials, or a decoy where there is no such account.

        The caller cannot tell which, nor can whoever watches the time it takes.
        """
        made_up = await self._decoy(username)
        keys, own = await keys_or(self._database.look_up, username, made_up.keys)
        plain = made_up.plain
        if own and plain not in own:  # it came from a server that kept other keys
            plain = min(own)
        return Credentials(keys, plain)

    async def mechanisms(self) -> tuple[str, ...]:
        """Return the SCRAM mechanisms that every account with a password has keys for.

        The strongest is first.

        Some lack keys where they came from a server that kept those of one
        mechanism alone (XEP-0227). Clients take the strongest that is offered.
        """

        async def operation(connection: AsyncConnection) -> tuple[str, ...]:
            with_password = select(func.count(CREDENTIALS.c.username.distinct()))
            accounts = await connection.scalar(with_password)
            query = select(CREDENTIALS.c.mechanism, func.count()).group_by(CREDENTIALS.c.mechanism)
            known = {row[0]: row[1] for row in await connection.execute(query)}
            return tuple(
                name for name in MECHANISMS if known.get(name, 0) == accounts or not accounts
            )

        return await self._database.read(operation)

    async def _decoy(self, username: str) -> Credentials:
        secret = self._secret or await self.load_secret()

        def rank(iterations: int) -> bytes:
            return hmac.digest(secret, f"{iterations} {username}".encode(), "sha256")

        # Where the setting was changed, accounts differ in their iterations, and so must
        # decoys. Ranking makes one that changes do so as if its password were set anew.
        in_use = self._iterations_in_use or {self._iterations}
        return decoy(secret, username, max(in_use, key=rank) if len(in_use) > 1 else min(in_use))

    async def load_secret(self) -> bytes:
        """Read, or make, what decoys are made of, before many who sign in at once ask for it."""

        async def operation(connection: AsyncConnection) -> Sequence[int]:
            return (await connection.scalars(select(CREDENTIALS.c.iterations).distinct())).all()

        self._iterations_in_use.update(await self._database.read(operation))
        stored = await self._database.get_or_set_meta(_DECOY_META, secrets.token_hex(32))
        self._secret = bytes.fromhex(stored)
        return self._secret


async def insert_accounts(
    connection: AsyncConnection, accounts: Sequence[tuple[str, Credentials]], domain: str
) -> None:
    """Make accounts of a domain from usernames and keys. Raises :class:`AccountExists`."""
    usernames = [username for username, _ in accounts]
    await _refuse_existing(connection, usernames)
    await add(connection, usernames)
    await _store(connection, accounts)
    await forget_former(connection, usernames, domain)


async def stored_keys(connection: AsyncConnection, username: str) -> dict[str, ScramKeys]:
    """Return an account's keys by their mechanism; there may be one without some of them."""
    query = select(
        CREDENTIALS.c.mechanism,
        CREDENTIALS.c.salt,
        CREDENTIALS.c.iterations,
        CREDENTIALS.c.stored_key,
        CREDENTIALS.c.server_key,
    ).where(CREDENTIALS.c.username == username)
    return {name: ScramKeys(*keys) for name, *keys in await connection.execute(query)}


def _refuse_twice(named: Sequence[tuple[str, str]]) -> None:
    seen = set()
    for username, _ in named:
        if username in seen:
            raise AccountExists(f"The account {username} is named twice.")
        seen.add(username)


async def _refuse_existing(connection: AsyncConnection, usernames: Sequence[str]) -> None:
    existing = await among(connection, ACCOUNTS.c.username, usernames)
    if existing:
        raise AccountExists(f"There is an account {min(existing)} already.")


async def _store(connection: AsyncConnection, accounts: Sequence[tuple[str, Credentials]]) -> None:
    await connection.execute(
        insert(CREDENTIALS),
        [
            {
                "username": username,
                "mechanism": mechanism,
                "iterations": keys.iterations,
                "salt": keys.salt,
                "stored_key": keys.stored_key,
                "server_key": keys.server_key,
            }
            for username, credentials in accounts
            for mechanism, keys in credentials.keys.items()
        ],
    )


def _derive_all(named: Sequence[tuple[str, str]], iterations: int) -> list[tuple[str, Credentials]]:
    """Derive on every core: hashing lets go of the interpreter's lock."""
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        credentials = pool.map(lambda pair: _derive(pair[0], pair[1], iterations), named)
        return [
            (username, derived) for (username, _), derived in zip(named, credentials, strict=True)
        ]
    finally:
        pool.shutdown(cancel_futures=True)


def _derive(username: str, password: str, iterations: int) -> Credentials:
    try:
        return derive(password, iterations)
    except ValueError as error:
        raise InvalidPassword(f"The password for {username} is not possible: {error}") from None
