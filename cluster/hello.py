"""Who speaks at the other end of a connection between processes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from andiron.cluster.frames import FrameError
from andiron.cluster.messages import read_object, write_object

__all__ = ["VERSION", "Hello"]

VERSION: Final = 2
"""Of what passes between them."""
_LONGEST: Final = 255
"""Characters of a name that is shown."""
_LAST: Final = 253_402_300_800
"""The first Unix time of the year 10000, which no date has."""


@dataclass(frozen=True, slots=True)
class Hello:
    """A process, and what it serves."""

    name: str
    """Which chat: processes of two that meet at one place are told so."""
    process: int
    files: Mapping[str, str] = field(default_factory=dict)
    """What stands for the files and the database that all share, by the settings naming them."""
    most: int = 2**32 - 1
    """Bytes that a frame to it may carry: settings may differ while they are being changed."""
    version: int = VERSION
    machine: str = ""
    """The name of the one it runs on: processes of two may have the same number."""
    began: float = 0.0
    """The Unix time when it began, by its own clock."""
    release: str = ""
    """Which version of the package runs there."""

    @property
    def label(self) -> str:
        """What operators call it."""
        return f"{self.machine}:{self.process}"

    def written(self) -> bytes:
        """Return it as bytes."""
        return write_object(
            {
                "version": self.version,
                "name": self.name,
                "process": self.process,
                "machine": self.machine,
                "files": dict(self.files),
                "most": self.most,
                "began": self.began,
                "release": self.release,
            }
        )

    @classmethod
    def read(cls, payload: bytes) -> "Hello":
        """Return what :meth:`written` wrote, also of another version. Raises FrameError."""
        told = read_object(payload)
        version, name, process = told.get("version"), told.get("name"), told.get("process")
        files, most = told.get("files", {}), told.get("most", 0)
        machine, began = told.get("machine", ""), told.get("began", 0.0)
        release = told.get("release", "")
        if not (isinstance(version, int) and isinstance(name, str) and isinstance(process, int)):
            raise FrameError("a greeting that is none")
        return cls(
            name,
            process,
            files if isinstance(files, dict) else {},
            most if isinstance(most, int) else 0,
            version,
            machine[:_LONGEST] if isinstance(machine, str) else "",
            began if isinstance(began, float) and 0 <= began < _LAST else 0.0,
            release[:_LONGEST] if isinstance(release, str) else "",
        )

    def why_not(self, other: "Hello") -> str:
        """Return why this process cannot go along with another; empty where it can."""
        if other.version != self.version:
            return (
                f"process {other.process} there is of another version of Andiron; end all that"
                " are of the former version"
            )
        if other.name != self.name:
            return (
                f"process {other.process} there serves {other.name}, and this one {self.name};"
                " give each chat a place of its own"
            )
        for setting, file in self.files.items():
            if other.files.get(setting) != file:
                return (
                    f"process {other.process} there has another file or database by {setting}; let"
                    " it name the same one for all, a file by an absolute path"
                )
        return ""
