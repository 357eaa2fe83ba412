"""The HTTP half of file uploads (XEP-0363 section 7): ``PUT`` and ``GET`` below ``/upload/``."""

import asyncio
import logging
import math
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from andiron.domain.accounts.accounts import NoSuchAccount
from andiron.domain.database.database import DatabaseError
from andiron.domain.uploads.service import SiteChannel, SlotUsed, TooManyUploads, Uploads
from andiron.domain.uploads.slot import NO_TYPE, Slot, media_type
from andiron.domain.uploads.store import Incoming
from andiron.domain.uploads.table import QuotaExceeded, Upload
from andiron.sm.link import Channel
from andiron.sm.origin import origin_allowed, read_origin
from andiron.web.discovery import base_url
from andiron.web.proxy import Proxies, way
from andiron.web.told import VIA, told

__all__ = ["site_channel_of", "upload_routes"]

logger = logging.getLogger("andiron")

_METHODS: Final = "GET, HEAD, PUT, OPTIONS"
_YEAR: Final = 31_536_000
_GATHERED: Final = 65_536
"""Bytes that are written at a time, however small the pieces are in which they come."""
_INLINE: Final = frozenset(
    {
        "image/avif",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/plain",
        "video/mp4",
        "video/ogg",
        "video/webm",
    }
)
"""What a browser may show; all of ``audio/*``, too. None of them can hold a script that runs."""
_NAMED: Final = frozenset({"application/pdf", "application/zip"})
"""What is named for what it is, but saved rather than shown."""
_HARMLESS: Final = {
    # Somebody else wrote the file: whatever it is, it must do nothing on this site.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; media-src 'self';"
    " style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
    # Pages elsewhere may show it, though: clients are there.
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "Vary": "Origin",
}
_NO_SLOT: Final = "This is no slot, or one that has expired."
_REFUSALS: Final[dict[type[Exception], tuple[int, str]]] = {
    SlotUsed: (409, "This slot has been used."),
    TooManyUploads: (429, "Too many files of this account are being uploaded."),
    QuotaExceeded: (507, "The account's quota leaves no room for this file."),
    NoSuchAccount: (403, _NO_SLOT),
}
_RANGE: Final = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.ASCII)


def site_channel_of(proxies: Proxies) -> Callable[[Mapping[str, Any]], Channel]:
    """Return the function that tells the channel of a scope, and where its client is."""

    def of(scope: Mapping[str, Any]) -> Channel:
        url, via = base_url(scope, proxies) or "", told(scope, VIA) or ""
        return SiteChannel(*way(scope, proxies), url, via=via)

    return of


def upload_routes(uploads: Uploads | None, origins: Iterable[str]) -> list[Route]:
    """Return the route of uploaded files, or none.

    Pages of the site's own origin and of ``origins`` may upload, and read what they download.
    """
    if uploads is None:
        return []
    return [Route("/upload/{token}/{name}", UploadEndpoint(uploads, origins))]


