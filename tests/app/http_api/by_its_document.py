"""Schemathesis asks all that the document describes, and much that it does not."""

import asyncio
import threading

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance
from support.thorough import examples

from andiron import create_app
from andiron.http_api.description import described
from andiron.testing import running

TOKEN = "t" * 32
SITE = "http://localhost/api/v1"

schema = schemathesis.openapi.from_dict(described(""))
schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])


class Running:
    """An application on an event loop in a thread, which is asked from this one."""

    def __init__(self):
        self.ready, self.stop = threading.Event(), None
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()))

    async def run(self):
        # Guesses are not slowed: some requests bring wrong tokens on purpose.
        app = create_app(
            api_token=TOKEN, auth_delay_first=0.001, auth_delay_address=0.001, archive_page=5
        )
        self.stop, self.loop = asyncio.Event(), asyncio.get_running_loop()
        transport = httpx.ASGITransport(app)
        async with running(app), httpx.AsyncClient(transport=transport) as self.http:
            await app.api.create_room("tea", members=["alice"])
            for name in ("alice", "bob"):
                await app.api.send(name, "hello")
            self.ready.set()
            await self.stop.wait()

    def ask(self, **request):
        asked = self.http.request(**request)
        return asyncio.run_coroutine_threadsafe(asked, self.loop).result(30)


@pytest.fixture(scope="module")
def there():
    there = Running()
    there.thread.start()
    there.ready.wait(30)
    yield there
    there.loop.call_soon_threadsafe(there.stop.set)
    there.thread.join()


@schema.parametrize()
@settings(
    max_examples=examples(25),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_it_does_what_it_says(case, there):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    request = case.as_transport_kwargs(base_url=SITE, headers=headers)
    asked = {name: request[name] for name in ("method", "url", "headers", "params")}
    body = request.get("data")
    content = body.encode() if isinstance(body, str) else body
    response = there.ask(**asked, json=request.get("json"), content=content)
    # What an address or a text may be is beyond a schema, so some that fit are refused; and
    # the check of tokens, which has test_tokens, asks a server of its own.
    excluded = [positive_data_acceptance, ignored_auth]
    case.validate_response(response, excluded_checks=excluded)
