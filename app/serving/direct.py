"""A request that is served without ASGI, as uvicorn sees it."""

from andiron.bosh.direct import Post

__all__ = ["DirectCycle"]


class _Nobody:
    """Whom uvicorn tells that something has come, or that nothing will."""

    __slots__ = ()

    def set(self) -> None:
        """Tell nobody."""


class DirectCycle:
    """Stands where a connection of uvicorn has its ``RequestResponseCycle``: no task waits here."""

    __slots__ = (
        "begun",
        "body",
        "disconnected",
        "keep_alive",
        "more_body",
        "post",
        "response_complete",
    )

    message_event = _Nobody()

    def __init__(self, post: Post, keep_alive: bool) -> None:
        self.post = post
        self.keep_alive = keep_alive
        self.body = b""
        self.more_body = True
        self.begun = False
        """Whether its body has come whole, and was handed on."""
        self.response_complete = False
        self.disconnected = False
