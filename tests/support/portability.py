"""Exports and imports without a command line around them."""

from pathlib import Path

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.config import DomainConfig
from andiron.domain.portability.export import Exporter
from andiron.domain.portability.importing import Importer, Report
from support.database import InstantDatabase

CONFIG = DomainConfig(domain="localhost", scram_iterations=4096)


class Server:
    """A database, and what is said of its imports."""

    def __init__(self, folder: Path, database=None, config: DomainConfig = CONFIG) -> None:
        self.database = database or InstantDatabase()
        self.config = config
        self.accounts = Accounts(self.database, "localhost", 4096)
        self.folder = folder
        self.problems: list[str] = []
        self.notes: list[str] = []

    async def export(self, *names: str) -> str:
        parts: list[str] = []
        usernames = names or await self.accounts.names()
        await Exporter(self.database, "localhost").write(usernames, parts.append)
        return "".join(parts)

    async def read(self, text: str, *, merge: bool = False, max_stanza: int = 262_144) -> Report:
        path = self.folder / "export.xml"
        path.write_text(text, "utf-8")
        return await self.read_files(path, merge=merge, max_stanza=max_stanza)

    async def read_files(self, *paths: Path, merge=False, max_stanza=262_144) -> Report:
        importer = Importer(
            self.database,
            self.accounts,
            self.config,
            max_stanza,
            merge=merge,
            problem=self.problems.append,
            note=self.notes.append,
        )
        return await importer.read(paths)
