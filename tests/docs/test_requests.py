"""The request that ``docs/http-api.md`` makes with curl is answered."""

import json
import shlex

import httpx
from support.pages import BLOCKS, commands

from andiron import create_app

TOKEN = "0123456789abcdef0123456789abcdef"
(CURL,) = [block for block in BLOCKS if block.first.startswith("curl ")]


async def test_a_message_is_sent() -> None:
    (command,) = commands(CURL.text)
    name, url, _, header, option, body = shlex.split(command.replace("$ANDIRON_API_TOKEN", TOKEN))
    assert (name, option) == ("curl", "--json")
    chat = create_app(database="sqlite://", api_token=TOKEN, allowed_hosts=["www.example.org"])
    transport = httpx.ASGITransport(chat)
    async with chat.lifespan(), httpx.AsyncClient(transport=transport) as client:
        answer = await client.post(
            url.replace("/chat/", "/"), headers=[header.split(": ")], json=json.loads(body)
        )
        assert answer.status_code == 201
        (kept,) = (await chat.api.archive("juliet")).messages
        assert kept.body == json.loads(body)["body"]
