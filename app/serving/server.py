"""``andiron serve``: uvicorn, set up for long-lived connections; needs the ``server`` extra."""

import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any

import click
import uvicorn

from andiron.application import Andiron
from andiron.creating import create_app
from andiron.domain.accounts.accounts import Accounts
from andiron.http_api.operations import PREFIX as API
from andiron.http_api.tokens import api_tokens, metrics_tokens
from andiron.serving.collecting import collect_seldom
from andiron.serving.http_protocol import HttpProtocol
from andiron.serving.limits import allow_open_files, drop_stalled
from andiron.serving.listening import BACKLOG, ServerError, listen, listening_at_file
from andiron.serving.logs import configure_logging
from andiron.serving.notify import notify
from andiron.serving.outbox import Turn
from andiron.serving.pieces import Pieces
from andiron.serving.protocols import WebSocketProtocol
from andiron.serving.silent import Silent
from andiron.settings import Settings, SettingsError
from andiron.web.demo import make_demo_accounts
from andiron.web.operator import PATH as OPERATOR
from andiron.web.proxy import Proxies

logger = logging.getLogger("andiron")


class Server(uvicorn.Server):
    """Says where it serves once it does, and tidies up before a signal ends the process."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_started: Callable[[], Awaitable[None]],
        on_stopped: Callable[[], object] = lambda: None,
        *,
        alone: bool = True,
    ) -> None:
        """``alone``: the service ends with this process, which another one would go on with."""
        super().__init__(config)
        self._alone = alone
        self._on_started = on_started
        self._on_stopped = on_stopped
        self.servers: list[asyncio.Server] = []
        self.failure: Exception | None = None
        """Why it ended as soon as it had started."""
        self._leaving = False
        """Whether it accepts no more, perhaps before it ever did."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accept connections."""
        await super().startup(sockets)
        if self.started:
            collect_seldom()
            # Threads that read the database for one let the loop go on with the others.
            sys.setswitchinterval(0.0005)
            if self._leaving:
                return
            try:
                await self._on_started()
            except Exception as error:  # noqa: BLE001 - raised when all has ended in order
                self.failure = error
                self.end()

    def accept_no_more(self) -> None:
        """Let whoever connects from now on be the next server's, not to be refused."""
        self._leaving = True
        for server in self.servers:
            server.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the application end, then what it was reached by."""
        logger.info("Stopping")
        if self._alone:
            notify("STOPPING=1")
        await super().shutdown(sockets)
        self._on_stopped()

    def end(self) -> None:
        """Begin to stop, as on SIGTERM."""
        self.should_exit = True


def run(
    settings: Settings,
    read: Callable[[], Settings] | None = None,
    *,
    opened: tuple[list[socket.socket], str] | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; in demo mode print a link for each of its accounts.

    ``read`` reads the settings anew, on SIGHUP, after which those that can take effect.
    ``opened`` are sockets that listen already, with the URL to open, in place of what the settings
    say.
    Raises :class:`ServerError` when the address cannot be listened on or the
    database was lost to another server, :class:`DatabaseError` when that fails at
    the start, and SystemExit when the application does not start, which is logged.
    """
    _log_by(settings)
    allow_open_files()
    if os.environ.get("WEB_CONCURRENCY", "1") != "1":
        logger.warning("WEB_CONCURRENCY is not heeded: give --workers to 'andiron serve'")
    andiron = create_app(settings)
    andiron.on_applied = _log_by
    if settings.socket and "unix" not in settings.trusted_proxies:
        logger.warning(
            "Whoever connects to the socket file %s is not believed what it says of clients,"
            " TLS among it: add unix to ANDIRON_TRUSTED_PROXIES",
            settings.socket,
        )
    with contextlib.ExitStack() as stack:
        listeners, url = opened or stack.enter_context(listening(settings))

        async def announce() -> None:
            if read is not None:
                on_hangup(partial(reload, andiron, read))
            place = f"the socket file {settings.socket}" if settings.socket else url
            logger.info("Serving %s at %s: %s", settings.domain, place, ", ".join(served(settings)))
            notify("READY=1", f"STATUS=Serving {settings.domain} at {place}")
            database = andiron.domain.database if andiron.at_home else None
            if database is None:
                return
            accounts = Accounts(database, settings.domain, settings.auth_iterations)
            if settings.demo:
                made = await make_demo_accounts(database, accounts)
                click.echo(demo_links(url, made))
            elif not (
                settings.registration
                or settings.auth_anonymous
                or (settings.provision and andiron.domain.site.takes_tokens)
                or await accounts.names()
            ):
                logger.warning(
                    "Nobody can sign in: the database has no account yet. In this folder"
                    " 'andiron user add NAME' makes one"
                )

        config = server_config(settings, andiron)
        server = Server(config, announce, stack.close, alone=opened is None)
        andiron.on_database_lost = server.end
        andiron.on_leaving = server.accept_no_more
        with contextlib.suppress(KeyboardInterrupt):
            server.run(listeners)
    if andiron.database_lost:
        raise ServerError(andiron.database_lost)
    if server.failure is not None:
        raise server.failure


