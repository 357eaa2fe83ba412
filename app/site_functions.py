"""What the site's own code is asked: the functions that :func:`~andiron.create_app` is given."""

from dataclasses import dataclass, fields

from andiron.domain.contacts.groups import AskGroups
from andiron.domain.contacts.permissions import MayContact
from andiron.domain.sign_in.site import AskKeys, Authenticate, Site
from andiron.domain.sign_in.tokens import VerifyToken
from andiron.hooks.hooks import is_async
from andiron.http_api.admission import Operators
from andiron.ldap.configured import ldap_authenticate
from andiron.settings import Settings, SettingsError
from andiron.tokens.configured import signed_tokens
from andiron.web.visitors import Identify

__all__ = ["SiteFunctions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFunctions:
    """The functions of a site, by the names that it gives them by; None for what it leaves out.

    Raises :class:`SettingsError` for one that is not async.
    """

    authenticate: Authenticate | None
    identify: Identify | None
    verify_token: VerifyToken | None
    scram_keys: AskKeys | None
    may_contact: MayContact | None
    groups: AskGroups | None
    operators: Operators | None

    def __post_init__(self) -> None:
        for each in fields(self):
            function = getattr(self, each.name)
            if function is not None and not is_async(function):
                raise SettingsError(f"{each.name}= must be an async function: async def …")

    def of_domain(self, settings: Settings) -> Site:
        """Return what the domain may ask, by these functions and the settings.

        Raises :class:`SettingsError` for what cannot be.
        """
        authenticate = ldap_authenticate(settings, self.authenticate)
        if authenticate is not None and self.scram_keys is not None:
            raise SettingsError(
                "scram_keys= and what checks passwords, authenticate= or LDAP, exclude each other:"
                " keep one"
            )
        return Site(
            authenticate,
            settings.provision,
            settings.site_timeout,
            signed_tokens(settings),
            self.verify_token,
            self.may_contact,
            self.groups,
            self.scram_keys,
        )
