"""The application as its API sees it, in its parts."""

from andiron.api.accounts import AccountsApi
from andiron.api.archive import ArchiveApi
from andiron.api.messages import MessagesApi
from andiron.api.people import People
from andiron.api.rooms import RoomsApi
from andiron.api.sessions import SessionsApi
from andiron.api.settings import Changeable, SettingsApi
from andiron.api.told import told
from andiron.api.traces import TracesApi
from andiron.domain.domain import Domain
from andiron.processes import Processes
from andiron.sm.manager import SessionManager

__all__ = ["Parts"]


class Parts:
    """What the API is made of while the application runs."""

    def __init__(
        self,
        application: Changeable,
        domain: Domain,
        manager: SessionManager,
        processes: Processes,
    ) -> None:
        people = People(domain)
        self.messages = MessagesApi(domain, people, manager.clock, manager.config.stanza_bytes)
        self.rooms = RoomsApi(domain, people, manager.clock)
        self.archive = ArchiveApi(domain, people, self.rooms)
        self.sessions = SessionsApi(people, domain.router, manager, processes)
        self.traces = TracesApi(self.sessions, manager)
        self.accounts = AccountsApi(domain, people, manager)
        self.settings = SettingsApi(application)
        self.processes = processes
        self.told = told
