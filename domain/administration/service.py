"""Service Administration, XEP-0133: what admins do to accounts and to who is online."""

from collections.abc import Sequence
from typing import Final

from andiron.domain.accounts.accounts import Accounts, NoSuchAccount
from andiron.domain.accounts.removal import DISABLED, Removal
from andiron.domain.administration.adhoc import Command, Done
from andiron.domain.contacts.roster import roster_of
from andiron.domain.messages.announcing import announce
from andiron.domain.owners import Owners
from andiron.domain.registry import IqRequest
from andiron.domain.router import Router
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.forms import Field, Form
from andiron.xmpp.jid import JID, parse_jid

__all__ = ["FORM_TYPE", "Administration"]

FORM_TYPE: Final = "http://jabber.org/protocol/admin"
_ENDED: Final = "ended by an administrator"
_MOST: Final = 500
"""Addresses that one form may have."""
_LISTED: Final = 1_000
"""Accounts that are listed where the form does not say how many."""
_ONE: Final = Field("accountjid", (), "jid-single", "The account's address", required=True)
_SEVERAL: Final = Field("accountjids", (), "jid-multi", "The accounts' addresses", required=True)
_PASSWORD: Final = Field("password", (), "text-private", "The password", required=True)
_NEW: Final = Field("password", (), "text-private", "The new password", required=True)
_VERIFY: Final = Field("password-verify", (), "text-private", "The password once more")
_SUBJECT: Final = Field("subject", (), "text-single", "What it is about")
_ANNOUNCEMENT: Final = Field(
    "announcement", (), "text-multi", "What everybody shall be told", required=True
)
_MAX: Final = Field(
    "max_items",
    ("100",),
    "list-single",
    "How many to list at most",
    tuple((each, each) for each in ("25", "50", "100", "250", "1000", "none")),
)


