"""Takes over the accounts of documents, one after the other."""

import asyncio
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from andiron.domain.accounts.accounts import AccountError, Accounts
from andiron.domain.accounts.credentials import Credentials, derive
from andiron.domain.config import DomainConfig
from andiron.domain.database.database import Database
from andiron.domain.portability import document, storing
from andiron.domain.portability.content import Content
from andiron.domain.portability.document import Closed, Document, DocumentError, Opened, Record
from andiron.domain.portability.reading import ContentReader
from andiron.domain.portability.unreadable import UnreadableError
from andiron.xmpp.jid import InvalidJID, domainpart

__all__ = ["Importer", "Report"]

_RECORD: Final = 65_536
"""What may be around a stanza, in bytes, besides the stanza."""


@dataclass(slots=True)
class Report:
    """What became of an import."""

    made: int = 0
    merged: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """Of contacts, messages and nodes."""
    problems: int = 0


@dataclass(slots=True)
class _Waiting:
    """An account that was read, and whose password is being hashed."""

    content: Content
    exists: bool
    credentials: Future[Credentials] | None


class _User:
    """An account that is being read; nothing more of it once something was wrong."""

    def __init__(self, reader: ContentReader, password: str) -> None:
        self._reader = reader
        self._problem = ""
        if password:
            self._try(lambda: reader.password(password))

    @property
    def content(self) -> Content:
        """What was read."""
        return self._reader.content

    def take(self, record: Record) -> None:
        """Read a record."""
        if not self._problem:
            self._try(lambda: self._reader.read(record))

    def finish(self) -> str:
        """Return what was wrong, if anything."""
        if not self._problem:
            self._try(self._reader.finish)
        return self._problem

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except UnreadableError as error:
            self._problem = str(error)


class Importer:
    """Reads documents into a database.

    ``max_stanza`` is the size of the largest stanza that clients may send. What
    goes wrong with an account is told to ``problem``, in a sentence, and the
    next account's turn comes; ``note`` is told what was left out, and ``progress`` after each
    account what became of them so far.
    """

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        config: DomainConfig,
        max_stanza: int,
        *,
        merge: bool,
        problem: Callable[[str], None],
        note: Callable[[str], None],
        progress: Callable[[Report], object] = lambda _report: None,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._config = config
        self._max_record = 2 * max_stanza + _RECORD
        self._merge = merge
        self._tell_problem = problem
        self._tell_note = note
        self._tell_progress = progress
        self._report = Report()
        self._waiting: deque[_Waiting] = deque()
        self._cores = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._cores, thread_name_prefix="andiron-import")

    async def read(self, paths: Iterable[Path]) -> Report:
        """Read documents, and return what became of them. Raises :class:`DatabaseError`."""
        try:
            for path in paths:
                await self._document(path)
            while self._waiting:
                await self._store(self._waiting.popleft())
        finally:
            self._pool.shutdown(cancel_futures=True)
            for each in self._waiting:
                each.content.close()
        return self._report

    async def _document(self, path: Path) -> None:
        user: _User | None = None
        host = False
        try:
            for event in Document(path, self._max_record):
                match event:
                    case Opened(document.HOST):
                        host = self._is_ours(event)
                    case Opened(document.USER) if host:
                        user = self._user(event)
                    case Record() if user is not None:
                        user.take(event)
                    case Closed(document.USER) if user is not None:
                        finished, user = user, None
                        await self._finish(finished)
                    case _:
                        pass
        except DocumentError as error:
            self._problem(f"{error} What comes after that was not read.")
        finally:
            if user is not None:
                user.content.close()

    def _is_ours(self, host: Opened) -> bool:
        name = host.attributes.get("jid", "")
        try:
            if domainpart(name) == self._config.domain:
                return True
        except InvalidJID:
            pass
        self._problem(
            f"{host.place}: the accounts of {name!r} cannot be those of {self._config.domain}"
            " (setting: domain)."
        )
        return False

    def _user(self, user: Opened) -> "_User | None":
        try:
            username = self._accounts.username(user.attributes.get("name", ""))
        except AccountError as error:
            self._problem(f"{user.place}: {error}")
            return None

        def note(text: str) -> None:
            self._tell_note(f"{username}: {text}.")

        reader = ContentReader(username, self._config, note)
        return _User(reader, user.attributes.get("password", ""))

    async def _finish(self, user: "_User") -> None:
        """Take an account that was read whole; refuse one with anything wrong."""
        problem, content = user.finish(), user.content
        exists = any(each.content.username == content.username for each in self._waiting)
        if not exists:
            exists = bool(await self._accounts.existing([content.username]))
        if exists and not self._merge:
            problem = "there is such an account already; --merge adds to it what it lacks"
        elif not (problem or exists or content.password or content.keys):
            problem = "there is neither a password nor a key for SCRAM"
        if problem:
            self._problem(f"{content.username} was not imported: {problem}.")
            content.close()
            return
        hashing = None
        if content.password and not exists:
            hashing = self._pool.submit(derive, content.password, self._config.scram_iterations)
        self._waiting.append(_Waiting(content, exists, hashing))
        if len(self._waiting) > 2 * self._cores:
            await self._store(self._waiting.popleft())

    async def _store(self, waiting: _Waiting) -> None:
        content = waiting.content
        try:
            await self._write(waiting)
        except (AccountError, ValueError) as error:
            self._problem(f"{content.username} was not imported: {error}")
        finally:
            content.close()

    async def _write(self, waiting: _Waiting) -> None:
        content = waiting.content
        if waiting.exists:
            counts = await storing.merge(self._database, content, self._config.pubsub)
            self._report.merged += 1
        else:
            if waiting.credentials is not None:
                credentials = await asyncio.wrap_future(waiting.credentials)
            else:
                credentials = Credentials(content.keys)
            counts = await storing.add(
                self._database, self._config.domain, content, credentials, self._config.pubsub
            )
            self._report.made += 1
        self._report.counts.update(counts)
        self._tell_progress(self._report)

    def _problem(self, sentence: str) -> None:
        self._report.problems += 1
        self._tell_problem(sentence)
