"""The URL of a database: which kind it is of, and what is wrong with one that cannot be used.

What is said never repeats a user, a password or a host: whoever mistypes a URL
may have put the password where one of the others belongs.
"""

import re
from difflib import get_close_matches
from types import ModuleType
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from andiron.domain.database import postgres, sqlite
from andiron.domain.database.engines import SETTING, DatabaseError

__all__ = ["EXAMPLES", "beside", "check", "name_of", "parse", "problem", "require_existing"]

EXAMPLES: Final = "sqlite:///andiron.db or postgresql://user:password@host/name"
_KINDS: Final = (sqlite, postgres)
_SCHEME: Final = re.compile(r"[A-Za-z][\w+.-]*(?=:/)")
_MEANT: Final = {
    "postgres": "postgresql",
    "psql": "postgresql",
    "pgsql": "postgresql",
    "sqlite3": "sqlite",
    "file": "sqlite",
}
"""What others call a kind that is supported."""


def parse(url: str) -> tuple[ModuleType, URL]:
    """Return the module of a URL's kind, and the URL read.

    Raises :class:`DatabaseError` with a sentence that names the part that is wrong.
    """
    found = problem(url)
    if found:
        raise DatabaseError(f"{SETTING} must be a database URL such as {EXAMPLES}: {found}.")
    parsed = make_url(url)
    return next(kind for kind in _KINDS if parsed.drivername in kind.DRIVERS), parsed


def beside(url: str, suffix: str) -> str:
    """Return the path of a file that belongs to a database; empty for one in memory alone.

    It is beside a database's own file, named like that with ``suffix``; for a database in a
    server, in the working directory, named after Andiron.
    Raises :class:`DatabaseError` for a URL that cannot be used.
    """
    kind, parsed = parse(url)
    if kind is postgres:
        return f"andiron{suffix}"
    path = sqlite.path_of(parsed)
    return "" if path is None else f"{path}{suffix}"


def name_of(url: str) -> str:
    """Return what a database is called in its server, without the host, which may have names.

    Empty for a file. Raises :class:`DatabaseError` for a URL that cannot be used.
    """
    kind, parsed = parse(url)
    return f"postgresql:{parsed.database or ''}" if kind is postgres else ""


def check(url: str) -> None:
    """Find what a database's opening would fail by, without opening or making it.

    That is a file that can neither be written nor made, a driver that is not
    installed, a certificate that is not there. Whether a server answers is not
    asked. Raises :class:`DatabaseError`, also for a URL that cannot be used.
    """
    kind, parsed = parse(url)
    kind.check(parsed)


def require_existing(url: str, remedy: str) -> None:
    """Refuse a file that opening would make; ``remedy`` ends the sentence, without a full stop.

    Raises :class:`DatabaseError`, also for a URL that cannot be used.
    """
    kind, parsed = parse(url)
    if path := kind.missing(parsed):
        raise DatabaseError(f"There is no database {path}; {remedy}.")


def problem(url: str) -> str:
    """Return what is wrong with a URL, without the secrets in it; empty where nothing is."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        return _no_scheme(url)
    found = _scheme_problem(scheme[0])
    if found:
        return found
    if not url.startswith("://", scheme.end()):
        return f"{scheme[0]}: must be followed by //"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return "what stands after the host's colon is no port number; a user has an @ behind it"
    kind = next(kind for kind in _KINDS if parsed.drivername in kind.DRIVERS)
    text: str = kind.problem(parsed)
    return text


def _no_scheme(url: str) -> str:
    if not url:
        return "it is empty"
    if url[0] in "'\"":
        return "the quotes around it are taken as part of it"
    if url != url.strip():
        return "there is a space before or after it"
    return "it does not begin with sqlite:// or postgresql://"


def _scheme_problem(scheme: str) -> str:
    kinds = {driver for kind in _KINDS for driver in kind.DRIVERS}
    if scheme in kinds:
        return ""
    name, _, driver = scheme.partition("+")
    meant = _MEANT.get(name.lower(), name.lower())
    near = get_close_matches(meant, sorted(kinds), n=1, cutoff=0.8)
    if meant in kinds and driver and f"{meant}+{driver.lower()}" not in kinds:
        return f"the driver {driver} in {scheme}:// is not one of Andiron's; write {meant}://"
    if near:
        return f"{scheme}:// is unknown; write {near[0]}://"
    return f"{scheme}:// is not supported, only sqlite:// and postgresql:// are"