class Administration:
    """The commands, for :class:`.adhoc.AdHoc`."""

    def __init__(
        self, accounts: Accounts, removal: Removal, owners: Owners, router: Router
    ) -> None:
        self._accounts = accounts
        self._removal = removal
        self._owners = owners
        self._router = router

    def commands(self) -> Sequence[Command]:
        """Return them, in the order of section 4."""

        def node(name: str) -> str:
            return f"{FORM_TYPE}#{name}"

        return (
            Command(
                node("add-user"), "Add User", (_ONE, _PASSWORD, _VERIFY), self._add, secret=True
            ),
            Command(node("delete-user"), "Delete User", (_SEVERAL,), self._delete),
            Command(node("disable-user"), "Disable User", (_SEVERAL,), self._disable),
            Command(node("reenable-user"), "Re-Enable User", (_SEVERAL,), self._enable),
            Command(node("end-user-session"), "End User Session", (_SEVERAL,), self._end),
            Command(
                node("change-user-password"),
                "Change User Password",
                (_ONE, _NEW),
                self._change_password,
                secret=True,
            ),
            Command(node("user-stats"), "Get User Statistics", (_ONE,), self._statistics),
            Command(node("get-online-users-num"), "Get Number of Online Users", (), self._number),
            Command(node("get-online-users-list"), "Get List of Online Users", (_MAX,), self._list),
            Command(
                node("announce"),
                "Send Announcement to Online Users",
                (_SUBJECT, _ANNOUNCEMENT),
                self._announce,
            ),
        )

    # Accounts

    async def _add(self, _request: IqRequest, form: Form) -> Done:
        """Make an account."""
        username, password = self._username(form.text("accountjid")), form.text("password")
        if "password-verify" in form.fields and form.text("password-verify") != password:
            raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "the passwords differ")
        made = await self._accounts.create(username, password)
        return Done(f"{self._jid(made)} was made")

    async def _delete(self, request: IqRequest, form: Form) -> Done:
        """Remove accounts with all that is theirs."""
        usernames = await self._others(request, form)
        for username in usernames:
            await self._removal.remove(username)
        return Done(f"{self._named(usernames)} removed")

    async def _disable(self, request: IqRequest, form: Form) -> Done:
        """Let nobody sign in to accounts."""
        usernames = await self._others(request, form)
        for username in usernames:
            await self._accounts.disabled.disable(username)
            self._removal.end(self._jid(username), DISABLED)
        return Done(f"{self._named(usernames)} disabled")

    async def _enable(self, _request: IqRequest, form: Form) -> Done:
        """Let their owners sign in again."""
        usernames = await self._existing(form)
        for username in usernames:
            await self._accounts.disabled.enable(username)
        return Done(f"{self._named(usernames)} enabled")

    async def _change_password(self, _request: IqRequest, form: Form) -> Done:
        """Give an account another password; its streams go on."""
        username = self._username(form.text("accountjid"))
        await self._accounts.set_password(username, form.text("password"))
        return Done(f"the password of {self._jid(username)} was changed")

    async def _statistics(self, _request: IqRequest, form: Form) -> Done:
        """Tell of an account's contacts and who of it is online."""
        account = self._jid(self._username(form.text("accountjid")))
        roster = roster_of(await self._owners.load(account))
        contacts = sum(each.listed for each in roster.contacts.values())
        there = self._router.accounts.get(account)
        clients = () if there is None else tuple(there.clients.values())
        addresses = dict.fromkeys(client.session.channel.address for client in clients)
        return Done(
            f"{account} was looked at",
            (
                Field("ipaddresses", tuple(addresses), "text-multi", "Network addresses"),
                Field("rostersize", (str(contacts),), label="Contacts"),
                Field(
                    "onlineresources",
                    tuple(client.jid.partition("/")[2] for client in clients),
                    "text-multi",
                    "Resources that are online",
                ),
            ),
        )

    # Who is online

    async def _end(self, _request: IqRequest, form: Form) -> Done:
        """End the sessions of accounts, or those with a full address."""
        jids = self._jids(form.fields["accountjids"])
        ended = sum(self._removal.end(jid.full, _ENDED) for jid in jids)
        whose = ", ".join(jid.full for jid in jids)
        return Done(f"{_counted(ended)} of {whose} ended")

    async def _number(self, _request: IqRequest, _form: Form) -> Done:
        """Tell how many accounts are online."""
        number = len(self._router.accounts)
        field = Field("onlineusersnum", (str(number),), label="Number of users who are online")
        return Done(f"{number} online", (field,))

    async def _list(self, _request: IqRequest, form: Form) -> Done:
        """Tell which."""
        wish = form.text("max_items")
        if wish not in ("", "none") and not (wish.isdecimal() and len(wish) < 8):
            raise _unfit("max_items is a number, or none")
        there = sorted(self._router.accounts)
        shown = there if wish == "none" else there[: int(wish) if wish else _LISTED]
        field = Field("onlineuserjids", shown, "jid-multi", "Users who are online")
        return Done(f"{len(there)} online", (field,))

    async def _announce(self, request: IqRequest, form: Form) -> Done:
        """Tell all who are online something."""
        body = "\n".join(form.fields["announcement"])
        told = await announce(
            self._router, request.client.session.clock, body, form.text("subject")
        )
        return Done(f"{_counted(told)} told")

    # Whom a form names

    async def _others(self, request: IqRequest, form: Form) -> list[str]:
        usernames = await self._existing(form)
        if request.client.owner.username in usernames:
            raise StanzaError(StanzaCondition.NOT_ALLOWED, "this account is your own")
        return usernames

    async def _existing(self, form: Form) -> list[str]:
        """Return the usernames in a form, all of which there are."""
        jids = self._jids(form.fields["accountjids"])
        if any(jid.resource for jid in jids):
            raise _unfit("give the accounts' addresses, without a resource")
        usernames = [jid.node for jid in jids]
        missing = set(usernames) - await self._accounts.existing(usernames)
        if missing:
            raise NoSuchAccount(f"There is no account {min(missing)}.")
        return usernames

    def _username(self, address: str) -> str:
        (jid,) = self._jids([address])
        if jid.resource:
            raise _unfit("give the account's address, without a resource")
        username: str = jid.node
        return username

    def _jids(self, addresses: Sequence[str]) -> list[JID]:
        """Return addresses of this domain, each once."""
        given = [each.strip() for each in addresses if each.strip()]
        if not given or len(given) > _MOST:
            raise _unfit(f"give 1 to {_MOST} addresses")
        jids = {jid.full: jid for jid in map(parse_jid, given)}
        for jid in jids.values():
            if jid.domain != self._router.domain or not jid.node:
                raise StanzaError(
                    StanzaCondition.ITEM_NOT_FOUND,
                    f"{jid.full} is no account of {self._router.domain}",
                )
        return list(jids.values())

    def _jid(self, username: str) -> str:
        return f"{username}@{self._router.domain}"

    def _named(self, usernames: Sequence[str]) -> str:
        named = ", ".join(map(self._jid, usernames))
        return f"{named} {'was' if len(usernames) == 1 else 'were'}"


def _counted(sessions: int) -> str:
    return "1 session" if sessions == 1 else f"{sessions} sessions"


def _unfit(text: str) -> StanzaError:
    return StanzaError(StanzaCondition.NOT_ACCEPTABLE, text)
