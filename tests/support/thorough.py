"""How many of what is tried at random: a part in every run, all of it with ``THOROUGH=1``."""

import os
from typing import Final

_THOROUGH: Final = os.environ.get("THOROUGH", "") not in ("", "0")
_PART: Final = 4


def examples(many: int) -> int:
    """Return ``many`` for a thorough run, and a quarter otherwise."""
    return many if _THOROUGH else -(-many // _PART)
