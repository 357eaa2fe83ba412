"""Whose names are meant: accounts by name or address, and the site itself."""

from collections.abc import Iterable

from andiron.api.checks import MAX_ADDRESS, text_of
from andiron.api.errors import InvalidError, NotFoundError
from andiron.domain.client import Owner
from andiron.domain.domain import Domain
from andiron.domain.owners import NoSuchAccount
from andiron.xmpp.jid import JID, InvalidJID, account_jid

__all__ = ["RESOURCE", "People"]

RESOURCE = "site"
"""What the site's code is of an account that it speaks for, among the account's resources."""


class People:
    """Finds the account that a name stands for."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self.site = Owner(domain.name, registered=False)
        """The site, which speaks by the domain's own address."""

    def jid(self, name: str) -> JID:
        """Return the address of an account, of its name or address; there need be none."""
        text_of(name, "A name", MAX_ADDRESS, least=1)
        try:
            if "@" not in name:
                return account_jid(name, self._domain.name)
            jid = JID(name)
        except InvalidJID as error:
            raise InvalidError(f"{name[:100]!r} is nobody's name: {error}.") from None
        if jid.domain != self._domain.name or jid.resource or not jid.node:
            raise InvalidError(
                f"{name[:100]!r} is no account of {self._domain.name}: give the name alone, or"
                f" name@{self._domain.name}."
            )
        return jid

    def several(self, names: object, what: str) -> list[str]:
        """Return the addresses of accounts that are given as a sequence of names."""
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise InvalidError(f"The {what} are a list of names, not {type(names).__name__}.")
        return [self.jid(name).bare for name in names]

    async def known(self, name: str, *, guests: bool = False) -> JID:
        """Return the address of an account that there is; ``guests`` who are there have none."""
        jid = self.jid(name)
        if guests and self._is_guest(jid):
            return jid
        if not await self._domain.accounts.exists(jid.node):
            raise NotFoundError(f"There is no account {jid.node}.")
        return jid

    async def addressed(self, name: str) -> JID:
        """Return the address of an account that is written to, which may have to be made.

        That is as at a first sign-in: by the setting ``provision``. A guest gets none.
        """
        jid = self.jid(name)
        accounts = self._domain.accounts
        if self._is_guest(jid):
            return jid
        if not await accounts.exists(jid.node):
            if not self._domain.site.provision:
                raise NotFoundError(
                    f"There is no account {jid.node}, and none is made (provision = false)."
                )
            await accounts.provide(jid.node)
        return jid

    def _is_guest(self, jid: JID) -> bool:
        """Tell whether it is the address of one who is here without an account (ANONYMOUS)."""
        owner = self._domain.owners.get(jid.bare)
        return owner is not None and not owner.registered

    async def speaking(self, name: str) -> tuple[Owner, str]:
        """Return who speaks, and from which address: the site where the name is empty."""
        if not name:
            return self.site, self.site.jid
        jid = await self.addressed(name)
        try:
            owner = await self._domain.owners.load(jid.bare)
        except NoSuchAccount:
            raise NotFoundError(f"There is no account {jid.node}.") from None
        return owner, f"{jid.bare}/{RESOURCE}"
