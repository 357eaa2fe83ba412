"""What Prometheus is told."""

import asyncio
import subprocess
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from andiron import create_app
from andiron.application import Andiron
from andiron.settings import SettingsError
from andiron.testing.running import SignIn, running
from andiron.version import __version__

TOKEN = "a-token-for-prometheus-of-40-characters-"
ELSEWHERE = "192.0.2.7"


@pytest.fixture
def chat() -> Andiron:
    return create_app(metrics_token=TOKEN)


@pytest.fixture
async def sign_in(chat: Andiron) -> AsyncIterator[SignIn]:
    async with running(chat) as sign_in:
        yield sign_in


async def get(chat: Andiron, token: str = TOKEN, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(chat, client=(ELSEWHERE, 1))
    if token:
        headers["authorization"] = f"Bearer {token}"
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get("/metrics", headers=headers)


async def numbers(chat: Andiron) -> dict[str, float]:
    """Return all samples, by name and labels as they are written."""
    text = (await get(chat)).text
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_what_a_conversation_makes_of_the_numbers(chat: Andiron, sign_in: SignIn) -> None:
    before = await numbers(chat)
    alice, bob = await sign_in("alice"), await sign_in("bob")
    await alice.send("bob", "hello")
    await bob.receive()
    after = await numbers(chat)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert grown("andiron_sessions state=bound transport=in-process") == 2
    assert grown("andiron_sign_ins_total mechanism=EXTERNAL result=success") == 2
    assert grown("andiron_stanzas_total direction=in kind=message") == 1
    assert grown("andiron_stanzas_total direction=out kind=message") >= 1
    assert grown("andiron_stanza_characters_total direction=in") > 100
    assert grown("andiron_database_write_seconds_count") > 0
    assert after["andiron_database_waiting_writes"] == 0
    assert after["andiron_info version=" + __version__] == 1


async def test_what_does_not_go_well_is_counted(chat: Andiron, sign_in: SignIn) -> None:
    alice = await sign_in("alice")
    answer = await alice.ask("<query xmlns='urn:example:nothing'/>", to="localhost")
    assert answer.kind == "error"
    assert (await numbers(chat))["andiron_stanzas_refused_total condition=service-unavailable"] == 1


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x"])
async def test_nobody_has_them_without_the_token(
    chat: Andiron, sign_in: SignIn, token: str
) -> None:
    del sign_in
    response = await get(chat, token)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert "metrics_token" in response.text or token
    assert "andiron_sessions" not in response.text


async def test_who_guesses_is_slowed_down(chat: Andiron, sign_in: SignIn) -> None:
    del sign_in
    statuses = [(await get(chat, f"guess {number}")).status_code for number in range(20)]
    assert 429 in statuses


async def test_without_a_token_there_are_none() -> None:
    async with running(chat := create_app()):
        assert (await get(chat)).status_code == 404


async def test_nobodys_address_is_in_them(chat: Andiron, sign_in: SignIn) -> None:
    alice = await sign_in("alice")
    await alice.send("bob", "hello")
    text = (await get(chat)).text
    assert not [word for word in ("alice", "bob", ELSEWHERE, "127.0.0.1") if word in text]


async def test_in_the_format_that_is_asked_for(chat: Andiron, sign_in: SignIn) -> None:
    del sign_in
    accept = "application/openmetrics-text; version=1.0.0"
    response = await get(chat, accept=accept)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


async def test_a_format_that_is_none_is_the_usual_one(chat: Andiron, sign_in: SignIn) -> None:
    del sign_in
    response = await get(chat, accept="application/openmetrics-text; version=new")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")


async def test_two_applications_do_not_meet() -> None:
    one, other = create_app(metrics_token=TOKEN), create_app(metrics_token=TOKEN)
    async with running(one) as sign_in, running(other):
        await sign_in("alice")
        name = "andiron_sessions state=bound transport=in-process"
        assert ((await numbers(one))[name], (await numbers(other))[name]) == (1, 0)


def test_a_token_that_is_too_short() -> None:
    with pytest.raises(SettingsError, match=r"ANDIRON_METRICS_TOKEN.*openssl rand"):
        create_app(metrics_token="secret")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andiron.http_api.tokens.find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match=r"pip install 'andiron\[metrics\]'"):
        create_app(metrics_token=TOKEN)


async def test_promtool_finds_nothing_amiss(
    chat: Andiron, sign_in: SignIn, program: "object"
) -> None:
    alice = await sign_in("alice")
    await alice.send("bob", "hello")
    text = (await get(chat)).text
    command = [program("promtool"), "check", "metrics"]  # type: ignore[operator]
    checked = await asyncio.to_thread(
        subprocess.run, command, input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