def served(settings: Settings) -> list[str]:
    """Return what there is for clients and operators, and where."""
    there = ["WebSocket at /ws", "BOSH at /http-bind"]
    if api_tokens(settings):
        there += [f"the API at {API}", f"the operator's page at {OPERATOR}"]
    if metrics_tokens(settings):
        there.append("metrics at /metrics")
    return there


def on_hangup(call: Callable[[], object]) -> None:
    """Call on the running loop when SIGHUP comes: not at a terminal, whose end that tells."""
    if hasattr(signal, "SIGHUP") and not sys.stdin.isatty():
        with contextlib.suppress(ValueError, RuntimeError):  # another thread than the first
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, call)
            # Blocked for who is started by another, so that none that comes before ends it.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])


def _log_by(settings: Settings) -> None:
    configure_logging(settings.log_level, settings.log_format)


def reload(andiron: Andiron, read: Callable[[], Settings]) -> None:
    """Read the settings anew; what is wrong with them is logged, and nothing changes."""
    try:
        settings = read()
    except SettingsError as error:
        logger.error("The settings stay as they are: %s", error)  # noqa: TRY400 - the sentence is all
        return
    live, others = andiron.apply(settings)
    logger.info("The settings were read anew; changed: %s", ", ".join(live) or "none")
    if others:
        logger.warning("These settings take effect at the next start only: %s", ", ".join(others))


def server_config(settings: Settings, andiron: Andiron) -> uvicorn.Config:
    """Return uvicorn's configuration for these settings."""
    proxies = Proxies.of(settings.trusted_proxies)
    silent = Silent(
        andiron.strangers,
        andiron.incoming,
        patience=settings.session_negotiation_timeout,
        idle=settings.http_keep_alive,
        is_proxy=proxies.trust_named,
    )
    buffers = Pieces.buffers()
    turn = Turn()

    def http(**given: Any) -> Pieces:
        protocol = HttpProtocol(
            silent=silent,
            max_head=settings.http_max_head,
            direct=andiron.direct,
            admit=andiron.admit,
            turn=turn,
            **given,
        )
        return Pieces(protocol, buffers)

    return uvicorn.Config(
        andiron,
        lifespan="on",
        workers=1,
        http=http,  # type: ignore[arg-type]
        ws=WebSocketProtocol,
        ws_max_size=settings.max_stanza_size,
        ws_ping_interval=settings.websocket_ping_interval or None,
        ws_ping_timeout=settings.websocket_ping_timeout,
        ws_per_message_deflate=settings.websocket_compression,
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        backlog=BACKLOG,
        timeout_keep_alive=settings.http_keep_alive,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_timeout),
    )


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[tuple[list[socket.socket], str]]:
    """Listen where the settings say; enter with the sockets and the URL to open.

    Raises :class:`ServerError`.
    """
    if settings.socket:
        with listening_at_file(settings.socket, int(settings.socket_mode, 8)) as listener:
            yield [listener], settings.public_url or "http://localhost"
        return
    with contextlib.ExitStack() as stack:
        listeners = listen(settings.host, settings.port)
        for listener in listeners:
            stack.enter_context(listener)
            drop_stalled(listener, settings.websocket_ping_timeout)
        yield listeners, base_url(settings.host, listeners[0].getsockname()[1])


def base_url(host: str, port: int) -> str:
    """Return the address to open in a browser on this machine."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - recognised, not bound
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def demo_links(url: str, accounts: Sequence[tuple[str, str]]) -> str:
    """Return what a person who tries the demonstration shall do."""
    links = "\n".join(f"  {url}/#{name}:{password}" for name, password in accounts)
    return f"\nOpen these in two browser windows and chat:\n\n{links}\n"
