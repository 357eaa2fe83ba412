"""How much a journal promises, and how large it becomes."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Durability", "JournalConfig"]


class Durability(StrEnum):
    """What a batch must have survived before it is promised."""

    PROCESS = "process"
    """The end of the process: the kernel has it."""
    DISK = "disk"
    """The end of the machine: the disk says that it has it."""


@dataclass(frozen=True, slots=True)
class JournalConfig:
    """Sizes are in bytes."""

    durability: Durability = Durability.PROCESS
    maximum: int = 1 << 30
    """What the file never exceeds. While it is written anew there are two."""
    floor: int = 4 << 20
    """Up to this it is not written anew."""
    factor: int = 4
    """It is, beyond so many times the size that it had when that was done last."""
    slice: int = 1 << 17
    """How much is written anew at once, before others have the event loop again."""
    waiting: int = 16 << 20
    """What waits in memory while it cannot be written; if more comes, all is written anew."""
