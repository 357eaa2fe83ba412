"""What ``deploy/`` has for systemd, Compose and Kubernetes: it fits the server that it runs."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.pages import BLOCKS

from andiron import create_app
from andiron.settings import Settings

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
SETTINGS = Settings()
IMAGE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
CLUSTER = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
ENDING = SETTINGS.shutdown_timeout + 5
"""Seconds that the server may need at its end, with those that storing may take."""


def settings_of(variables: dict[str, str], environment: pytest.MonkeyPatch) -> Settings:
    """Return what these variables say; each must be a setting's, which reading them checks."""
    assert all(name.startswith("ANDIRON_") for name in variables)
    for name, value in variables.items():
        environment.setenv(name, value)
    return Settings()


# systemd


def unit() -> dict[str, str]:
    lines = (DEPLOY / "andiron.service").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))


@pytest.mark.peer
def test_systemd_understands_the_unit(program: Callable[..., str], tmp_path: Path) -> None:
    analyze = program("systemd-analyze", "systemd")
    text = (DEPLOY / "andiron.service").read_text()
    there = f"ExecStart={Path(sys.executable).parent}/andiron serve"
    path = tmp_path / "andiron.service"
    path.write_text(text.replace("ExecStart=/opt/andiron/bin/andiron serve", there))
    done = subprocess.run([analyze, "verify", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_waits_for_the_start_and_for_the_end() -> None:
    told = unit()
    assert told["Type"] == "notify"
    assert int(told["TimeoutStopSec"]) > ENDING
    assert told["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_accounts_are_made_as_the_service_has_them() -> None:
    comment = re.sub(r"(?m)^# ?", "", (DEPLOY / "andiron.service").read_text())
    (command,) = re.findall(r"systemd-run (.*?) /opt/andiron/bin/andiron", comment, re.DOTALL)
    words = shlex.split(command.replace("\\\n", " "))
    given = dict(word.split("=", 1) for word in words if re.match(r"\w+=", word))
    assert given == {name: unit()[name] for name in given}
    assert {"DynamicUser", "User", "StateDirectory", "EnvironmentFile"} <= set(given)


# Compose


def mounted(service: dict[str, Any]) -> dict[str, str]:
    """Return where what is mounted, without ``:ro``."""
    text = [re.sub(r"\$\{\w+:-(.*?)\}", r"\1", each) for each in service["volumes"]]
    return {each.split(":")[1]: each.split(":")[0] for each in text}


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_has_little_that_it_could_misuse(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert "privileged" not in service
    assert ("ports" in service) == (name == "web")


def test_only_web_is_in_a_network_that_leads_out() -> None:
    assert COMPOSE["networks"]["back"] == {"internal": True}
    assert {name: SERVICES[name]["networks"] for name in SERVICES} == {
        "web": ["front"],
        "andiron": ["back"],
        "database": ["back"],
    }


def test_what_is_mounted_is_there() -> None:
    for name in SERVICES:
        for source in mounted(SERVICES[name]).values():
            there = source.startswith("/") or source in COMPOSE["volumes"]
            assert there or (DEPLOY / source).exists(), source


def test_what_is_to_be_said_is_asked_for() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", text))
    assert asked == {"DOMAIN", "DATABASE_PASSWORD", "CERTIFICATES", "API_TOKEN", "METRICS_TOKEN"}
    for name in ("DOMAIN", "DATABASE_PASSWORD"):
        assert f"${{{name}:?" in text
        assert f"#     {name}=" in text


def test_the_server_is_where_nginx_and_the_database_are(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        name: re.sub(r"\$\{\w+(:\?[^}]*)?\}", "x", value)
        for name, value in SERVICES["andiron"]["environment"].items()
    }
    settings = settings_of(environment, monkeypatch)
    assert settings.trusted_proxies == ("unix",)
    folder = os.path.dirname(settings.socket)
    assert mounted(SERVICES["web"])[folder] == mounted(SERVICES["andiron"])[folder] == "meeting"
    assert f"install -d -o andiron -g andiron {folder} " in IMAGE
    assert "/var/lib/andiron" in mounted(SERVICES["andiron"])
    theirs = SERVICES["database"]["environment"]
    assert settings.database == f"postgresql://{theirs['POSTGRES_USER']}:x@database/andiron"
    assert theirs["POSTGRES_DB"] == "andiron"
    assert SERVICES["andiron"]["build"] == ".."
    assert SERVICES["andiron"]["depends_on"]["database"]["condition"] == "service_healthy"


def test_its_end_is_waited_for() -> None:
    assert int(SERVICES["andiron"]["stop_grace_period"].removesuffix("s")) > ENDING


def web_configuration(tmp_path: Path) -> str:
    """Return what nginx has once its container's command has run, in a folder of the test's."""
    shell, options, script = SERVICES["web"]["command"]
    mended, _, last = script.replace("$$", "$").rpartition("; exec ")
    assert last == 'nginx -g "daemon off;"'
    mended = mended.replace("/srv/nginx.conf", str(DEPLOY / "nginx.conf"))
    mended = mended.replace("/etc/nginx/conf.d", str(tmp_path))
    environment = os.environ | {"DOMAIN": "talk.example.net"}
    subprocess.run([shell, options, mended], check=True, env=environment)
    return (tmp_path / "default.conf").read_text()


def test_nginx_is_given_the_name_and_the_way(tmp_path: Path) -> None:
    text = web_configuration(tmp_path)
    assert "server unix:/run/andiron/andiron.sock;" in text
    assert "server_name talk.example.net;" in text
    assert "/etc/letsencrypt/live/talk.example.net/privkey.pem" in text
    assert "chat.example.org" not in text
    assert "127.0.0.1:8000" not in text


# Kubernetes


def of_kind(kind: str) -> dict[str, Any]:
    (found,) = [each for each in CLUSTER if each["kind"] == kind]
    return dict(found)


POD = of_kind("Deployment")["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]


def probes() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in ("startup", "liveness", "readiness"):
        yield name, CONTAINER[f"{name}Probe"]


async def test_the_probes_ask_what_is_there(tmp_path: Path) -> None:
    app = create_app()
    async with app.lifespan():
        assert app._ways.endpoints is not None
        paths = {getattr(route, "path", "") for route in app._ways.endpoints.router.routes}
    asked = {name: probe["httpGet"]["path"] for name, probe in probes()}
    assert asked == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    assert set(asked.values()) <= paths
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    assert dict(re.findall(r"\| (\w+) \| `(/\w+)` \|", page)) == asked
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert ports == {"http": SETTINGS.port}
    assert {probe["httpGet"]["port"] for _, probe in probes()} == {"http"}


def test_one_process_ends_before_the_next_begins() -> None:
    deployment = of_kind("Deployment")["spec"]
    assert deployment["replicas"] == 1
    assert deployment["strategy"] == {"type": "Recreate"}
    assert POD["terminationGracePeriodSeconds"] > ENDING


def test_its_settings_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {each["name"]: each.get("value", "postgresql://x@y/z") for each in CONTAINER["env"]}
    settings = settings_of(given, monkeypatch)
    assert settings.domain == "chat.example.org"
    (rule,) = of_kind("Ingress")["spec"]["rules"]
    assert rule["host"] == settings.domain
    assert settings.bosh_wait < float(annotation("proxy-read-timeout"))
    assert annotation("proxy-body-size") == "20m"
    assert settings.upload_max_size == 20 * 1024 * 1024


def annotation(name: str) -> str:
    annotations = of_kind("Ingress")["metadata"]["annotations"]
    return str(annotations[f"nginx.ingress.kubernetes.io/{name}"])


def test_it_is_who_the_image_says_and_writes_where_the_image_has_room() -> None:
    context = POD["securityContext"]
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in IMAGE
    assert context["runAsNonRoot"] is True
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True
    assert {each["mountPath"] for each in CONTAINER["volumeMounts"]} >= {"/var/lib/andiron"}
    volumes = {each["name"] for each in POD["volumes"]}
    assert {each["name"] for each in CONTAINER["volumeMounts"]} == volumes


def test_its_parts_find_each_other() -> None:
    labels = of_kind("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert of_kind("Service")["spec"]["selector"] == labels
    assert of_kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    (path,) = of_kind("Ingress")["spec"]["rules"][0]["http"]["paths"]
    service = of_kind("Service")
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    assert service["spec"]["ports"][0]["targetPort"] == CONTAINER["ports"][0]["name"]
    (claim,) = [each for each in POD["volumes"] if "persistentVolumeClaim" in each]
    name = claim["persistentVolumeClaim"]["claimName"]
    assert name == of_kind("PersistentVolumeClaim")["metadata"]["name"]


def test_the_secret_is_made_as_it_is_read() -> None:
    (made,) = [each.text for each in BLOCKS if "kubectl create secret" in each.text]
    (read,) = [each["valueFrom"] for each in CONTAINER["env"] if "valueFrom" in each]
    reference = read["secretKeyRef"]
    assert f"generic {reference['name']} --from-literal={reference['key']}=" in made


# What is said of them


def test_it_is_said_of_each_file_what_was_tried() -> None:
    page = (ROOT / "docs" / "deployment.md").read_text()
    table = page.partition("## What was tried")[2].partition("\n## ")[0]
    files = {path.name for path in DEPLOY.iterdir() if path.is_file()}
    assert {f"deploy/{name}" for name in files} <= set(re.findall(r"\bdeploy/[\w.-]+\w", table))
    assert "Dockerfile" in table
    for test in re.findall(r"tests/[\w/]+\.py", table):
        assert (ROOT / test).exists(), test