class UploadEndpoint:
    """An ASGI application for ``http`` scopes with a token and a name in their path."""

    def __init__(self, uploads: Uploads, origins: Iterable[str]) -> None:
        self._uploads = uploads
        self._origins = tuple(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        cors = self._cors(scope)
        try:
            response = await self._answer(scope, receive, cors)
        except _Gone:
            return
        except _Refused as refused:
            response = refused.response
        except (DatabaseError, OSError) as error:
            logger.warning("an uploaded file could not be stored or read: %s", error)
            response = _refusal(503, "Files cannot be stored or read at the moment.")
        response.headers.update(_HARMLESS)
        if response.headers.get("content-type", "").startswith(("audio/", "video/")):
            # Browsers play them in a page of their own, which asks for the file once more.
            response.headers["Content-Security-Policy"] += " allow-same-origin"
        response.headers.update(cors or {})
        await response(scope, receive, send)

    async def _answer(
        self, scope: Scope, receive: Receive, cors: dict[str, str] | None
    ) -> Response:
        method = scope["method"]
        if method in {"GET", "HEAD"}:
            return await self._get(scope)
        if method not in {"PUT", "OPTIONS"}:
            response = _refusal(405, "Files are put and got here.")
            response.headers["Allow"] = _METHODS
            return response
        if cors is None:
            return _refusal(403, "Pages of this origin may not upload files here.")
        if method == "OPTIONS":
            return Response(status_code=204, headers=_preflight(cors))
        return await self._put(scope, receive)

    def _cors(self, scope: Scope) -> dict[str, str] | None:
        """Return the headers that let the page read the answer; None: it may not."""
        given = read_origin(scope["headers"])
        if given is None:
            return {}
        origin, host = given
        if not (origin and origin_allowed(origin, host, self._origins)):
            return None
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": "Content-Length, Content-Range, ETag",
        }

    # Downloads

    async def _get(self, scope: Scope) -> Response:
        headers, parts = Headers(scope=scope), scope["path_params"]
        upload = await self._uploads.find(parts["token"], parts["name"])
        if upload is None:
            return _absent()
        about = self._about(upload)
        etag = about["ETag"]
        if _matches(headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=about)
        asked = headers.get("range", "") if headers.get("if-range", etag) == etag else ""
        span = byte_range(asked, upload.size)
        start, stop = span or (0, upload.size)
        if start >= stop:
            about |= {"Content-Range": f"bytes */{upload.size}", "Content-Length": "0"}
            return Response(status_code=416, headers=about)
        about["Content-Length"] = str(stop - start)
        if span is not None:
            about["Content-Range"] = f"bytes {start}-{stop - 1}/{upload.size}"
        status = 200 if span is None else 206
        if scope["method"] == "HEAD":
            return Response(status_code=status, headers=about)
        pieces = self._uploads.read(upload, start, stop)
        try:
            first = await anext(pieces)
        except FileNotFoundError:
            return _absent()
        return StreamingResponse(_chain(first, pieces), status, about)

    def _about(self, upload: Upload) -> dict[str, str]:
        kind, shown = served_as(upload.type)
        age = math.floor(min(self._uploads.seconds_left(upload), _YEAR))
        return {
            "Content-Type": kind,
            "Content-Disposition": disposition(shown, upload.name),
            "Cache-Control": f"private, max-age={age}, immutable",
            "ETag": f'"{upload.id[:32]}"',
            "Accept-Ranges": "bytes",
        }

    # Uploads

    async def _put(self, scope: Scope, receive: Receive) -> Response:
        headers, parts = Headers(scope=scope), scope["path_params"]
        slot = self._uploads.slot(parts["token"], parts["name"], headers.get("authorization", ""))
        if slot is None:
            return _refusal(403, _NO_SLOT)
        _check_head(headers, slot)
        try:
            async with self._uploads.receiving(slot) as incoming:
                await self._body(receive, slot, incoming)
                await self._uploads.keep(slot, incoming)
        except (SlotUsed, TooManyUploads, QuotaExceeded, NoSuchAccount) as error:
            response = _refusal(*_REFUSALS[type(error)])
            if isinstance(error, TooManyUploads):
                response.headers["Retry-After"] = "5"
            return response
        return Response(status_code=201)

    async def _body(self, receive: Receive, slot: Slot, incoming: Incoming) -> None:
        deadline = asyncio.get_running_loop().time() + self._uploads.config.timeout
        gathered = bytearray()
        came, more = 0, True
        while more:
            try:
                # Not around the write, which goes on in its thread whatever happens here.
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise _Refused(408, "The upload took too long.", hang_up=True) from None
            if message["type"] != "http.request":
                raise _Gone
            data = message.get("body", b"")
            more = message.get("more_body", False)
            came += len(data)
            if came > slot.size:
                raise _Refused(413, f"The slot is for {slot.size} bytes.", hang_up=True)
            gathered += data
            if len(gathered) >= _GATHERED or not more:
                await incoming.write(bytes(gathered))
                gathered.clear()
        if came != slot.size:
            raise _Refused(400, f"The slot is for {slot.size} bytes.")


class _Gone(Exception):  # noqa: N818
    """The client has left."""


class _Refused(Exception):  # noqa: N818
    """The upload ends before its time, with this answer."""

    def __init__(self, status: int, text: str, *, hang_up: bool = False) -> None:
        """``hang_up`` rather than let the server read the rest of the body and drop it."""
        super().__init__(text)
        self.response = _refusal(status, text)
        if hang_up:
            self.response.headers["Connection"] = "close"


def _check_head(headers: Headers, slot: Slot) -> None:
    """Refuse an upload by what is said of its body, before any of it is read."""
    length = headers.get("content-length", str(slot.size))
    if length != str(slot.size):
        larger = length.isdecimal() and int(length[:20]) > slot.size
        raise _Refused(413 if larger else 400, f"The slot is for {slot.size} bytes.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise _Refused(415, "Files are taken as they are, without Content-Encoding.")
    kind = headers.get("content-type", "")
    if slot.type and kind and media_type(kind) != slot.type:
        raise _Refused(415, f"The slot is for {slot.type}.")


def served_as(kind: str) -> tuple[str, bool]:
    """Return the ``Content-Type`` for a file of a media type, and whether it may be shown."""
    if kind == "text/plain":
        return "text/plain; charset=utf-8", True
    if kind in _INLINE or kind.startswith("audio/"):
        return kind, True
    return kind if kind in _NAMED else NO_TYPE, False


def disposition(shown: bool, name: str) -> str:
    """Return ``Content-Disposition`` (RFC 6266) with a name as of ``safe_name``."""
    kind = "inline" if shown else "attachment"
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace("%", "_")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Return where the range that is asked for begins and ends, None for the whole file.

    RFC 9110 section 14. What is malformed, of another unit or of several ranges
    is not heeded; of what lies behind the end, nothing is in the range.
    """
    found = _RANGE.fullmatch(header)
    if found is None:
        return None
    first, last = found[1], found[2]
    if not first:
        return (max(size - int(last), 0), size) if last else None
    start = int(first)
    if last and int(last) < start:
        return None
    return start, min(int(last) + 1, size) if last else size


def _matches(header: str, etag: str) -> bool:
    return any(given.strip().removeprefix("W/") in {etag, "*"} for given in header.split(","))


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _preflight(cors: dict[str, str]) -> dict[str, str]:
    if not cors:
        return {"Allow": _METHODS}
    return {
        "Allow": _METHODS,
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": "Authorization, Content-Type, Range",
        "Access-Control-Max-Age": "86400",
    }


def _refusal(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status, {"Cache-Control": "no-store"})


def _absent() -> Response:
    return PlainTextResponse("Not found.\n", 404, {"Cache-Control": "no-store"})
