"""What an application has from the time it is made, and lends to what serves while it runs."""

import asyncio
from dataclasses import dataclass

from andiron.api.access import Access
from andiron.connections import Connections
from andiron.domain.sign_in.site import Site
from andiron.http_api.tokens import api_tokens, metrics_tokens
from andiron.settings import Settings
from andiron.site_functions import SiteFunctions
from andiron.sm.strangers import Newcomers, Strangers
from andiron.web.proxy import Proxies

__all__ = ["Given"]


@dataclass(frozen=True, slots=True)
class Given:
    """What stays the same of an application however often it is started."""

    functions: SiteFunctions
    site: Site
    """What of them the domain may ask."""
    api_tokens: tuple[str, ...]
    metrics_tokens: tuple[str, ...]
    proxies: Proxies
    strangers: Strangers
    """The connections that are signing in."""
    incoming: Newcomers[asyncio.Timeout]
    """The requests whose bodies are coming in."""
    connections: Connections
    access: Access
    """The way of the site's own code to what serves."""

    @classmethod
    def of(cls, settings: Settings, functions: SiteFunctions) -> "Given":
        """Return that of a new application. Raises :class:`SettingsError` for what cannot be."""
        strangers = Strangers(settings.max_negotiating, settings.max_negotiating_per_address)
        return cls(
            functions,
            functions.of_domain(settings),
            api_tokens(settings),
            metrics_tokens(settings),
            Proxies.of(settings.trusted_proxies),
            strangers,
            Newcomers(strangers),
            Connections(),
            Access(),
        )
