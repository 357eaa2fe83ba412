"""The routes of the API: who asks is looked at, then what is asked, then it is done.

Whatever changes something, or was to, leaves one line of the logger ``andiron.audit``, unless it
is the site's own code that asks, which leaves none where it asks in the same process.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from andiron.api.api import Api
from andiron.api.errors import ApiError, InvalidError
from andiron.http_api.admission import Admits, Caller
from andiron.http_api.description import described
from andiron.http_api.operations import OPERATIONS, PREFIX, Operation
from andiron.http_api.problems import code_of, problem, problem_of
from andiron.tracing.traces import of_request

__all__ = ["api_routes"]

logger = logging.getLogger("andiron")
audit = logging.getLogger("andiron.audit")

_PATIENCE: Final = 30.0
"""Seconds that a body may take to come."""
_JSON: Final = "application/json"
_METHODS: Final = frozenset({operation.method for operation in OPERATIONS})
_NO_STORE: Final = {"Cache-Control": "no-store"}
_SLICE: Final = 500
"""Values of a long list that are written before others have their turn."""


def api_routes(api: Api, admission: Admits, most: int) -> list[Route]:
    """Return the routes; a body may have ``most`` bytes."""
    paths: dict[str, list[Operation]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, []).append(operation)
    routes = [
        Route(PREFIX + path, _Endpoint(api, admission, most, there, PREFIX + path))
        for path, there in paths.items()
    ]
    document = f"{PREFIX}/openapi.json"
    description = _Description(admission, document)
    nothing = _Nothing(admission, f"{PREFIX}/…")
    return [
        Route(document, description),
        *routes,
        Route(f"{PREFIX}/{{rest:path}}", nothing),
        Route(PREFIX, nothing),
    ]


class _Guarded:
    """Answers those who are let in, and refuses others before all else."""

    def __init__(self, admission: Admits, path: str) -> None:
        """Take, as ``path``, what stands in a trace for the paths that it answers at."""
        self._admission = admission
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        admitted = await self._admission.admit(request)
        response = (
            admitted if isinstance(admitted, Response) else await self._traced(request, admitted)
        )
        if response is not None:
            await response(scope, receive, send)

    async def _traced(self, request: Request, caller: Caller) -> Response | None:
        method = request.method if request.method in _METHODS else "OTHER"
        with of_request(f"{method} {self._path}", request.headers) as span:
            try:
                response = await self._answer(request, caller)
            except ApiError as error:
                response = problem_of(error)
            except ClientDisconnect:
                span.fail("disconnected")
                return None
            except Exception as error:
                logger.exception("A request of the API failed")
                span.fail(type(error).__name__)
                response = problem(500, "Internal error", "The server's log says why.", "internal")
            span.note("http.response.status_code", response.status_code)
            return response

    async def _answer(self, request: Request, caller: Caller) -> Response:
        raise NotImplementedError


class _Endpoint(_Guarded):
    """Answers at one path, by the method."""

    def __init__(
        self,
        api: Api,
        admission: Admits,
        most: int,
        there: Iterable[Operation],
        path: str,
    ) -> None:
        super().__init__(admission, path)
        self._api = api
        self._most = most
        self._there = {operation.method: operation for operation in there}

    async def _answer(self, request: Request, caller: Caller) -> Response:
        operation = self._there.get(request.method)
        if operation is None:
            return _not_allowed(request, list(self._there))
        # A host that mounts this may have parameters of its own in the path.
        asked = {name: request.path_params[name] for name in operation.in_path}
        if not (operation.changes and caller.audited):
            return await self._done(operation, request, asked)
        result = "failed"
        try:
            response = await self._done(operation, request, asked)
            result = "refused"
            if response.status_code == operation.status:
                result = f"done{operation.to_how_many(response.body)}"
        except ApiError as error:
            result = f"refused ({code_of(error)})"
            raise
        finally:
            audit.info(
                "%s from %s: %s%s: %s",
                caller.name,
                caller.address,
                operation.name,
                operation.on_whom(asked),
                result,
            )
        return response

    async def _done(
        self, operation: Operation, request: Request, asked: dict[str, Any]
    ) -> Response:
        """Do what is asked, whose arguments become those of ``asked``."""
        if operation.has_body:
            body = await _body(request, self._most)
            if isinstance(body, Response):
                return body
            given = operation.of_body(body)
            if request.query_params:
                raise InvalidError("What is asked is in the body, and nothing in the query.")
        else:
            given = operation.of_query(_query(request))
        asked |= given
        result: Any = await getattr(self._api, operation.name)(**asked)
        if operation.status == 204:
            return Response(status_code=204, headers=_NO_STORE)
        content = await _written(operation, result)
        return Response(content, operation.status, media_type=_JSON, headers=_NO_STORE)


class _Description(_Guarded):
    """Answers with the document that describes the API."""

    async def _answer(self, request: Request, caller: Caller) -> Response:  # noqa: ARG002
        if request.method != "GET":
            return _not_allowed(request, ["GET"])
        return JSONResponse(described(request.scope.get("root_path", "")), headers=_NO_STORE)


class _Nothing(_Guarded):
    """Answers where there is nothing."""

    async def _answer(self, request: Request, caller: Caller) -> Response:  # noqa: ARG002
        return problem(404, "There is no such thing", "See openapi.json.", "not_found")


async def _written(operation: Operation, result: Any) -> bytes:
    """Return a result as JSON: a long list in slices, between which others have their turns."""
    dump = operation.result.dump_json
    if not isinstance(result, tuple) or len(result) <= _SLICE:
        return dump(result)
    parts = []
    for at in range(0, len(result), _SLICE):
        parts.append(dump(result[at : at + _SLICE])[1:-1])
        await asyncio.sleep(0)
    return b"[%b]" % b",".join(parts)


def _not_allowed(request: Request, methods: Sequence[str]) -> Response:
    allowed = ", ".join(methods)
    detail = f"{request.method[:20]} means nothing here; {allowed} does."
    return problem(405, "There is no such method", detail, "no_method", {"Allow": allowed})


def _query(request: Request) -> Mapping[str, str]:
    pairs = request.query_params.multi_items()
    query = dict(pairs)
    if len(query) < len(pairs):
        raise InvalidError("Something stands in the query twice.")
    return query


async def _body(request: Request, most: int) -> bytes | Response:
    """Return the body, or the answer to one that is not taken."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _JSON:
        return problem(415, "Another type is needed", f"Send {_JSON}.", "no_json")
    large = problem(413, "Too large", f"A request has {most} bytes at most.", "too_large")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 15 or int(length) > most):
        return large
    body = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    return large
    except TimeoutError:
        return problem(408, "Too slow", f"Send the body within {_PATIENCE:g} s.", "too_slow")
    return bytes(body)
