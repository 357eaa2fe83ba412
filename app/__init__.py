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
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "app":
    sys.modules[__name__] = sys.modules.setdefault("andiron", sys.modules[__name__])
    __path__.append(str(Path(__file__).resolve().parent.parent))

if TYPE_CHECKING:
    from andiron.application import Andiron, create_app
    from andiron.settings import Settings
    from andiron.version import __version__

    app: Andiron

__all__ = ["Settings", "__version__", "create_app"]

_HOMES = {
    "Settings": "andiron.settings",
    "__version__": "andiron.version",
    "create_app": "andiron.application",
}


def __getattr__(name: str) -> object:
    value: object
    if name == "app":
        value = _application()
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def _application() -> "Andiron":
    """Build the application for a server that was given ``andiron:app``.

    A setting that is wrong ends the process with one sentence: such a server
    would print it under a page of traceback.
    """
    from andiron.application import create_app  # noqa: PLC0415
    from andiron.settings import SettingsError  # noqa: PLC0415

    try:
        return create_app()
    except SettingsError as error:
        raise SystemExit(f"andiron: {error}") from None
