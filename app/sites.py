"""Who the people of a site are, for ``create_app(identify=..., scram_keys=..., operators=...)``."""

import base64
from importlib import import_module
from typing import Any

from starlette.requests import HTTPConnection

from andiron.domain.accounts.credentials import ScramKeys

__all__ = ["django_account", "django_operator", "django_scram_keys", "django_user"]


async def django_user(connection: HTTPConnection) -> str | None:
    """Return the name of the user of Django's whose session a request's cookie is of, if any.

    It is :func:`django_account`'s ``get_username()``.
    """
    user = await django_account(connection)
    return None if user is None else str(user.get_username())


async def django_account(connection: HTTPConnection) -> Any:
    """Return the user of Django's whose session a request's cookie is of, or None.

    It is for an ``identify`` of the site's own, which says another name than the user's or
    more than that. For Django 5.1 and later, whose settings the process must have. Django's
    middleware is not asked, since it stands behind what :meth:`Andiron.wrap` puts around
    Django; the session and the user are read as it reads them, so that a changed password or
    an account that is not active counts here, too. The type is that of ``AUTH_USER_MODEL``.
    """
    settings = import_module("django.conf").settings
    sessions = import_module(settings.SESSION_ENGINE)
    auth = import_module("django.contrib.auth")
    key = connection.cookies.get(settings.SESSION_COOKIE_NAME)
    if not key:
        return None
    request = import_module("django.http").HttpRequest()
    request.session = sessions.SessionStore(key)
    user = await auth.aget_user(request)
    return user if user.is_authenticated and user.is_active else None


async def django_operator(connection: HTTPConnection) -> str | None:
    """Return the name of Django's user as :func:`django_user`, if he is a superuser.

    It is for ``create_app(operators=...)``: who has signed in to Django's admin site, and may
    do all there, may do all here.
    """
    user = await django_account(connection)
    return str(user.get_username()) if user is not None and user.is_superuser else None


async def django_scram_keys(name: str) -> ScramKeys | None:
    """Return the keys of the password of Django's user of a name, for ``scram_keys=``.

    None where there is none, he is not active, or his password is kept by another hash than
    ``pbkdf2_sha256``, Django's own: that alone is what SCRAM-SHA-256 needs (RFC 5802 section 3).
    Django's names are found in lower case, as those of accounts are written.
    """
    model = import_module("django.contrib.auth").get_user_model()
    user = await model._default_manager.filter(**{f"{model.USERNAME_FIELD}__iexact": name}).afirst()
    if user is None or not user.is_active:
        return None
    algorithm, *parts = user.password.split("$")
    if algorithm != "pbkdf2_sha256" or len(parts) != 3:
        return None
    iterations, salt, salted = parts
    return ScramKeys.of_salted(base64.b64decode(salted), salt.encode(), int(iterations))
