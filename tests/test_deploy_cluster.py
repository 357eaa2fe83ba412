"""``deploy/compose-cluster.yaml``: three Andirons that meet by Valkey behind nginx."""

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis

from andiron.cluster.redis.address import parse
from andiron.cluster.redis.connecting import check
from tests.interop.server import free_port
from tests.interop.server import running as process_running
from tests.test_deploy import DEPLOY, ENDING, IMAGE, mounted, settings_of

COMPOSE = yaml.safe_load((DEPLOY / "compose-cluster.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
ALONE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
ANDIRONS = ("andiron1", "andiron2", "andiron3")


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_has_little_that_it_could_misuse(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert ("ports" in service) == (name == "web")
    assert service["networks"] == (["front"] if name == "web" else ["back"])
    for source in mounted(SERVICES[name]).values():
        there = source.startswith("/") or source in COMPOSE["volumes"]
        assert there or (DEPLOY / source).exists(), source


def test_the_database_and_the_limits_are_those_of_the_one_andiron() -> None:
    assert COMPOSE["networks"]["back"] == {"internal": True}
    assert SERVICES["database"] == ALONE["database"]
    differing = {"environment", "depends_on"}
    for name in ANDIRONS:
        for key in set(ALONE["andiron"]) - differing:
            assert SERVICES[name][key] == ALONE["andiron"][key], key
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > ENDING


def test_what_is_to_be_said_is_asked_for() -> None:
    text = (DEPLOY / "compose-cluster.yaml").read_text()
    for name in ("DOMAIN", "DATABASE_PASSWORD", "CLUSTER_PASSWORD"):
        assert f"${{{name}:?" in text
        assert f"#     {name}=" in text


def test_all_have_the_same_settings_and_a_socket_each(monkeypatch: pytest.MonkeyPatch) -> None:
    places = []
    for name in ANDIRONS:
        environment = {
            key: re.sub(r"\$\{\w+(:[?-][^}]*)?\}", "x", value)
            for key, value in SERVICES[name]["environment"].items()
        }
        environment |= {"ANDIRON_API_TOKEN": "", "ANDIRON_METRICS_TOKEN": ""}
        settings = settings_of(environment, monkeypatch)
        assert settings.by_redis
        assert parse(settings.cluster).hosts == (("valkey", 6379),)
        assert parse(settings.cluster).password == "x"
        assert settings.database == "postgresql://andiron:x@database/andiron"
        assert settings.trusted_proxies == ("unix",)
        assert mounted(SERVICES["web"])[os.path.dirname(settings.socket)] == "meeting"
        assert mounted(SERVICES[name]) == {"/run/andiron": "meeting", "/var/lib/andiron": "files"}
        places.append(settings.socket)
    assert len(set(places)) == len(ANDIRONS)
    assert f"install -d -o andiron -g andiron {os.path.dirname(places[0])} " in IMAGE


@pytest.mark.peer
def test_nginx_understands_the_three_ways(program: Callable[..., str], tmp_path: Path) -> None:
    shell, options, script = SERVICES["web"]["command"]
    mended, _, last = script.replace("$$", "$").rpartition("; exec ")
    assert last == 'nginx -g "daemon off;"'
    mended = mended.replace("/srv/nginx.conf", str(DEPLOY / "nginx.conf"))
    mended = mended.replace("/etc/nginx/conf.d", str(tmp_path))
    environment = os.environ | {"DOMAIN": "talk.example.net"}
    subprocess.run([shell, options, mended], check=True, env=environment)
    text = (tmp_path / "default.conf").read_text()
    found = re.findall(r"server unix:(\S+) max_fails=0;", text)
    assert found == [SERVICES[name]["environment"]["ANDIRON_SOCKET"] for name in ANDIRONS]
    assert "127.0.0.1:8000" not in text
    assert "chat.example.org" not in text
    text = re.sub(r"(?m)^ *(listen .* ssl;|ssl_certificate.*)\n", "", text)
    (tmp_path / "all.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{ }}\nhttp {{ access_log off;\n{text}}}\n"
    )
    nginx = program("nginx", "/usr/sbin/nginx")
    command = [nginx, "-t", "-p", str(tmp_path), "-c", str(tmp_path / "all.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.peer
async def test_redis_with_these_options_is_fit_for_it(
    program: Callable[..., str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shell, options, script = SERVICES["valkey"]["command"]
    assert (shell, options) == ("sh", "-ec")
    words = shlex.split(script.replace("$$CLUSTER_PASSWORD", "secret"))
    assert words[:2] == ["exec", "valkey-server"]
    words[words.index("/data")] = str(tmp_path)
    port = free_port()
    command = [program("valkey-server", "redis-server"), "--port", str(port), *words[2:]]
    with process_running(command, port, tmp_path / "log"):
        with Redis(port=port, password="secret") as redis:
            assert redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert redis.config_get("appendonly") == {"appendonly": "yes"}
        await check(parse(f"redis://:secret@127.0.0.1:{port}"))
    assert caplog.text == ""
