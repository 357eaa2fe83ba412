"""How each server is started, by name: as docs/mounting.md says, and in some other ways."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

DOC = Path(__file__).parents[2] / "docs" / "mounting.md"
APP = "andiron:app"


def _command(words: str) -> Callable[[int], list[str]]:
    return lambda port: shlex.split(words.replace("8000", str(port)))


def _documented() -> dict[str, Callable[[int], list[str]]]:
    section = DOC.read_text().partition("\n## Servers\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^    (\w+ .*)", section.replace("\\\n", ""), re.MULTILINE)
    return {_name(line): _command(line) for line in lines}


def _name(line: str) -> str:
    name, worker = line.split(maxsplit=1)[0], re.search(r"--worker-class (\w+)", line)
    return f"{name}, {worker[1]}" if worker else name


SERVERS = _documented() | {
    "andiron serve": _command("andiron serve --port 8000"),
    "uvicorn, wsproto": _command(f"uvicorn --ws wsproto --port 8000 {APP}"),
    "uvicorn, websockets": _command(f"uvicorn --ws websockets --port 8000 {APP}"),
    "uvicorn, no lifespan": _command(f"uvicorn --lifespan off --port 8000 {APP}"),
    "hypercorn, a worker": _command(f"hypercorn --bind 127.0.0.1:8000 {APP}"),
}
