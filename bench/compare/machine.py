"""What a comparison was made on, and of: without it figures mean nothing."""

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

from compare import servers

LIBRARIES = ("uvicorn", "websockets", "httptools", "uvloop", "starlette")


def described() -> dict[str, str]:
    """Return the machine and the versions, in the order in which to show them."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} processors, Linux {platform.release()}",
        "andiron": " ".join(filter(None, [importlib.metadata.version("andiron"), _commit()])),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in LIBRARIES},
        **servers.versions(),
    }


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1) if found else platform.machine()


def _commit() -> str:
    """Return the last commit that changed what is measured, not the documentation or tests."""
    code = ["app", "bosh", "cluster", "domain", "inprocess", "sm", "upstream", "websocket", "xmpp"]
    commit = _git("log", "-1", "--format=%h", "--", *code)
    changed = _git("status", "--porcelain", "--", *code)
    return commit + (" and changes" if commit and changed else "")


def _git(*command: str) -> str:
    git = ["git", *command]
    asked = subprocess.run(
        git, cwd=servers.HERE.parent, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() if asked.returncode == 0 else ""
