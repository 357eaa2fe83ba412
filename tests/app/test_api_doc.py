"""The examples of ``docs/api.md`` run as they stand; Django's is in tests/servers."""

import re
from pathlib import Path

import httpx

from andiron.testing import running

DOC = Path(__file__).parents[2] / "docs" / "api.md"
FASTAPI, DJANGO, HOOKS = re.findall(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL)


async def test_an_async_view_sends_and_looks_who_is_there():
    site = {}
    exec(compile(FASTAPI, str(DOC), "exec"), site)
    app, chat = site["app"], site["chat"]
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as http,
    ):
        told = (await http.post("/orders/7/shipped/juliet")).json()
        (kept,) = (await chat.api.archive("juliet")).messages
        assert (kept.id, kept.body) == (told["message"], "Order 7 is on its way.")
        assert (await http.get("/people/juliet")).json() == {"online": False, "status": ""}


async def test_hooks_moderate_and_greet():
    site = {}
    exec(compile(HOOKS, str(DOC), "exec"), site)
    async with running(site["chat"]) as client:
        alice, bob = await client("alice"), await client("bob")
        for body in ("a casino", "darn"):
            await alice.send("bob", body)
        refused = await alice.next(lambda one: one.kind == "error")
        assert "No advertising, please." in refused.text
        assert (await bob.next(lambda one: one.sender == alice.jid)).body == "****"
        await alice.next(lambda one: one.body == "Welcome back.")
