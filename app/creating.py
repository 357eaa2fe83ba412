"""How a site makes an application: by its settings and its functions."""

from typing import Any

from andiron.application import Andiron
from andiron.domain.contacts.groups import AskGroups
from andiron.domain.contacts.permissions import MayContact
from andiron.domain.sign_in.site import AskKeys, Authenticate
from andiron.domain.sign_in.tokens import VerifyToken
from andiron.hooks.hooks import Hooks
from andiron.http_api.admission import Operators
from andiron.settings import Settings, SettingsError
from andiron.site_functions import SiteFunctions
from andiron.web.visitors import Identify

__all__ = ["create_app"]


def create_app(  # noqa: PLR0913
    settings: Settings | None = None,
    *,
    authenticate: Authenticate | None = None,
    identify: Identify | None = None,
    verify_token: VerifyToken | None = None,
    scram_keys: AskKeys | None = None,
    may_contact: MayContact | None = None,
    groups: AskGroups | None = None,
    operators: Operators | None = None,
    hooks: Hooks | None = None,
    **overrides: Any,
) -> Andiron:
    """Return an independent ASGI application; several in one process do not meet.

    Without ``settings`` they are read from the environment and ``andiron.toml``.
    ``overrides`` are settings by name.

    ``identify`` is asked with each handshake and each BOSH request, a
    :class:`starlette.requests.HTTPConnection`, for the name of the site's visitor, and returns
    None for a stranger: visitors sign in without a password (SASL EXTERNAL).
    ``authenticate`` is asked with a username and a password whether the site knows them, or
    instead ``scram_keys`` with a username for the keys of his password
    (:class:`~andiron.ScramKeys`); ``verify_token`` with a token for the name of whose it is.
    Each makes accounts as they are needed (the setting ``provision``), and all but
    ``scram_keys`` may return a :class:`~andiron.Person`.
    ``may_contact`` is asked with two names whether the first may contact the second,
    ``groups`` with one at each sign-in for its groups, pairs of a name and the members, who are
    in each other's contact lists.
    ``operators`` is asked with each request of the operator's page, an ``HTTPConnection`` too,
    for the name of the operator, and returns None for anybody else; whoever has a name may do
    all that the API can.

    ``hooks`` are told of what happens, and decide about messages; more may be added to
    :attr:`Andiron.hooks` before the start.

    Raises :class:`~andiron.settings.SettingsError`.
    """
    if settings is not None and not isinstance(settings, Settings):
        raise SettingsError(
            f"create_app was given {settings!r}: settings are named, as in create_app(domain=…)"
        )
    functions = SiteFunctions(
        authenticate=authenticate,
        identify=identify,
        verify_token=verify_token,
        scram_keys=scram_keys,
        may_contact=may_contact,
        groups=groups,
        operators=operators,
    )
    settings = Settings(**overrides) if settings is None else settings.replaced(**overrides)
    return Andiron(settings, functions, Hooks() if hooks is None else hooks)
