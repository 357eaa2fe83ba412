"""The example of ``docs/bots.md`` runs as it stands."""

import asyncio
import re
from contextlib import suppress
from pathlib import Path

from andiron.testing import sign_in

DOC = Path(__file__).parents[2] / "docs" / "bots.md"
(CODE,) = re.findall(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL)


INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"


async def entered(alice, room):
    """Enter the room when somebody has made it; until it is configured it is locked."""
    async with asyncio.timeout(60):
        while (await alice.ask(INFO, to=room)).kind == "error":  # noqa: ASYNC110 - a bot's doing
            await asyncio.sleep(0.01)
        while True:
            with suppress(PermissionError):
                return await alice.join(room)
            await asyncio.sleep(0.01)


async def test_the_helper_makes_the_room_and_answers(caplog):
    site = {}
    exec(compile(CODE, str(DOC), "exec"), site)
    app, chat = site["app"], site["chat"]
    async with app.router.lifespan_context(app), await sign_in(chat, "alice") as alice:
        room = await entered(alice, site["ROOM"])
        await alice.next(lambda one: one.sender == f"{room}/helper")
        await alice.say(room, "!tea")
        heard = [(await alice.receive()).body for _ in range(2)]
        assert heard == ["!tea", "The kettle is on."]
    assert not [record for record in caplog.records if record.exc_info]
