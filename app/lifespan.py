"""The lifespan protocol of ASGI: the server says when to begin and when to end."""

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from starlette.types import Receive, Send

from andiron.domain.database.database import DatabaseError

__all__ = ["run_as_told"]

logger = logging.getLogger("andiron")


async def run_as_told(
    run: Callable[[], AbstractAsyncContextManager[None]], receive: Receive, send: Send
) -> None:
    """Run from when the server says so until it says otherwise, and tell it what fails."""
    stage = "startup"
    await receive()
    try:
        async with run():
            await send({"type": "lifespan.startup.complete"})
            stage = "shutdown"
            await receive()
    except DatabaseError as error:
        await send({"type": f"lifespan.{stage}.failed", "message": f"andiron: {error}"})
    except Exception:
        # A server takes an exception for "no lifespan here" and would go on without one.
        logger.exception("The %s failed", stage)
        await send({"type": f"lifespan.{stage}.failed", "message": f"andiron: {stage} failed"})
    else:
        await send({"type": "lifespan.shutdown.complete"})
