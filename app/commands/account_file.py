"""Reads many accounts from a file: a name, white space and a password on each line."""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from andiron.xmpp.jid import InvalidJID, account_jid

_SHOWN: Final = 10


class AccountFileError(Exception):
    """Lines of the file that cannot be used, by number; nothing was done."""


def read_accounts(
    lines: Iterable[str],
    domain: str,
    existing: Collection[str],
    check_password: Callable[[str], object],
) -> list[tuple[str, str]]:
    """Return names and passwords; empty lines are skipped.

    A password is the rest of its line, so it may contain spaces but not begin
    or end with them. ``existing`` are the usernames there are already;
    ``check_password`` raises ValueError for one that nobody could use. Raises
    :class:`AccountFileError` with every line that is wrong, and says no password.
    """
    accounts: list[tuple[str, str]] = []
    wrong: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        fields = line.strip().split(None, 1)
        if not fields:
            continue
        try:
            name, password = _name_and_password(fields)
            check_password(password)
            username = _username(name, domain, existing)
        except ValueError as error:
            wrong.append(f"line {number}: {error}")
            continue
        if username in seen:
            wrong.append(f"line {number}: {username} stands on line {seen[username]} already")
        seen.setdefault(username, number)
        accounts.append((name, password))
    if wrong:
        more = [f"and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
        raise AccountFileError("\n".join(["No account was made.", *wrong[:_SHOWN], *more]))
    return accounts


def _name_and_password(fields: list[str]) -> tuple[str, str]:
    if len(fields) == 1:
        raise ValueError("a password is missing after the name")
    return fields[0], fields[1]


def _username(name: str, domain: str, existing: Collection[str]) -> str:
    try:
        username = account_jid(name, domain).node
    except InvalidJID as error:
        hint = "; give only what stands before the @" if "@" in name else ""
        raise ValueError(
            f"{name!r} cannot be the name of an account: it {error.reason}{hint}"
        ) from None
    if username in existing:
        raise ValueError(f"there is an account {username} already")
    return username
