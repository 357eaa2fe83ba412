"""The site's own operators use the API by its sign-in, and no other site's page does."""

import asyncio
import logging
from contextlib import asynccontextmanager
from hashlib import sha256

import httpx
import pytest

from andiron import create_app
from andiron.http_api.admission import HEADER
from andiron.settings import SettingsError
from andiron.testing import running

TOKEN = "0123456789abcdef0123456789abcdef"
NAMED = f"token {sha256(TOKEN.encode()).hexdigest()[:8]} from 192.0.2.7:"
SITE = "http://localhost/api/v1"


async def by_cookie(connection):
    return {"portia": "portia", "empty": ""}.get(connection.cookies.get("who", ""))


@asynccontextmanager
async def asking(operators=by_cookie, cookie="portia", **settings):
    chat = create_app(operators=operators, **settings)
    headers = {HEADER: "page", "Cookie": f"who={cookie}"}
    transport = httpx.ASGITransport(chat, client=("192.0.2.7", 1))
    async with (
        running(chat) as sign_in,
        httpx.AsyncClient(transport=transport, base_url=SITE, headers=headers) as http,
    ):
        http.sign_in = sign_in
        yield http


async def test_an_operator_needs_no_token():
    async with asking() as http:
        assert (await http.get("/sessions")).json() == []
        assert (await http.get("/openapi.json")).status_code == 200


@pytest.mark.parametrize("cookie", ["juliet", "empty", ""])
async def test_others_are_refused(cookie):
    async with asking(cookie=cookie) as http:
        answer = await http.get("/sessions")
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == 'Bearer realm="andiron"'


@pytest.mark.parametrize(
    ("token", "said"),
    [("", "one of its operators."), (TOKEN, "one of its operators, or send a token.")],
)
async def test_a_token_is_spoken_of_where_there_is_one(token, said):
    async with asking(cookie="juliet", api_token=token) as http:
        assert (await http.get("/sessions")).json()["detail"].endswith(said)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:8080"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({HEADER: ""}, 200),
        ({HEADER: None}, 403),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_only_the_sites_own_pages_may_ask(headers, status, method):
    listed = {"websocket_origins": ["http://localhost:8080"], "api_token": TOKEN}
    async with asking(**listed) as http:
        juliet = await http.sign_in("juliet")
        if None in headers.values():
            del http.headers[HEADER]
            headers = {}
        path = "/sessions" if method == "GET" else "/announcements"
        body = {"json": {"body": "hello"}} if method == "POST" else {}
        answer = await http.request(method, path, headers=headers, **body)
        assert answer.status_code == status
        if status == 403:
            assert answer.json()["code"] == "cross_site"
            await http.post(
                "/announcements",
                json={"body": "by token"},
                headers={"Authorization": f"Bearer {TOKEN}"},
            )
            assert (await juliet.receive()).body == "by token"


async def test_two_origins_or_headers_are_none():
    async with asking() as http:
        for name, values in (("Origin", ["http://localhost"] * 2), (HEADER, ["page"] * 2)):
            http.headers.pop(HEADER, None)
            given = [(name, value) for value in values]
            given += [] if name == HEADER else [(HEADER, "page")]
            assert (await http.get("/sessions", headers=given)).status_code == 403
        refused = [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")]
        answer = await http.get("/sessions", headers=[*refused, (HEADER, "page")])
        assert answer.status_code == 403


async def test_a_token_passes_beside_and_a_wrong_one_is_not_helped_by_the_cookie():
    async with asking(api_token=TOKEN, cookie="juliet") as http:
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert (await http.get("/sessions", headers=right)).status_code == 200
        http.headers["Cookie"] = "who=portia"
        wrong = {"Authorization": f"Bearer {'x' * 32}"}
        answers = [await http.get("/sessions", headers=wrong) for _ in range(5)]
        assert answers[0].status_code == 401
        assert answers[-1].status_code == 429
        # What a proxy asks for is the site's business.
        basic = {"Authorization": "Basic dTpw"}
        assert (await http.get("/sessions", headers=basic)).status_code == 200


async def fail(_connection):
    raise KeyError("a secret")


async def hang(_connection):
    await asyncio.sleep(60)


async def lie(_connection):
    return True


@pytest.mark.parametrize(
    ("operators", "sentence"),
    [(fail, "operators= failed"), (hang, "took longer than 0.01 s"), (lie, "returned bool")],
)
async def test_where_the_sites_code_fails_nobody_is_an_operator(operators, sentence, caplog):
    async with asking(operators, site_timeout=0.01) as http:
        answer = await http.get("/sessions")
    assert answer.status_code == 401
    assert "secret" not in answer.text
    assert sentence in caplog.text


def test_the_function_must_be_async():
    with pytest.raises(SettingsError, match="operators= must be an async function"):
        create_app(operators=lambda _: "portia")


async def test_who_did_what_to_whom_is_in_the_log(caplog):
    caplog.set_level(logging.INFO, "andiron.audit")
    async with asking(api_token=TOKEN) as http:
        await http.sign_in("juliet")
        await http.get("/sessions")
        await http.delete("/sessions", params={"of": "juliet", "reason": "a word"})
        await http.delete("/sessions", params={"of": "nobody"})
        await http.put("/disabled-accounts/nobody%0Aforged", json={})
        await http.post("/rooms", json={"room": "tea", "password": "sesame"})
        await http.post("/messages", json={"to": "juliet"})
        await http.post("/messages", content=b"to=juliet")
        token = {"Authorization": f"Bearer {TOKEN}"}
        message = {"to": "juliet", "body": "a word", "subject": "a word", "sender": "romeo"}
        await http.post("/messages", json=message, headers=token)
        await http.put("/settings/stream_management_max", json={"value": 60}, headers=token)
    by = "operator 'portia' from 192.0.2.7:"
    assert caplog.messages == [
        f"{by} end_sessions of='juliet': done (1)",
        f"{by} end_sessions of='nobody': done (0)",
        f"{by} disable_account account='nobody\\nforged': refused (invalid)",
        f"{by} create_room room='tea': done",
        f"{by} send: refused (invalid)",
        f"{by} send: refused",
        f"{NAMED} send to='juliet' sender='romeo': done",
        "The setting stream_management_max is 60 now, and was 600",
        f"{NAMED} change_setting setting='stream_management_max': done",
    ]


async def test_what_fails_is_in_the_log_too(caplog, monkeypatch):
    caplog.set_level(logging.INFO, "andiron.audit")
    monkeypatch.setattr("andiron.api.api.Api.announce", fail)
    async with asking() as http:
        assert (await http.post("/announcements", json={"body": "x"})).status_code == 500
    (line,) = [each.getMessage() for each in caplog.records if each.name == "andiron.audit"]
    assert line == "operator 'portia' from 192.0.2.7: announce: failed"
