"""Who may use the API, and who may not: no cookie, no other page, no guess."""

import httpx
import pytest

from andiron import create_app
from andiron.http_api.operations import OPERATIONS
from andiron.settings import SettingsError
from andiron.testing import running

ALL = [(each.method, each.path) for each in OPERATIONS] + [
    ("GET", "/openapi.json"),
    ("GET", "/nothing"),
    ("OPTIONS", "/messages"),
    ("POST", ""),
]


@pytest.mark.parametrize(
    "header", [None, "Basic dTpw", "Bearer", "Bearer ", "Bearer \u00e9", f"Bearer {'x' * 32}"]
)
async def test_nothing_is_done_or_told_without_a_token(chat, header):
    headers = {} if header is None else {"Authorization": header.encode()}
    for at, (method, path) in enumerate(ALL):
        # Who guesses is put off, and each of these is another.
        transport = httpx.ASGITransport(chat, client=(f"192.0.2.{at}", 1))
        async with httpx.AsyncClient(transport=transport, headers=headers) as http:
            answer = await http.request(method, f"http://localhost/api/v1{path}")
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith('Bearer realm="andiron"')
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "unauthorized"
        assert "access-control-allow-origin" not in answer.headers


async def test_each_token_opens_and_a_cookie_does_not(chat, http):
    assert (await http.get("/rooms")).status_code == 200
    other = {"Authorization": f"bearer {'n' * 40}"}
    assert (await http.get("/rooms", headers=other)).status_code == 200
    token = http.headers.pop("Authorization").partition(" ")[2]
    assert (await http.get(f"/rooms?access_token={token}")).status_code == 401
    http.cookies.set("token", token)
    assert (await http.get("/rooms")).status_code == 401


async def test_two_tokens_are_none(http):
    token = http.headers.pop("Authorization")
    headers = [("Authorization", token), ("Authorization", token)]
    assert (await http.get("/rooms", headers=headers)).status_code == 401


async def test_guesses_are_put_off_and_the_right_one_passes(http):
    wrong = {"Authorization": f"Bearer {'x' * 32}"}
    answers = [await http.get("/rooms", headers=wrong) for _ in range(5)]
    assert answers[0].status_code == 401
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert (await http.get("/rooms")).status_code == 200


async def test_without_a_token_there_is_no_api():
    app = create_app()
    transport = httpx.ASGITransport(app)
    async with running(app), httpx.AsyncClient(transport=transport) as client:
        answer = await client.get("http://localhost/api/v1/rooms")
        assert (answer.status_code, answer.text) == (404, "Not found.\n")


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        ("short", "needs 32 characters or more"),
        (f"{'a' * 32} short", "needs 32"),
        ("\u00e9" * 32, "letters, digits"),
    ],
)
def test_a_token_that_is_none_stops_the_start(token, sentence):
    with pytest.raises(SettingsError, match=sentence) as error:
        create_app(api_token=token)
    assert token not in str(error.value)


async def test_tokens_in_a_file(tmp_path):
    path = tmp_path / "tokens"
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        create_app(api_token_file=str(path))
    path.write_text("\n")
    with pytest.raises(SettingsError, match="without a token"):
        create_app(api_token_file=str(path))
    path.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="not UTF-8"):
        create_app(api_token_file=str(path))
    path.write_text("short\n")
    with pytest.raises(SettingsError, match=r"api_token_file .* needs 32"):
        create_app(api_token_file=str(path))
    path.write_text(f"{'a' * 32}\n{'b' * 32}\n")
    app = create_app(api_token_file=str(path))
    transport = httpx.ASGITransport(app)
    async with running(app), httpx.AsyncClient(transport=transport) as client:
        for token in ("a" * 32, "b" * 32):
            headers = {"Authorization": f"Bearer {token}"}
            answer = await client.get("http://localhost/api/v1/sessions", headers=headers)
            assert answer.json() == []
