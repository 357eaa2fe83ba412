"""The site as a server runs it, with its chat below ``/chat``."""

import os
from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.core.asgi import get_asgi_application

from andiron import create_app
from andiron.sites import django_user

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
django = get_asgi_application()
chat = create_app(domain="localhost", identify=django_user)


def sign_out(user: Any, **_: object) -> None:
    if user is not None:
        chat.end_sessions(user.get_username())


user_logged_out.connect(sign_out)
application = chat.wrap(django, at="/chat")
