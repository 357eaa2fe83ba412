"""What a client of the API asks, and what it makes of the answer, whatever carries them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from andiron.api.errors import InvalidError, UnavailableError
from andiron.http_api.operations import Operation
from andiron.http_api.problems import error_of

__all__ = ["Question", "answered", "asked"]


@dataclass(frozen=True, slots=True)
class Question:
    """A request of HTTP."""

    method: str
    path: str
    """Below :data:`.operations.PREFIX`, quoted."""
    query: Mapping[str, str]
    body: bytes | None
    """JSON; None for none."""


def asked(operation: Operation, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Question:
    """Return what asks for a call of the API's method with these arguments.

    Raises :class:`InvalidError` for what no server takes, and TypeError for what is no call.
    """
    arguments = operation.signature.bind(None, *args, **kwargs).arguments
    del arguments["self"]
    path = operation.path
    for name in operation.in_path:
        path = path.replace(f"{{{name}}}", _segment(name, arguments.pop(name)))
    given = operation.of_call(arguments)
    try:
        content = json.dumps(given, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        code = ord(error.object[error.start])
        raise InvalidError(f"No text can have the character U+{code:04X}.") from None
    if operation.has_body:
        return Question(operation.method, path, {}, content)
    query = {name: _written(value) for name, value in given.items() if value is not None}
    return Question(operation.method, path, query, None)


def answered(operation: Operation, status: int, content: bytes) -> Any:
    """Return what an answer says. Raises :class:`~andiron.api.errors.ApiError`."""
    if status != operation.status:
        raise error_of(status, content)
    if operation.status == 204:
        return None
    try:
        return operation.result.validate_json(content)
    except ValidationError:
        raise UnavailableError(
            "What answers there is not this API: the url is where the chat is mounted."
        ) from None


def _segment(name: str, value: object) -> str:
    """Return a name as a part of a path; what would lead elsewhere is no name."""
    if not isinstance(value, str) or value in ("", ".", "..") or "/" in value:
        raise InvalidError(f"{name}: {str(value)[:100]!r} is no name.")
    try:
        return quote(value, safe="@")
    except UnicodeEncodeError:
        raise InvalidError(f"{name}: {value[:100]!r} is no name.") from None


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
