"""An LDAP directory (RFC 4511), asked whether a password is right.

A password is checked by a bind with it. That blocks, so it is done in threads, a few at a
time; how long a server may take is bounded.
"""

import asyncio
import ssl
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from andiron.domain.person import Person

with warnings.catch_warnings():
    # It knows parts of pyasn1 by their former names.
    warnings.simplefilter("ignore", DeprecationWarning)
    import ldap3
    from ldap3.core.exceptions import LDAPException
    from ldap3.utils.conv import escape_filter_chars
    from ldap3.utils.dn import escape_rdn

__all__ = ["Directory", "LdapError", "Plan"]

_THREADS: Final = 8
_WRONG: Final = frozenset({"invalidCredentials", "noSuchObject"})


class LdapError(Exception):
    """The directory could not be asked; the text is for the log, and holds no password."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the directory is, and how people are found in it."""

    host: str
    port: int
    tls: bool
    """Speak TLS from the start (``ldaps``)."""
    start_tls: bool
    ca_file: str
    """Whose certificates are trusted; empty: those that the system trusts."""
    user_dn: str
    """The name of a person's entry, with ``{}`` for the username; empty: it is searched."""
    base: str
    """Below which entry is searched."""
    filter: str
    """What is searched, with ``{}`` for the username."""
    bind_dn: str
    """As whom; empty: as nobody."""
    bind_password: str
    name: str
    """The attribute with what people call somebody; empty: none."""
    photo: str
    """The attribute with a picture; empty: none."""
    timeout: float

    def entry_of(self, username: str) -> str:
        """Return the name of a person's entry (RFC 4514)."""
        return self.user_dn.replace("{}", str(escape_rdn(username)))

    def filter_of(self, username: str) -> str:
        """Return the filter that finds a person (RFC 4515)."""
        return self.filter.replace("{}", str(escape_filter_chars(username)))

    @property
    def attributes(self) -> list[str]:
        """What is read of an entry; ``1.1`` is nothing (RFC 4511 section 4.5.1.8)."""
        return [each for each in (self.name, self.photo) if each] or ["1.1"]


class Directory:
    """Checks passwords; its :meth:`authenticate` is one for ``create_app``."""

    def __init__(self, plan: Plan) -> None:
        """Raise ValueError for certificates that cannot be used."""
        self._plan = plan
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="andiron-ldap")
        tls = None
        if plan.tls or plan.start_tls:
            tls = _tls(plan.ca_file)
        self._server = ldap3.Server(
            plan.host,
            plan.port,
            use_ssl=plan.tls,
            tls=tls,
            get_info=ldap3.NONE,
            connect_timeout=plan.timeout,
        )

    async def authenticate(self, username: str, password: str) -> bool | Person:
        """Tell whether a password is somebody's, and who that is. Raises :class:`LdapError`."""
        if not password or "\0" in password:
            return False  # A bind without one is no proof (RFC 4513 section 5.1.2).
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._check, username, password)

    def _check(self, username: str, password: str) -> bool | Person:
        try:
            plan = self._plan
            if plan.user_dn:
                return self._bound(plan.entry_of(username), username, password, None)
            found = self._search(username)
            return found is not None and self._bound(found[0], username, password, found[1])
        except (LDAPException, OSError, ValueError) as error:
            # Its text may hold what was sent.
            raise LdapError(f"{type(error).__name__} at {self._server.name}") from None

    def _bound(
        self, entry: str, username: str, password: str, read: dict[str, Any] | None
    ) -> bool | Person:
        """Bind as an entry; ``read`` is what is known of it, None where it is to be read."""
        connection = self._connect(entry, password)
        try:
            if not self._bind(connection):
                return False
            if read is None:
                connection.search(
                    entry,
                    "(objectClass=*)",
                    ldap3.BASE,
                    dereference_aliases=ldap3.DEREF_NEVER,
                    attributes=self._plan.attributes,
                )
                entries = _entries(connection)
                read = entries[0]["raw_attributes"] if entries else {}
            return self._person(username, read)
        finally:
            _close(connection)

    def _search(self, username: str) -> tuple[str, dict[str, Any]] | None:
        """Return the one entry of a username, and what it says; None for none, or several."""
        plan = self._plan
        connection = self._connect(plan.bind_dn, plan.bind_password)
        try:
            if not self._bind(connection):
                raise LdapError(f"{self._server.name} refuses ldap_bind_dn with ldap_bind_password")
            connection.search(
                plan.base,
                plan.filter_of(username),
                ldap3.SUBTREE,
                dereference_aliases=ldap3.DEREF_NEVER,
                attributes=plan.attributes,
                size_limit=2,
            )
            entries = _entries(connection)
        finally:
            _close(connection)
        if len(entries) != 1:
            return None
        return entries[0]["dn"], entries[0]["raw_attributes"]

    def _connect(self, entry: str, password: str) -> Any:
        return ldap3.Connection(
            self._server,
            user=entry or None,
            password=password or None,
            authentication=ldap3.SIMPLE if entry else ldap3.ANONYMOUS,
            auto_referrals=False,
            receive_timeout=ceil(self._plan.timeout),  # It takes whole seconds.
            read_only=True,
        )

    def _bind(self, connection: Any) -> bool:
        connection.open()
        if self._plan.start_tls and not connection.start_tls():
            raise LdapError(f"{self._server.name} refuses StartTLS")
        if connection.bind():
            return True
        result: str = connection.result["description"]
        if result in _WRONG:
            return False
        raise LdapError(f"{self._server.name} answered {result}")

    def _person(self, username: str, read: dict[str, Any]) -> Person:
        attributes = {name.lower(): values for name, values in read.items()}
        names = attributes.get(self._plan.name.lower()) or [b""]
        photos = attributes.get(self._plan.photo.lower()) or [None]
        return Person(username, names[0].decode("utf-8", "replace"), photos[0])


class _Tls(ldap3.Tls):  # type: ignore[misc]
    """TLS by Python's own rules, which look at the name as well; ldap3's own are older."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # noqa: ARG002
        """Go on in TLS over a connection's socket."""
        plain, connection.socket = connection.socket, None
        connection.socket = self._context.wrap_socket(plain, server_hostname=connection.server.host)


def _tls(ca_file: str) -> _Tls:
    try:
        return _Tls(ssl.create_default_context(cafile=ca_file or None))
    except OSError as error:
        raise ValueError(str(error)) from None


def _close(connection: Any) -> None:
    opened = connection.socket
    if opened is not None:
        with suppress(LDAPException, OSError):
            connection.unbind()
        opened.close()  # Where opening failed nothing else does.


def _entries(connection: Any) -> list[dict[str, Any]]:
    return [each for each in connection.response or () if each["type"] == "searchResEntry"]
