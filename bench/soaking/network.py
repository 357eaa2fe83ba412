"""Machines that are network namespaces of this one, and cables between them that can be pulled.

Whatever is cut falls silent: nothing is refused and nothing reset, as where a cable is pulled, a
switch dies or a firewall forgets. Needs Linux, root and ``ip``.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from typing import Final, Self

CLONE_NEWNET: Final = 0x40000000
NOBODY: Final = "02:00:00:00:ff:ff"
"""An address of no machine: what is sent to it is lost."""


def impossible() -> str:
    """Return why there can be no such network here; empty where there can."""
    if shutil.which("ip") is None:
        return "ip (Debian's iproute2) is missing"
    if os.geteuid() != 0:
        return "network namespaces are for root to make"
    try:
        with Network(["andiron"]):
            pass
    except OSError as error:
        return f"the kernel, or a sandbox, forbids network namespaces ({error})"
    return ""


class Network:
    """Machines by name, at one switch; they are there while the block runs."""

    def __init__(self, machines: Sequence[str]) -> None:
        self._prefix = f"andiron-{os.getpid()}-"
        self._numbers = {name: number for number, name in enumerate(machines, 1)}
        self._made: list[str] = []

    def __enter__(self) -> Self:
        try:
            self._make()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._remove()

    def address(self, machine: str) -> str:
        """Return where a machine is."""
        return f"10.77.0.{self._numbers[machine]}"

    @property
    def machines(self) -> list[str]:
        """All names."""
        return list(self._numbers)

    @contextlib.contextmanager
    def inside(self, machine: str) -> Iterator[None]:
        """Let this thread, and what it starts, be on a machine while the block runs."""
        with contextlib.ExitStack() as stack:
            former = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            stack.callback(os.close, former)
            there = os.open(f"/run/netns/{self._space(machine)}", os.O_RDONLY)
            stack.callback(os.close, there)
            _enter(there)
            stack.callback(_enter, former)
            yield

    def cut(self, one: str, other: str) -> None:
        """Lose what one machine sends to another; the other way is another's to cut."""
        self._neighbour(one, other, NOBODY)

    def join(self, one: str, other: str) -> None:
        """Lose it no more."""
        self._neighbour(one, other, self._card(other))

    def _space(self, name: str) -> str:
        return self._prefix + name

    def _card(self, machine: str) -> str:
        return f"02:00:00:00:00:{self._numbers[machine]:02x}"

    def _neighbour(self, one: str, other: str, card: str) -> None:
        _ip(
            f"-n {self._space(one)} neigh replace {self.address(other)} lladdr {card}"
            " dev eth0 nud permanent"
        )

    def _make(self) -> None:
        for name in ("switch", *self._numbers):
            _ip(f"netns add {self._space(name)}")
            self._made.append(self._space(name))
        switch = self._space("switch")
        _ip(f"-n {switch} link add bridge type bridge")
        _ip(f"-n {switch} link set bridge up")
        for name in self._numbers:
            there = f"-n {self._space(name)}"
            _ip(
                f"{there} link add eth0 address {self._card(name)}"
                f" type veth peer name {name} netns {switch}"
            )
            _ip(f"-n {switch} link set {name} master bridge up")
            _ip(f"{there} address add {self.address(name)}/24 dev eth0")
            _ip(f"{there} link set lo up")
            _ip(f"{there} link set eth0 up")
        # Nobody asks who is there, so nobody is told that somebody is not.
        for one in self._numbers:
            for other in self._numbers.keys() - {one}:
                self.join(one, other)

    def _remove(self) -> None:
        while self._made:
            _ip(f"netns delete {self._made.pop()}")


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "a network namespace cannot be entered")


def _ip(words: str) -> None:
    done = subprocess.run(["ip", *words.split()], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {words}: {done.stderr.strip()}")
