"""Errors as HTTP tells them: ``application/problem+json`` (RFC 9457)."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, Literal

from starlette.responses import Response

from andiron.api.errors import (
    ApiError,
    BusyError,
    InvalidError,
    NotFoundError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
)

__all__ = ["CODES", "PROBLEM", "Problem", "code_of", "error_of", "problem", "problem_of"]

PROBLEM: Final = "application/problem+json"
CODES: Final[Mapping[str, type[ApiError]]] = {
    "invalid": InvalidError,
    "not_found": NotFoundError,
    "refused": RefusedError,
    "busy": BusyError,
    "unavailable": UnavailableError,
    "unauthorized": UnauthorizedError,
    "too_large": InvalidError,
}
"""What the codes mean to a client in Python; the first of an error's stands for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why something was not done."""

    type: Literal["about:blank"] = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    """One word for programs, which stays what it is."""


def code_of(error: ApiError) -> str:
    """Return the code of an error of the API."""
    return next(code for code, kind in CODES.items() if type(error) is kind)


def problem_of(error: ApiError) -> Response:
    """Return the answer for an error of the API."""
    headers = {"Retry-After": "5"} if isinstance(error, BusyError) else {}
    return problem(error.status, error.title, str(error), code_of(error), headers)


def problem(
    status: int, title: str, detail: str, code: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an answer that tells a problem."""
    told = Problem(title=title, status=status, detail=detail, code=code)
    content = json.dumps(asdict(told))
    more = {"Cache-Control": "no-store", **(headers or {})}
    return Response(content, status, media_type=PROBLEM, headers=more)


def error_of(status: int, body: bytes) -> ApiError:
    """Return the error that an answer tells, also one that is not ours."""
    try:
        told = json.loads(body)
        kind, detail = CODES.get(told["code"]), str(told["detail"])
    except (ValueError, KeyError, TypeError):
        kind, detail = None, ""
    if kind is None:
        kind = next((each for each in CODES.values() if each.status == status), UnavailableError)
    return kind(detail or f"The server answered with the status {status}.")
