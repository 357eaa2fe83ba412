import asyncio
import json

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from andiron.api.api import Api
from andiron.http_api import endpoint
from andiron.http_api.description import described
from andiron.http_api.operations import OPERATIONS


async def test_a_message_is_sent_and_read(chat, http):
    bob = await chat.client_of("bob")
    answer = await http.post("/messages", json={"to": "bob", "body": "hello \U0001f600"})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert (await bob.receive()).body == "hello \U0001f600"
    page = (await http.get("/archives/bob", params={"size": 1, "latest": "true"})).json()
    assert page["messages"][0]["id"] == answer.json()["archive_id"]
    assert page["complete"] is True


async def test_a_room_lives_and_ends(chat, http):
    made = await http.post("/rooms", json={"room": "tea", "members": ["alice"]})
    assert (made.status_code, made.json()["address"]) == (201, "tea@conference.example.org")
    put = await http.put("/rooms/tea/members/bob", json={"affiliation": "admin"})
    assert (put.status_code, put.content) == (204, b"")
    members = (await http.get("/rooms/tea/members")).json()
    assert [each["affiliation"] for each in members] == ["member", "admin", "owner"]
    changed = await http.patch("/rooms/tea", json={"description": "For all"})
    assert changed.json()["description"] == "For all"
    assert (await http.delete("/rooms/tea", params={"reason": "late"})).status_code == 204
    gone = await http.get("/rooms/tea")
    assert gone.status_code == 404
    assert gone.json() == {
        "type": "about:blank",
        "title": "There is no such thing",
        "status": 404,
        "detail": "There is no room tea.",
        "code": "not_found",
    }


async def test_sessions_are_ended_by_their_address(chat, http):
    await chat.client_of("alice")
    (session,) = (await http.get("/sessions", params={"account": "alice"})).json()
    ended = await http.delete("/sessions", params={"of": session["address"]})
    assert ended.json() == 1


@pytest.mark.parametrize(
    ("method", "path", "request_", "status", "detail"),
    [
        ("POST", "/messages", {"json": {"to": "bob"}}, 422, "body: Field required"),
        ("POST", "/messages", {"json": {"to": "bob", "body": 7}}, 422, "body: Input should be"),
        ("POST", "/messages", {"json": {"to": "b", "body": "x", "y": 1}}, 422, "y: Extra inputs"),
        ("POST", "/messages", {"json": []}, 422, "the body: Input should be an object"),
        ("POST", "/messages", {"content": b"{"}, 422, "the body: Invalid JSON"),
        ("POST", "/messages", {"content": b"\xff"}, 422, "the body: Invalid JSON"),
        ("POST", "/messages?to=bob", {"json": {"to": "b", "body": "x"}}, 422, "nothing in the que"),
        ("POST", "/messages", {"json": {"to": "b", "body": "\x00"}}, 422, "U+0000"),
        ("POST", "/messages", {"content": json.dumps({"to": "\ud800"})}, 422, "the body: Invalid"),
        ("GET", "/rooms?size=many", {}, 422, "size: Input should be a valid integer"),
        ("GET", "/rooms?size=0", {}, 422, "from 1 to 1000"),
        ("GET", "/rooms?size=1&size=2", {}, 422, "twice"),
        ("GET", "/rooms?sise=1", {}, 422, "sise: Extra inputs"),
        ("GET", "/archives/bob?start=2020-01-01T00:00:00", {}, 422, "needs a time zone"),
        ("GET", "/presence/nobody", {}, 404, "no account nobody"),
        ("GET", "/nowhere", {}, 404, "openapi.json"),
        ("PUT", "/messages", {"json": {}}, 405, "PUT means nothing here; POST does"),
        ("POST", "/openapi.json", {"json": {}}, 405, "GET does"),
    ],
)
async def test_what_is_wrong_is_told(http, method, path, request_, status, detail):
    headers = {"Content-Type": "application/json"} if method not in ("GET", "DELETE") else {}
    answer = await http.request(method, path, headers=headers, **request_)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert detail in answer.json()["detail"]
    if status == 405:
        assert answer.headers["allow"]


async def test_a_body_has_a_type_and_a_bound_and_a_time(http, monkeypatch):
    form = await http.post("/messages", data={"to": "bob", "body": "from a form"})
    assert form.status_code == 415
    large = json.dumps({"to": "bob", "body": "x" * 2_000_000}).encode()
    headers = {"Content-Type": "application/json"}
    assert (await http.post("/messages", content=large, headers=headers)).status_code == 413

    async def pieces():
        for _ in range(30):
            yield b" " * 50_000

    assert (await http.post("/messages", content=pieces(), headers=headers)).status_code == 413
    monkeypatch.setattr(endpoint, "_PATIENCE", 0.0)

    async def late():
        yield b"{"
        await asyncio.sleep(10)

    assert (await http.post("/messages", content=late(), headers=headers)).status_code == 408


async def test_what_fails_here_tells_nothing(chat, http, monkeypatch, caplog):
    async def fail(self, account=""):
        raise KeyError("a secret")

    monkeypatch.setattr(Api, "sessions", fail)
    answer = await http.get("/sessions")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert "A request of the API failed" in caplog.text


async def test_the_document_says_where_the_application_is(chat, http):
    document = (await http.get("/openapi.json")).json()
    assert document == json.loads(json.dumps(described("")))
    assert document["openapi"] == "3.1.0"
    site = Starlette(routes=[Mount("/chat", chat)])
    transport = httpx.ASGITransport(site)
    async with httpx.AsyncClient(transport=transport, headers=http.headers) as client:
        found = await client.get("http://localhost/chat/api/v1/openapi.json")
        assert found.json()["servers"] == [{"url": "/chat/api/v1"}]


def test_every_method_is_an_operation_and_described():
    assert {each.name for each in OPERATIONS} == {
        name for name in vars(Api) if not name.startswith("_")
    }
    document = described("")
    told = [each for path in document["paths"].values() for each in path.values()]
    assert {each["operationId"] for each in told} == {each.name for each in OPERATIONS}
    assert all(each["summary"] for each in told)


async def test_a_host_may_have_parameters_in_the_path(chat, http):
    host = Starlette(routes=[Mount("/{tenant}/{room}/chat", chat)])
    transport = httpx.ASGITransport(host)
    await chat.api.create_room("tea")
    async with httpx.AsyncClient(
        transport=transport, base_url="http://localhost/acme/hall/chat/api/v1"
    ) as client:
        answer = await client.get("/rooms/tea", headers=http.headers)
    assert (answer.status_code, answer.json()["address"]) == (200, "tea@conference.example.org")
