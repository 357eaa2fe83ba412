"""What the API raises: one family, each with the sentence of what to do."""

from typing import ClassVar

__all__ = [
    "ApiError",
    "BusyError",
    "InvalidError",
    "NotFoundError",
    "RefusedError",
    "UnauthorizedError",
    "UnavailableError",
]


class ApiError(Exception):
    """Something asked of the API was not done; the text is a sentence that says why."""

    status: ClassVar[int] = 500
    """The status of HTTP that stands for it."""
    title: ClassVar[str] = "It was not done"


class InvalidError(ApiError, ValueError):
    """What was asked can never be: an address that is none, a text that is too long."""

    status = 422
    title = "What was asked is not valid"


class NotFoundError(ApiError, LookupError):
    """There is no such account, room or message."""

    status = 404
    title = "There is no such thing"


class RefusedError(ApiError):
    """It may not be, as things are: the recipient has blocked the sender, a name is taken."""

    status = 409
    title = "It was refused"


class BusyError(ApiError):
    """There is no room for it now; it may be tried later."""

    status = 503
    title = "Not now"


class UnavailableError(ApiError):
    """The application does not run, its database cannot be reached, or it did not answer.

    With several processes (``cluster``): none is home, or the one that was has ended.

    Where it did not answer, what was asked may be done all the same.
    """

    status = 503
    title = "Out of service"


class UnauthorizedError(ApiError):
    """The token is not one of those that the application takes; over HTTP alone."""

    status = 401
    title = "The token is not known here"
