"""Who the visitor of a site is, for ``create_app(identify=...)``."""

from importlib import import_module

from starlette.requests import HTTPConnection

__all__ = ["django_user"]


async def django_user(connection: HTTPConnection) -> str | None:
    """Return the name of the user of Django's whose session a request's cookie is of, if any.

    For Django 5.1 and later, whose settings the process must have. Django's middleware is not
    asked, since it stands behind what :meth:`Andiron.wrap` puts around Django; the session
    and the user are read as it reads them, so that a changed password or an account that is
    not active counts here, too.
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
    if not (user.is_authenticated and user.is_active):
        return None
    name: str = user.get_username()
    return name
