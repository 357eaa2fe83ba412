"""What the documentation shows of nginx's configuration: nginx can read it."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.pages import BLOCKS, ROOT

OWN = (ROOT / "deploy" / "nginx.conf").read_text()


def block(page: str, first: str) -> str:
    (text,) = [each.text for each in BLOCKS if each.page == page and each.first.startswith(first)]
    return text


def test_uploads_are_let_through_as_in_our_own_configuration() -> None:
    shown = block("docs/uploads.md", "location /upload/").split("\n")
    assert [line for line in shown if line.strip() not in OWN] == []


@pytest.mark.peer
def test_the_bounds_are_what_nginx_knows(program: Callable[..., str], tmp_path: Path) -> None:
    *http, server = block("docs/security.md", "client_header_timeout").strip().splitlines()
    around = ["pid nginx.pid; error_log stderr; events {}", "http { access_log off;"]
    lines = [*around, *http, "server { listen 127.0.0.1:1;", server, "}", "}"]
    (tmp_path / "nginx.conf").write_text("\n".join(lines))
    command = [program("nginx"), "-t", "-p", str(tmp_path), "-c", "nginx.conf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert re.search("syntax is ok", done.stderr), done.stderr
    assert "[warn]" not in done.stderr


@pytest.mark.peer
def test_the_processes_are_what_nginx_knows(program: Callable[..., str], tmp_path: Path) -> None:
    upstream = block("docs/scaling.md", "upstream andiron")
    around = ["pid nginx.pid; error_log stderr; events {}", "http { access_log off;", upstream]
    server = "server { listen 127.0.0.1:1; location / { proxy_pass http://andiron; } } }"
    (tmp_path / "nginx.conf").write_text("\n".join([*around, server]))
    command = [program("nginx"), "-t", "-p", str(tmp_path), "-c", "nginx.conf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert re.search("syntax is ok", done.stderr), done.stderr
    assert "[warn]" not in done.stderr
