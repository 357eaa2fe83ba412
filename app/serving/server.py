"""``andiron serve``: uvicorn, set up for long-lived connections; needs the ``server`` extra."""

import contextlib
import functools
import gc
import logging
import math
import socket
from collections.abc import Awaitable, Callable, Sequence

import click
import uvicorn

from andiron.application import Andiron, create_app
from andiron.domain.accounts.accounts import Accounts
from andiron.serving.limits import allow_open_files, drop_stalled
from andiron.serving.logs import configure_logging
from andiron.serving.protocols import HttpProtocol, Silent, WebSocketProtocol
from andiron.settings import Settings
from andiron.web.demo import make_demo_accounts

logger = logging.getLogger("andiron")

_BACKLOG = 2048
"""Connections that may wait to be accepted: many clients come back at one time."""


class ServerError(Exception):
    """The server cannot start; the sentence says why and what to do."""


class Server(uvicorn.Server):
    """Says where it serves once it does."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accept connections."""
        await super().startup(sockets)
        if self.started:
            # What is there by now stays: looking for garbage in it would slow every sign-in.
            gc.collect()
            gc.freeze()
            await self._on_started()


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; in demo mode print a link for each of its accounts.

    Raises :class:`ServerError` when the address cannot be listened on, and
    SystemExit when the application does not start, which is logged.
    """
    configure_logging(settings.log_level)
    allow_open_files()
    andiron = create_app(settings)
    with listen(settings.host, settings.port) as listener:
        drop_stalled(listener, settings.websocket_ping_timeout)
        url = base_url(settings.host, listener.getsockname()[1])

        async def announce() -> None:
            logger.info("Serving %s at %s, WebSocket at /ws", settings.domain, url)
            database = andiron.domain.database
            if settings.demo and database is not None:
                accounts = Accounts(database, settings.domain, settings.auth_iterations)
                click.echo(demo_links(url, await make_demo_accounts(database, accounts)))

        server = Server(server_config(settings, andiron), announce)
        with contextlib.suppress(KeyboardInterrupt):
            server.run([listener])


def server_config(settings: Settings, andiron: Andiron) -> uvicorn.Config:
    """Return uvicorn's configuration for these settings."""
    silent = Silent(settings.max_negotiating, settings.session_negotiation_timeout)
    return uvicorn.Config(
        andiron,
        lifespan="on",
        http=functools.partial(HttpProtocol, silent=silent),  # type: ignore[arg-type]
        ws=functools.partial(  # type: ignore[arg-type]
            WebSocketProtocol, close_timeout=settings.websocket_close_timeout
        ),
        ws_max_size=settings.max_stanza_size,
        ws_ping_interval=settings.websocket_ping_interval or None,
        ws_ping_timeout=settings.websocket_ping_timeout,
        ws_per_message_deflate=settings.websocket_compression,
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_timeout),
    )


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises :class:`ServerError`."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ServerError(
            f"Cannot listen on {host} port {port} ({error.strerror});"
            " choose another with --host and --port, or stop what listens there."
        ) from None
    listener.set_inheritable(True)
    return listener


def base_url(host: str, port: int) -> str:
    """Return the address to open in a browser on this machine."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - recognised, not bound
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def demo_links(url: str, accounts: Sequence[tuple[str, str]]) -> str:
    """Return what a person who tries the demonstration shall do."""
    links = "\n".join(f"  {url}/#{name}:{password}" for name, password in accounts)
    return f"\nOpen these in two browser windows and chat:\n\n{links}\n"
