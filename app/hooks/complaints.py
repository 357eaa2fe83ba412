"""What the log says of the site's own code when it fails."""

import logging
from collections.abc import Callable
from typing import Final

from andiron.sm.notices import Notices

__all__ = ["Complaints"]

logger = logging.getLogger("andiron.hooks")

_MINUTE: Final = 60.0


class Complaints:
    """The failures of one hook: a line for each, and where it was once a minute."""

    def __init__(self, kind: str, clock: Callable[[], float]) -> None:
        self._kind = kind
        self._clock = clock
        self._notices = Notices(_MINUTE)

    def tell(self, error: Exception) -> None:
        """Log that the hook failed."""
        name = type(error).__name__
        if self._notices.first(name, self._clock()):
            logger.error("The hook %s failed", self._kind, exc_info=error)
        else:
            logger.error("The hook %s failed again: %s", self._kind, name)
