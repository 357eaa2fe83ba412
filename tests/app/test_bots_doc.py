"""The example of ``docs/bots.md`` runs as it stands."""

import asyncio
import re
from pathlib import Path

import pytest

from andiron.testing import sign_in

DOC = Path(__file__).parents[2] / "docs" / "bots.md"
(CODE,) = re.findall(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL)


INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"


async def until_there(alice, room):
    """Wait until somebody has made the room, and configured it: it is locked for a moment."""
    async with asyncio.timeout(10):
        while (await alice.ask(INFO, to=room)).kind == "error":  # noqa: ASYNC110 - a bot's doing
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("first", ["alice", "the helper"])
async def test_the_helper_comes_and_answers(first, caplog):
    site = {}
    exec(compile(CODE, str(DOC), "exec"), site)
    app, chat = site["app"], site["chat"]
    async with app.router.lifespan_context(app), await sign_in(chat, "alice") as alice:
        if first == "the helper":
            await until_there(alice, site["ROOM"])
        room = await alice.join("tea")
        await alice.next(lambda one: one.sender == f"{room}/helper")
        await alice.say(room, "!tea")
        heard = [(await alice.receive()).body for _ in range(2)]
        assert heard == ["!tea", "The kettle is on."]
    assert not [record for record in caplog.records if record.exc_info]
