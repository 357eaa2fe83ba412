"""Contact Addresses for XMPP Services, XEP-0157: whom to turn to, told in service discovery."""

from dataclasses import fields

from andiron.domain.config import ContactAddresses
from andiron.domain.registry import DiscoForm, Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.forms import Field


def register(registry: Registry, addresses: ContactAddresses) -> None:
    """Let the domain tell the addresses that there are (section 3)."""
    told = tuple(
        Field(f"{role.name}-addresses", uris, "list-multi")
        for role in fields(addresses)
        if (uris := getattr(addresses, role.name))
    )
    if told:
        registry.forms[Target.DOMAIN].append(DiscoForm(ns.SERVER_INFO, told))
