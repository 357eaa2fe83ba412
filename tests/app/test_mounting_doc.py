"""The examples of ``docs/mounting.md`` run as they stand."""

import re
import sys
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from starlette.responses import PlainTextResponse

DOC = Path(__file__).parents[2] / "docs" / "mounting.md"
EXAMPLES = re.findall(
    r"^## (.*)\n(?:(?!^## ).*\n)*?```python\n((?:.*\n)*?)```", DOC.read_text(), re.M
)


@pytest.fixture(autouse=True)
def django(monkeypatch):
    """Stand in for Django, which raises on a lifespan."""

    async def application(scope, receive, send):
        if scope["type"] != "http":
            raise ValueError(scope["type"])
        await PlainTextResponse("django")(scope, receive, send)

    module = ModuleType("django.core.asgi")
    module.get_asgi_application = lambda: application
    monkeypatch.setitem(sys.modules, "django.core.asgi", module)
    for name in ("django", "django.core"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "mysite.settings")


def test_every_host_has_an_example():
    assert len(EXAMPLES) == 7


@pytest.mark.parametrize(("title", "code"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
async def test_example_is_started_by_its_server(title, code):
    namespace = {}
    exec(compile(code, str(DOC), "exec"), namespace)
    app = namespace.get("app") or namespace["application"]
    prefix = "/one" if "chats" in namespace else "/chat"
    statuses = []
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive():
        return next(messages)

    async def send(message):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.get(f"{prefix}/healthz")
        statuses.append((message["type"], answer.status_code))

    await app({"type": "lifespan", "state": {}}, receive, send)
    assert statuses == [("lifespan.startup.complete", 200), ("lifespan.shutdown.complete", 503)]


def test_a_middleware_in_front_of_all_can_be_so():
    site, fragment = [
        code for code in re.findall(r"```python\n(.*?)```", DOC.read_text(), re.S) if "CORS" in code
    ]
    namespace = {}
    exec(compile(site + fragment, str(DOC), "exec"), namespace)
    assert namespace["app"].user_middleware[0].kwargs["allow_methods"] == ["GET", "POST", "PUT"]


async def test_the_example_of_being_found_tells_where_the_endpoints_are():
    namespace = {}
    exec(compile(dict(EXAMPLES)["Being found"], str(DOC), "exec"), namespace)
    transport = httpx.ASGITransport(namespace["app"])
    async with httpx.AsyncClient(transport=transport, base_url="https://example.org") as client:
        answer = await client.get("/.well-known/host-meta.json")
    hrefs = [link["href"] for link in answer.json()["links"]]
    assert hrefs == ["wss://example.org/chat/ws", "https://example.org/chat/http-bind"]
