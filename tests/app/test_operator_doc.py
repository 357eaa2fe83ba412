"""The example of ``docs/operator.md`` runs as it stands."""

import re
from base64 import b64encode
from pathlib import Path

import httpx
from itsdangerous import TimestampSigner

from andiron.http_api.admission import HEADER

DOC = Path(__file__).parents[2] / "docs" / "operator.md"
(SITE,) = re.findall(r"```python\n(.*?)```", DOC.read_text("utf-8"), re.DOTALL)


def cookie(name):
    content = b64encode(f'{{"name": "{name}"}}'.encode())
    return f"session={TimestampSigner('another secret').sign(content).decode()}"


async def test_the_sites_operators_get_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    site = {}
    exec(compile(SITE, str(DOC), "exec"), site)
    app = site["app"]
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="https://localhost/chat") as http,
    ):
        assert (await http.get("/operator/")).status_code == 200
        for name, status in (("portia", 200), ("juliet", 401)):
            headers = {"Cookie": cookie(name), HEADER: "page"}
            assert (await http.get("/api/v1/sessions", headers=headers)).status_code == status
