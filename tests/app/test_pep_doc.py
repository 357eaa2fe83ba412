"""The example of ``docs/pep.md`` runs as it stands."""

import re
from pathlib import Path

import pytest

from andiron import create_app
from andiron.domain.owners import AccountError

DOC = Path(__file__).parents[2] / "docs" / "pep.md"


async def test_the_example_for_the_sites_own_code():
    (code,) = re.findall(r"^```python\n((?:.*\n)*?)```", DOC.read_text(), re.M)
    namespace = {}
    exec(compile(code, str(DOC), "exec"), namespace)
    chat = create_app(database="sqlite://", auth_iterations=4096)
    async with chat.lifespan():
        item = await namespace["welcome"](chat, "Juliet", "secret")
        assert (item.id, ">Juliet</nick>" in item.payload) == ("current", True)
        assert await chat.domain.accounts.names() == ["juliet"]
        with pytest.raises(AccountError, match="juliet already"):
            await namespace["welcome"](chat, "juliet", "secret")
