"""CPU and memory of the server's processes and of the machine, from /proc."""

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class ServerProcess:
    """A process and all its descendants."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def _tree(self) -> list[list[str]]:
        parents, stats = {}, {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry)] = int(fields[1])
            stats[int(entry)] = fields
        tree = {self.pid}
        while grown := {pid for pid, parent in parents.items() if parent in tree} - tree:
            tree |= grown
        return [stats[pid] for pid in tree if pid in stats]

    def cpu(self) -> float:
        """Return the CPU seconds used so far."""
        return sum(int(fields[11]) + int(fields[12]) for fields in self._tree()) / TICK

    def rss(self) -> int:
        """Return the resident bytes."""
        return sum(int(fields[21]) for fields in self._tree()) * PAGE


def machine_cpu() -> float:
    """Return the CPU seconds that the whole machine has been busy, steal included."""
    with Path("/proc/stat").open() as stat:
        user, nice, system, _idle, _wait, *rest = map(int, stat.readline().split()[1:9])
    return (user + nice + system + sum(rest)) / TICK
