"""An application that runs for a test: in memory, and nothing of it left behind."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from tempfile import TemporaryDirectory

from andiron.application import Andiron
from andiron.testing.client import ChatClient, sign_in

__all__ = ["SignIn", "running"]

SignIn = Callable[[str], Awaitable[ChatClient]]
"""Returns a client of the account of a name, as :func:`~andiron.testing.sign_in` does."""


@asynccontextmanager
async def running(chat: Andiron, *, database: str = "sqlite://") -> AsyncIterator[SignIn]:
    """Run ``chat`` while the block runs, and give the function that signs somebody in.

    For the time being it has a database of its own, in memory unless said otherwise, and
    a folder of its own for uploads: a test changes nothing of the site's. Where the
    site's own lifespan runs ``chat`` already, use :func:`~andiron.testing.sign_in`.
    """
    if not isinstance(chat, Andiron):
        raise TypeError("running() needs what create_app() returned")
    settings = chat.settings
    with TemporaryDirectory(prefix="andiron-") as folder:
        try:
            chat.settings = settings.replaced(database=database, upload_dir=folder)
            async with chat.lifespan():
                yield partial(sign_in, chat)
        finally:
            chat.settings = settings
