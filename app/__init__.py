"""Andiron: XMPP for the web inside a Python web site.

``andiron.app`` is the ASGI application that the environment and ``andiron.toml``
describe, built when it is first asked for; :func:`create_app` builds another.

The package's root is the folder ``app`` of a checkout and its neighbours are
subpackages. An installed package knows that; a bare checkout, where this
module is imported as ``app``, is told below, so that ``uvicorn app:app`` there
and ``uvicorn andiron:app`` after an install are the same application.
"""

import importlib
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if __name__ == "app":
    sys.modules[__name__] = sys.modules.setdefault("andiron", sys.modules[__name__])
    __path__.append(str(Path(__file__).resolve().parent.parent))

if TYPE_CHECKING:
    from andiron.application import Andiron
    from andiron.creating import create_app
    from andiron.domain.accounts.credentials import ScramKeys
    from andiron.domain.person import Person
    from andiron.settings import Settings, SettingsError
    from andiron.version import __version__

__all__ = ["Person", "ScramKeys", "Settings", "SettingsError", "__version__", "create_app"]

_HOMES = {
    "Person": "andiron.domain.person",
    "ScramKeys": "andiron.domain.accounts.credentials",
    "Settings": "andiron.settings",
    "SettingsError": "andiron.settings",
    "__version__": "andiron.version",
    "create_app": "andiron.creating",
}


class _App:
    """What servers find as ``andiron:app``; it imports and makes nothing before it is used.

    It stands here from the start since some servers look into the module's
    dictionary, where nobody asks :func:`__getattr__`.
    """

    @cached_property
    def _described(self) -> Any:
        return importlib.import_module("andiron.described").Described()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._described(scope, receive, send)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._described.application, name)


app = cast("Andiron", _App())


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
