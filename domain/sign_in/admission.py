"""Who is let in: whose a password is, by the site's word or the account's own, and who may come."""

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor

from andiron.domain.accounts.accounts import Accounts, InvalidName
from andiron.domain.accounts.credentials import Credentials, verify_password
from andiron.domain.person import Person
from andiron.domain.sign_in.site import Site
from andiron.domain.sign_in.steps import Step
from andiron.domain.sign_in.tokens import Grant, account_of
from andiron.domain.sign_in.verified import VerifiedPasswords
from andiron.xmpp.errors import SaslCondition, SaslError

_log = logging.getLogger("andiron.domain")


class Admission:
    """Decides about those who sign in to one domain; :meth:`close` it when the domain ends."""

    def __init__(self, accounts: Accounts, site: Site, domain: str, remembered: int) -> None:
        """Take whose word counts; passwords of so many accounts are ``remembered`` as right."""
        self._accounts = accounts
        self._site = site
        self._domain = domain
        self._verified = VerifiedPasswords(remembered)
        # Passwords hash in threads of their own, one for each core, so that a flood of
        # sign-ins takes neither the event loop nor the threads that others wait for.
        self._executor = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="andiron-sasl")

    async def check(self, username: str, password: str) -> Grant | None:
        """Return who has a password in the clear, by the site's word or the account's own.

        None where it is wrong. It may be a token of theirs. Who is let in has an account, if
        need be a new one. Raises :class:`SaslError`.
        """
        owner = await self._site.owner(password)
        if owner is None:
            said = await self._site.is_right(username, password)
            if isinstance(said, Person):
                owner = Grant(said.name, person=said)
            elif said:
                owner = Grant(username)
        if owner is not None and account_of(owner.name, self._domain) == username:
            await self.admit(username)
            return owner
        credentials, of_site = await self.credentials(username)
        if not await self._is_right(username, credentials, password):
            return None
        if of_site:
            await self.admit(username)
        return Grant(username)

    async def credentials(self, username: str) -> tuple[Credentials, bool]:
        """Return the site's keys of somebody, else an account's or a decoy's; and whether it knows.

        Raises :class:`SaslError` where the site fails.
        """
        known = await self._site.credentials(username)
        if known is not None:
            return known, True
        return await self._accounts.credentials(username), False

    async def admit(self, username: str) -> None:
        """See to it that one whom the site knows has an account.

        Raises :class:`SaslError` ``not-authorized`` where none may be made.
        """
        if await self._accounts.exists(username):
            return
        if not self._site.provision:
            _log.info("%s has no account, and none is made (ANDIRON_PROVISION)", username)
            raise SaslError(SaslCondition.NOT_AUTHORIZED)
        try:
            await self._accounts.provide(username)
        except InvalidName as error:
            _log.warning("no account for one of the site's users: %s", error)
            raise SaslError(SaslCondition.NOT_AUTHORIZED) from None

    @property
    def disabled(self) -> int:
        """How often an account was disabled here."""
        return self._accounts.disabled.count

    async def refuse_disabled(self, username: str) -> str:
        """Let in nobody whose account is disabled, and tell him, who has proved who he is.

        Returns what tells the account from others of its name. Raises :class:`SaslError`
        ``account-disabled`` (RFC 6120 section 6.5.2), or ``not-authorized`` where it is gone.
        """
        born, disabled = await self._accounts.standing(username)
        if disabled:
            raise SaslError(SaslCondition.ACCOUNT_DISABLED)
        if born is None:
            raise SaslError(SaslCondition.NOT_AUTHORIZED)
        return born

    async def refuse_former(self, step: Step) -> None:
        """Let in nobody by keys that are not the account's any more, as it is by now.

        Its password may have been changed, or another have its name, since an exchange began.
        Raises :class:`SaslError`.
        """
        if step.keys is None or step.username is None:
            return
        if await self._accounts.credentials(step.username) != step.keys:
            raise SaslError(SaslCondition.NOT_AUTHORIZED)

    def close(self) -> None:
        """Let go of the hashing threads."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _is_right(self, username: str, credentials: Credentials, password: str) -> bool:
        """Tell whether a password in the clear fits, by hashing it unless it was right before."""
        if self._verified.knows(username, credentials, password):
            return True
        right = await asyncio.get_running_loop().run_in_executor(
            self._executor, verify_password, credentials, password
        )
        if right:
            self._verified.remember(username, credentials, password)
        return right
