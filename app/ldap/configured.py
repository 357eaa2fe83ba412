"""The directory that the settings describe. ldap3, an extra, is imported only for one."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from andiron.domain.sign_in.site import Authenticate
from andiron.settings import Settings, SettingsError

__all__ = ["ldap_authenticate"]

_NAMED: Final = "ldap_url (ANDIRON_LDAP_URL)"
_PORTS: Final = {"ldap": 389, "ldaps": 636}


def ldap_authenticate(settings: Settings, authenticate: Authenticate | None) -> Authenticate | None:
    """Return what checks passwords: the site's own code, or the directory that is set, if one is.

    Raises :class:`SettingsError` with a sentence for what cannot be.
    """
    if not settings.ldap_url:
        return authenticate
    if authenticate is not None:
        raise SettingsError(f"{_NAMED} and authenticate= exclude each other: keep one")
    try:
        url = urlsplit(settings.ldap_url)
        host, port = url.hostname or "", url.port
    except ValueError as error:
        raise SettingsError(f"{_NAMED} is no URL: {error}") from None
    if url.scheme not in _PORTS or not host or url.path.strip("/") or url.query or url.username:
        raise SettingsError(
            f"{_NAMED} must be as ldaps://ldap.example.org, or ldap:// with ldap_start_tls"
        )
    tls = url.scheme == "ldaps"
    if tls and settings.ldap_start_tls:
        raise SettingsError(f"{_NAMED} is ldaps://, which is TLS already: leave out ldap_start_tls")
    if not (tls or settings.ldap_start_tls or _is_here(host)):
        raise SettingsError(
            f"{_NAMED} would send passwords in the clear: use ldaps://, or set ldap_start_tls"
        )
    _check_lookup(settings)
    try:
        from andiron.ldap.directory import Directory, Plan  # noqa: PLC0415
    except ModuleNotFoundError:
        raise SettingsError(
            f"{_NAMED} needs ldap3; install it with: pip install 'andiron[ldap]'"
        ) from None
    plan = Plan(
        host=host,
        port=port or _PORTS[url.scheme],
        tls=tls,
        start_tls=settings.ldap_start_tls,
        ca_file=settings.ldap_ca_file,
        user_dn=settings.ldap_user_dn,
        base=settings.ldap_base,
        filter=settings.ldap_filter,
        bind_dn=settings.ldap_bind_dn,
        bind_password=settings.ldap_bind_password,
        name=settings.ldap_name_attribute,
        photo=settings.ldap_photo_attribute,
        timeout=settings.site_timeout,
    )
    try:
        return Directory(plan).authenticate
    except ValueError as error:
        what = "ldap_ca_file (ANDIRON_LDAP_CA_FILE)"
        raise SettingsError(f"{what} cannot be used: {error}") from None


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_lookup(settings: Settings) -> None:
    given = [name for name in ("ldap_user_dn", "ldap_base") if getattr(settings, name)]
    if len(given) != 1:
        raise SettingsError(
            f"{_NAMED} needs one of ldap_user_dn, as uid={{}},ou=people,dc=example,dc=org, and"
            " ldap_base, below which people are searched"
        )
    name = "ldap_filter" if settings.ldap_base else "ldap_user_dn"
    if getattr(settings, name).count("{}") != 1:
        raise SettingsError(
            f"{name} (ANDIRON_{name.upper()}) needs one {{}}, where the name of who signs in goes"
        )
    if bool(settings.ldap_bind_dn) is not bool(settings.ldap_bind_password):
        raise SettingsError("ldap_bind_dn and ldap_bind_password go together: set both, or none")
