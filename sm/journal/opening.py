"""How a journal's file is found at the start: claimed, read, and made fit to be written on."""

import contextlib
import errno
import logging
import os
import sys
from itertools import count

from andiron.sm.journal import lines
from andiron.sm.journal.disk import Disk, TakenError
from andiron.sm.journal.lines import JournalError, Reading
from andiron.sm.journal.segment import Segment, temporary, write_anew
from andiron.sm.journal.state import State

__all__ = ["examine", "open_journal", "why"]

logger = logging.getLogger("andiron.sm")


def open_journal(disk: Disk, path: str, *, synced: bool) -> tuple[Segment, State]:
    """Claim the file at ``path``, or make it; return it with what it says.

    ``synced``: all of that is on the disk then. It is written anew for that, since of what the
    last process wrote the kernel may have failed to write some, and tells that only once.

    What was never written whole at its end is cut. Where more than that cannot be read, the whole
    file is kept aside and one without is put in its place. Raises :class:`JournalError`; then it is
    as it was.
    """
    _check_system(path)
    try:
        file = disk.open(path)
    except TakenError:
        raise JournalError(
            f"The journal {path} is another process's; stop that one, or name another file"
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        reading = lines.read(lambda: disk.lines(file))
        return _made_fit(disk, path, file, reading, anew=synced), reading.state
    except OSError as error:
        disk.close(file)
        raise _unwritable(path, error) from None
    except JournalError as error:
        disk.close(file)
        raise type(error)(f"The journal {path} {error}") from None


def examine(disk: Disk, path: str) -> bool:
    """Tell whether there is a journal at ``path``; nothing is changed, and it may be in use.

    Raises :class:`JournalError` where :func:`open_journal` would, as far as a look tells.
    """
    path = os.path.abspath(path)
    _check_system(path)
    try:
        beginning = disk.look(path)
        lines.read(lambda: beginning.splitlines(keepends=True)[:1])
    except OSError as error:
        raise _unwritable(path, error) from None
    except JournalError as error:
        raise type(error)(f"The journal {path} {error}") from None
    return bool(beginning)


def why(error: Exception) -> str:
    """Return what the operator is told of a failure."""
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is a symbolic link"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _check_system(path: str) -> None:
    if sys.platform == "win32":
        raise JournalError(f"The journal {path} needs a system like Unix")


def _made_fit(disk: Disk, path: str, file: int, reading: Reading, *, anew: bool) -> Segment:
    disk.remove(temporary(path))
    if reading.damaged:
        logger.error(
            "The journal %s is damaged behind its first %d bytes (%d batches): what came after is"
            " lost, and the whole of it is kept in %s",
            path,
            reading.size,
            reading.batches,
            _keep_aside(disk, path),
        )
    elif reading.torn:
        logger.info("The journal %s ends in what was never written whole, which is cut", path)
    if reading.damaged or anew:
        segment = write_anew(disk, path, reading.state)
        try:
            disk.sync_folder(path)
        except OSError:
            disk.close(segment.file)
            raise
        disk.close(file)
        return segment
    disk.truncate(file, reading.size)
    if not reading.size:
        return Segment.begin(disk, file)
    return Segment(disk, file, reading.size, reading.check)


def _keep_aside(disk: Disk, path: str) -> str:
    """Give the file another name besides, and return that."""
    for number in count(1):
        other = f"{path}.damaged" + (f".{number}" if number > 1 else "")
        with contextlib.suppress(FileExistsError):
            disk.link(path, other)
            return other
    raise AssertionError


def _unwritable(path: str, error: OSError) -> JournalError:
    return JournalError(
        f"The journal {path} cannot be written ({why(error)}); let it be a file in a folder that"
        " exists and that the server may write to"
    )
