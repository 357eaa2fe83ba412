"""``andiron serve --reload``: the server begins anew when its code or its settings change.

The process that was started watches, and holds the sockets: who connects while there is no server
waits for the next one. That runs in a process of its own, so that it is the new code.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from socket import socket
from typing import Any, Final

import uvicorn
from uvicorn.supervisors.basereload import BaseReload

from andiron.serving.child import Listening, serve_as_child
from andiron.serving.logs import configure_logging
from andiron.serving.server import listening
from andiron.settings import Settings
from andiron.settings.sources import config_files

__all__ = ["Reloader", "run_reloading", "watched"]

_OFTEN: Final = 0.25
"""Seconds between two looks, but where a look takes long, and"""
_SHARE: Final = 0.1
"""the share of the processor that looking may take."""


class Reloader(BaseReload):
    """Keeps a server running that ``target`` serves, anew after each change of ``files``.

    uvicorn's own, where its watching is StatReload, sees ``*.py`` only, and none that is new.
    """

    def __init__(
        self,
        target: Callable[[list[socket]], None],
        sockets: list[socket],
        files: Callable[[], Iterable[Path]],
    ) -> None:
        config = uvicorn.Config("andiron:app", log_config=None, reload_delay=_OFTEN)
        super().__init__(config, target, sockets)  # type: ignore[arg-type]
        self.reloader_name = "andiron serve"
        self._files = files
        self._seen = self._look()

    def should_restart(self) -> list[Path] | None:
        """Wait a little; return which files were changed, made or removed meanwhile."""
        self.pause()
        # What changes while the server ends and starts is seen by the next look.
        former, self._seen = self._seen, self._look()
        return sorted({Path(path) for path, _ in former.items() ^ self._seen.items()})

    def _look(self) -> dict[str, tuple[int, int, int]]:
        began = time.monotonic()
        found = {}
        for path in self._files():
            try:
                now = path.stat()
            except OSError:
                continue
            found[str(path)] = now.st_mtime_ns, now.st_size, now.st_ino
        self.config.reload_delay = max(_OFTEN, (time.monotonic() - began) / _SHARE)
        return found


def watched() -> Iterator[Path]:
    """Return what the server is made of: this package, the settings, the folder's own code."""
    for folder in _package():
        yield from _below(folder, lambda name: not name.endswith("~"))
    yield from config_files()
    yield from _below(Path(), lambda name: name.endswith(".py"))


def _package() -> Iterable[Path]:
    """Return the outermost folders of this package's modules: it need not be in one."""
    own = [each for name, each in sys.modules.items() if name.partition(".")[0] == "andiron"]
    folders = {Path(each.__file__).parent for each in own if each.__file__}
    return [each for each in folders if folders.isdisjoint(each.parents)]


def _below(folder: Path, wanted: Callable[[str], bool]) -> Iterator[Path]:
    """Return files below a folder, but for hidden ones and what others have written."""
    for place, inner, names in os.walk(folder):
        inner[:] = [
            name
            for name in inner
            if name[0] != "."
            and name not in {"__pycache__", "node_modules"}
            and not os.path.exists(os.path.join(place, name, "pyvenv.cfg"))
        ]
        yield from (Path(place, name) for name in names if name[0] != "." and wanted(name))


def run_reloading(settings: Settings, given: Mapping[str, Any]) -> None:
    """Serve until SIGTERM or Ctrl-C, anew after each change; ``given`` overrule the settings.

    Raises :class:`ServerError` when the address cannot be listened on. What else keeps a server
    from starting is said, and the next change awaited.
    """
    configure_logging(settings.log_level, settings.log_format)
    with listening(settings) as (listeners, url):
        serve = partial(serve_as_child, dict(given), Listening.of(settings), url)
        Reloader(serve, listeners, watched).run()
