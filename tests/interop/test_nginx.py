"""Andiron behind a real nginx, with the configuration that deploy/ offers."""

import os
import re
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.interop.server import DOMAIN, Server, free_port, running

pytestmark = pytest.mark.peer

ROOT = Path(__file__).parent.parent.parent
OPEN = f'<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="{DOMAIN}" version="1.0"/>'
NGINX = """
{user}
daemon off;
pid {directory}/nginx.pid;
error_log stderr info;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{site}
}}
"""


@pytest.fixture(scope="module")
def site(
    andiron_server: Server, program: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The port on which nginx serves ``andiron_server`` over TLS."""
    nginx, openssl = program("nginx", "/usr/sbin/nginx"), program("openssl")
    directory, port = tmp_path_factory.mktemp("nginx"), free_port()
    subprocess.run(
        f"{openssl} req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
        " -keyout privkey.pem -out fullchain.pem".split(),
        cwd=directory,
        check=True,
        capture_output=True,
    )
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    text = text.replace("/etc/letsencrypt/live/chat.example.org", str(directory))
    text = re.sub(r"\[::\]:443|\b443\b", lambda found: f"127.0.0.1:{port}", text)
    text = re.sub(rf"(?m)^(.*listen 127.0.0.1:{port} ssl;\n)\1", r"\1", text)
    text = text.replace("127.0.0.1:8000", f"{andiron_server.host}:{andiron_server.port}")
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = directory / "nginx.conf"
    configuration.write_text(NGINX.format(user=user, directory=directory, site=text))
    log = directory / "nginx.log"
    command = [nginx, "-p", str(directory), "-c", str(configuration)]
    with running(command, port, log):
        yield port


def mechanisms(port: int, **options: Any) -> set[str]:
    """Return the SASL mechanisms offered to a client that comes through nginx."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with connect(
        f"wss://localhost:{port}/ws",
        ssl=context,
        sock=socket.create_connection(("127.0.0.1", port)),
        subprotocols=[Subprotocol("xmpp")],
        proxy=None,
        **options,
    ) as stream:
        stream.send(OPEN)
        assert "<open" in str(stream.recv(10))
        return set(re.findall(r"<mechanism>([^<]+)<", str(stream.recv(10))))


def test_way_over_tls_is_secure_enough_for_passwords(site: int) -> None:
    assert {"PLAIN", "SCRAM-SHA-256"} <= mechanisms(site)


def test_claims_of_the_client_do_not_get_through(site: int) -> None:
    claims = {"X-Forwarded-Proto": "http", "Forwarded": "for=192.0.2.1;proto=http"}
    assert "PLAIN" in mechanisms(site, additional_headers=claims)


def test_page_of_the_site_may_connect(site: int) -> None:
    assert mechanisms(site, origin=Origin(f"https://localhost:{site}"))


def test_page_of_another_site_may_not(site: int) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        mechanisms(site, origin=Origin("https://evil.example"))
    assert refusal.value.response.status_code == 403
