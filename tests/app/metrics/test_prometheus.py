"""A real Prometheus: it scrapes, and answers what the dashboard and the alerts ask."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from support.serving import serving

from andiron import create_app
from andiron.metrics.collector import Collected
from andiron.testing.running import running

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
TOKEN = "a-token-for-prometheus-of-40-characters-"
RULES = DEPLOY / "prometheus" / "andiron.rules.yml"


def dashboard() -> dict[str, str]:
    """Return the dashboard's questions, with its variables filled in."""
    board = json.loads((DEPLOY / "grafana" / "andiron.json").read_text())
    return {
        f"{panel['title']} {target['refId']}": target["expr"]
        .replace("$__rate_interval", "1m")
        .replace("$instance", ".*")
        for panel in board["panels"]
        for target in panel["targets"]
    }


def alerts() -> dict[str, str]:
    """Return what the alerts ask."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def test_every_metric_is_described() -> None:
    source = Path(ROOT / "app" / "metrics" / "collector.py").read_text()
    names = set(re.findall(r'"(andiron_\w+)"', source)) | {"andiron_info"}
    told = set(
        re.findall(r"`(andiron_\w+?)(?:_total)?`", (ROOT / "docs" / "metrics.md").read_text())
    )
    assert names == told
    assert Collected.__doc__


def test_the_alerts_are_sound(program: Callable[..., str]) -> None:
    subprocess.run([program("promtool"), "check", "rules", str(RULES)], check=True)


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[int]:
    """Serve one of several processes, in which somebody talks; give its port."""
    chat = create_app(metrics_token=TOKEN, cluster=f"unix:{folder}/chat.sock")
    database = f"sqlite:///{folder}/chat.db"
    async with running(chat, database=database) as sign_in, serving(chat) as port:
        alice, bob = await sign_in("alice"), await sign_in("bob")
        await alice.send("bob", "hello")
        await bob.receive()
        yield port


@pytest.fixture
async def prometheus(
    program: Callable[..., str], tmp_path: Path, unused_tcp_port: int
) -> AsyncIterator[str]:
    """Start a Prometheus as deploy/ has it configured, and give its address."""
    async with served(tmp_path) as port:
        (tmp_path / "token").write_text(TOKEN)
        config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
        (job,) = config["scrape_configs"]
        job["scrape_interval"] = "1s"
        job["authorization"]["credentials_file"] = str(tmp_path / "token")
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
        config["rule_files"] = [str(RULES)]
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
        process = await asyncio.create_subprocess_exec(
            program("prometheus"),
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address=127.0.0.1:{unused_tcp_port}",
            "--log.level=error",
        )
        try:
            yield f"http://127.0.0.1:{unused_tcp_port}"
        finally:
            process.terminate()
            await process.wait()


async def ask(client: httpx.AsyncClient, question: str) -> list[dict[str, object]]:
    response = await client.get("/api/v1/query", params={"query": question})
    answer = response.json()
    assert answer["status"] == "success", f"{question}: {answer}"
    result: list[dict[str, object]] = answer["data"]["result"]
    return result


async def scraped(client: httpx.AsyncClient) -> None:
    """Wait until there are two scrapes, from which rates can be made."""
    async with asyncio.timeout(60):
        while True:
            try:
                ready = (await client.get("/-/ready")).is_success  # till then it answers with text
                if ready and await ask(client, "count_over_time(andiron_info[1m]) >= 2"):
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


async def test_a_prometheus_answers_all_that_is_asked(prometheus: str) -> None:
    async with httpx.AsyncClient(base_url=prometheus) as client:
        await scraped(client)
        assert await ask(client, 'up{job="andiron"} == 1')
        silent = [name for name, question in dashboard().items() if not await ask(client, question)]
        for question in alerts().values():
            await ask(client, question)
        rules = (await client.get("/api/v1/rules")).json()["data"]["groups"]
    # Nothing has ended and no BOSH request was wrong, so there are no such series yet.
    assert silent == ["Sessions ended A", "Sessions ended B", "Refused B"]
    assert {rule["name"] for group in rules for rule in group["rules"]} == set(alerts())
