"""What the API can, as requests of HTTP: one table, from which all else follows.

The parameters of each operation, their types and its result are those of the method of
:class:`~andiron.api.api.Api` that it stands for.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from re import findall
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from andiron.api.api import Api
from andiron.api.errors import InvalidError

__all__ = ["OPERATIONS", "PREFIX", "Operation", "operation_of"]

PREFIX: Final = "/api/v1"
_QUERYING: Final = frozenset({"GET", "DELETE"})
_AUDITED: Final = ("to", "of", "room", "account", "session", "setting", "sender", "peer")
"""Parameters that say on whom something is done."""
_TOLD: Final = 5
"""How many faults of one request are told."""
_STRICT: Final = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class Operation:
    """One request: how it is made, and what it is answered."""

    def __init__(self, name: str, method: str, path: str, status: int = 200) -> None:
        self.name = name
        """That of the method."""
        self.method = method
        self.path = path
        """Below :data:`PREFIX`, with parameters in braces."""
        self.status = status
        """The status of success."""
        self.in_path: tuple[str, ...] = tuple(findall(r"{(\w+)}", path))
        self.has_body = method not in _QUERYING
        """Whether what is not in the path is in a JSON object, or in the query."""
        self.function: Callable[..., Any] = getattr(Api, name)
        self.signature = inspect.signature(self.function)
        self.summary, _, rest = (inspect.getdoc(self.function) or "").partition("\n")
        self.description = rest.strip()

    @property
    def changes(self) -> bool:
        """Whether it does something, and does not only look."""
        return self.method != "GET"

    def on_whom(self, given: Mapping[str, Any]) -> str:
        """Return on whom it is done, for the log: nothing of what is said or set."""
        return "".join(f" {name}={given[name]!r:.100}" for name in _AUDITED if given.get(name))

    def to_how_many(self, content: bytes | memoryview) -> str:
        """Return how many it was done to, for the log, where that is what is answered."""
        return f" ({bytes(content).decode()})" if self.returned is int else ""

    @cached_property
    def returned(self) -> Any:
        """The type of what is answered."""
        return get_type_hints(self.function)["return"]

    @cached_property
    def parameters(self) -> type[BaseModel]:
        """The parameters that are not in the path."""
        hints = get_type_hints(self.function)
        given = self.signature.parameters.values()
        fields: dict[str, Any] = {
            each.name: (hints[each.name], ... if each.default is each.empty else each.default)
            for each in given
            if each.name != "self" and each.name not in self.in_path
        }
        title = "".join(word.capitalize() for word in self.name.split("_"))
        return create_model(title, __config__=_STRICT, **fields)

    @cached_property
    def result(self) -> TypeAdapter[Any]:
        """What is answered."""
        return TypeAdapter(self.returned)

    def of_body(self, body: bytes) -> dict[str, Any]:
        """Read the parameters in a request's body; raises :class:`InvalidError`."""
        return self._read(lambda: self.parameters.model_validate_json(body))

    def of_query(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Read the parameters in a request's query; raises :class:`InvalidError`."""
        return self._read(lambda: self.parameters.model_validate_strings(query, strict=True))

    def of_call(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a call's arguments are in JSON; raises :class:`InvalidError`."""
        try:
            given = self.parameters.model_validate(arguments, strict=False)
        except ValidationError as error:
            raise _invalid(error) from None
        return given.model_dump(mode="json", exclude_unset=True)

    def _read(self, read: Callable[[], BaseModel]) -> dict[str, Any]:
        try:
            given = read()
        except ValidationError as error:
            raise _invalid(error) from None
        return {name: getattr(given, name) for name in given.model_fields_set}


def _invalid(error: ValidationError) -> InvalidError:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    told = [
        f"{'.'.join(map(str, fault['loc'])) or 'the body'}: {fault['msg']}"
        for fault in faults[:_TOLD]
    ]
    more = f" and {len(faults) - _TOLD} more" if len(faults) > _TOLD else ""
    return InvalidError("; ".join(told)[:1000] + more)


OPERATIONS: Final = (
    Operation("send", "POST", "/messages", 201),
    Operation("notify", "POST", "/notifications"),
    Operation("announce", "POST", "/announcements"),
    Operation("rooms", "GET", "/rooms"),
    Operation("create_room", "POST", "/rooms", 201),
    Operation("room", "GET", "/rooms/{room}"),
    Operation("change_room", "PATCH", "/rooms/{room}"),
    Operation("destroy_room", "DELETE", "/rooms/{room}", 204),
    Operation("members", "GET", "/rooms/{room}/members"),
    Operation("set_member", "PUT", "/rooms/{room}/members/{account}", 204),
    Operation("invite", "POST", "/rooms/{room}/invitations", 204),
    Operation("occupants", "GET", "/rooms/{room}/occupants"),
    Operation("say", "POST", "/rooms/{room}/messages", 201),
    Operation("set_subject", "PUT", "/rooms/{room}/subject", 204),
    Operation("archive", "GET", "/archives/{of}"),
    Operation("add_to_archive", "POST", "/archives/{of}", 201),
    Operation("delete_from_archive", "DELETE", "/archives/{of}/{message}", 204),
    Operation("sessions", "GET", "/sessions"),
    Operation("end_sessions", "DELETE", "/sessions"),
    Operation("session_page", "GET", "/sessions/page"),
    Operation("session", "GET", "/sessions/{session}"),
    Operation("end_session", "DELETE", "/sessions/{session}", 204),
    Operation("trace", "GET", "/sessions/{session}/trace"),
    Operation("start_trace", "PUT", "/sessions/{session}/trace"),
    Operation("stop_trace", "DELETE", "/sessions/{session}/trace", 204),
    Operation("presence", "GET", "/presence/{account}"),
    Operation("disabled_accounts", "GET", "/disabled-accounts"),
    Operation("disable_account", "PUT", "/disabled-accounts/{account}"),
    Operation("enable_account", "DELETE", "/disabled-accounts/{account}", 204),
    Operation("processes", "GET", "/processes"),
    Operation("settings", "GET", "/settings"),
    Operation("change_setting", "PUT", "/settings/{setting}"),
)
"""Every method of the API."""

_BY_NAME: Final = {operation.name: operation for operation in OPERATIONS}


def operation_of(method: Callable[..., Any]) -> Operation:
    """Return the operation that stands for a method of the API."""
    return _BY_NAME[method.__name__]
