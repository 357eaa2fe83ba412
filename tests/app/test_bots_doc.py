"""The example of ``docs/bots.md`` runs as it stands."""

import asyncio
import re
from pathlib import Path

from andiron.testing import sign_in

DOC = Path(__file__).parents[2] / "docs" / "bots.md"
(CODE,) = re.findall(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL)


async def entered(alice):
    """Enter the room, which is locked for a moment if the bot was first."""
    while True:
        try:
            return await alice.join("tea")
        except PermissionError:
            await asyncio.sleep(0)


async def test_the_helper_comes_back_and_answers():
    site = {}
    exec(compile(CODE, str(DOC), "exec"), site)
    app, chat = site["app"], site["chat"]
    async with app.router.lifespan_context(app), await sign_in(chat, "alice") as alice:
        room = await entered(alice)
        await alice.next(lambda one: one.sender == f"{room}/helper")
        await alice.say(room, "!tea")
        heard = [(await alice.receive()).body for _ in range(2)]
        assert heard == ["!tea", "The kettle is on."]
