"""Who the visitor of a site is, for ``create_app(identify=...)``."""

from importlib import import_module
from typing import Any

from starlette.requests import HTTPConnection

__all__ = ["django_account", "django_user"]


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
